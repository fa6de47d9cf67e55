"""Figure 1: systems over metrics as a radar, from Table 1's cells."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...core.absent import DASH
from ...core.escaping import csv_with_note
from ..cells import BERTSCORE, METRICS, Cell
from ..tables import Table
from .data import COMPARISON, Values, cells_of, comparison_columns, has_value, made, one_protocol
from .style import freeze_layout, gaps, line_of, sheet, style

#: The look of the paper's rows: hollow, as none of our systems is.
PAPER_LINE: dict[str, Any] = {
    "color": "#404040",
    "linestyle": (0, (2.5, 1.5)),
    "markerfacecolor": "white",
    "linewidth": 1.0,
    "markersize": 4.0,
}


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's in Figure 1.

    Attributes:
        name: the paper's name of it, then "(paper)".
        system: the number of our system in the same row, from 0.
        shares: its values as shares of the axes, 0 to 1; None if the paper's value is unknown, or of another model.
    """

    name: str
    system: int
    shares: Values


@dataclass(frozen=True)
class Radar:
    """Figure 1: systems over metrics, each axis scaled to the highest value on it, ours or the paper's.

    Attributes:
        best: each metric's value at 100 % of its axis; None if no value is above 0.
        best_is_papers: for each metric, whether that value is the paper's, and higher than all of ours.
        shares: each system's values as shares of the best ones, 0 to 1; None for a missing value.
        paper: the paper's rows of which any value is known.
        missing: the missing values, by system, in words.
        paper_missing: the unknown values of the paper's rows, in words.
        below_zero: the values below 0, which are drawn at the centre, in words.
        other_model: the model and layer of BERTScore if it is not the paper's.
    """

    metrics: list[str]
    systems: list[str]
    best: Values
    best_is_papers: list[bool]
    shares: list[Values]
    paper: list[PaperRow]
    missing: list[str]
    paper_missing: list[str]
    below_zero: list[str]
    other_model: str | None
    samples: str
    protocol: str


def radar(table: Table) -> Radar:
    """Figure 1 from Table 1, with its rows and columns in their order.

    Raises:
        UserError: the cells are not of one protocol.
    """
    protocol = one_protocol(table)
    metrics = metrics_of(table)
    values, other_model = values_of(table, metrics)
    paper = paper_rows(table, metrics, other_model)
    titles = [row.title for row in table.rows]
    ours, theirs = best_by_metric(metrics, values), best_by_metric(metrics, list(paper.values()))
    best = [best_of(pair) for pair in zip(ours, theirs)]
    named = [*zip(titles, values), *((name, row) for (name, _), row in paper.items())]
    return Radar(
        metrics=metrics,
        systems=titles,
        best=best,
        best_is_papers=[top is not None and top != mine for top, mine in zip(best, ours)],
        shares=[shares_of(row, best) for row in values],
        paper=[PaperRow(name, system, shares_of(row, best)) for (name, system), row in paper.items()],
        missing=[*missing_values(titles, metrics, values), *none_above_zero(metrics, values, best)],
        paper_missing=unknown_of_paper(paper, metrics, other_model),
        below_zero=below_zero(named, metrics),
        other_model=other_model,
        samples=count_range({cell.test_samples for cell in made(table) if cell.test_samples}),
        protocol=protocol,
    )


def metrics_of(table: Table) -> list[str]:
    """The metrics of a table's columns."""
    return list(next(iter(table.cells.values())))


def best_by_metric(metrics: list[str], rows: list[Values]) -> Values:
    """Each metric's highest value above 0; None without one."""
    return [best_of(column) for column in zip(*rows)] if rows else [None] * len(metrics)


def none_above_zero(metrics: list[str], values: list[Values], best: Values) -> list[str]:
    """The metrics that have values, but none above 0, in words."""
    flat = [metric for metric, top in zip(metrics, best) if top is None and any_has(values, metrics, metric)]
    return [f"{METRICS[metric]} (none above 0)" for metric in flat]


def below_zero(named: list[tuple[str, Values]], metrics: list[str]) -> list[str]:
    """The values below 0, in words.

    Args:
        named: the rows, each with its name.
    """
    texts = []
    for name, row in named:
        below = [(metric, value) for metric, value in zip(metrics, row) if value is not None and value < 0]
        texts += [f"{name}: {METRICS[metric]} {value:.2f}" for metric, value in below]
    return texts


def paper_rows(table: Table, metrics: list[str], other_model: str | None) -> dict[tuple[str, int], Values]:
    """The paper's values, by the name of its row and the number of the first system with this row.

    BERTScore is left out if ours is by another model.
    """
    papers: dict[tuple[str, int], Values] = {}
    for place, row in enumerate(table.rows):
        name = f"{row.paper_row or row.title} (paper)"
        values = [paper_value(table.cells[row.system][metric], metric, other_model) for metric in metrics]
        if has_value(values) and all(name != known for known, _ in papers):
            papers[name, place] = values
    return papers


def paper_value(cell: Cell, metric: str, other_model: str | None) -> float | None:
    """The paper's value of a cell; None for BERTScore if ours is by another model, as the two cannot be compared."""
    return None if other_model and metric in BERTSCORE else cell.paper


def unknown_of_paper(paper: dict[tuple[str, int], Values], metrics: list[str], other_model: str | None) -> list[str]:
    """The unknown values of the paper's rows, in words.

    BERTScore is left out if ours is by another model: the paper's would not be drawn.
    """
    drawn = [metric for metric in metrics if not (other_model and metric in BERTSCORE)]
    texts = []
    for (name, _), values in paper.items():
        unknown = [METRICS[metric] for metric, value in zip(metrics, values) if value is None and metric in drawn]
        texts += [f"{name}: {', '.join(unknown)}"] if unknown else []
    return texts


def shares_of(values: Values, best: Values) -> Values:
    """A row's values as shares of their axes."""
    return [share(value, top) for value, top in zip(values, best)]


def radar_csv(table: Table, note: str | None = None) -> str:
    """Figure 1's numbers: a line a system and metric; BERTScore by another model has that model's name."""
    metrics = metrics_of(table)
    values, other_model = values_of(table, metrics)
    lines = []
    for row, ours in zip(table.rows, values):
        for metric, value in zip(metrics, ours):
            cell, substituted = table.cells[row.system][metric], bool(other_model) and metric in BERTSCORE
            name = f"{metric} by {other_model}" if substituted else metric
            sd = None if substituted else cell.sd
            comparison = comparison_columns(value, sd, paper_value(cell, metric, other_model))
            lines.append([row.system, row.title, name, *comparison])
    return csv_with_note(["system", "title", "metric", *COMPARISON], lines, note)


def values_in(row: dict[str, Cell], metrics: list[str]) -> Values:
    """A row's values."""
    return [row[metric].value for metric in metrics]


def values_of(table: Table, metrics: list[str]) -> tuple[list[Values], str | None]:
    """Values by row and metric, and the model behind BERTScore if it is not the paper's.

    Another model's values are used if no row has the paper's BERTScore, and one model computed all of them.
    """
    grid = [table.cells[row.system] for row in table.rows]
    values = [values_in(row, metrics) for row in grid]
    berts = [cell for cell in cells_of(table) if cell.metric in BERTSCORE]
    models = {f"{cell.instead['model']}, layer {cell.instead['layer']}" for cell in berts if cell.instead}
    if len(models) != 1 or any(cell.value is not None for cell in berts):
        return values, None
    for row_values, row in zip(values, grid):
        for place, metric in enumerate(metrics):
            if metric in BERTSCORE and row[metric].instead:
                row_values[place] = row[metric].instead["value"]
    return values, models.pop()


def best_of(values: Iterable[float | None]) -> float | None:
    """The highest value above 0; None without one."""
    return max((value for value in values if value is not None and value > 0), default=None)


def share(value: float | None, best: float | None) -> float | None:
    """A value as a share of the best; a value below 0 is 0, the centre of the radar."""
    return None if value is None or best is None else max(0.0, value / best)


def any_has(values: list[Values], metrics: list[str], metric: str) -> bool:
    """Whether any system has a value of a metric."""
    return any(row[metrics.index(metric)] is not None for row in values)


def missing_values(titles: list[str], metrics: list[str], values: list[Values]) -> list[str]:
    """The missing values, in words: metrics that no system has, then whole systems and single values."""
    empty = [metric for metric in metrics if not any_has(values, metrics, metric)]
    if len(empty) == len(metrics):
        return [f"{title} (all metrics)" for title in titles]
    texts = [f"{METRICS[metric]} (all systems)" for metric in empty]
    for title, row in zip(titles, values):
        missing = [METRICS[metric] for metric, value in zip(metrics, row) if value is None and metric not in empty]
        if not has_value(row):
            texts.append(f"{title} (all metrics)")
        elif missing:
            texts.append(f"{title} ({', '.join(missing)})")
    return texts


def count_range(numbers: set[int]) -> str:
    """A count, or the lowest and the highest of several; a dash for none."""
    if not numbers:
        return DASH
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def draw_figure1(data: Radar, note: str | None):
    """Systems over metrics as a radar (paper, Figure 1). The first system, ours, is thicker and drawn on top.

    The paper's rows are hollow, with the marker of our system in the same row.
    """
    from matplotlib.lines import Line2D

    with style():
        looks = [look_of(number) for number in range(len(data.systems))]
        looks += [PAPER_LINE | {"marker": looks[row.system]["marker"]} for row in data.paper]
        handles = [Line2D([], [], label=label, **look) for label, look in zip(labels_of(data), looks) if label]
        figure = sheet("Figure 1: systems over metrics", 2.8, handles, [note or "", *radar_notes(data)])
        axes = figure.add_subplot()
        angles = [math.pi / 2 - 2 * math.pi * i / len(data.metrics) for i in range(len(data.metrics))]
        draw_web(axes, data, angles)
        rows = [*data.shares, *(row.shares for row in data.paper)]
        for number, shares in drawing_order(rows, len(data.systems)):
            corners = [point(angle, value) for angle, value in zip(closed(angles), closed(gaps(shares)))]
            axes.plot(*zip(*corners), clip_on=False, **looks[number])
        return freeze_layout(figure)


def look_of(number: int) -> dict[str, Any]:
    """The look of a system's line; that of the first, ours, is thicker."""
    colour, marker, dashes = line_of(number)
    width = 1.6 if number == 0 else 0.8
    return {"color": colour, "marker": marker, "linestyle": dashes, "linewidth": width, "markersize": 3.5}


def labels_of(data: Radar) -> list[str | None]:
    """The names in the legend: of the systems, then of the paper's rows; None for a system without any value."""
    pairs = zip(data.systems, data.shares)
    systems = [title if has_value(shares) else None for title, shares in pairs]
    return [*systems, *(row.name for row in data.paper)]


def drawing_order(rows: list[Any], systems: int) -> list[tuple[int, Any]]:
    """Each row with its number: systems from the last to the second, the paper's rows, the first system, ours."""
    numbered = list(enumerate(rows))
    return [*reversed(numbered[1:systems]), *numbered[systems:], numbered[0]]


def radar_notes(data: Radar) -> list[str]:
    """The notes that a reader of the radar needs."""
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
        not_drawn = "; the paper's values cannot be compared with these and are not drawn" if data.paper else ""
        notes.append(f"* BERT-P, -R, -F1: by {data.other_model}, not by the paper's roberta-large{not_drawn}.")
    return notes


def draw_web(axes, data: Radar, angles: list[float]) -> None:
    """The radar's rings, spokes and labels."""
    for ring in (0.25, 0.5, 0.75, 1.0):
        x, y = zip(*(point(angle, ring) for angle in closed(angles)))
        axes.plot(x, y, color="0.6" if ring == 1.0 else "0.85", linewidth=0.5, zorder=0)
    for metric, angle, best, papers in zip(data.metrics, angles, data.best, data.best_is_papers):
        axes.plot(*zip((0, 0), point(angle, 1)), color="0.85", linewidth=0.5, zorder=0)
        x, y = point(angle, 1.09)
        star = "*" if metric in BERTSCORE and data.other_model else ""
        rim = DASH if best is None else f"{best:.2f}{', paper' * papers}"
        axes.text(x, y, f"{METRICS[metric]}{star}\n({rim})", ha=h_align(x), va=v_align(y), linespacing=1.0)
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.25, 1.25), aspect="equal")
    axes.set_axis_off()


def point(angle: float, radius: float) -> tuple[float, float]:
    """A point of the radar."""
    return radius * math.cos(angle), radius * math.sin(angle)


def closed(values: list[Any]) -> list[Any]:
    """A polygon's corners, with the first one repeated at the end."""
    return [*values, values[0]]


def h_align(x: float) -> str:
    """The horizontal alignment of a label outside the radar."""
    return "center" if abs(x) < 0.15 else "left" if x > 0 else "right"


def v_align(y: float) -> str:
    """The vertical alignment of a label outside the radar."""
    return "center" if abs(y) < 0.85 else "bottom" if y > 0 else "top"
