"""Figure 8: CIDEr against the DK threshold, from Table 2's CIDEr cells, beside the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.errors import UserError
from ...core.escaping import csv_with_note
from ...systems import ED, STAGES, Quality, TrainingSet
from ..tables import Row, Table
from .data import BESIDE, Values, comparison_columns, has_value, one_protocol
from .style import LINES, freeze_layout, gaps, line_of, sheet, style


@dataclass(frozen=True)
class Curve:
    """One line of Figure 8: CIDEr (times 100) of a base model and prompt at rising DK thresholds, each a system."""

    title: str
    systems: list[str]
    thresholds: list[float]
    ours: Values
    sd: Values
    paper: Values


def curves(table: Table) -> list[Curve]:
    """Figure 8 from Table 2's CIDEr: one line per base model, prompt and selection, thresholds rising.

    Raises:
        UserError: a row is of no DK threshold or stands twice, or the cells are of several protocols.
    """
    one_protocol(table)
    series: dict[tuple[str, ...], dict[float, Row]] = {}
    for row in table.rows:
        selected = TrainingSet.parse(row.training_set).selected
        if selected is None or selected.quality.dk is None:
            hint = f"give Table 2's rows, such as {ED}+prompt2-{STAGES}"
            raise UserError(f"{row.system} is of no DK threshold", hint)
        line = series.setdefault((row.base, selected.prompt, selected.selection), {})
        if line.setdefault(selected.quality.dk, row) is not row:
            raise UserError(f"{row.system} is given twice", "give each row once")
    return [curve(table, key, line) for key, line in series.items()]


def curve(table: Table, key: tuple[str, ...], line: dict[float, Row]) -> Curve:
    """One line by rising threshold; its title is that of its rows without the threshold, or else its key."""
    thresholds = sorted(line)
    titles = {line[dk].title.removesuffix(f", {Quality.threshold(dk).in_words()}") for dk in thresholds}
    systems = [line[dk].system for dk in thresholds]
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
    for one in data:
        for place, system in enumerate(one.systems):
            about = [system, one.title, f"{one.thresholds[place]:g}"]
            lines.append([*about, *comparison_columns(one.ours[place], one.sd[place], one.paper[place])])
    return csv_with_note(["system", "line", "dk", *BESIDE], lines, note)


def draw_figure8(data: list[Curve], note: str | None):
    """CIDEr against the DK threshold, ours and the paper's (paper, Figure 8)."""
    with style():
        figure = sheet(
            "Figure 8: CIDEr against the DK threshold", 2.4, curve_handles(data), [note or "", *curve_notes(data)]
        )
        axes = figure.add_subplot()
        for (colour, marker, _), one in zip(LINES, data):
            x, ours, paper = one.thresholds, gaps(one.ours), gaps(one.paper)
            axes.plot(x, paper, color=colour, marker=marker, linestyle="--", linewidth=0.7, markerfacecolor="white")
            axes.plot(x, ours, color=colour, marker=marker)
            for place, value, error in zip(x, ours, one.sd):
                if error is not None:
                    axes.errorbar(place, value, yerr=error, color=colour, linewidth=0.7, capsize=2)
        axes.set_xticks(sorted(set().union(*(one.thresholds for one in data))))
        axes.set(xlabel="DK threshold (cosine similarity x 100)", ylabel="CIDEr (x 100)")
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.margins(x=0.06, y=0.08)
        axes.spines[["top", "right"]].set_visible(False)
        return freeze_layout(figure)


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
        hollow = {"linestyle": "--", "marker": "o", "markerfacecolor": "white"}
        handles.append(Line2D([], [], color="black", label="paper (hollow)", **hollow))
    return handles


def curve_notes(data: list[Curve]) -> list[str]:
    """Error bars, and what is not there."""
    notes = []
    if any(has_value(one.sd) for one in data):
        notes.append("Error bars: standard deviation over the seeds.")
    ours = [spots(one, one.ours) for one in data if None in one.ours]
    if ours:
        notes.append(f"Ours missing: {'; '.join(ours)}.")
    paper = [spots(one, one.paper) for one in data if None in one.paper]
    if paper:
        notes.append(f"No value of the paper's: {'; '.join(paper)}.")
    return notes


def spots(curve: Curve, values: list[float | None]) -> str:
    """Where a line has no value: its thresholds, or all of it."""
    lacking = [f"{x:g}" for x, value in zip(curve.thresholds, values) if value is None]
    return curve.title if len(lacking) == len(values) else f"{curve.title} at {', '.join(lacking)}"
