#!/usr/bin/env python3
"""What it costs to generate in shards, one after the other, rather than in one call over all rows: time, and that the rows are the same."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy import cli
from synth_empathy.engines import ENGINES
from synth_empathy.errors import UserError
from synth_empathy.records import read_json

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Parse flags, generate twice, print both times and their ratio."""
    flags = cli.parser(__doc__)
    flags.add_argument("--python", default=sys.executable, help="the interpreter that has the engine (.venv-vllm/bin/python)")
    flags.add_argument("--engine", choices=ENGINES, default="transformers", help="what runs the model")
    flags.add_argument("--dtype", default="float32", help="the weights' type; only in float32 are the rows to be the same")
    flags.add_argument("--model", type=Path, default="models/smollm2-135m", metavar="DIR", help="the model's folder (make demo fetches this one)")
    flags.add_argument("--seeds", type=Path, default="results/demo/ed/train.jsonl", metavar="JSONL", help="samples to write after (make demo prepares these)")
    flags.add_argument("--rows", type=cli.count, default=64, help="rows to generate")
    flags.add_argument("--shards", type=cli.count, default=8, help="parts to generate them in")
    flags.add_argument("--batch-size", type=cli.count, default=16, help="requests in flight at once")
    flags.add_argument("--max-tokens", type=cli.count, default=64, help="the most new tokens per row")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    args = flags.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        whole = generate(args, Path(folder) / "whole", 1)
        parts = generate(args, Path(folder) / "parts", args.shards)
    print(f"{args.engine}, {args.dtype}, {args.rows} rows of up to {args.max_tokens} tokens, {args.batch_size} in flight, {args.threads} threads")
    print(f"{'':<24} {'start-up s':>10} {'generating s':>12} {'together s':>10} {'tokens/s':>8}")
    for name, run in (("one call", whole), (f"{args.shards} shards in turn", parts)):
        print(f"{name:<24} {run['start']:>10.1f} {run['generating']:>12.1f} {run['together']:>10.1f} {run['tokens'] / run['generating']:>8.1f}")
    ratios = (f"{parts[key] / whole[key]:.2f}" for key in ("generating", "together"))
    print("shards against one call: {} times the generating, {} times all".format(*ratios))
    print(f"rows the same: {'yes' if parts['rows'] == whole['rows'] else 'no'}")


def generate(args: argparse.Namespace, folder: Path, shards: int) -> dict:
    """Generate all rows in so many jobs, one after the other, as the rule does.

    Returns:
        Seconds until the models were ready, of generating, and of the whole jobs; new tokens; the rows' lines, sorted.
    """
    sums = {"start": 0.0, "generating": 0.0, "together": 0.0, "tokens": 0, "rows": []}
    for shard in range(shards):
        output = folder / f"{shard}.jsonl"
        names = {"seeds": args.seeds, "keep": args.rows, "prompt": ROOT / "resources/prompts/prompt2.yaml", "model": args.model, "engine": args.engine}
        names |= {"dtype": args.dtype, "batch-size": args.batch_size, "threads": args.threads, "temperature": 0.8, "top-p": 0.9}
        names |= {"max-tokens": args.max_tokens, "demonstration": ROOT / "resources/prompts/demonstration.yaml", "shard": shard, "shards": shards}
        names |= {"state": folder / "state", "output": output, "manifest": folder / f"{shard}.manifest.json"}
        command = [args.python, str(ROOT / "scripts/generate.py"), *(str(word) for name, value in names.items() for word in (f"--{name}", value))]
        start = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise UserError(f"shard {shard} of {shards} ended with status {done.returncode}", "see its message above")
        together = time.monotonic() - start
        generating = float(re.findall(r"tokens/s, ([0-9.]+) s", done.stdout)[-1])
        sums["together"] += together
        sums["generating"] += generating
        sums["start"] += together - generating
        sums["tokens"] += read_json(names["manifest"])["output"]["tokens"]
        sums["rows"] = sorted(sums["rows"] + output.read_text(encoding="utf-8").splitlines())
    return sums


if __name__ == "__main__":
    cli.run(main)
