#!/usr/bin/env python3
"""Make Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, beside the paper's."""

from synth_empathy import cli, figure_data, figures, tables


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    table = tables.read_table("table2", tables.rows_from(args.row), args.cells, None, args.partial, ["cider"])
    data = figure_data.curves(table)
    figures.save(figures.draw_figure8(data, args.note), args.figures)
    print(f"{len(data)} lines")
    for line in figure_data.why_missing(table):
        print(line)


if __name__ == "__main__":
    cli.run(main)
