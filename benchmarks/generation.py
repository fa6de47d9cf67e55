#!/usr/bin/env python3
"""What shards and a kill cost generation: one call over all rows, the same rows in shards, and one call killed half way and started again."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import read_json
from synth_empathy.inference.engines import ENGINES

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Parse flags, generate three times, print times, ratios and whether the rows are the same."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--python", default=sys.executable, help="the interpreter that has the engine (.venv-vllm/bin/python)"
    )
    flags.add_argument("--engine", choices=list(ENGINES), default="transformers", help="what runs the model")
    flags.add_argument(
        "--dtype", default="float32", help="the weights' type; only in float32 are the rows to be the same"
    )
    flags.add_argument(
        "--model",
        type=Path,
        default="models/smollm2-135m",
        metavar="DIR",
        help="the model's folder (make demo fetches this one)",
    )
    flags.add_argument(
        "--seeds",
        type=Path,
        default="results/demo/ed/train.jsonl",
        metavar="JSONL",
        help="samples to write after (make demo prepares these)",
    )
    flags.add_argument("--rows", type=cli.count, default=32, help="rows to generate")
    flags.add_argument("--shards", type=cli.count, default=8, help="parts to generate them in")
    flags.add_argument("--batch-size", type=cli.count, default=4, help="requests in flight at once")
    flags.add_argument("--max-tokens", type=cli.count, default=32, help="the most new tokens per row")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    args = flags.parse_args()

    print(
        f"{args.engine}, {args.dtype}, {args.rows} rows of up to {args.max_tokens} tokens, {args.batch_size} in flight, {args.threads} threads"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = summed([finished(args, folder / "whole")])
        parts = summed([finished(args, folder / "parts", shard, args.shards) for shard in range(args.shards)])
        print(f"{'':<24} {'start-up s':>10} {'generating s':>12} {'together s':>10} {'tokens/s':>8}")
        for what, run in (("one call", whole), (f"{args.shards} shards in turn", parts)):
            print(
                f"{what:<24} {run['start']:>10.1f} {run['generating']:>12.1f} {run['together']:>10.1f} {run['tokens'] / run['generating']:>8.1f}"
            )
        ratios = (f"{parts[key] / whole[key]:.2f}" for key in ("generating", "together"))
        print(
            "shards against one call: {} times the generating (aim: within 10 %), {} times all; rows the same: {}".format(
                *ratios, same(parts, whole)
            )
        )
        if whole["read"]:
            print(
                f"prompt tokens read, padding included: {whole['read']:,} in one call, {parts['read']:,} in shards, {parts['read'] / whole['read']:.2f} times"
            )
        killed(args, folder / "killed", whole)


def started(args: argparse.Namespace, folder: Path, shard: int = 0, shards: int = 1) -> subprocess.Popen:
    """The job of one shard, as the rule runs it, with its log in the folder."""
    folder.mkdir(exist_ok=True)
    names = {
        "seeds": args.seeds,
        "keep": args.rows,
        "prompt": ROOT / "resources/prompts/prompt2.yaml",
        "model": args.model,
        "engine": args.engine,
    }
    names |= {
        "dtype": args.dtype,
        "batch-size": args.batch_size,
        "threads": args.threads,
        "temperature": 0.8,
        "top-p": 0.9,
    }
    names |= {
        "max-tokens": args.max_tokens,
        "demonstration": ROOT / "resources/prompts/demonstration.yaml",
        "shard": shard,
        "shards": shards,
    }
    names |= {"state": folder / "state", "output": folder / f"{shard}.jsonl"}
    command = [
        args.python,
        ROOT / "scripts/generate.py",
        *(word for name, value in names.items() for word in (f"--{name}", value)),
    ]
    with open(folder / f"{shard}.log", "w") as log:
        return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)


def finished(args: argparse.Namespace, folder: Path, shard: int = 0, shards: int = 1) -> dict:
    """Run a shard's job to its end.

    Returns:
        Seconds until the model was ready, of generating, and of the whole job; new tokens, and those read with padding; the rows' lines.

    Raises:
        UserError: the job failed.
    """
    start = time.monotonic()
    status = started(args, folder, shard, shards).wait()
    together, log = time.monotonic() - start, (folder / f"{shard}.log").read_text()
    if status:
        raise UserError(
            f"shard {shard} of {shards} ended with status {status}:\n{log}",
            "run make demo first: its model and samples are used",
        )
    generating = float(re.findall(r"tokens/s, ([0-9.]+) s", log)[-1])
    tokens = read_json(folder / f"{shard}.manifest.json")["output"]["tokens"]
    rows = (folder / f"{shard}.jsonl").read_text(encoding="utf-8").splitlines()
    padded = re.search(r"([0-9,]+) to read", log)  # the transformers engine says so; vllm pads nothing
    read = int(padded[1].replace(",", "")) if padded else 0
    return {
        "start": together - generating,
        "generating": generating,
        "together": together,
        "tokens": tokens,
        "read": read,
        "rows": rows,
    }


def summed(runs: list[dict]) -> dict:
    """Jobs that ran in turn, added up; their rows sorted."""
    return {key: sum(run[key] for run in runs) for key in ("start", "generating", "together", "tokens", "read")} | {
        "rows": sorted(sum((run["rows"] for run in runs), []))
    }


def same(run: dict, whole: dict) -> str:
    """Whether two runs made the same rows."""
    return "yes" if run["rows"] == whole["rows"] else "no"


def killed(args: argparse.Namespace, folder: Path, whole: dict) -> None:
    """Kill one call with -9 when half of its rows are finished, start it again, and print what that cost."""
    start = time.monotonic()
    process = started(args, folder)
    while rows_kept(folder) < args.rows / 2 and process.poll() is None:
        time.sleep(0.01)
    if process.poll() is not None:
        raise UserError("the call ended before it could be killed", "give it more --rows")
    process.kill()
    process.wait()
    kept, before = rows_kept(folder), time.monotonic() - start
    run = summed([finished(args, folder)])
    print(
        f"killed after {before:.1f} s with {kept} rows finished, started again: {run['together']:.1f} s, with {rows_kept(folder) - kept} rows to make"
    )
    ratio, twice = (before + run["together"]) / whole["together"], rows_kept(folder) - args.rows
    print(f"both {ratio:.2f} times one call; rows finished twice: {twice}; rows the same: {same(run, whole)}")


def rows_kept(folder: Path) -> int:
    """Lines of finished rows in a job's state folder."""
    return sum(path.read_bytes().count(b"\n") for path in (folder / "state").glob("*/*.jsonl"))


if __name__ == "__main__":
    cli.run(main)
