"""Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, with the paper's values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.errors import UserError
from ...core.escaping import csv_with_note
from ...systems import ED, STAGES, Quality, TrainingSet
from ..tables import Row, Table
from .data import COMPARISON, Values, comparison_columns, has_value, one_protocol
from .style import LINES, freeze_layout, gaps, line_of, sheet, style


@dataclass(frozen=True)
class Curve:
    """A curve of Figure 8: CIDEr (times 100) of a base model and prompt at rising DK thresholds, a system at each."""

    title: str
    systems: list[str]
    thresholds: list[float]
    ours: Values
    sd: Values
    paper: Values


def curves(table: Table) -> list[Curve]:
    """The curves of Table 2's CIDEr: one for each base model, prompt and selection, by rising threshold.

    Raises:
        UserError: a row has no DK threshold or is repeated, or the cells are of several protocols.
    """
    one_protocol(table)
    series: dict[tuple[str, ...], dict[float, Row]] = {}
    for row in table.rows:
        selected = TrainingSet.parse(row.training_set).selected
        if selected is None or selected.quality.dk is None:
            hint = f"give Table 2's rows, such as {ED}+prompt2-{STAGES}"
            raise UserError(f"{row.system} has no DK threshold", hint)
        by_threshold = series.setdefault((row.base, selected.prompt, selected.selection), {})
        if by_threshold.setdefault(selected.quality.dk, row) is not row:
            raise UserError(f"{row.system} is given twice", "give each row once")
    return [curve(table, key, rows) for key, rows in series.items()]


def curve(table: Table, key: tuple[str, ...], rows: dict[float, Row]) -> Curve:
    """A curve from its rows by threshold. Its title is that of its rows without the threshold, or else its key."""
    thresholds = sorted(rows)
    titles = {rows[dk].title.removesuffix(f", {Quality.threshold(dk).in_words()}") for dk in thresholds}
    systems = [rows[dk].system for dk in thresholds]
    cells = [table.cells[system]["cider"] for system in systems]
    return Curve(
        title=titles.pop() if len(titles) == 1 else ", ".join(key),
        systems=systems,
        thresholds=thresholds,
        ours=[cell.value for cell in cells],
        sd=[cell.sd for cell in cells],
        paper=[cell.paper for cell in cells],
    )


def curves_csv(data: list[Curve], note: str | None = None) -> str:
    """Figure 8's numbers: a line a system, by curve and rising threshold."""
    lines = []
    for curve in data:
        for place, system in enumerate(curve.systems):
            about = [system, curve.title, f"{curve.thresholds[place]:g}"]
            lines.append([*about, *comparison_columns(curve.ours[place], curve.sd[place], curve.paper[place])])
    return csv_with_note(["system", "line", "dk", *COMPARISON], lines, note)


def draw_figure8(data: list[Curve], note: str | None):
    """CIDEr against the DK threshold, ours and the paper's (paper, Figure 8)."""
    with style():
        notes = [note or "", *curve_notes(data)]
        figure = sheet("Figure 8: CIDEr against the DK threshold", 2.4, curve_handles(data), notes)
        axes = figure.add_subplot()
        axes.margins(y=0.08)
        for (colour, marker, _), curve in zip(LINES, data):
            x, ours, paper = curve.thresholds, gaps(curve.ours), gaps(curve.paper)
            axes.plot(x, paper, color=colour, marker=marker, linestyle="--", linewidth=0.7, markerfacecolor="white")
            axes.plot(x, ours, color=colour, marker=marker)
            for place, value, error in zip(x, ours, curve.sd):
                if error is not None:
                    axes.errorbar(place, value, yerr=error, color=colour, linewidth=0.7, capsize=2)
        thresholds = sorted(set().union(*(curve.thresholds for curve in data)))
        margin = 0.06 * (thresholds[-1] - thresholds[0]) or 1
        axes.set_xticks(thresholds)
        axes.set_xlim(thresholds[0] - margin, thresholds[-1] + margin)  # of all, those without a value too
        axes.set(xlabel="DK threshold (cosine similarity x 100)", ylabel="CIDEr (x 100)")
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        return freeze_layout(figure)


def curve_handles(data: list[Curve]) -> list[Any]:
    """Figure 8's legend: the curves with a value, ours or the paper's, then the kinds of lines that are drawn."""
    from matplotlib.lines import Line2D

    handles = []
    for number, curve in enumerate(data):
        colour, marker, _ = line_of(number)
        if has_value(curve.ours) or has_value(curve.paper):
            handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", label=curve.title))
    if any(has_value(curve.ours) for curve in data):
        handles.append(Line2D([], [], color="black", label="ours"))
    if any(has_value(curve.paper) for curve in data):
        hollow = {"linestyle": "--", "marker": "o", "markerfacecolor": "white"}
        handles.append(Line2D([], [], color="black", label="paper (hollow)", **hollow))
    return handles


def curve_notes(data: list[Curve]) -> list[str]:
    """The meaning of error bars, and which values are missing."""
    notes = []
    if any(has_value(curve.sd) for curve in data):
        notes.append("Error bars: standard deviation over the seeds.")
    ours = [gap_places(curve, curve.ours) for curve in data if None in curve.ours]
    if ours:
        notes.append(f"Ours missing: {'; '.join(ours)}.")
    paper = [gap_places(curve, curve.paper) for curve in data if None in curve.paper]
    if paper:
        notes.append(f"No value of the paper's: {'; '.join(paper)}.")
    return notes


def gap_places(curve: Curve, values: Values) -> str:
    """The curve's title, and the thresholds without a value unless all are."""
    lacking = [f"{x:g}" for x, value in zip(curve.thresholds, values) if value is None]
    return curve.title if len(lacking) == len(values) else f"{curve.title} at {', '.join(lacking)}"
