#!/usr/bin/env python3
"""Make Figure 1: systems over metrics as a radar, from Table 1's cells."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.files import write_text
from synth_empathy.reporting import tables
from synth_empathy.reporting.figures import data, figure1, style


def main() -> None:
    """Parse flags, read the cells, draw."""
    flags = cli.parser(__doc__)
    tables.add_flags(flags)
    numbers = "a line a system and metric: ours, the paper's, the difference"
    flags.add_argument("--csv", type=Path, required=True, help=numbers)
    style.add_flags(flags)
    args = flags.parse_args()
    style.check_names(flags, args.figures)

    rows = tables.read_rows(args.config, "table1")
    table = tables.read_table("table1", rows, args.cells, partial=args.partial)
    radar = figure1.radar(table)
    write_text(args.csv, figure1.radar_csv(table, args.note))
    style.save(figure1.draw_figure1(radar, args.note), args.figures)
    print(f"{len(radar.systems)} systems, {len(radar.metrics)} metrics; numbers in {args.csv}")
    for line in data.why_missing(table):
        print(terminal_text(line))


if __name__ == "__main__":
    cli.run(main)
