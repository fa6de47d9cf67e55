#!/usr/bin/env python3
"""List the files of a run that other code than today's made, if Snakemake does not make them again by itself.

Exit status: 0 no file is stale, 1 some are stale, 2 there is no such run.
"""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.execution import stale


def main() -> None:
    """Parse flags, read manifests and seals, print; fail if a file is stale."""
    flags = cli.parser(__doc__)
    flags.add_argument("--results", type=Path, required=True, metavar="DIR", help="a run's results: results/{run}")
    args = flags.parse_args()
    if not args.results.is_dir():
        flags.error(f"there is no folder {args.results}: give a run's results, results/RUN")

    files = stale.made_files(args.results)
    for line in stale.report_lines(args.results, files):
        print(terminal_text(line))
    raise SystemExit(1 if any(made.changes for made in files) else 0)


if __name__ == "__main__":
    cli.run(main)
