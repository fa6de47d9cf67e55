"""The paper's numbers: resources/paper/ has a file for each table and figure, and this module one reader of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.csv_files import Line, read_csv
from ..core.errors import UserError
from ..core.paths import ROOT
from ..core.records import METRIC
from ..evaluation import metrics
from ..systems import ED
from .cells import COUNTS, METRICS

#: The paper's data set in a sentence, and its reader.
DATA, READER = "EmpatheticDialogues", "empathetic_dialogues"
#: The folder of the paper's numbers.
PAPER = ROOT / "resources" / "paper"
#: The columns that all of the paper's tables have.
IN_EVERY_TABLE = [name for name in metrics.PAPER if metrics.METRICS[name].tables == metrics.EVERY_TABLE]
PAPER_COLUMNS = metrics.scores(IN_EVERY_TABLE)
#: The judge's criteria in the paper: its numbers in Figure 5 are over these three.
PAPER_CRITERIA = ("coherence", "naturalness", "empathy")
#: The columns of the paper's numbers of Figure 5 (resources/paper/figure5.csv).
PAPER_MEAN, PAPER_SHARE = f"mean_score_of_{'_'.join(PAPER_CRITERIA)}", "share_with_full_marks"
#: The columns of the paper's numbers of Figure 7, by verdict.
VERDICT_COLUMNS = {"win": "win_pct", "tie": "tie_pct", "loss": "loss_pct"}


def other_data(dataset: str) -> str | None:
    """Why nothing of a run is compared with the paper's; None where the run's data set is the paper's."""
    return None if dataset == ED else f"this run's data set is {dataset}, not {DATA}"


def data_title(dataset: str) -> str:
    """What readers call a data set."""
    return "ED" if dataset == ED else dataset


@dataclass(frozen=True)
class PaperStage:
    """The paper's numbers of one stage in Figure 5; ``above``: whether its share is only a lower bound."""

    mean: float | None
    share: float | None
    above: bool


#: A stage of which the paper's numbers are unknown or not comparable.
NOTHING = PaperStage(None, None, False)


def read_table(path: Path) -> dict[str, dict[str, float]]:
    """The paper's numbers by system and metric; the unknown ones are left out.

    Raises:
        UserError: the table is missing or faulty.
    """
    lines = read_csv(path, columns=PAPER_COLUMNS, unique=("system",))
    columns = {metric: metric for metric in METRICS} | dict.fromkeys(COUNTS, "samples")
    bounds = METRIC.least, METRIC.most
    table: dict[str, dict[str, float]] = {}
    for line in lines:
        values = {metric: line.value(column, *bounds) for metric, column in columns.items() if column in line.values}
        table[line["system"]] = {metric: value for metric, value in values.items() if value is not None}
    return table


def read_row(path: Path, row: str | None) -> dict[str, float]:
    """The paper's numbers of a row; none for a row that is ours alone.

    Raises:
        UserError: the paper's table has no such row. The rows of Tables 2 to 4 are named {base}/{training_set}, and a
            row with such a name may be missing.
    """
    table = read_table(path)
    if row is not None and row not in table and "/" not in row:
        raise UserError(f"the paper's table has no row {row!r}", f"use one of: {'; '.join(table)}")
    return table.get(row or "", {})


def read_figure5(path: Path) -> tuple[PaperStage, PaperStage]:
    """The paper's numbers before and after selection; a share such as ">0.95" is a lower bound."""
    lines = {line["stage"]: line for line in read_csv(path, columns=(PAPER_MEAN, PAPER_SHARE), unique=("stage",))}
    return paper_stage(lines.get("before selection")), paper_stage(lines.get("after selection"))


def paper_stage(line: Line | None) -> PaperStage:
    """One stage's numbers; ``NOTHING`` without a line in the paper's file."""
    if line is None:
        return NOTHING
    full = line[PAPER_SHARE]
    share = line.number_of(full.removeprefix(">"), PAPER_SHARE, least=0, most=1) if full else None
    return PaperStage(line.value(PAPER_MEAN, least=1, most=3), share, full.startswith(">"))


def read_figure7(path: Path) -> dict[str, dict[str, float]]:
    """The paper's percentages by baseline and verdict (win, tie, loss); the unknown ones are left out."""
    percentages: dict[str, dict[str, float]] = {}
    for line in read_csv(path, columns=VERDICT_COLUMNS.values(), unique=("baseline",)):
        values = {verdict: line.value(column, least=0, most=100) for verdict, column in VERDICT_COLUMNS.items()}
        percentages[line["baseline"]] = {verdict: value for verdict, value in values.items() if value is not None}
    return percentages


def other_criteria(names: Iterable[str]) -> str | None:
    """Why a mean over these criteria is not compared with the paper's mean; None if they are the paper's.

    Args:
        names: the criteria's names, in any order.
    """
    names = list(names)
    if sorted(names) == sorted(PAPER_CRITERIA):
        return None
    return f"over the criteria {', '.join(names)}, and the paper's over {', '.join(PAPER_CRITERIA)}"
