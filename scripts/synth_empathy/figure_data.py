"""What the figures show, as numbers: read and checked here, drawn by ``figures``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from .cells import BERTSCORE, METRICS, Cell
from .errors import UserError
from .records import REMAKE, Record, missing, read_json
from .settings import TRAINING_SET
from .tables import UNKNOWN, Row, Table

Values = list[float | None]


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
    thresholds: list[float]
    ours: Values
    sd: Values
    paper: Values


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


def radar(table: Table) -> Radar:
    """Figure 1 from Table 1: its rows and columns in their order.

    Raises:
        UserError: the cells are not of one protocol.
    """
    protocol = one_protocol(table)
    metrics = list(next(iter(table.cells.values())))
    values, other_model = values_of(table, metrics)
    titles = [row.title for row in table.rows]
    best = [best_of(row[j] for row in values) for j in range(len(metrics))]
    flat = [f"{METRICS[m]} (none above 0)" for m, top in zip(metrics, best) if top is None and has(values, metrics, m)]
    below = [f"{title}: {METRICS[m]} {value:.2f}" for title, row in zip(titles, values) for m, value in zip(metrics, row) if value is not None and value < 0]
    shares = [[share(value, top) for value, top in zip(row, best)] for row in values]
    samples = span({cell.test_samples for cell in made(table) if cell.test_samples})
    return Radar(metrics, titles, best, shares, [*absent(titles, metrics, values), *flat], below, other_model, samples, protocol)


def made(table: Table) -> list[Cell]:
    """The cells that are there."""
    return [cell for row in table.cells.values() for cell in row.values() if cell]


def one_protocol(table: Table) -> str:
    """The protocol of all cells that name one."""
    protocols = sorted({cell.protocol for cell in made(table) if cell.protocol})
    if len(protocols) > 1:
        raise UserError(f"the cells of {table.name} are of several protocols: {', '.join(protocols)}", "make them again by one: evaluation: protocol")
    return protocols[0] if protocols else UNKNOWN


def values_of(table: Table, metrics: list[str]) -> tuple[list[Values], str | None]:
    """Values by row and metric; where no row has the paper's BERTScore and one other model gave all there is, that model's."""
    grid = [table.cells[row.system] for row in table.rows]
    values = [[row[metric].value if row[metric] else None for metric in metrics] for row in grid]
    berts = [cell for row in grid for cell in row.values() if cell and cell.metric in BERTSCORE]
    models = {f"{cell.instead['model']}, layer {cell.instead['layer']}" for cell in berts if cell.instead}
    if len(models) != 1 or any(cell.value is not None for cell in berts):
        return values, None
    for values_of_row, row in zip(values, grid):
        for place, metric in enumerate(metrics):
            if metric in BERTSCORE and row[metric] and row[metric].instead:
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
        lacking = [METRICS[metric] for metric, value in zip(metrics, row) if value is None and (metric not in empty or not words)]
        if all(value is None for value in row):
            words.append(f"{title} (all metrics)")
        elif lacking:
            words.append(f"{title} ({', '.join(lacking)})")
    return words


def why_missing(table: Table) -> list[str]:
    """A line for every cell without a value, with its reason."""
    cells = [(row.title, METRICS[metric], cell) for row in table.rows for metric, cell in table.cells[row.system].items()]
    return [
        f"missing: {title}, {metric}: {cell.why_null if cell else 'the cell was not made'}" for title, metric, cell in cells if not cell or cell.value is None
    ]


def curves(table: Table) -> list[Curve]:
    """Figure 8 from Table 2's CIDEr: one line per base model, prompt and selection, thresholds rising.

    Raises:
        UserError: a row is of no DK threshold or stands twice, or the cells are of several protocols.
    """
    one_protocol(table)
    series: dict[tuple[str, ...], dict[float, Row]] = {}
    for row in table.rows:
        parts = TRAINING_SET.fullmatch(row.training_set)
        if not parts or not parts["quality"].startswith("dk"):
            raise UserError(f"{row.system} is of no DK threshold", "give Table 2's rows: their training set is ed+{prompt}-dk{T}-{selection}")
        line = series.setdefault((row.base, parts["prompt"], parts["selection"]), {})
        if line.setdefault(float(parts["dk"]), row) is not row:
            raise UserError(f"{row.system} is given twice", "give each row once")
    return [curve(table, key, line) for key, line in series.items()]


def curve(table: Table, key: tuple[str, ...], line: dict[float, Row]) -> Curve:
    """One line by rising threshold; its title is that of its rows without the threshold, or else its key."""
    titles = {row.title.removesuffix(f", DK {dk:g}") for dk, row in line.items()}
    cells = [table.cells[line[dk].system]["cider"] for dk in sorted(line)]
    ours, sd, paper = ([getattr(cell, name) if cell else None for cell in cells] for name in ("value", "sd", "paper"))
    return Curve(titles.pop() if len(titles) == 1 else ", ".join(key), sorted(line), ours, sd, paper)


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
    """A count, or the least and the greatest of several; none is not available."""
    if not numbers:
        return UNKNOWN
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
