#!/usr/bin/env python3
"""Make Figure 1: systems over metrics as a radar, from Table 1's cells."""

from pathlib import Path

from synth_empathy import cli, figure_data, figures
from synth_empathy.cells import read_cell


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    flags.add_argument("--cells", type=Path, nargs="+", required=True, metavar="JSON", help="Table 1's cells, our system's first")
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    cells = [read_cell(path) for path in args.cells]
    data = figure_data.radar(cells)
    figures.save(figures.draw_figure1(data, args.note), args.figures)
    print(f"{len(data.systems)} systems, {len(data.metrics)} metrics")
    for line in figure_data.why_missing(cells):
        print(line)


if __name__ == "__main__":
    cli.run(main)
