#!/usr/bin/env python3
"""Make one of the paper's tables from its cells: our values, the paper's, the differences (paper, section 4)."""

from pathlib import Path

from synth_empathy import cli, tables
from synth_empathy.records import write_text


def main() -> None:
    """Parse flags, read the cells, write the table as CSV, Markdown and LaTeX."""
    flags = cli.parser(__doc__)
    flags.add_argument("--table", choices=list(tables.COLUMNS), required=True, help="which one")
    flags.add_argument("--cells", type=Path, required=True, metavar="DIR", help="folder of {base}/{training_set}/{metric}.json")
    flags.add_argument("--row", nargs=3, action="append", required=True, metavar=("BASE", "TRAINING_SET", "TITLE"), help="a row; may be given again")
    flags.add_argument("--note", help="a sentence under the heading")
    flags.add_argument("--partial", action="store_true", help="show cells that are not there as missing, instead of refusing")
    flags.add_argument("--csv", type=Path, required=True, help="one line a cell")
    flags.add_argument("--markdown", type=Path, required=True, help="the same to read")
    flags.add_argument("--latex", type=Path, required=True, help="the same for LaTeX, with booktabs")
    args = flags.parse_args()

    rows = [tables.Row(base, training_set, title, None) for base, training_set, title in args.row]
    table = tables.read_table(args.table, rows, args.cells, args.note, args.partial)
    write_text(args.csv, tables.as_csv(table))
    write_text(args.latex, tables.as_latex(table))
    write_text(args.markdown, tables.as_markdown(table))
    print(tables.as_markdown(table))


if __name__ == "__main__":
    cli.run(main)
