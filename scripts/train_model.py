#!/usr/bin/env python3
"""Fine-tune one base model on one training set (paper, sections 3.2 and 4.1): discriminator, baselines and systems alike."""

import os
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from synth_empathy import cli, devices, folders, models, prompts, provenance, recipes, spreading
from synth_empathy.errors import UserError
from synth_empathy.escaping import terminal_text
from synth_empathy.records import SAMPLE, Record, read_jsonl


def main() -> None:
    """Parse flags, train or go on training, write the model folder with its manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--base", type=Path, required=True, metavar="DIR", help="the base model's folder")
    flags.add_argument("--data", type=Path, required=True, metavar="JSONL", help="the training set: id, history, response, source")
    flags.add_argument("--format", choices=prompts.STYLES, default="flat", help="how a dialogue is put to the model")
    flags.add_argument("--system", default="", help="system prompt; none when empty")
    flags.add_argument("--dtype", choices=models.DTYPES, default="float32", help="the saved weights' type; full fine-tuning computes on float32 weights")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument("--processes", type=cli.count, help="spread over so many processes on CPUs, to try what GPUs do: without a GPU it is only slower")
    flags.add_argument("--seed", type=cli.seed, default=0, help="order of samples, dropout and adapters' start")
    recipes.add_flags(flags)
    flags.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder for checkpoints of unfinished runs (results/RUN/.state)")
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the model folder to make")
    args = flags.parse_args()
    processes = spreading.processes_of(args.processes, args.gpus)
    if processes > 1 and not spreading.joined():
        start(args, processes)
    else:
        train(args, processes)


def start(args, processes: int) -> None:
    """Refuse what is known to fail before several processes load a model, and start them."""
    devices.check_gpus(args.gpus)
    hint = "give a base model another recipe, or this one other `gpus` (config.yaml, training)"
    for fault in spreading.faults(args.method, args.gradient_accumulation, processes):
        raise UserError(fault, hint)
    models.open_model(args.base)
    if not args.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # --processes alone is for CPUs
    spreading.launch(__file__, processes, args.threads)


def train(args, processes: int) -> None:
    """Set over-long samples aside, fine-tune, write weights and manifest, then drop the checkpoints.

    Of several processes all compute, and the first one writes.
    """
    base = models.open_model(args.base)
    samples = read_jsonl(args.data, SAMPLE)

    import torch
    from transformers import AutoTokenizer

    from synth_empathy import training

    devices.check_gpus(args.gpus)
    torch.set_num_threads(spreading.threads_each(args.threads, processes))
    recipe = recipes.from_flags(args)
    rows = training.conversations(samples, args.format, args.system)
    rows, overlong = training.set_aside_overlong(rows, AutoTokenizer.from_pretrained(args.base), recipe.max_length)
    first = terminal_text(", ".join(overlong[:5])) or "none"
    print(f"{len(rows)} samples of at most {recipe.max_length} tokens; {len(overlong)} longer ones set aside: {first}")

    facts = {
        "kind": "trained",
        "base": {"name": base.get("name", args.base.name), "manifest_sha256": models.fingerprint(args.base)},
        "data": describe_data(args.data, samples, overlong),
        "format": args.format,
        "system": args.system,
        "recipe": recipe.facts(),
        "dtype": args.dtype,
        "threads": args.threads,
        "processes": processes,  # they change the order in which gradients are added up
        "seed": args.seed,
        "versions": provenance.versions("torch", "transformers", "trl", "peft", "accelerate"),
        "code": provenance.code(__file__),
    }
    state = args.state / f"train-{provenance.sha256_json(provenance.deciding(facts))[:16]}"
    first = spreading.first()
    with folders.new_folder(args.output) if first else nullcontext() as folder:
        losses = training.fine_tune(args.base, rows, recipe, args.seed, args.dtype, state, folder, processes)
        if first:
            models.write_manifest(folder, facts | {"losses": losses})
    if first:
        training.drop_checkpoints(state)


def describe_data(path: Path, samples: list[Record], overlong: list[str]) -> Record:
    """The training set in a manifest: its hash, its counts by source, and what was set aside."""
    sources = Counter(sample.get("source", "given") for sample in samples)
    return {"sha256": provenance.sha256_file(path), "samples": len(samples), "by_source": dict(sorted(sources.items())), "overlong": overlong}


if __name__ == "__main__":
    cli.run(main)
