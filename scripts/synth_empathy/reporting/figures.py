"""The paper's Figures 1, 5, 7 and 8, drawn: one column wide, and the same bytes from the same numbers.

Systems and series differ by marker and line style as well as by colour, bars by hatch and grey value, so that neither
colour blindness nor grey printing hides which is which.
"""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.absent import DASH
from ..core.errors import UserError
from ..core.escaping import plot_text
from ..core.records import atomic_path
from ..evaluation.human import COUNTS, VERDICTS, Result
from .cells import BERTSCORE, METRICS
from .figure_data import NOTHING, Curve, Judged, PaperStage, Radar, criteria_note

KINDS = ("pdf", "svg", "png")
#: Inches: a column of the paper's two.
WIDTH = 3.4
MARGIN = 0.06
UNKNOWN_NOTE = f"{DASH}: in no text of the paper that we have"
#: Text stays text in SVG (searchable, small); the salt makes its ids repeat. A "$" is a sign: titles are no TeX.
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 6.5, "axes.titlesize": 6.5, "axes.labelsize": 6.5, "xtick.labelsize": 6.5, "ytick.labelsize": 6.5,
    "legend.fontsize": 6, "axes.linewidth": 0.6, "hatch.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 4.0,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "figure.dpi": 100, "savefig.dpi": 300, "svg.fonttype": "none", "svg.hashsalt": "synth-empathy", "pdf.fonttype": 42,
    "text.parse_math": False,
}  # fmt: skip
#: Colour, marker, dashes: colours are those of Okabe and Ito that show on white, then greys and browns.
LINES: list[tuple[str, str, Any]] = [
    ("#0072B2", "o", "-"), ("#D55E00", "s", (0, (4, 1))), ("#000000", "^", (0, (1, 1))), ("#009E73", "D", (0, (4, 1, 1, 1))),
    ("#CC79A7", "v", "-"), ("#E69F00", "P", (0, (4, 1))), ("#56B4E9", "X", (0, (1, 1))), ("#7F7F7F", "*", (0, (4, 1, 1, 1))),
    ("#8C510A", "<", "-"), ("#5E3C99", ">", (0, (4, 1))), ("#4D4D4D", "h", (0, (1, 1))), ("#01665E", "d", (0, (4, 1, 1, 1))),
]  # fmt: skip
#: Colour, dashes and fill of the paper's rows in Figure 1: no system of ours is hollow.
PAPER_LINE: dict[str, Any] = {"color": "#404040", "linestyle": (0, (2.5, 1.5)), "markerfacecolor": "white", "linewidth": 1.0, "markersize": 4.0}
#: Fill and hatch of the two stages of Figure 5.
STAGES = {"before selection": ("#E69F00", "////"), "after selection": ("#0072B2", "")}
#: A bar below this share of its axis cannot be seen as one.
LOWEST = 0.03
#: Percent: where all of our shares of full marks are below it, whole numbers would not tell them apart.
SMALL_SHARE = 10
#: Fill and hatch of the verdicts of Figure 7.
FILLS = {"win": ("#0072B2", ""), "tie": ("#EDEDED", ""), "loss": ("#E69F00", "////")}


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags that every figure's script takes."""
    flags.add_argument("--note", help="a sentence printed on the figure")
    flags.add_argument("--figures", type=Path, nargs="+", required=True, metavar="FILE", help="the figure, as .pdf, .svg or .png")


def check_names(flags: argparse.ArgumentParser, paths: Sequence[Path]) -> None:
    """Refuse names of other kinds before anything is read."""
    if any(path.suffix.lstrip(".") not in KINDS for path in paths):
        flags.error(f"--figures takes names that end in {', '.join(f'.{kind}' for kind in KINDS)}")


@contextmanager
def style() -> Iterator[None]:
    """The one style of all figures, whatever the user's own settings of matplotlib are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure, paths: Sequence[Path]) -> None:
    """Write a figure as PDF, SVG or PNG by its names' ends, without dates: the same figure gives the same bytes."""
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    for path in paths:
        kind = path.suffix.lstrip(".")
        with style(), atomic_path(path) as partial:
            figure.savefig(partial, format=kind, metadata=dateless[kind])


def sheet(title: str, height: float, handles: Sequence[Any], notes: Sequence[str], width: float = WIDTH):
    """A figure with its title, room for axes, its legend and notes below one another; each part is as high as what it holds.

    Args:
        height: of the axes with their labels, in inches.
        handles: of the legend.
        notes: sentences under it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, 20))
    renderer = FigureCanvasAgg(figure).get_renderer()
    head = paragraph(figure, title, width / 2, renderer, ha="center", size=7, weight="bold")
    foot = [paragraph(figure, note, MARGIN, renderer, ha="left", size=5.5) for note in notes if note]
    legend = key(figure, handles, renderer, width)
    tall = {part: part.get_window_extent(renderer).height / figure.dpi + 0.7 * MARGIN for part in (head, legend, *foot) if part}
    total = sum(tall.values()) + height + 2 * MARGIN
    figure.set_size_inches(width, total)
    top = total - MARGIN
    head.set_y(top)
    bottom = top = top - tall[head] - height
    for part in (legend, *foot):
        if part is legend and part:
            part.set_bbox_to_anchor((width / 2, top), transform=figure.dpi_scale_trans)
        elif part:
            part.set_y(top)
        top -= tall.get(part, 0.0)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, bottom / total, 1, height / total), w_pad=MARGIN, h_pad=0.04))
    return figure


def settled(figure):
    """The figure with its axes where the layout puts them, to 0.0001 of its size.

    The layout's solver sums in an order that changes from process to process; the last bits of what it finds would change
    the ids in an SVG.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(float(part), 4) for part in axes.get_position(original=True).bounds])
    return figure


def key(figure, handles: Sequence[Any], renderer, width: float):
    """The legend in as many columns as the width takes; None without handles."""
    for handle in handles:
        handle.set_label(plot_text(handle.get_label()))
    for columns in range(min(4, len(handles)), 0, -1):
        place = {"loc": "upper center", "bbox_to_anchor": (width / 2, 0), "bbox_transform": figure.dpi_scale_trans}
        legend = figure.legend(handles=handles, ncols=columns, frameon=False, borderpad=0, borderaxespad=0, handlelength=2.6, columnspacing=1.2, **place)
        legend.set_in_layout(False)
        if columns == 1 or legend.get_window_extent(renderer).width / figure.dpi <= width - 2 * MARGIN:
            return legend
        legend.remove()
    return None


def paragraph(figure, words: str, x: float, renderer, **font):
    """Text at ``x`` (inches) in as few lines as the figure's width takes."""
    words = plot_text(words)
    text = figure.text(x, 0, "", va="top", transform=figure.dpi_scale_trans, **font)
    width = figure.get_figwidth() - 2 * MARGIN
    for letters in range(min(len(words), 40 * math.ceil(width)), 0, -1):
        text.set_text(textwrap.fill(" ".join(words.split()), letters, break_on_hyphens=False))
        if text.get_window_extent(renderer).width / figure.dpi <= width:
            break
    return text


def line_of(number: int) -> tuple[str, str, Any]:
    """Colour, marker and dashes of a system or series."""
    if number >= len(LINES):
        raise UserError(f"a figure tells {len(LINES)} systems apart, and there are more", "list fewer systems (tables: table1: systems)")
    return LINES[number]


def draw_figure1(data: Radar, note: str | None):
    """Systems over metrics as a radar (paper, Figure 1); the first system, ours, is drawn over the others and thicker.

    What is known of the paper's rows is drawn hollow, each with the marker of the system that it stands beside.
    """
    from matplotlib.lines import Line2D

    with style():
        looks = []
        for number in range(len(data.systems)):
            colour, marker, dashes = line_of(number)
            looks.append({"color": colour, "marker": marker, "linestyle": dashes, "linewidth": 1.6 if number == 0 else 0.8, "markersize": 3.5})
        labels = [title if any(value is not None for value in shares) else f"{title}: no value" for title, shares in zip(data.systems, data.shares)]
        labels += [row.name for row in data.paper]
        looks += [PAPER_LINE | {"marker": looks[row.system]["marker"]} for row in data.paper]
        handles = [Line2D([], [], label=label, **look) for label, look in zip(labels, looks)]
        figure = sheet("Figure 1: systems over metrics", 2.8, handles, [note or "", *radar_notes(data)])
        axes = figure.add_subplot()
        angles = [math.pi / 2 - 2 * math.pi * i / len(data.metrics) for i in range(len(data.metrics))]
        draw_web(axes, data, angles)
        rows = [*data.shares, *(row.shares for row in data.paper)]
        for number, shares in drawing_order(rows, len(data.systems)):
            x, y = zip(*(spot(angle, math.nan if value is None else value) for angle, value in zip(closed(angles), closed(shares))))
            axes.plot(x, y, clip_on=False, **looks[number])
        return settled(figure)


def drawing_order(rows: list[Any], systems: int) -> list[tuple[int, Any]]:
    """Each row with its number: systems from the last, then the paper's rows, and the first system, ours, over all of them."""
    numbered = list(enumerate(rows))
    return [*reversed(numbered[1:systems]), *numbered[systems:], numbered[0]]


def radar_notes(data: Radar) -> list[str]:
    """What a reader of the radar must know."""
    highest = "the highest value, ours or the paper's," if data.paper else "the best system's value,"
    notes = [
        f"Each axis runs from 0 to {highest} in brackets; rings at 25, 50, 75 and 100 % of it. Values times 100. "
        f"{data.samples} test samples, {data.protocol} protocol."
    ]
    if data.paper:
        notes.append("Hollow, dashed: the paper's own values, of the rows of which any is known.")
    if data.missing:
        notes.append(f"Ours missing: {'; '.join(data.missing)}.")
    if data.paper_missing:
        notes.append(f"No value of the paper's: {'; '.join(data.paper_missing)}.")
    if data.below_zero:
        notes.append(f"Below 0, drawn at the centre: {'; '.join(data.below_zero)}.")
    if data.other_model:
        apart = "; the paper's values cannot be compared with these and are not drawn" if data.paper else ""
        notes.append(f"* BERT-P, -R, -F1: by {data.other_model}, not by the paper's roberta-large{apart}.")
    return notes


def draw_web(axes, data: Radar, angles: list[float]) -> None:
    """The radar's rings, spokes and labels."""
    for ring in (0.25, 0.5, 0.75, 1.0):
        x, y = zip(*(spot(angle, ring) for angle in closed(angles)))
        axes.plot(x, y, color="0.6" if ring == 1.0 else "0.85", linewidth=0.5, zorder=0)
    for metric, angle, best, papers in zip(data.metrics, angles, data.best, data.best_is_papers):
        axes.plot(*zip((0, 0), spot(angle, 1)), color="0.85", linewidth=0.5, zorder=0)
        x, y = spot(angle, 1.09)
        star = "*" if metric in BERTSCORE and data.other_model else ""
        rim = DASH if best is None else f"{best:.2f}{', paper' * papers}"
        axes.text(x, y, f"{METRICS[metric]}{star}\n({rim})", ha=aside(x), va=above(y), linespacing=1.0)
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.25, 1.25), aspect="equal")
    axes.set_axis_off()


def spot(angle: float, radius: float) -> tuple[float, float]:
    """A point of the radar."""
    return radius * math.cos(angle), radius * math.sin(angle)


def closed(values: list[Any]) -> list[Any]:
    """A polygon's corners with the first again at the end."""
    return [*values, values[0]]


def aside(x: float) -> str:
    """A label outside the radar begins, is centred or ends at its corner."""
    return "center" if abs(x) < 0.15 else "left" if x > 0 else "right"


def above(y: float) -> str:
    """A label outside the radar stands on, beside or under its corner."""
    return "center" if abs(y) < 0.85 else "bottom" if y > 0 else "top"


def draw_figure5(before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None, note: str | None):
    """The judge's marks and the share of full marks, before and after selection (paper, Figure 5).

    Args:
        paper: None where the criteria are not the paper's, so that its numbers are not comparable.
    """
    with style():
        notes = [*judge_notes(before, after), *dict.fromkeys([*before.notes, *after.notes, note or ""])]
        width = max(WIDTH, 0.45 + 0.74 * len(before.means))
        title = "Figure 5: the judge's marks before and after selection"
        figure = sheet(title, 3.7, stage_handles(paper), notes, width)
        marks, full = figure.subplots(2, 1)
        marks.set(ylabel="mean mark\n(lowest 1, highest 3)", ylim=(0, 3.25), yticks=[0, 1, 2, 3])
        known = paper or (NOTHING, NOTHING)
        spreads = before.spread, after.spread
        draw_stages(marks, (before.means, after.means), spreads, [stage.mean for stage in known])
        words = [told(stage.mean, "{:.2f}") for stage in known] if paper else None
        label_groups(marks, [*before.titles, "Mean"], (before.means, after.means), words, form="{:.2f}")
        draw_full_shares(full, before, after, paper)
        return settled(figure)


def draw_full_shares(axes, before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> None:
    """The lower half of Figure 5: the share of full marks by criterion, and by all of them at once, in percent."""
    known = paper or (NOTHING, NOTHING)
    shares, spreads = percent(before.shares, after.shares), percent(before.share_spread, after.share_spread)
    [theirs] = percent([stage.share for stage in known])
    axes.set(ylabel="share of full marks (%)", ylim=(0, 108), yticks=[0, 25, 50, 75, 100])
    draw_stages(axes, shares, spreads, theirs, above=[stage.above for stage in known])
    signs = [">" if stage.above else "" for stage in known]
    words = [told(value, "{:.0f}", sign) for value, sign in zip(theirs, signs)] if paper else None
    small = max(map(max, shares)) < SMALL_SHARE
    label_groups(axes, [*before.titles, "All at once"], shares, words, form="{:.1f}" if small else "{:.0f}", unit=" %")


def percent(*rows: Sequence[float | None]) -> list[list[float | None]]:
    """Shares in percent."""
    return [[None if value is None else 100 * value for value in row] for row in rows]


def stage_handles(paper: tuple[PaperStage, PaperStage] | None) -> list[Any]:
    """Figure 5's legend: the stages, and the paper's marks where its numbers are shown."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    edge = {"edgecolor": "black", "linewidth": 0.5}
    handles = [Patch(facecolor=fill, hatch=hatch, label=name, **edge) for name, (fill, hatch) in STAGES.items()]
    if paper:
        handles.append(Line2D([], [], **mark_of(False), label="paper"))
    if paper and any(stage.above for stage in paper):
        handles.append(Line2D([], [], **mark_of(True), label="paper: more than"))
    return handles


def judge_notes(before: Judged, after: Judged) -> list[str]:
    """Who judged how many samples, and how far the paper's numbers reach, or why they are not shown."""
    prompt, judge, mode = after.made_by
    seeds = f"; bars: means over {after.seeds} seeds, whiskers: their standard deviation" if after.seeds > 1 else ""
    judged = f"{prompt}, {after.stage}; judge {judge} ({mode})"
    counts = f"{before.samples:,} samples before, {after.samples:,} after"
    paper = f"The paper's numbers are over all criteria together. {UNKNOWN_NOTE}."
    return [f"{judged}; {counts}{seeds}. {criteria_note(before) or paper}"]


def mark_of(above: bool) -> dict[str, Any]:
    """The marker of the paper's number; another where it is a lower bound."""
    return {"marker": "^" if above else "D", "color": "black", "markerfacecolor": "white", "linestyle": "none", "markersize": 4.5}


def draw_stages(axes, values, spreads, paper: Sequence[float | None], above: Sequence[bool] = (False, False)) -> None:
    """Two bars a group, before and after; the paper's numbers as markers over the last group's.

    The axes have their limits already, by which it is known which bars are too low to be seen.
    """
    for stage, (fill, hatch) in enumerate(STAGES.values()):
        places = [group + (stage - 0.5) * 0.36 for group in range(len(values[stage]))]
        axes.bar(places, values[stage], width=0.34, facecolor=fill, hatch=hatch, edgecolor="black", linewidth=0.5)
        draw_low(axes, places, values[stage], fill)
        for x, value, error in zip(places, values[stage], spreads[stage]):
            if error is not None:
                axes.errorbar(x, value, yerr=error, color="black", linewidth=0.7, capsize=2, zorder=3.5)
        if paper[stage] is not None:
            axes.plot(places[-1], paper[stage], zorder=4, **mark_of(above[stage]))
    axes.spines[["top", "right"]].set_visible(False)


def draw_low(axes, places: Sequence[float], values: Sequence[float], fill: str) -> None:
    """A thick line in place of each bar that would be too low to be seen."""
    low, high = axes.get_ylim()
    seen = [(x, value) for x, value in zip(places, values) if value - low < LOWEST * (high - low)]
    for colour, width in (("black", 3.2), (fill, 2.2)):
        for x, value in seen:
            axes.hlines(value, x - 0.17, x + 0.17, color=colour, linewidth=width, clip_on=False, zorder=3)


def label_groups(axes, titles: list[str], values, paper: list[str] | None, form: str, unit: str = "") -> None:
    """Each group's name and both values under it; under the last the paper's, too, where they are shown."""
    both = [f"{form.format(before)} \N{RIGHTWARDS ARROW} {form.format(after)}{unit}" for before, after in zip(*values)]
    labels = [f"{plot_text(title)}\n{numbers}" for title, numbers in zip(titles, both)]
    if paper:
        labels[-1] += f"\npaper:\n{paper[0]} \N{RIGHTWARDS ARROW} {paper[1]}{unit}"
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0)


def told(value: float | None, form: str, sign: str = "") -> str:
    """The paper's number, or a dash."""
    return DASH if value is None else sign + form.format(value)


def draw_figure7(results: list[Result], count: str, paper: dict[str, dict[str, float]], made_up: bool, note: str | None):
    """Win, tie and loss of our system against each baseline, all criteria together (paper, Figure 7)."""
    from matplotlib.patches import Patch

    with style():
        handles = [Patch(facecolor=fill, hatch=hatch, edgecolor="black", linewidth=0.5, label=name) for name, (fill, hatch) in FILLS.items()]
        notes = ["MADE-UP JUDGEMENTS: nobody compared any responses; the bars show the machinery alone."] if made_up else []
        figure = sheet("Figure 7: human A/B test against each baseline", 0.55 + 0.42 * len(results), handles, [*notes, note or "", *ab_notes(results, count)])
        axes = figure.add_subplot()
        labels, places = [], []
        for number, found in enumerate(results):
            for label, shares, place, high in ((found.baseline, found.shares(), 0.0, 0.42), ("paper", paper.get(found.baseline, {}), 0.42, 0.26)):
                draw_shares(axes, shares, number + place, high)
                labels.append(plot_text(label))
                places.append(number + place)
        axes.set_yticks(places, labels)
        for text in axes.get_yticklabels()[1::2]:
            text.set(size=5.5, color="0.3")
        axes.text(102, -0.48, "win | tie | loss", va="center", size=5.5)
        axes.set(xlim=(0, 100), ylim=(len(results) - 0.3, -0.7), xlabel="share of judgements (%)" if count == COUNTS[0] else "share of majority verdicts (%)")
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        return settled(figure)


def draw_shares(axes, shares: dict[str, float], place: float, high: float) -> None:
    """One stacked bar with its percentages beside it; what is not known stays white."""
    left = 0.0
    for verdict in VERDICTS:
        fill, hatch = FILLS[verdict]
        if verdict in shares:
            axes.barh(place, shares[verdict], high, left, facecolor=fill, hatch=hatch, edgecolor="black", linewidth=0.4)
            left += shares[verdict]
    if len(shares) < len(VERDICTS):
        axes.barh(place, 100 - left, high, left, facecolor="white", edgecolor="0.5", linewidth=0.4, linestyle=":")
    axes.text(102, place, " | ".join(told(shares.get(verdict), "{:.1f}") for verdict in VERDICTS), va="center", size=5.5)


def ab_notes(results: list[Result], count: str) -> list[str]:
    """How many judgements a bar stands for, and what one percentage counts."""
    sizes = {f"{r.examples:,} examples x 4 criteria x {r.evaluators} evaluator{'s' * (r.evaluators > 1)}": r.baseline for r in results}
    told = next(iter(sizes)) if len(sizes) == 1 else "; ".join(f"{name}: {size}" for size, name in sizes.items())
    unit = "each judgement counts once" if count == COUNTS[0] else "one verdict per example and criterion: what most evaluators said, else a tie"
    return [f"{told}; {unit}. White or {UNKNOWN_NOTE}."]


def draw_figure8(data: list[Curve], note: str | None):
    """CIDEr against the DK threshold, ours and the paper's (paper, Figure 8)."""
    with style():
        figure = sheet("Figure 8: CIDEr against the DK threshold", 2.4, curve_handles(data), [note or "", *curve_notes(data)])
        axes = figure.add_subplot()
        for (colour, marker, _), curve in zip(LINES, data):
            x, ours, paper = curve.thresholds, gaps(curve.ours), gaps(curve.paper)
            axes.plot(x, paper, color=colour, marker=marker, linestyle="--", linewidth=0.7, markerfacecolor="white")
            axes.plot(x, ours, color=colour, marker=marker)
            for place, value, error in zip(x, ours, curve.sd):
                if error is not None:
                    axes.errorbar(place, value, yerr=error, color=colour, linewidth=0.7, capsize=2)
        axes.set_xticks(sorted({x for curve in data for x in curve.thresholds}))
        axes.set(xlabel="DK threshold (cosine similarity x 100)", ylabel="CIDEr (x 100)")
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.margins(x=0.06, y=0.08)
        axes.spines[["top", "right"]].set_visible(False)
        return settled(figure)


def curve_handles(data: list[Curve]) -> list[Any]:
    """Figure 8's legend: the series of which any value is there, ours or the paper's, and the lines that are drawn."""
    from matplotlib.lines import Line2D

    handles = []
    for number, curve in enumerate(data):
        colour, marker, _ = line_of(number)
        if has_value(curve.ours) or has_value(curve.paper):
            handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", label=curve.title))
    if any(has_value(curve.ours) for curve in data):
        handles.append(Line2D([], [], color="black", label="ours"))
    if any(has_value(curve.paper) for curve in data):
        handles.append(Line2D([], [], color="black", linestyle="--", marker="o", markerfacecolor="white", label="paper (hollow)"))
    return handles


def has_value(values: list[float | None]) -> bool:
    """Whether any value is there."""
    return any(value is not None for value in values)


def gaps(values: list[float | None]) -> list[float]:
    """Values with a gap where there is none."""
    return [math.nan if value is None else value for value in values]


def curve_notes(data: list[Curve]) -> list[str]:
    """Error bars, and what is not there."""
    lacking = {name: [spots(c, getattr(c, name)) for c in data if None in getattr(c, name)] for name in ("ours", "paper")}
    notes = ["Error bars: standard deviation over the seeds."] if any(error is not None for curve in data for error in curve.sd) else []
    notes += [f"Ours missing: {'; '.join(lacking['ours'])}."] if lacking["ours"] else []
    return notes + ([f"No value of the paper's: {'; '.join(lacking['paper'])}."] if lacking["paper"] else [])


def spots(curve: Curve, values: list[float | None]) -> str:
    """Where a line has no value: its thresholds, or all of it."""
    lacking = [f"{x:g}" for x, value in zip(curve.thresholds, values) if value is None]
    return curve.title if len(lacking) == len(values) else f"{curve.title} at {', '.join(lacking)}"
