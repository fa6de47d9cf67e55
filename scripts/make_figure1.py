#!/usr/bin/env python3
"""Make Figure 1: systems over metrics as a radar, from Table 1's cells."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.records import write_text
from synth_empathy.reporting import figure_data, figures, tables


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    flags.add_argument("--csv", type=Path, required=True, help="a line a system and metric: ours, the paper's, the difference")
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    table = tables.read_table("table1", tables.rows_from(args.row), args.cells, None, args.partial)
    data = figure_data.radar(table)
    write_text(args.csv, tables.with_note(figure_data.radar_csv(table), args.note))
    figures.save(figures.draw_figure1(data, args.note), args.figures)
    print(f"{len(data.systems)} systems, {len(data.metrics)} metrics; numbers in {args.csv}")
    for line in figure_data.why_missing(table):
        print(terminal_text(line))


if __name__ == "__main__":
    cli.run(main)
