"""What the figures show, as numbers: read and checked here, drawn by ``figures``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from ..core.absent import DASH, UNKNOWN
from ..core.csv_files import Line, read_csv
from ..core.errors import UserError
from ..core.escaping import csv_text
from ..core.records import REMAKE, Record, is_a, read_json
from ..systems import BEFORE, DATASET, STAGES, Quality, TrainingSet
from .cells import BERTSCORE, METRICS, Cell
from .tables import Row, Table, plain

Values = list[float | None]
#: The judge's criteria in the paper: its numbers in Figure 5 are over these three.
PAPER_CRITERIA = ("coherence", "naturalness", "empathy")
#: The columns of the paper's numbers of Figure 5 (resources/paper/figure5.csv).
PAPER_MEAN, PAPER_SHARE = f"mean_score_of_{'_'.join(PAPER_CRITERIA)}", "share_with_full_marks"
#: The columns that every figure's CSV ends with.
BESIDE = ["ours", "sd", "paper", "difference"]


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's in Figure 1.

    Attributes:
        name: what the paper calls it, then "(paper)".
        system: which of the radar's systems it stands beside, counted from 0.
        shares: its values over the axes' rims, 0 to 1; None where the paper's value is not known, or not of the axis' model.
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


@dataclass(frozen=True)
class Curve:
    """One line of Figure 8: CIDEr (times 100) of a base model and prompt at rising DK thresholds, each a system."""

    title: str
    systems: list[str]
    thresholds: list[float]
    ours: Values
    sd: Values
    paper: Values


@dataclass(frozen=True)
class Judged:
    """One stage of Figure 5: marks from 1 to 3 and shares of full marks (0 to 1), by criterion, then over all of them.

    Attributes:
        criteria: their names, as their files give them; ``titles`` are what people read.
        spread: standard deviation of each mean over the seeds; None with one seed.
        share_spread: the same of the shares.
    """

    criteria: list[str]
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


#: Where nothing of the paper's stands beside ours.
NOTHING = PaperStage(None, None, False)


def radar(table: Table) -> Radar:
    """Figure 1 from Table 1: its rows and columns in their order.

    Raises:
        UserError: the cells are not of one protocol.
    """
    protocol = one_protocol(table)
    metrics = list(next(iter(table.cells.values())))
    values, other_model = values_of(table, metrics)
    paper = paper_rows(table, metrics, other_model)
    titles = [row.title for row in table.rows]
    ours, theirs = ([best_of(row[j] for row in grid) for j in range(len(metrics))] for grid in (values, paper.values()))
    best = [best_of(pair) for pair in zip(ours, theirs)]
    flat = [f"{METRICS[m]} (none above 0)" for m, top in zip(metrics, best) if top is None and has(values, metrics, m)]
    below = [
        f"{title}: {METRICS[m]} {value:.2f}"
        for title, row in [*zip(titles, values), *((name, row) for (name, _), row in paper.items())]
        for m, value in zip(metrics, row)
        if value is not None and value < 0
    ]
    samples = span({cell.test_samples for cell in made(table) if cell.test_samples})
    return Radar(
        metrics, titles, best, [top is not None and top != mine for top, mine in zip(best, ours)],
        [shares_of(row, best) for row in values], [PaperRow(*key, shares_of(row, best)) for key, row in paper.items()],
        [*absent(titles, metrics, values), *flat], unknown_of_paper(paper, metrics, other_model), below, other_model, samples, protocol,
    )  # fmt: skip


def paper_rows(table: Table, metrics: list[str], other_model: str | None) -> dict[tuple[str, int], Values]:
    """The paper's values by its row's name and the place of the first system beside it; none of BERTScore beside another model's."""
    found: dict[tuple[str, int], Values] = {}
    for place, row in enumerate(table.rows):
        name = f"{row.paper_row or row.title} (paper)"
        values = [paper_value(table.cells[row.system][metric], metric, other_model) for metric in metrics]
        if any(value is not None for value in values) and all(name != known for known, _ in found):
            found[name, place] = values
    return found


def paper_value(cell: Cell, metric: str, other_model: str | None) -> float | None:
    """A cell's value of the paper's, where it can be compared with what is drawn: BERTScore of two models cannot."""
    return None if other_model and metric in BERTSCORE else cell.paper


def unknown_of_paper(paper: dict[tuple[str, int], Values], metrics: list[str], other_model: str | None) -> list[str]:
    """Which values of the paper's rows are not known, in words; BERTScore beside another model's is left out for another reason."""
    words = []
    for (name, _), values in paper.items():
        lacking = [METRICS[m] for m, value in zip(metrics, values) if value is None and not (other_model and m in BERTSCORE)]
        words += [f"{name}: {', '.join(lacking)}"] if lacking else []
    return words


def shares_of(values: Values, best: Values) -> Values:
    """A row's values as shares of their axes."""
    return [share(value, top) for value, top in zip(values, best)]


def radar_csv(table: Table) -> str:
    """Figure 1's numbers: a line a system and metric; BERTScore by another model stands under its name, as in the table."""
    metrics = list(next(iter(table.cells.values())))
    values, other_model = values_of(table, metrics)
    lines = []
    for row, ours in zip(table.rows, values):
        for metric, value in zip(metrics, ours):
            cell, stands_in = table.cells[row.system][metric], bool(other_model) and metric in BERTSCORE
            name = f"{metric} by {other_model}" if stands_in else metric
            sd = None if stands_in else cell.sd
            lines.append([row.system, row.title, name, *beside(value, sd, paper_value(cell, metric, other_model))])
    return csv_text(["system", "title", "metric", *BESIDE], lines)


def beside(ours: float | None, sd: float | None, paper: float | None) -> list[str]:
    """The columns ``BESIDE`` of a value with two decimals."""
    difference = None if ours is None or paper is None else ours - paper
    return [plain(ours, ""), plain(sd, ""), plain(paper, ""), plain(difference, "", "+")]


def made(table: Table) -> list[Cell]:
    """The cells that are there."""
    return [cell for row in table.cells.values() for cell in row.values() if not cell.missing]


def one_protocol(table: Table) -> str:
    """The protocol of all cells that name one."""
    protocols = sorted({cell.protocol for cell in made(table) if cell.protocol})
    if len(protocols) > 1:
        raise UserError(f"the cells of {table.name} are of several protocols: {', '.join(protocols)}", "make them again by one: evaluation: protocol")
    return protocols[0] if protocols else DASH


def values_of(table: Table, metrics: list[str]) -> tuple[list[Values], str | None]:
    """Values by row and metric; where no row has the paper's BERTScore and one other model gave all there is, that model's."""
    grid = [table.cells[row.system] for row in table.rows]
    values = [[row[metric].value for metric in metrics] for row in grid]
    berts = [cell for row in grid for cell in row.values() if cell.metric in BERTSCORE]
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
        lacking = [METRICS[metric] for metric, value in zip(metrics, row) if value is None and (metric not in empty or not words)]
        if all(value is None for value in row):
            words.append(f"{title} (all metrics)")
        elif lacking:
            words.append(f"{title} ({', '.join(lacking)})")
    return words


def why_missing(table: Table) -> list[str]:
    """A line for every cell without a value, with its reason."""
    cells = [(row.title, METRICS[metric], cell) for row in table.rows for metric, cell in table.cells[row.system].items()]
    return [f"missing: {title}, {metric}: {cell.why_null}" for title, metric, cell in cells if cell.value is None]


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
            hint = f"give Table 2's rows, such as {DATASET}+prompt2-{STAGES}"
            raise UserError(f"{row.system} is of no DK threshold", hint)
        line = series.setdefault((row.base, selected.prompt, selected.selection), {})
        if line.setdefault(selected.quality.dk, row) is not row:
            raise UserError(f"{row.system} is given twice", "give each row once")
    return [curve(table, key, line) for key, line in series.items()]


def curve(table: Table, key: tuple[str, ...], line: dict[float, Row]) -> Curve:
    """One line by rising threshold; its title is that of its rows without the threshold, or else its key."""
    titles = {row.title.removesuffix(f", {Quality.threshold(dk).in_words()}") for dk, row in line.items()}
    systems = [line[dk].system for dk in sorted(line)]
    cells = [table.cells[system]["cider"] for system in systems]
    ours, sd, paper = ([getattr(cell, name) for cell in cells] for name in ("value", "sd", "paper"))
    return Curve(titles.pop() if len(titles) == 1 else ", ".join(key), systems, sorted(line), ours, sd, paper)


def curves_csv(data: list[Curve]) -> str:
    """Figure 8's numbers: a line a system, by curve and rising threshold."""
    lines = [
        [system, one.title, f"{dk:g}", *beside(ours, sd, paper)]
        for one in data
        for system, dk, ours, sd, paper in zip(one.systems, one.thresholds, one.ours, one.sd, one.paper)
    ]
    return csv_text(["system", "line", "dk", *BESIDE], lines)


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
        list(first["criteria"]), [c["title"] for c in first["criteria"].values()],
        [fmean(row) for row in means], [spread(row) for row in means], [fmean(row) for row in shares], [spread(row) for row in shares],
        sum(s["samples"]["scored"] for s in summaries), len(summaries),
        list(dict.fromkeys(s["note"] for s in summaries if s["note"])), (first["prompt"], first["judge"], first["mode"]), first["stage"],
    )  # fmt: skip


def other_criteria(names: Iterable[str]) -> str | None:
    """Why a mean over these criteria is not compared with the paper's mean; None where they are the paper's.

    Args:
        names: the criteria's names, in any order.
    """
    names = list(names)
    if sorted(names) == sorted(PAPER_CRITERIA):
        return None
    return f"over the criteria {', '.join(names)}, and the paper's over {', '.join(PAPER_CRITERIA)}"


def criteria_note(stage: Judged) -> str | None:
    """What Figure 5 says where its criteria are not the paper's; None where they are."""
    why = other_criteria(stage.criteria)
    if why is None:
        return None
    return f"The numbers over all criteria are {why}: the paper's are not comparable and are not shown."


def judged_csv(before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> str:
    """Figure 5's numbers: a line a stage, criterion (or all of them) and quantity; the paper's stand beside those of all.

    Args:
        paper: None where the criteria are not the paper's, so that its numbers are not comparable.

    Mean marks are from 1 to 3. Shares of full marks are from 0 to 1, as the paper's file has them; a lower bound of the
    paper's stays one, and nothing is subtracted from it.
    """
    lines = []
    stages = ("before selection", before), ("after selection", after)
    for (name, stage), known in zip(stages, paper or (NOTHING, NOTHING)):
        numbers = zip([*stage.titles, "all"], stage.means, stage.spread, stage.shares, stage.share_spread)
        for place, (criterion, mean, mean_sd, share, share_sd) in enumerate(numbers):
            theirs = known if place == len(stage.titles) else NOTHING
            about = [name, f"{stage.made_by[0]}/{stage.stage}", criterion]
            lines.append([*about, "mean mark", *beside(mean, mean_sd, theirs.mean)])
            lines.append([*about, "share of full marks", *share_beside(share, share_sd, theirs)])
    return csv_text(["stage", "judged", "criterion", "quantity", *BESIDE], lines)


def share_beside(ours: float, sd: float | None, paper: PaperStage) -> list[str]:
    """The columns ``BESIDE`` of a share of full marks, with four decimals: those of a percentage with two."""
    exact = paper.share is not None and not paper.above
    known = UNKNOWN if paper.share is None else f"{'>' if paper.above else ''}{paper.share:g}"
    return [f"{ours:.4f}", UNKNOWN if sd is None else f"{sd:.4f}", known, f"{ours - paper.share:+.4f}" if exact else UNKNOWN]


def read_summary(path: Path) -> Record:
    """A judge's summary, with what the figure needs of it in it."""
    summary = read_json(path)
    try:
        parts = [*summary["criteria"].values(), summary["all"]]
        sound = bool(summary["criteria"]) and all(1 <= part["mean"] <= 3 and 0 <= part["full_share"] <= 1 for part in parts)
        words = [summary[key] for key in ("prompt", "stage", "judge", "mode")] + [summary["note"] or ""]
        words += [criterion["title"] for criterion in summary["criteria"].values()]
        counts = [summary["samples"]["scored"], summary["seed"]]
        summary["temperature"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no judge's summary: {error}", REMAKE) from None
    odd = [word for word in words if not is_a(word, str)] + [count for count in counts if not is_a(count, int)]
    if odd:
        raise UserError(f"{path} is no judge's summary: {odd[0]!r} is a text or a number in another's place", REMAKE)
    if not sound:
        raise UserError(f"{path}: a mean mark is not from 1 to 3, or a share of full marks not from 0 to 1", REMAKE)
    return summary


def check_stages(before: Judged, after: Judged) -> None:
    """Refuse two stages that cannot be compared: twice the same, another prompt, judge, mode or other criteria."""
    if before.stage == after.stage:
        hint = f"give the summaries of two stages: {BEFORE}, and one such as {STAGES}"
        raise UserError(f"before and after are both {before.stage}", hint)
    if (before.made_by, before.criteria, before.titles) != (after.made_by, after.criteria, after.titles):
        told = [f"{' / '.join(stage.made_by)} on {', '.join(stage.titles)}" for stage in (before, after)]
        raise UserError(f"before and after were not judged alike: {told[0]}; {told[1]}", "give summaries of one prompt, judge, mode and set of criteria")


def read_paper_figure5(path: Path) -> tuple[PaperStage, PaperStage]:
    """The paper's numbers before and after selection; a share such as ">0.95" is a lower bound."""
    lines = {line["stage"]: line for line in read_csv(path, columns=(PAPER_MEAN, PAPER_SHARE), unique=("stage",))}
    before, after = (paper_stage(lines.get(name)) for name in ("before selection", "after selection"))
    return before, after


def paper_stage(line: Line | None) -> PaperStage:
    """One stage's numbers; none where the paper's file has no such line."""
    if line is None:
        return NOTHING
    full = line[PAPER_SHARE]
    share = line.number_of(full.removeprefix(">"), PAPER_SHARE, least=0, most=1) if full else None
    return PaperStage(line.value(PAPER_MEAN, least=1, most=3), share, full.startswith(">"))


def read_paper_figure7(path: Path) -> dict[str, dict[str, float]]:
    """The paper's percentages by baseline and verdict (win, tie, loss); one that no text we have holds is absent."""
    columns = {verdict: f"{verdict}_pct" for verdict in ("win", "tie", "loss")}
    found: dict[str, dict[str, float]] = {}
    for line in read_csv(path, columns=columns.values(), unique=("baseline",)):
        values = {verdict: line.value(column, least=0, most=100) for verdict, column in columns.items()}
        found[line["baseline"]] = {verdict: value for verdict, value in values.items() if value is not None}
    return found


def spread(values: list[float]) -> float | None:
    """Standard deviation (n - 1) over the seeds; None with one."""
    return stdev(values) if len(values) > 1 else None


def span(numbers: set[int]) -> str:
    """A count, or the least and the greatest of several; a dash for none."""
    if not numbers:
        return DASH
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
