"""The quantities that the paper itself gives, out of resources/paper/*.csv."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path

from ..core.csv_files import RESTORE, Line, read_csv
from ..core.errors import UserError
from ..reporting import paper_values
from ..reporting.paper_values import PAPER_MEAN, PAPER_SHARE
from ..systems import BEFORE
from .quantities import ITEMS, Missing, Value, parts_of

#: The tables whose rows are named BASE/TRAINING_SET.
NAMED_TABLES = ("table2", "table3", "table4")


class Paper:
    """The paper's own numbers, as far as a text that we have holds them.

    Args:
        folder: resources/paper.
        systems: the systems of Table 1 by name, each with base, training_set and the title of its row in table1.csv.
    """

    def __init__(self, folder: Path, systems: dict[str, dict[str, str]]):
        self.folder = folder
        self.systems = systems

    def value(self, quantity: str) -> Value | Missing:
        """A quantity as the paper prints it, or as its bounds follow from what the paper prints."""
        source, address, item = parts_of(quantity)
        if source == "cell":
            number = self._cells.get((*address, item))
            return Missing("its row is in no text that we have") if number is None else Value.of(number)
        if source == "judged":
            return self._judged(address[-1], item)
        if source == "human":
            return self._human(*address, item)
        return Missing("the paper gives it only in the claim itself")

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], float]:
        """The values of all tables by base, training set and metric.

        Raises:
            UserError: a row's name has another form, or two tables disagree.
        """
        numbers: dict[tuple[str, str, str], float] = {}
        for system, values in self._rows():
            base, slash, training_set = system.partition("/")
            if not slash or "/" in training_set:
                problem = f"a table of {self.folder} has the row {system!r}, which is not BASE/TRAINING_SET"
                raise UserError(problem, RESTORE)
            for metric, value in values.items():
                if numbers.setdefault((base, training_set, metric), value) != value:
                    raise UserError(f"two tables of {self.folder} disagree on {system} {metric}", RESTORE)
        return numbers

    def _rows(self) -> Iterator[tuple[str, Mapping[str, float]]]:
        """The rows of all tables, each with its system as BASE/TRAINING_SET; Table 1 names its rows otherwise."""
        first = paper_values.read_table(self.folder / "table1.csv")
        for system in self.systems.values():
            yield f"{system['base']}/{system['training_set']}", self._row(first, system["row"])
        for name in NAMED_TABLES:
            yield from paper_values.read_table(self.folder / f"{name}.csv").items()

    def _row(self, table: Mapping[str, Mapping[str, float]], title: str) -> Mapping[str, float]:
        """A row of Table 1."""
        if title not in table:
            hint = "correct the system's row in claims.yaml, or restore both from the repository (git checkout)"
            raise UserError(f"{self.folder / 'table1.csv'} has no row {title!r}, which claims.yaml names", hint)
        return table[title]

    def _judged(self, stage: str, item: str) -> Value | Missing:
        """Section 3.4's scores; a share of full marks that is above a bound is an interval up to 1."""
        name = "before selection" if stage == BEFORE else "after selection"
        row = line_of(self.folder / "figure5.csv", "stage", name)
        column = PAPER_MEAN if item == "mean" else PAPER_SHARE
        text = row[column]
        if not text:
            return Missing("no text that we have gives it")
        number = row.number_of(text.removeprefix(">"), column, least=0, most=3 if item == "mean" else 1)
        return Value(math.nextafter(number, 1.0), 1.0) if text.startswith(">") else Value.of(number)

    def _human(self, baseline: str, item: str) -> Value | Missing:
        """Section 4.3's percentages; one that the paper does not give lies between 0 and what the others leave."""
        title = self.systems.get(baseline, {}).get("row")
        if title is None:
            return Missing(f"the paper gives no judgements against {baseline}")
        row = line_of(self.folder / "figure7.csv", "baseline", title)
        values = {name: row.value(f"{name}_pct", least=0, most=100) for name in ITEMS["human"]}
        printed = {name: value for name, value in values.items() if value is not None}
        return Value.of(printed[item]) if item in printed else Value(0.0, 100 - sum(printed.values()))


#: The columns that the paper's files of numbers must have besides the column that names a line.
COLUMNS = {"stage": (PAPER_MEAN, PAPER_SHARE), "baseline": tuple(f"{name}_pct" for name in ITEMS["human"])}


@cache
def line_of(path: Path, column: str, name: str) -> Line:
    """The line of one of the paper's files that has a name in a column. The files do not change during a run.

    Raises:
        UserError: the file is faulty, or has no such line.
    """
    for line in read_csv(path, COLUMNS[column], unique=(column,)):
        if line[column] == name:
            return line
    raise UserError(f"{path} has no {column} {name!r}", RESTORE)
