#!/usr/bin/env python3
"""Time and memory of each rule of a finished run, from Snakemake's benchmark files, next to the project's targets."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError

#: The targets: seconds of all jobs together, and megabytes of the largest process.
SECONDS, MEGABYTES = 480, 6000


def main() -> None:
    """Parse flags, read every benchmark file of the run, print a table."""
    flags = cli.parser(__doc__)
    flags.add_argument("--results", type=Path, default="results/demo", metavar="DIR", help="the run to read")
    args = flags.parse_args()

    rules = read_benchmarks(args.results / "benchmarks")
    print(f"{'rule':<20} {'jobs':>4} {'seconds':>8} {'largest MB':>10}")
    for rule, jobs in sorted(rules.items(), key=lambda item: -total_seconds(item[1])):
        print(f"{rule:<20} {len(jobs):>4} {total_seconds(jobs):>8.1f} {largest_memory(jobs):>10,.0f}")
    jobs = sum(rules.values(), [])
    seconds, memory = total_seconds(jobs), largest_memory(jobs)
    print(f"{'all':<20} {len(jobs):>4} {seconds:>8.1f} {memory:>10,.0f}")
    print(f"sum of the jobs: {seconds / SECONDS:.0%} of the target of {SECONDS / 60:g} minutes")
    print(f"largest process: {memory / MEGABYTES:.0%} of the target of {MEGABYTES / 1000:g} GB")


def total_seconds(jobs: list[tuple[float, float]]) -> float:
    """The seconds of some jobs together."""
    return sum(seconds for seconds, _ in jobs)


def largest_memory(jobs: list[tuple[float, float]]) -> float:
    """The megabytes of the largest process among some jobs."""
    return max(memory for _, memory in jobs)


def read_benchmarks(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds and megabytes (10^6 bytes) of each job, by rule; the memory of a job too short to be measured is 0.

    Raises:
        UserError: the folder has no benchmark files.
    """
    rules = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, newline="") as file:
            [row] = csv.DictReader(file, delimiter="\t")
        memory = float(row["max_rss"]) * 2**20 / 1e6 if row["max_rss"] not in ("NA", "-") else 0.0
        rules[path.relative_to(folder).parts[0].removesuffix(".tsv")].append((float(row["s"]), memory))
    if not rules:
        raise UserError(f"there are no benchmark files in {folder}", "run the pipeline first: make demo")
    return rules


if __name__ == "__main__":
    cli.run(main)
