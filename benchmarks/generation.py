#!/usr/bin/env python3
"""What shards and a kill cost generation: all rows in one call, in shards, and in one call that is killed."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import read_json
from synth_empathy.inference.engines import ENGINES

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """What one job, or several in turn, took and made.

    Args:
        start: seconds until the model was ready.
        generating: seconds of generating.
        total: seconds of the whole job.
        tokens: the number of new tokens.
        read: the number of prompt tokens read, including padding; 0 if the engine does not report it.
        rows: the lines of the output, sorted.
    """

    start: float
    generating: float
    total: float
    tokens: int
    read: int
    rows: list[str]


def main() -> None:
    """Parse flags, generate three times, print times, ratios and whether the rows are the same."""
    args = parse_flags()
    print(
        f"{args.engine}, {args.dtype}, {args.rows} rows of up to {args.max_tokens} tokens, "
        f"{args.batch_size} in flight, {args.threads} threads"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = run_job(args, folder / "whole")
        parts = in_turn([run_job(args, folder / "parts", shard, args.shards) for shard in range(args.shards)])
        print_times({"one call": whole, f"{args.shards} shards in turn": parts})
        print(
            f"shards against one call: {parts.generating / whole.generating:.2f} times the generating "
            f"(target: within 10 %), {parts.total / whole.total:.2f} times all; rows the same: {same(parts, whole)}"
        )
        if whole.read:
            print(
                f"prompt tokens read, including padding: {whole.read:,} in one call, {parts.read:,} in shards, "
                f"{parts.read / whole.read:.2f} times"
            )
        measure_kill(args, folder / "killed", whole)


def parse_flags() -> argparse.Namespace:
    """The flags of this benchmark."""
    flags = cli.parser(__doc__)
    python_help = "the interpreter that has the engine (.venv-vllm/bin/python)"
    flags.add_argument("--python", default=sys.executable, help=python_help)
    flags.add_argument("--engine", choices=list(ENGINES), default="transformers", help="what runs the model")
    dtype_help = "type of the weights; the rows need to be the same in float32 only"
    flags.add_argument("--dtype", default="float32", help=dtype_help)
    model_help = "the model's folder (make demo fetches this one)"
    flags.add_argument("--model", type=Path, default="models/smollm2-135m", metavar="DIR", help=model_help)
    seeds, seeds_help = "results/demo/ed/train.jsonl", "samples to generate from (make demo prepares these)"
    flags.add_argument("--seeds", type=Path, default=seeds, metavar="JSONL", help=seeds_help)
    flags.add_argument("--rows", type=cli.count, default=32, help="rows to generate")
    flags.add_argument("--shards", type=cli.count, default=8, help="parts to generate them in")
    flags.add_argument("--batch-size", type=cli.count, default=4, help="requests in flight at once")
    flags.add_argument("--max-tokens", type=cli.count, default=32, help="largest number of new tokens per row")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    return flags.parse_args()


def print_times(runs: dict[str, Run]) -> None:
    """Print a table of runs by name."""
    print(f"{'':<24} {'start-up s':>10} {'generating s':>12} {'together s':>10} {'tokens/s':>8}")
    for name, run in runs.items():
        speed = run.tokens / run.generating
        print(f"{name:<24} {run.start:>10.1f} {run.generating:>12.1f} {run.total:>10.1f} {speed:>8.1f}")


def start_job(args: argparse.Namespace, folder: Path, shard: int = 0, shards: int = 1) -> subprocess.Popen:
    """Start the job of one shard, as the rule runs it, with its log in the folder."""
    folder.mkdir(exist_ok=True)
    values = {
        "seeds": args.seeds,
        "keep": args.rows,
        "prompt": ROOT / "resources/prompts/prompt2.yaml",
        "demonstration": ROOT / "resources/prompts/demonstration.yaml",
        "model": args.model,
        "engine": args.engine,
        "dtype": args.dtype,
        "batch-size": args.batch_size,
        "threads": args.threads,
        "temperature": 0.8,
        "top-p": 0.9,
        "max-tokens": args.max_tokens,
        "shard": shard,
        "shards": shards,
        "state": folder / "state",
        "output": folder / f"{shard}.jsonl",
    }
    flags = [word for name, value in values.items() for word in (f"--{name}", value)]
    command = [args.python, ROOT / "scripts/generate.py", *flags]
    with open(folder / f"{shard}.log", "w") as log:
        return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)


def run_job(args: argparse.Namespace, folder: Path, shard: int = 0, shards: int = 1) -> Run:
    """Run a shard's job to its end.

    Raises:
        UserError: the job failed.
    """
    start = time.monotonic()
    status = start_job(args, folder, shard, shards).wait()
    total, log = time.monotonic() - start, (folder / f"{shard}.log").read_text()
    if status:
        problem = f"shard {shard} of {shards} ended with status {status}:\n{log}"
        raise UserError(problem, "run make demo first: this benchmark uses its model and samples")
    generating = float(re.findall(r"tokens/s, ([0-9.]+) s", log)[-1])
    read = re.search(r"([0-9,]+) to read", log)  # only the transformers engine reports it; vllm pads nothing
    return Run(
        start=total - generating,
        generating=generating,
        total=total,
        tokens=read_json(folder / f"{shard}.manifest.json")["output"]["tokens"],
        read=int(read[1].replace(",", "")) if read else 0,
        rows=sorted((folder / f"{shard}.jsonl").read_text(encoding="utf-8").splitlines()),
    )


def in_turn(runs: list[Run]) -> Run:
    """Jobs that ran in turn, as one."""
    return Run(
        start=sum(run.start for run in runs),
        generating=sum(run.generating for run in runs),
        total=sum(run.total for run in runs),
        tokens=sum(run.tokens for run in runs),
        read=sum(run.read for run in runs),
        rows=sorted(row for run in runs for row in run.rows),
    )


def same(run: Run, whole: Run) -> str:
    """Whether two runs made the same rows."""
    return "yes" if run.rows == whole.rows else "no"


def measure_kill(args: argparse.Namespace, folder: Path, whole: Run) -> None:
    """Kill one call with -9 when half of its rows are finished, start it again, and print what that cost.

    Raises:
        UserError: the call ended before it could be killed.
    """
    start = time.monotonic()
    process = start_job(args, folder)
    while rows_kept(folder) < args.rows / 2 and process.poll() is None:
        time.sleep(0.01)
    if process.poll() is not None:
        raise UserError("the call ended before it could be killed", "give it more --rows")
    process.kill()
    process.wait()
    kept, before = rows_kept(folder), time.monotonic() - start
    run = run_job(args, folder)
    made = rows_kept(folder) - kept
    print(
        f"killed after {before:.1f} s with {kept} rows finished, started again: {run.total:.1f} s, "
        f"with {made} rows to make"
    )
    ratio, twice = (before + run.total) / whole.total, kept + made - args.rows
    print(f"together {ratio:.2f} times one call; rows finished twice: {twice}; rows the same: {same(run, whole)}")


def rows_kept(folder: Path) -> int:
    """The number of finished rows in a job's state folder."""
    return sum(path.read_bytes().count(b"\n") for path in (folder / "state").glob("*/*.jsonl"))


if __name__ == "__main__":
    cli.run(main)
