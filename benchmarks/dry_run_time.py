#!/usr/bin/env python3
"""Time of a dry-run of the paper's Table 1, and of a run that has nothing to do, beside the project's targets."""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy import cli

RUNS = [
    ("dry-run of the paper's table1", 3.0, ["-n", "table1"]),
    ("a demo that is made already, looked through", 5.0, ["-n", "--configfile", "config/demo.yaml", "--", "table1"]),
]


def main() -> None:
    """Parse flags, time each run once, print it with its share of the time aimed at."""
    flags = cli.parser(__doc__)
    flags.add_argument("--snakemake", default="snakemake", help="the snakemake to time")
    args = flags.parse_args()

    for name, target, words in RUNS:
        if "demo" in name and not Path("results/demo/tables/table1.csv").exists():
            print(f"{name}: not timed, there is none (make demo)")
            continue
        start = time.monotonic()
        done = subprocess.run([args.snakemake, *words], capture_output=True, text=True)
        seconds = time.monotonic() - start
        todo = "nothing to be done" if "Nothing to be done" in done.stdout + done.stderr else "there is something to do"
        print(f"{name}: {seconds:.1f} s, {seconds / target:.0%} of the {target:g} s aimed at; exit status {done.returncode}, {todo}")


if __name__ == "__main__":
    cli.run(main)
