#!/usr/bin/env python3
"""Make Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, beside the paper's."""

from pathlib import Path

from synth_empathy import cli, figure_data, figures
from synth_empathy.cells import read_cell


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    flags.add_argument("--cells", type=Path, nargs="+", required=True, metavar="JSON", help="Table 2's cider cells")
    figures.add_flags(flags)
    args = flags.parse_args()
    figures.check_names(flags, args.figures)

    cells = [read_cell(path) for path in args.cells]
    figures.save(figures.draw_figure8(figure_data.curves(cells), args.note), args.figures)
    print(f"{len(cells)} cells")
    for line in figure_data.why_missing(cells):
        print(line)


if __name__ == "__main__":
    cli.run(main)
