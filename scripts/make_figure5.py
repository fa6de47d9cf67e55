#!/usr/bin/env python3
"""Make Figure 5: the judge's scores of generated data before and after selection, with the paper's numbers."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.files import write_text
from synth_empathy.reporting import paper_values
from synth_empathy.reporting.figures import figure5, style


def main() -> None:
    """Parse flags, read the judge's summaries, draw."""
    flags = cli.parser(__doc__)
    for stage in ("before", "after"):
        summaries = f"the judge's summaries {stage} selection, one a seed"
        flags.add_argument(f"--{stage}", type=Path, nargs="+", required=True, metavar="JSON", help=summaries)
    papers = "the paper's numbers (resources/paper/figure5.csv), for the paper's three criteria"
    flags.add_argument("--paper", type=Path, metavar="CSV", help=papers)
    numbers = "a line a stage, criterion and quantity: ours, the paper's, the difference"
    flags.add_argument("--csv", type=Path, required=True, help=numbers)
    style.add_flags(flags)
    args = flags.parse_args()
    style.check_names(flags, args.figures)

    before, after = figure5.judged(args.before), figure5.judged(args.after)
    figure5.check_stages(before, after)
    other = figure5.criteria_note(before)
    paper = None if other or not args.paper else paper_values.read_figure5(args.paper)
    note = " ".join(filter(None, [other, args.note])) or None
    write_text(args.csv, figure5.judged_csv(before, after, paper, note))
    style.save(figure5.draw_figure5(before, after, paper, args.note), args.figures)
    means = f"mean score {before.means[-1]:.2f} before, {after.means[-1]:.2f} after"
    print(f"{means}; full marks {before.shares[-1]:.1%} and {after.shares[-1]:.1%}")
    if other:
        print(terminal_text(other))


if __name__ == "__main__":
    cli.run(main)
