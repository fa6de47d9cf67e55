#!/usr/bin/env python3
"""Fine-tune one base model on one training set (paper, sections 3.2 and 4.1): discriminator, baselines and systems."""

import argparse
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
    """Parse flags, train or continue training, write the model folder with its manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--base", type=Path, required=True, metavar="DIR", help="the base model's folder")
    data_help = "the training set: id, history, response, source"
    flags.add_argument("--data", type=Path, required=True, metavar="JSONL", help=data_help)
    format_help = "the form of a dialogue in the prompt; flat is that of the released code"
    flags.add_argument("--format", choices=prompts.STYLES, default="flat", help=format_help)
    flags.add_argument("--system", default="", help="system prompt; none when empty")
    dtype_help = "type of the saved weights; full fine-tuning computes on float32 weights"
    flags.add_argument("--dtype", choices=model_folder.DTYPES, default="float32", help=dtype_help)
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; they affect exact repeatability")
    processes_help = "processes on CPUs, to test what several GPUs do; without GPUs this is only slower"
    flags.add_argument("--processes", type=cli.count, help=processes_help)
    flags.add_argument("--seed", type=cli.seed, default=0, help="order of samples, dropout, initial adapters")
    recipes.add_flags(flags)
    state_help = "folder for checkpoints of unfinished runs (results/RUN/.state)"
    flags.add_argument("--state", type=Path, required=True, metavar="DIR", help=state_help)
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the model folder to make")
    args = flags.parse_args()
    processes = recipes.number_of_processes(args.processes, args.gpus)
    if processes == 1:
        train(args, processes=1, first=True)
    else:
        train_in_parallel(args, processes)


def train_in_parallel(args: argparse.Namespace, processes: int) -> None:
    """Start the processes, or train as one of them."""
    from synth_empathy.training import launcher

    if launcher.is_launched():
        launcher.join()
        train(args, processes, first=launcher.is_first())
        return
    # What is known to fail is refused before several processes load a model.
    devices.check_gpus(args.gpus)
    hint = "give a base model another recipe, or this one other `gpus` (config.yaml, training)"
    for fault in recipes.process_faults(args.method, args.gradient_accumulation, processes):
        raise UserError(fault, hint)
    model_folder.open_model(args.base)
    if not args.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # --processes alone is for CPUs
    launcher.launch(__file__, processes, recipes.threads_each(args.threads, processes))


def train(args: argparse.Namespace, processes: int, first: bool) -> None:
    """Leave out overlong samples, fine-tune, write weights and manifest, then remove the checkpoints.

    Args:
        processes: the number of processes that train together, including this one.
        first: whether this process is the one that writes.
    """
    base = model_folder.open_model(args.base)
    samples = read_jsonl(args.data, SAMPLE)

    import torch
    from transformers import AutoTokenizer

    from synth_empathy.training import sft

    devices.check_gpus(args.gpus)
    torch.set_num_threads(recipes.threads_each(args.threads, processes))
    recipe = recipes.from_flags(args)
    rows = sft.conversations(samples, args.format, args.system)
    rows, overlong = sft.split_overlong(rows, AutoTokenizer.from_pretrained(args.base), recipe.max_length)
    named = terminal_text(", ".join(overlong[:5])) or "none"
    print(f"{len(rows)} samples of at most {recipe.max_length} tokens; {len(overlong)} longer ones left out: {named}")

    facts = {
        "kind": "trained",
        "base": {"name": base.get("name", args.base.name), "manifest_sha256": model_folder.fingerprint(args.base)},
        "data": describe_data(args.data, samples, overlong),
        "format": args.format,
        "system": args.system,
        "recipe": recipe.facts(),
        "dtype": args.dtype,
        "threads": args.threads,
        "processes": processes,  # their number changes the order in which gradients are added up
        "seed": args.seed,
        "versions": provenance.versions("torch", "transformers", "trl", "peft", "accelerate"),
        "code": provenance.code(__file__, entries=code_graph.SEVERAL_PROCESSES if processes > 1 else ()),
    }
    state = args.state / f"train-{provenance.sha256_json(provenance.deciding(facts))[:16]}"
    settings = {"seed": args.seed, "dtype": args.dtype, "state": state, "processes": processes}
    with folders.new_folder(args.output) if first else nullcontext() as folder:
        losses = sft.fine_tune(args.base, rows, recipe, folder=folder, **settings)
        if first:
            model_folder.write_manifest(folder, facts | {"losses": losses})
    if first:
        sft.drop_checkpoints(state)


def describe_data(path: Path, samples: list[Record], overlong: list[str]) -> Record:
    """The training set in a manifest: its hash, its counts by source, and the samples that were left out."""
    sources = Counter(sample.get("source", "given") for sample in samples)
    return {
        "sha256": provenance.sha256_file(path),
        "samples": len(samples),
        "by_source": dict(sorted(sources.items())),
        "overlong": overlong,
    }


if __name__ == "__main__":
    cli.run(main)
