#!/usr/bin/env python3
"""Time and memory of a finished run by rule, from Snakemake's own benchmark files, beside the project's targets."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError


def main() -> None:
    """Parse flags, read every benchmark file of the run, print a table."""
    flags = cli.parser(__doc__)
    flags.add_argument("--results", type=Path, default="results/demo", metavar="DIR", help="the run to read")
    args = flags.parse_args()

    rules = read_benchmarks(args.results / "benchmarks")
    print(f"{'rule':<20} {'jobs':>4} {'seconds':>8} {'largest MB':>10}")
    for rule, jobs in sorted(rules.items(), key=lambda item: -sum(seconds for seconds, _ in item[1])):
        print(
            f"{rule:<20} {len(jobs):>4} {sum(seconds for seconds, _ in jobs):>8.1f} {max(memory for _, memory in jobs):>10,.0f}"
        )
    seconds = sum(seconds for jobs in rules.values() for seconds, _ in jobs)
    memory = max(memory for jobs in rules.values() for _, memory in jobs)
    print(f"{'all':<20} {sum(map(len, rules.values())):>4} {seconds:>8.1f} {memory:>10,.0f}")
    print(
        f"sum of the jobs: {seconds / 480:.0%} of the 8 minutes aimed at; largest process: {memory / 6000:.0%} of the 6 GB aimed at"
    )


def read_benchmarks(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds and megabytes (10^6 bytes) of each job, by rule; memory 0 where a job ended before it was measured."""
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
