"""What the figures show, as numbers: read and checked here, drawn by ``figures``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev

from .cells import Cell
from .errors import UserError
from .records import REMAKE, Record, missing, read_json
from .settings import TRAINING_SET
from .tables import METRICS

Values = list[float | None]

CELLS_HINT = "give the cells of one table, one protocol and one test set: results/{run}/cells/"


@dataclass(frozen=True)
class Radar:
    """Figure 1: systems over metrics, each axis scaled to the best system's value.

    Attributes:
        best: of each metric, the value that is 100 % of its axis; None where no system has a value above 0.
        shares: of each system, its values over the best ones, 0 to 1; None where the system has no value.
        missing: what has no value, by system, in words.
        below_zero: what lies below 0 and is drawn at the centre, in words.
        other_model: the model and layer of BERTScore where it is not the paper's; its metrics are then its own.
    """

    metrics: list[str]
    systems: list[str]
    best: Values
    shares: list[Values]
    missing: list[str]
    below_zero: list[str]
    other_model: str | None
    samples: str
    protocol: str


@dataclass(frozen=True)
class Curve:
    """One line of Figure 8: CIDEr (times 100) of a base model and prompt at rising DK thresholds."""

    title: str
    thresholds: list[float] = field(default_factory=list)
    ours: Values = field(default_factory=list)
    sd: Values = field(default_factory=list)
    paper: Values = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """One stage of Figure 5: marks from 1 to 3 and shares of full marks (0 to 1), by criterion, then over all of them.

    Attributes:
        spread: standard deviation of each mean over the seeds; None with one seed.
        share_spread: the same of the shares.
    """

    titles: list[str]
    means: list[float]
    spread: Values
    shares: list[float]
    share_spread: Values
    samples: int
    seeds: int
    notes: list[str]
    made_by: tuple[str, str, str]
    stage: str


@dataclass(frozen=True)
class PaperStage:
    """What the paper says of one stage in Figure 5; ``above`` where it gives a lower bound of the share only."""

    mean: float | None
    share: float | None
    above: bool


def radar(cells: list[Cell]) -> Radar:
    """Figure 1 from Table 1's cells: systems in the order given, metrics in the table's.

    Raises:
        UserError: a system lacks a cell, has one twice, or the cells are not of one table and protocol.
    """
    protocol = one({cell.protocol for cell in cells}, "protocols")
    one({cell.table for cell in cells}, "tables")
    rows = {key: list(group) for key, group in groupby(sorted(cells, key=place(cells)), key=lambda c: (c.base, c.training_set))}
    metrics = [metric for metric in METRICS if any(cell.metric == metric for cell in cells)]
    grid = [by_metric(row, metrics) for row in rows.values()]
    values, other_model = values_of(grid, metrics)
    titles = [next(iter(row.values())).title for row in grid]
    best = [best_of(values[i][j] for i in range(len(grid))) for j in range(len(metrics))]
    shares = [[share(value, top) for value, top in zip(row, best)] for row in values]
    return Radar(
        metrics, titles, best, shares,
        missing=absent(titles, metrics, values) + [f"{METRICS[m]} (none above 0)" for m, top in zip(metrics, best) if top is None and has(values, metrics, m)],
        below_zero=[f"{titles[i]}: {METRICS[m]} {row[j]:.2f}" for i, row in enumerate(values) for j, m in enumerate(metrics) if (row[j] or 0) < 0],
        other_model=other_model, samples=span({cell.test_samples for cell in cells}), protocol=protocol,
    )  # fmt: skip


def place(cells: list[Cell]):
    """A sort key that keeps systems in the order of their first cell."""
    order = {key: i for i, key in reversed(list(enumerate((cell.base, cell.training_set) for cell in cells)))}
    return lambda cell: order[cell.base, cell.training_set]


def by_metric(row: list[Cell], metrics: list[str]) -> dict[str, Cell]:
    """A system's cells by metric, every metric once."""
    found = {cell.metric: cell for cell in row}
    name = f"{row[0].base}/{row[0].training_set}"
    if len(found) < len(row):
        raise UserError(f"{name} has {len(row)} cells for {len(found)} metrics: one is given twice", "give each cell once")
    lacking = [f"{row[0].table}/{name}/{metric}.json" for metric in metrics if metric not in found]
    if lacking:
        raise UserError(f"cells are missing: {', '.join(lacking)}", "make them, or leave the system or metric out altogether")
    unknown = [metric for metric in found if metric not in METRICS]
    if unknown:
        raise UserError(f"{name}: {', '.join(unknown)} is no metric of Table 1", f"use {', '.join(METRICS)}")
    return found


def values_of(grid: list[dict[str, Cell]], metrics: list[str]) -> tuple[list[Values], str | None]:
    """Values by system and metric; where no system has the paper's BERTScore and one other model gave all there is, that model's."""
    values = [[row[metric].value for metric in metrics] for row in grid]
    berts = [metric for metric in metrics if metric.startswith("bert_")]
    others = [row[metric].instead for row in grid for metric in berts if row[metric].instead]
    models = {f"{other['model']}, layer {other['layer']}" for other in others}
    if len(models) != 1 or any(row[metric].value is not None for row in grid for metric in berts):
        return values, None
    for i, row in enumerate(grid):
        for metric in berts:
            values[i][metrics.index(metric)] = (row[metric].instead or {}).get("value")
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
        lacking = [METRICS[metric] for metric, value in zip(metrics, row) if value is None and (metric not in empty or not words)]
        if all(value is None for value in row):
            words.append(f"{title} (all metrics)")
        elif lacking:
            words.append(f"{title} ({', '.join(lacking)})")
    return words


def why_missing(cells: list[Cell]) -> list[str]:
    """A line for every cell without a value, with its reason."""
    return [f"missing: {cell.title}, {METRICS.get(cell.metric, cell.metric)}: {cell.why_null}" for cell in cells if cell.value is None]


def curves(cells: list[Cell]) -> list[Curve]:
    """Figure 8 from Table 2's CIDEr cells: one line per base model, prompt and selection, thresholds rising.

    Raises:
        UserError: a cell is no CIDEr, is of no DK threshold, stands twice, or was made by another protocol.
    """
    one({cell.protocol for cell in cells}, "protocols")
    series: dict[tuple[str, ...], dict[float, Cell]] = {}
    for cell in cells:
        parts = TRAINING_SET.fullmatch(cell.training_set)
        where = f"{cell.table}/{cell.base}/{cell.training_set}/{cell.metric}.json"
        if cell.metric != "cider" or not parts or not parts["quality"].startswith("dk"):
            raise UserError(f"{where} is no CIDEr of a DK threshold", "give Table 2's cider cells: their training set is ed+{prompt}-dk{T}-{selection}")
        line = series.setdefault((cell.base, parts["prompt"], parts["selection"]), {})
        if line.setdefault(float(parts["dk"]), cell) is not cell:
            raise UserError(f"{where} is given twice", "give each cell once")
    return [curve(key, line) for key, line in series.items()]


def curve(key: tuple[str, ...], line: dict[float, Cell]) -> Curve:
    """One line by rising threshold; its title is that of its cells without the threshold, or else its key."""
    titles = {cell.title.removesuffix(f", DK {dk:g}") for dk, cell in line.items()}
    cells = [line[dk] for dk in sorted(line)]
    return Curve(
        titles.pop() if len(titles) == 1 else ", ".join(key),
        sorted(line), [cell.value for cell in cells], [cell.sd for cell in cells], [cell.paper for cell in cells],
    )  # fmt: skip


def judged(paths: list[Path]) -> Judged:
    """One stage's judge summaries, a file a seed, as means over the seeds.

    Raises:
        UserError: a file is missing or no summary, or the files are not of one prompt, stage, judge, mode and set of criteria.
    """
    summaries = [read_summary(path) for path in paths]
    made = {tuple(str(s[key]) for key in ("prompt", "stage", "judge", "mode", "temperature")) + tuple(s["criteria"]) for s in summaries}
    if len(made) > 1 or len({s["seed"] for s in summaries}) < len(summaries):
        raise UserError(
            f"{', '.join(map(str, paths))} are not one stage's summaries, one a seed", "give files of one prompt, stage, judge and mode, each seed once"
        )
    first = summaries[0]
    parts = [[s["criteria"][name] for s in summaries] for name in first["criteria"]] + [[s["all"] for s in summaries]]
    means, shares = ([[part[key] for part in row] for row in parts] for key in ("mean", "full_share"))
    return Judged(
        [c["title"] for c in first["criteria"].values()],
        [fmean(row) for row in means], [spread(row) for row in means], [fmean(row) for row in shares], [spread(row) for row in shares],
        sum(s["samples"]["scored"] for s in summaries), len(summaries),
        list(dict.fromkeys(s["note"] for s in summaries if s["note"])), (first["prompt"], first["judge"], first["mode"]), first["stage"],
    )  # fmt: skip


def read_summary(path: Path) -> Record:
    """A judge's summary, with what the figure needs of it in it."""
    summary = read_json(path)
    try:
        parts = [*summary["criteria"].values(), summary["all"]]
        sound = bool(summary["criteria"]) and all(1 <= part["mean"] <= 3 and 0 <= part["full_share"] <= 1 for part in parts)
        summary["samples"]["scored"], *(summary[key] for key in ("prompt", "stage", "judge", "mode", "temperature", "seed", "note"))
        [criterion["title"] for criterion in summary["criteria"].values()]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no judge's summary: {error}", REMAKE) from None
    if not sound:
        raise UserError(f"{path}: a mean mark is not from 1 to 3, or a share of full marks not from 0 to 1", REMAKE)
    return summary


def check_stages(before: Judged, after: Judged) -> None:
    """Refuse two stages that cannot be compared: twice the same, another prompt, judge, mode or other criteria."""
    if before.stage == after.stage:
        raise UserError(f"before and after are both {before.stage}", "give the summaries of two stages: before, and one such as dk60-kcenter")
    if (before.made_by, before.titles) != (after.made_by, after.titles):
        told = [f"{' / '.join(stage.made_by)} on {', '.join(stage.titles)}" for stage in (before, after)]
        raise UserError(f"before and after were not judged alike: {told[0]}; {told[1]}", "give summaries of one prompt, judge, mode and set of criteria")


def read_paper_figure5(path: Path) -> tuple[PaperStage, PaperStage]:
    """The paper's numbers before and after selection; a share such as ">0.95" is a lower bound."""
    lines = {line["stage"]: line for line in read_csv(path)}
    stages = []
    for name in ("before selection", "after selection"):
        line = lines.get(name, {})
        mean, full = line.get("mean_score_of_coherence_naturalness_empathy"), line.get("share_with_full_marks")
        stages.append(PaperStage(float(mean) if mean else None, float(full.lstrip(">")) if full else None, bool(full) and full.startswith(">")))
    return stages[0], stages[1]


def read_paper_figure7(path: Path) -> dict[str, dict[str, float]]:
    """The paper's percentages by baseline and verdict (win, tie, loss); one that no text we have holds is absent."""
    verdicts = ("win", "tie", "loss")
    return {line["baseline"]: {v: float(line[f"{v}_pct"]) for v in verdicts if line[f"{v}_pct"]} for line in read_csv(path)}


def read_csv(path: Path) -> list[dict[str, str]]:
    """A table of resources/paper/."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise missing(path) from None


def spread(values: list[float]) -> float | None:
    """Standard deviation (n - 1) over the seeds; None with one."""
    return stdev(values) if len(values) > 1 else None


def span(numbers: set[int]) -> str:
    """A count, or the least and the greatest of several."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def one(values: set[str], what: str) -> str:
    """The single value there is."""
    if not values:
        raise UserError("no cell is given", CELLS_HINT)
    if len(values) > 1:
        raise UserError(f"the cells are of {len(values)} {what}: {', '.join(sorted(values))}", CELLS_HINT)
    return next(iter(values))
