#!/usr/bin/env python3
"""Time of dry-runs (the paper's Table 1, the same in 10,000 shards, a demo that is made already) beside the project's targets."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy.core import cli

#: Jobs of the large DAG: one a shard, and the few that Table 1 has besides.
SHARDS = 10_000

RUNS = [
    ("dry-run of the paper's table1", 3.0, ["-n", "table1"]),
    (
        f"quiet dry-run of the paper's table1 in {SHARDS:,} shards, a job each",
        12.0,
        ["-n", "-q", "--configfile", "{overlay}", "--", "table1"],
    ),
    ("a demo that is made already, looked through", 5.0, ["-n", "--configfile", "config/demo.yaml", "--", "table1"]),
]


def main() -> None:
    """Parse flags, time each run, print it with its share of the time aimed at."""
    flags = cli.parser(__doc__)
    flags.add_argument("--snakemake", default="snakemake", help="the snakemake to time")
    flags.add_argument(
        "--repeat", type=cli.count, default=1, metavar="N", help="times to run each; the shortest counts"
    )
    args = flags.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        # A file, since Snakemake reads nested numbers of --config as text.
        overlay = Path(folder) / "shards.yaml"
        overlay.write_text(f"generation: {{shards: {SHARDS}}}\n")
        for name, target, words in RUNS:
            if "demo" in name and not Path("results/demo/tables/table1.csv").exists():
                print(f"{name}: not timed, there is none (make demo)")
                continue
            command = [args.snakemake, *(word.format(overlay=overlay) for word in words)]
            tell(name, target, [timed(command) for _ in range(args.repeat)])


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds by the clock and of CPU time of one run, and how it ended."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    todo = "nothing to be done" if "Nothing to be done" in done.stdout + done.stderr else "there is something to do"
    return (
        seconds,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        f"exit status {done.returncode}, {todo}",
    )


def tell(name: str, target: float, runs: list[tuple[float, float, str]]) -> None:
    """One line: the shortest run beside the time aimed at, its CPU time, and all runs where there are several."""
    seconds, cpu, end = min(runs)
    others = f"; all runs: {', '.join(f'{run[0]:.1f}' for run in runs)} s" if len(runs) > 1 else ""
    print(
        f"{name}: {seconds:.1f} s ({cpu:.1f} s of CPU time), {seconds / target:.0%} of the {target:g} s aimed at; {end}{others}"
    )


if __name__ == "__main__":
    cli.run(main)
