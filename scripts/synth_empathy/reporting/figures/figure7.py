"""Figure 7: wins, ties and losses of the human A/B test by baseline, with the paper's percentages.

``evaluation.human`` counts them.
"""

from __future__ import annotations

from ...core.escaping import plot_text
from ...evaluation.human import COUNTS, CRITERIA, VERDICTS, Result
from .style import UNKNOWN_NOTE, format_value, freeze_layout, sheet, style

MADE_UP = "MADE-UP JUDGEMENTS: nobody compared any responses; the bars show only that the figure works."
#: Fill and hatch of the verdicts of Figure 7.
FILLS = {"win": ("#0072B2", ""), "tie": ("#EDEDED", ""), "loss": ("#E69F00", "////")}


def draw_figure7(
    results: list[Result], count: str, paper: dict[str, dict[str, float]], *, made_up: bool, note: str | None
):
    """Win, tie and loss of our system against each baseline, all criteria together (paper, Figure 7).

    Args:
        count: what one percentage counts, of ``COUNTS``.
        paper: the paper's percentages, by baseline and verdict; empty for other data than the paper's.
        made_up: whether the judgements are marked as made up.
    """
    from matplotlib.patches import Patch

    with style():
        edge = {"edgecolor": "black", "linewidth": 0.5}
        handles = [Patch(facecolor=fill, hatch=hatch, label=name, **edge) for name, (fill, hatch) in FILLS.items()]
        notes = [MADE_UP] if made_up else []
        notes += [note or "", *ab_notes(results, count)]
        figure = sheet("Figure 7: human A/B test against each baseline", 0.55 + 0.42 * len(results), handles, notes)
        axes = figure.add_subplot()
        labels, places = [], []
        for number, result in enumerate(results):
            draw_shares(axes, result.shares(), number, height=0.42)
            labels.append(plot_text(result.baseline))
            places.append(number)
            if paper:
                draw_shares(axes, paper.get(result.baseline, {}), number + 0.42, height=0.26)
                labels.append("paper")
                places.append(number + 0.42)
        axes.set_yticks(places, labels)
        for text in axes.get_yticklabels()[1::2] if paper else []:
            text.set(size=5.5, color="0.3")
        axes.text(102, -0.48, "win | tie | loss", va="center", size=5.5)
        counted = "judgements" if count == COUNTS[0] else "majority verdicts"
        axes.set(xlim=(0, 100), ylim=(len(results) - 0.3, -0.7), xlabel=f"share of {counted} (%)")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return freeze_layout(figure)


def draw_shares(axes, shares: dict[str, float], place: float, height: float) -> None:
    """One stacked bar with its percentages at the right; the unknown part is white."""
    left = 0.0
    for verdict in (verdict for verdict in VERDICTS if verdict in shares):
        fill, hatch = FILLS[verdict]
        bar = {"facecolor": fill, "hatch": hatch, "edgecolor": "black", "linewidth": 0.4}
        axes.barh(place, shares[verdict], height, left, **bar)
        left += shares[verdict]
    if len(shares) < len(VERDICTS):
        axes.barh(place, 100 - left, height, left, facecolor="white", edgecolor="0.5", linewidth=0.4, linestyle=":")
    percentages = " | ".join(format_value(shares.get(verdict), "{:.1f}") for verdict in VERDICTS)
    axes.text(102, place, percentages, va="center", size=5.5)


def ab_notes(results: list[Result], count: str) -> list[str]:
    """How many judgements a bar stands for, and what one percentage counts."""
    sizes = {design(result): result.baseline for result in results}
    size = next(iter(sizes)) if len(sizes) == 1 else "; ".join(f"{name}: {text}" for text, name in sizes.items())
    majority = "one verdict per example and criterion: that of most evaluators, else a tie"
    unit = "each judgement counts once" if count == COUNTS[0] else majority
    return [f"{size}; {unit}. White or {UNKNOWN_NOTE}."]


def design(result: Result) -> str:
    """How many examples, criteria and evaluators there are."""
    evaluators = f"{result.evaluators} evaluator{'s' * (result.evaluators > 1)}"
    return f"{result.examples:,} examples x {len(CRITERIA)} criteria x {evaluators}"
