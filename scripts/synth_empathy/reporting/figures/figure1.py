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
from .data import BESIDE, Values, cells_of, comparison_columns, has_value, made, one_protocol
from .style import freeze_layout, gaps, line_of, sheet, style

#: Colour, dashes and fill of the paper's rows in Figure 1: no system of ours is hollow.
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
        name: what the paper calls it, then "(paper)".
        system: which of the radar's systems it stands beside, counted from 0.
        shares: its values over the axes' rims, 0 to 1; None where the paper's value is unknown, or of another model.
    """

    name: str
    system: int
    shares: Values


@dataclass(frozen=True)
class Radar:
    """Figure 1: systems over metrics, each axis scaled to the highest value on it, ours or the paper's.

    Attributes:
        best: of each metric, the value that is 100 % of its axis; None where no value is above 0.
        best_is_papers: of each metric, whether that value is the paper's, and higher than all of ours.
        shares: of each system, its values over the best ones, 0 to 1; None where the system has no value.
        paper: the paper's rows, of those systems of which it is known in part at least.
        missing: what has no value, by system, in words.
        paper_missing: what is not known of the paper's rows drawn, in words.
        below_zero: what lies below 0 and is drawn at the centre, in words.
        other_model: the model and layer of BERTScore where it is not the paper's; its metrics are then its own.
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
    """Figure 1 from Table 1: its rows and columns in their order.

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
        missing=[*absent(titles, metrics, values), *none_above_zero(metrics, values, best)],
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
    """The highest value above 0 of each metric."""
    return [best_of(column) for column in zip(*rows)] if rows else [None] * len(metrics)


def none_above_zero(metrics: list[str], values: list[Values], best: Values) -> list[str]:
    """The metrics that have values, but none above 0, in words."""
    flat = [metric for metric, top in zip(metrics, best) if top is None and has(values, metrics, metric)]
    return [f"{METRICS[metric]} (none above 0)" for metric in flat]


def below_zero(named: list[tuple[str, Values]], metrics: list[str]) -> list[str]:
    """What lies below 0, in words.

    Args:
        named: the rows, each with its name.
    """
    found = []
    for name, row in named:
        below = [(metric, value) for metric, value in zip(metrics, row) if value is not None and value < 0]
        found += [f"{name}: {METRICS[metric]} {value:.2f}" for metric, value in below]
    return found


def paper_rows(table: Table, metrics: list[str], other_model: str | None) -> dict[tuple[str, int], Values]:
    """The paper's values by its row's name and the place of the first system beside it.

    BERTScore is left out where ours is by another model.
    """
    found: dict[tuple[str, int], Values] = {}
    for place, row in enumerate(table.rows):
        name = f"{row.paper_row or row.title} (paper)"
        values = [paper_value(table.cells[row.system][metric], metric, other_model) for metric in metrics]
        if any(value is not None for value in values) and all(name != known for known, _ in found):
            found[name, place] = values
    return found


def paper_value(cell: Cell, metric: str, other_model: str | None) -> float | None:
    """The paper's value of a cell, where what is drawn can be compared with it: BERTScores of two models cannot."""
    return None if other_model and metric in BERTSCORE else cell.paper


def unknown_of_paper(paper: dict[tuple[str, int], Values], metrics: list[str], other_model: str | None) -> list[str]:
    """Which values of the paper's rows are not known, in words.

    BERTScore is left out where ours is by another model: the paper's would not be drawn.
    """
    words = []
    for (name, _), values in paper.items():
        lacking = [
            METRICS[m] for m, value in zip(metrics, values) if value is None and not (other_model and m in BERTSCORE)
        ]
        words += [f"{name}: {', '.join(lacking)}"] if lacking else []
    return words


def shares_of(values: Values, best: Values) -> Values:
    """A row's values as shares of their axes."""
    return [share(value, top) for value, top in zip(values, best)]


def radar_csv(table: Table, note: str | None = None) -> str:
    """Figure 1's numbers: a line a system and metric; another model's BERTScore stands under its name."""
    metrics = metrics_of(table)
    values, other_model = values_of(table, metrics)
    lines = []
    for row, ours in zip(table.rows, values):
        for metric, value in zip(metrics, ours):
            cell, stands_in = table.cells[row.system][metric], bool(other_model) and metric in BERTSCORE
            name = f"{metric} by {other_model}" if stands_in else metric
            sd = None if stands_in else cell.sd
            lines.append(
                [row.system, row.title, name, *comparison_columns(value, sd, paper_value(cell, metric, other_model))]
            )
    return csv_with_note(["system", "title", "metric", *BESIDE], lines, note)


def values_in(row: dict[str, Cell], metrics: list[str]) -> Values:
    """A row's values."""
    return [row[metric].value for metric in metrics]


def values_of(table: Table, metrics: list[str]) -> tuple[list[Values], str | None]:
    """Values by row and metric, and the model behind BERTScore where it is not the paper's.

    Another model's values are taken where no row has the paper's BERTScore, and one model gave all there is.
    """
    grid = [table.cells[row.system] for row in table.rows]
    values = [values_in(row, metrics) for row in grid]
    berts = [cell for cell in cells_of(table) if cell.metric in BERTSCORE]
    models = {f"{cell.instead['model']}, layer {cell.instead['layer']}" for cell in berts if cell.instead}
    if len(models) != 1 or any(cell.value is not None for cell in berts):
        return values, None
    for values_of_row, row in zip(values, grid):
        for place, metric in enumerate(metrics):
            if metric in BERTSCORE and row[metric].instead:
                values_of_row[place] = row[metric].instead["value"]
    return values, models.pop()


def best_of(values: Iterable[float | None]) -> float | None:
    """The highest value above 0."""
    return max((value for value in values if value is not None and value > 0), default=None)


def share(value: float | None, best: float | None) -> float | None:
    """A value as a share of the best; below 0 is 0, the centre of the radar."""
    return None if value is None or best is None else max(0.0, value / best)


def has(values: list[Values], metrics: list[str], metric: str) -> bool:
    """Whether any system has a value of a metric."""
    return any(row[metrics.index(metric)] is not None for row in values)


def absent(titles: list[str], metrics: list[str], values: list[Values]) -> list[str]:
    """What has no value, in words: whole systems, else metrics of all systems, else single ones."""
    empty = [metric for metric in metrics if not has(values, metrics, metric)]
    words = [f"{METRICS[metric]} (all systems)" for metric in empty] if len(empty) < len(metrics) else []
    for title, row in zip(titles, values):
        lacking = [METRICS[m] for m, value in zip(metrics, row) if value is None and (m not in empty or not words)]
        if all(value is None for value in row):
            words.append(f"{title} (all metrics)")
        elif lacking:
            words.append(f"{title} ({', '.join(lacking)})")
    return words


def count_range(numbers: set[int]) -> str:
    """A count, or the least and the greatest of several; a dash for none."""
    if not numbers:
        return DASH
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def draw_figure1(data: Radar, note: str | None):
    """Systems over metrics as a radar (paper, Figure 1); the first system, ours, is drawn over the others and thicker.

    What is known of the paper's rows is drawn hollow, each with the marker of the system that it stands beside.
    """
    from matplotlib.lines import Line2D

    with style():
        looks = [look_of(number) for number in range(len(data.systems))]
        looks += [PAPER_LINE | {"marker": looks[row.system]["marker"]} for row in data.paper]
        handles = [Line2D([], [], label=label, **look) for label, look in zip(labels_of(data), looks)]
        figure = sheet("Figure 1: systems over metrics", 2.8, handles, [note or "", *radar_notes(data)])
        axes = figure.add_subplot()
        angles = [math.pi / 2 - 2 * math.pi * i / len(data.metrics) for i in range(len(data.metrics))]
        draw_web(axes, data, angles)
        rows = [*data.shares, *(row.shares for row in data.paper)]
        for number, shares in drawing_order(rows, len(data.systems)):
            corners = [spot(angle, value) for angle, value in zip(closed(angles), closed(gaps(shares)))]
            axes.plot(*zip(*corners), clip_on=False, **looks[number])
        return freeze_layout(figure)


def look_of(number: int) -> dict[str, Any]:
    """How a system's line looks; that of the first, ours, is thicker."""
    colour, marker, dashes = line_of(number)
    width = 1.6 if number == 0 else 0.8
    return {"color": colour, "marker": marker, "linestyle": dashes, "linewidth": width, "markersize": 3.5}


def labels_of(data: Radar) -> list[str]:
    """What the legend calls the systems and then the paper's rows."""
    systems = [
        title if has_value(shares) else f"{title}: no value" for title, shares in zip(data.systems, data.shares)
    ]
    return [*systems, *(row.name for row in data.paper)]


def drawing_order(rows: list[Any], systems: int) -> list[tuple[int, Any]]:
    """Each row with its number: systems from the last, then the paper's rows, then over all the first system, ours."""
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
        axes.text(x, y, f"{METRICS[metric]}{star}\n({rim})", ha=h_align(x), va=v_align(y), linespacing=1.0)
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.25, 1.25), aspect="equal")
    axes.set_axis_off()


def spot(angle: float, radius: float) -> tuple[float, float]:
    """A point of the radar."""
    return radius * math.cos(angle), radius * math.sin(angle)


def closed(values: list[Any]) -> list[Any]:
    """A polygon's corners with the first again at the end."""
    return [*values, values[0]]


def h_align(x: float) -> str:
    """A label outside the radar begins, is centred or ends at its corner."""
    return "center" if abs(x) < 0.15 else "left" if x > 0 else "right"


def v_align(y: float) -> str:
    """A label outside the radar stands on, beside or under its corner."""
    return "center" if abs(y) < 0.85 else "bottom" if y > 0 else "top"
