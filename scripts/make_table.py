#!/usr/bin/env python3
"""Make one of the paper's tables from its cells: our values, the paper's, the differences (paper, section 4)."""

from dataclasses import replace
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.files import write_text
from synth_empathy.reporting import table_latex, table_markdown, tables
from synth_empathy.systems import ED


def main() -> None:
    """Parse flags, read the cells, write the table as CSV, Markdown and LaTeX."""
    flags = cli.parser(__doc__)
    flags.add_argument("--table", choices=list(tables.COLUMNS), required=True, help="the table")
    tables.add_flags(flags)
    flags.add_argument("--note", help="a sentence under the heading")
    flags.add_argument("--dataset", default=ED, help="the run's data set; the paper's values are ED's alone")
    flags.add_argument("--csv", type=Path, required=True, help="one line a cell")
    flags.add_argument("--markdown", type=Path, required=True, help="the same to read")
    flags.add_argument("--latex", type=Path, required=True, help="the same for LaTeX, with booktabs")
    args = flags.parse_args()

    rows = tables.read_rows(args.config, args.table)
    table = tables.read_table(args.table, rows, args.cells, note=args.note, partial=args.partial)
    table = replace(table, dataset=args.dataset)
    write_text(args.csv, tables.as_csv(table))
    write_text(args.latex, table_latex.as_latex(table))
    markdown = table_markdown.as_markdown(table)
    write_text(args.markdown, markdown)
    print(markdown)


if __name__ == "__main__":
    cli.run(main)
