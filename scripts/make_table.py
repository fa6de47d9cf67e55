#!/usr/bin/env python3
"""Make one of the paper's tables: our value, the paper's, and the difference (paper, section 4.2)."""

from pathlib import Path

from synth_empathy import cli, tables
from synth_empathy.records import write_text


def main() -> None:
    """Parse flags, read the metrics, write the table as CSV and Markdown."""
    flags = cli.parser(__doc__)
    flags.add_argument("--title", required=True, help="the table's heading")
    flags.add_argument("--note", help="a sentence under the heading")
    flags.add_argument("--paper", type=Path, required=True, metavar="CSV", help="the paper's numbers (resources/paper/)")
    flags.add_argument(
        "--system", nargs="+", action="append", required=True, metavar="WORD",
        help="KEY TITLE PAPER_ROW METRICS.json...: a system, its row in the paper's table or none, and its metrics, a file a seed, or two with BERTScore's own",
    )  # fmt: skip
    flags.add_argument("--csv", type=Path, required=True, help="one line a system and metric")
    flags.add_argument("--markdown", type=Path, required=True, help="the same to read")
    args = flags.parse_args()
    if any(len(words) < 4 for words in args.system):
        flags.error("--system takes a key, a title, a row of the paper's table or none, and at least one metrics file")

    paper = tables.read_paper_table(args.paper)
    rows = [tables.read_row(key, title, None if row == "none" else row, list(map(Path, files)), paper) for key, title, row, *files in args.system]
    write_text(args.csv, tables.as_csv(rows))
    write_text(args.markdown, tables.as_markdown(args.title, rows, args.note))
    print(tables.as_markdown(args.title, rows, args.note))


if __name__ == "__main__":
    cli.run(main)
