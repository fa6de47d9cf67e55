#!/usr/bin/env python3
"""Time of three dry-runs next to the project's targets: the paper's Table 1, in 10,000 shards, and a finished demo."""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli

#: The number of jobs in the large DAG, apart from the few that Table 1 has besides the shards.
SHARDS = 10_000
DEMO = Path("results/demo/tables/table1.csv")


@dataclass(frozen=True, order=True)
class Run:
    """One timed run: seconds by the clock, seconds of CPU time, and how it ended."""

    seconds: float
    cpu_seconds: float
    end: str


def main() -> None:
    """Parse flags, time each dry-run, print it with its share of the target."""
    flags = cli.parser(__doc__)
    flags.add_argument("--snakemake", default="snakemake", help="the snakemake to time")
    repeat_help = "number of runs of each; the shortest counts"
    flags.add_argument("--repeat", type=cli.count, default=1, metavar="N", help=repeat_help)
    args = flags.parse_args()

    measure(args, "dry-run of the paper's table1", 3.0, ["table1"])
    with tempfile.TemporaryDirectory() as folder:
        # A file, because Snakemake reads nested numbers of --config as text.
        overlay = Path(folder) / "shards.yaml"
        overlay.write_text(f"generation: {{shards: {SHARDS}}}\n")
        name = f"quiet dry-run of the paper's table1 in {SHARDS:,} shards, one job each"
        measure(args, name, 12.0, ["-q", "--configfile", str(overlay), "--", "table1"])
    name = "dry-run of a finished demo"
    if DEMO.exists():
        measure(args, name, 5.0, ["--configfile", "config/demo.yaml", "--", "table1"])
    else:
        print(f"{name}: not timed, because there is none (make demo)")


def measure(args: argparse.Namespace, name: str, target: float, words: list[str]) -> None:
    """Time a dry-run as often as the flags say, and print its line.

    Args:
        target: the project's target in seconds.
        words: the arguments of Snakemake besides ``-n``.
    """
    command = [args.snakemake, "-n", *words]
    report(name, target, [timed(command) for _ in range(args.repeat)])


def timed(command: list[str]) -> Run:
    """Run a command and measure it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    jobs = "nothing to be done" if "Nothing to be done" in done.stdout + done.stderr else "there are jobs"
    return Run(seconds, cpu_seconds, f"exit status {done.returncode}, {jobs}")


def report(name: str, target: float, runs: list[Run]) -> None:
    """Print one line: the shortest run next to the target, its CPU time, and all runs if there are several."""
    best = min(runs)
    share = f"{best.seconds / target:.0%} of the target of {target:g} s"
    times = f"; all runs: {', '.join(f'{run.seconds:.1f}' for run in runs)} s" if len(runs) > 1 else ""
    print(f"{name}: {best.seconds:.1f} s ({best.cpu_seconds:.1f} s of CPU time), {share}; {best.end}{times}")


if __name__ == "__main__":
    cli.run(main)
