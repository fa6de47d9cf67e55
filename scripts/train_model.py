#!/usr/bin/env python3
"""Fine-tune one base model on one training set: discriminator, baselines and systems (paper, sections 3.2 and 4.1)."""

import os
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from synth_empathy.core import cli, code_graph, devices, folders, model_folder, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.records import SAMPLE, Record, read_jsonl
from synth_empathy.data import prompts
from synth_empathy.training import recipes


def main() -> None:
    """Parse flags, train or go on training, write the model folder with its manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--base", type=Path, required=True, metavar="DIR", help="the base model's folder")
    flags.add_argument(
        "--data", type=Path, required=True, metavar="JSONL", help="the training set: id, history, response, source"
    )
    flags.add_argument("--format", choices=prompts.STYLES, default="flat", help="how a dialogue is put to the model")
    flags.add_argument("--system", default="", help="system prompt; none when empty")
    flags.add_argument(
        "--dtype",
        choices=model_folder.DTYPES,
        default="float32",
        help="the saved weights' type; full fine-tuning computes on float32 weights",
    )
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument(
        "--processes",
        type=cli.count,
        help="spread over so many processes on CPUs, to try what GPUs do: without a GPU it is only slower",
    )
    flags.add_argument("--seed", type=cli.seed, default=0, help="order of samples, dropout and adapters' start")
    recipes.add_flags(flags)
    flags.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoints of unfinished runs (results/RUN/.state)",
    )
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the model folder to make")
    args = flags.parse_args()
    processes = recipes.number_of_processes(args.processes, args.gpus)
    if processes == 1:
        train(args, processes=1, threads=args.threads, first=True)
        return

    from synth_empathy.training import launcher

    if launcher.joined():
        train(args, processes, launcher.threads_each(args.threads, processes), first=launcher.first())
    else:
        start(args, processes)


def start(args, processes: int) -> None:
    """Start several processes, after refusing what is known to fail: each of them would load a model first."""
    from synth_empathy.training import launcher

    devices.check_gpus(args.gpus)
    hint = "give a base model another recipe, or this one other `gpus` (config.yaml, training)"
    for fault in recipes.process_faults(args.method, args.gradient_accumulation, processes):
        raise UserError(fault, hint)
    model_folder.open_model(args.base)
    if not args.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # --processes alone is for CPUs
    launcher.launch(__file__, processes, args.threads)


def train(args, processes: int, threads: int, first: bool) -> None:
    """Set over-long samples aside, fine-tune, write weights and manifest, then drop the checkpoints.

    Args:
        processes: how many compute together.
        threads: CPU threads of this process.
        first: whether this process, the first of several, writes the model.
    """
    base = model_folder.open_model(args.base)
    samples = read_jsonl(args.data, SAMPLE)

    import torch
    from transformers import AutoTokenizer

    from synth_empathy.training import sft

    devices.check_gpus(args.gpus)
    torch.set_num_threads(threads)
    recipe = recipes.from_flags(args)
    rows = sft.conversations(samples, args.format, args.system)
    rows, overlong = sft.set_aside_overlong(rows, AutoTokenizer.from_pretrained(args.base), recipe.max_length)
    examples = terminal_text(", ".join(overlong[:5])) or "none"
    print(
        f"{len(rows)} samples of at most {recipe.max_length} tokens; {len(overlong)} longer ones set aside: {examples}"
    )

    facts = {
        "kind": "trained",
        "base": {"name": base.get("name", args.base.name), "manifest_sha256": model_folder.fingerprint(args.base)},
        "data": describe_data(args.data, samples, overlong),
        "format": args.format,
        "system": args.system,
        "recipe": recipe.facts(),
        "dtype": args.dtype,
        "threads": args.threads,
        "processes": processes,  # they change the order in which gradients are added up
        "seed": args.seed,
        "versions": provenance.versions("torch", "transformers", "trl", "peft", "accelerate"),
        "code": provenance.code(__file__, entries=code_graph.SEVERAL_PROCESSES if processes > 1 else ()),
    }
    state = args.state / f"train-{provenance.sha256_json(provenance.deciding(facts))[:16]}"
    with folders.new_folder(args.output) if first else nullcontext() as folder:
        losses = sft.fine_tune(args.base, rows, recipe, args.seed, args.dtype, state, folder, processes)
        if first:
            model_folder.write_manifest(folder, facts | {"losses": losses})
    if first:
        sft.drop_checkpoints(state)


def describe_data(path: Path, samples: list[Record], overlong: list[str]) -> Record:
    """The training set in a manifest: its hash, its counts by source, and what was set aside."""
    sources = Counter(sample.get("source", "given") for sample in samples)
    return {
        "sha256": provenance.sha256_file(path),
        "samples": len(samples),
        "by_source": dict(sorted(sources.items())),
        "overlong": overlong,
    }


if __name__ == "__main__":
    cli.run(main)
