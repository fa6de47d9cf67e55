#!/usr/bin/env python3
"""Make cells of a row of the paper's tables: our value over the seeds, the paper's, the difference (section 4)."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.evaluation.metrics import EVERY_TABLE
from synth_empathy.reporting import cells, paper_values


def main() -> None:
    """Parse flags, read one document a seed, write one file a metric."""
    flags = cli.parser(__doc__)
    flags.add_argument("--table", choices=EVERY_TABLE, required=True, help="the table")
    flags.add_argument("--base", required=True, help="the row's base model, or a system that is not ours")
    flags.add_argument("--training-set", required=True, help="what it was trained on (docs/files.md)")
    flags.add_argument("--title", required=True, help="how the table names the row")
    names = f"one or more of {', '.join(cells.HEADINGS)}"
    flags.add_argument("--metrics", nargs="+", required=True, choices=cells.HEADINGS, metavar="NAME", help=names)
    document = {"metavar": ("SEED", "JSON"), "help": "a seed's metrics, or the counts of its selection"}
    flags.add_argument("--seed", nargs=2, action="append", default=[], **document)
    flags.add_argument("--left-out", metavar="WHY", help="why there are no values, in place of --seed")
    numbers = "the paper's numbers (resources/paper/)"
    flags.add_argument("--paper", type=Path, required=True, metavar="CSV", help=numbers)
    flags.add_argument("--paper-row", help="the row's name in the paper's numbers; none for a row that is ours alone")
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for {metric}.json")
    args = flags.parse_args()
    if bool(args.seed) == bool(args.left_out):
        flags.error("give either --seed, or --left-out with the reason")

    paper = paper_values.read_row(args.paper, args.paper_row)
    documents = {seed: cells.read_document(Path(path)) for seed, path in args.seed}
    for metric in args.metrics:
        row = {"table": args.table, "base": args.base, "training_set": args.training_set}
        place = row | {"metric": metric, "title": args.title}
        cell = cells.make_cell(place, documents, paper.get(metric), args.left_out)
        cells.write_cell(args.output / f"{metric}.json", cell)
        print(f"{args.output / metric}.json: {'null' if cell.value is None else format(cell.value, '.2f')}")


if __name__ == "__main__":
    cli.run(main)
