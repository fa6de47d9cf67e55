#!/usr/bin/env python3
"""List the files that differ between two runs' results, in the order in which data flow, and by how much.

Exit status: 0 no file differs, 1 some differ, 2 a folder is missing.
"""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.execution import run_diff


def main() -> None:
    """Parse flags, compare, print; fail where something differs."""
    flags = cli.parser(__doc__)
    flags.add_argument("a", type=Path, metavar="A", help="a run's results: results/{run}")
    flags.add_argument("b", type=Path, metavar="B", help="the results of another run, or of another checkout")
    args = flags.parse_args()
    for folder in (args.a, args.b):
        if not folder.is_dir():
            flags.error(f"there is no folder {folder}: give two runs' results, results/RUN each")

    differences = run_diff.compare(args.a, args.b)
    for line in run_diff.report_lines(args.a, args.b, differences):
        print(terminal_text(line))
    raise SystemExit(1 if differences else 0)


if __name__ == "__main__":
    cli.run(main)
