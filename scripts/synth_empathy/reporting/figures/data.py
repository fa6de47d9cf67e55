"""Functions that several figures share: values of cells, and the columns that end each figure's CSV."""

from __future__ import annotations

from itertools import chain
from statistics import stdev

from ...core.absent import DASH
from ...core.errors import UserError
from ..cells import METRICS, Cell
from ..tables import Table, plain

#: Values; None for a missing one.
Values = list[float | None]
#: The columns that end every figure's CSV.
COMPARISON = ["ours", "sd", "paper", "difference"]


def comparison_columns(ours: float | None, sd: float | None, paper: float | None) -> list[str]:
    """The cells of the columns ``COMPARISON``, with two decimals."""
    difference = None if ours is None or paper is None else ours - paper
    return [plain(ours, ""), plain(sd, ""), plain(paper, ""), plain(difference, "", "+")]


def cells_of(table: Table) -> list[Cell]:
    """All cells of a table, row by row."""
    return list(chain.from_iterable(row.values() for row in table.cells.values()))


def made(table: Table) -> list[Cell]:
    """The cells of a table that were made."""
    return [cell for cell in cells_of(table) if not cell.missing]


def has_value(values: Values) -> bool:
    """Whether any value is known."""
    return any(value is not None for value in values)


def one_protocol(table: Table) -> str:
    """The protocol of a table's cells; a dash if no cell names one.

    Raises:
        UserError: the cells are of several protocols.
    """
    protocols = sorted({cell.protocol for cell in made(table) if cell.protocol})
    if len(protocols) > 1:
        problem = f"the cells of {table.name} are of several protocols: {', '.join(protocols)}"
        raise UserError(problem, "make them again by one: evaluation: protocol")
    return protocols[0] if protocols else DASH


def why_missing(table: Table) -> list[str]:
    """A line for every cell without a value, with the reason."""
    lines = []
    for row in table.rows:
        for metric, cell in table.cells[row.system].items():
            if cell.value is None:
                lines.append(f"missing: {row.title}, {METRICS[metric]}: {cell.why_null}")
    return lines


def stdev_or_none(values: list[float]) -> float | None:
    """Standard deviation (n - 1) over the seeds; None with one."""
    return stdev(values) if len(values) > 1 else None
