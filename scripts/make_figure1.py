#!/usr/bin/env python3
"""Make Figure 1: systems over metrics as a radar, from Table 1's cells."""

from synth_empathy import cli, figure_data, figures, tables


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    table = tables.read_table("table1", tables.rows_from(args.row), args.cells, None, args.partial)
    data = figure_data.radar(table)
    figures.save(figures.draw_figure1(data, args.note), args.figures)
    print(f"{len(data.systems)} systems, {len(data.metrics)} metrics")
    for line in figure_data.why_missing(table):
        print(line)


if __name__ == "__main__":
    cli.run(main)
