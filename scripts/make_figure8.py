#!/usr/bin/env python3
"""Make Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, with the paper's values."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.files import write_text
from synth_empathy.reporting import tables
from synth_empathy.reporting.figures import data, figure8, style


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    flags.add_argument("--csv", type=Path, required=True, help="a line a system: ours, the paper's, the difference")
    style.add_flags(flags)
    args = flags.parse_args()
    style.check_names(flags, args.figures)

    rows = tables.read_rows(args.config, "table2")
    table = tables.read_table("table2", rows, args.cells, partial=args.partial, columns=["cider"])
    curves = figure8.curves(table)
    write_text(args.csv, figure8.curves_csv(curves, args.note))
    style.save(figure8.draw_figure8(curves, args.note), args.figures)
    print(f"{len(curves)} lines; numbers in {args.csv}")
    for line in data.why_missing(table):
        print(terminal_text(line))


if __name__ == "__main__":
    cli.run(main)
