#!/usr/bin/env python3
"""Make Figure 7: wins, ties and losses of the human A/B test by baseline (docs/human-evaluation.md)."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.files import write_text
from synth_empathy.core.records import read_test_ids
from synth_empathy.evaluation import human
from synth_empathy.reporting import paper_values
from synth_empathy.reporting.figures import figure7, style


def main() -> None:
    """Parse flags, count the judgements, write the table and draw."""
    flags = cli.parser(__doc__)
    flags.add_argument("--judgements", type=Path, required=True, metavar="JSONL", help="one judgement a line")
    baselines = "the baselines that were judged, in the figure's order"
    flags.add_argument("--baselines", nargs="+", required=True, metavar="NAME", help=baselines)
    test_ids = "the test samples' ids; judgements of other examples are refused unless they are made up"
    flags.add_argument("--test-ids", type=Path, metavar="JSON", help=test_ids)
    count = "count every judgement, or the majority of each example and criterion"
    flags.add_argument("--count", choices=human.COUNTS, default=human.COUNTS[0], help=count)
    papers = "the paper's percentages (resources/paper/figure7.csv)"
    flags.add_argument("--paper", type=Path, metavar="CSV", help=papers)
    flags.add_argument("--csv", type=Path, required=True, help="counts and percentages by baseline and criterion")
    style.add_flags(flags)
    args = flags.parse_args()
    style.check_names(flags, args.figures)

    test_ids = set(read_test_ids(args.test_ids)) if args.test_ids else None
    records = human.read_judgements(args.judgements, args.baselines, test_ids)
    results = human.results(records, args.baselines, args.count)
    paper = paper_values.read_figure7(args.paper) if args.paper else {}
    # Sealed, since the claims are tested on it.
    write_text(args.csv, human.as_csv(results, args.count, paper, args.note), sealed=True)
    made_up = human.made_up(records)
    figure = figure7.draw_figure7(results, args.count, paper, made_up=made_up, note=args.note)
    style.save(figure, args.figures)
    remark = " (made up)" if made_up else ""
    print(f"{len(records):,} judgements against {len(results)} baselines{remark}; counts in {args.csv}")


if __name__ == "__main__":
    cli.run(main)
