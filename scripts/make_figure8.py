#!/usr/bin/env python3
"""Make Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, beside the paper's."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.records import write_text
from synth_empathy.reporting import figure_data, figures, tables


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    flags.add_argument("--csv", type=Path, required=True, help="a line a system: ours, the paper's, the difference")
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    table = tables.read_table("table2", tables.rows_from(args.row), args.cells, None, args.partial, ["cider"])
    data = figure_data.curves(table)
    write_text(args.csv, tables.with_note(figure_data.curves_csv(data), args.note))
    figures.save(figures.draw_figure8(data, args.note), args.figures)
    print(f"{len(data)} lines; numbers in {args.csv}")
    for line in figure_data.why_missing(table):
        print(terminal_text(line))


if __name__ == "__main__":
    cli.run(main)
