"""The notes under a table: what its signs mean, and what each row was measured on."""

from __future__ import annotations

from collections import Counter
from itertools import chain

from ..core.absent import DASH
from .cells import HEADINGS, Cell
from .paper_values import other_data
from .tables import Table

ONE_COUNT = "The paper gives one count of samples and does not say of which stage; it stands beside both of ours."
NO_PAPER = "No text of the paper that we have holds its values of this table."


def cells_of(table: Table) -> list[Cell]:
    """All cells of a table."""
    return list(chain.from_iterable(row.values() for row in table.cells.values()))


def paper_is_known(cells: list[Cell]) -> bool:
    """Whether any of the paper's values is known."""
    return any(cell.paper is not None for cell in cells)


def legend(table: Table, comparison: str) -> list[str]:
    """Sentences that explain the signs of a table; only those that it has.

    Args:
        comparison: how the table shows the paper's values; used if any of them is known.
    """
    cells = cells_of(table)
    lines = ["Metrics are times 100."]
    if any(cell.sd is not None for cell in cells):
        lines.append("±: standard deviation over the seeds.")
    other = other_data(table.dataset)
    if other:
        lines.append(f"{other[0].upper()}{other[1:]}: no value of the paper stands beside ours.")
    else:
        lines.append(comparison if paper_is_known(cells) else NO_PAPER)
    if any(cell.value is None for cell in cells):
        lines.append(f"{DASH}: no value, for the reason given below.")
    if table.name == "table2" and paper_is_known(cells):
        lines.append(ONE_COUNT)
    return lines


def row_notes(table: Table) -> list[str]:
    """For each row its test samples, seeds and protocol, and which cells have no value and why.

    The remark that most rows share comes once, after the rows with other remarks.
    """
    noted = [(row.title, "; ".join(remarks(table.cells[row.system]))) for row in table.rows]
    [(shared, rows)] = Counter(remark for _, remark in noted).most_common(1)
    if rows == 1:
        return [f"{title}: {remark}" for title, remark in noted]
    whom = "every row" if rows == len(noted) else "every other row"
    return [*(f"{title}: {remark}" for title, remark in noted if remark != shared), f"{whom}: {shared}"]


def remarks(cells: dict[str, Cell]) -> list[str]:
    """What a row was measured on, BERTScore by another model, and which cells have no value and why."""
    made = [cell for cell in cells.values() if not cell.missing]
    scored = [cell for cell in made if cell.by_seed and cell.test_samples]
    measured = [measured_on(cell) for cell in scored]
    measured += [f"empty predictions: {cell.empty_predictions:,}" for cell in scored if cell.empty_predictions]
    reasons = [cell.why_null for cell in made if cell.why_null]
    not_made = [HEADINGS[metric] for metric, cell in cells.items() if cell.missing]
    last = [f"not made: {', '.join(not_made)}"] if not_made else []
    return [*dict.fromkeys(measured), *other_models(made), *dict.fromkeys(reasons), *last]


def measured_on(cell: Cell) -> str:
    """The number of samples and seeds behind a cell, and its protocol."""
    return f"{cell.test_samples:,} test samples, {counted(len(cell.by_seed), 'seed')}, {cell.protocol} protocol"


def other_models(cells: list[Cell]) -> list[str]:
    """BERTScore by other models than the paper's, one remark a model."""
    by_model: dict[str, list[str]] = {}
    for cell in cells:
        if cell.instead:
            model = f"{cell.instead['model']}, layer {cell.instead['layer']}"
            by_model.setdefault(model, []).append(f"{HEADINGS[cell.metric]} {cell.instead['value']:.2f}")
    return [f"by {model}: {', '.join(values)}" for model, values in by_model.items()]


def counted(number: int, name: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number} {name}{'s' * (number != 1)}"
