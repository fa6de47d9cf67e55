"""A table of the paper as Markdown that is read in a terminal too: one line a system, no line of the table too wide.

A table that would be wider than ``WIDTH`` goes on in a second one of the same systems and further metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..core.escaping import markdown_cell, markdown_row, markdown_text
from ..evaluation.metrics import registry
from .cells import COUNTS, HEADINGS, Cell
from .table_notes import legend, row_notes
from .tables import COLUMNS, Table, number

#: Columns of a terminal that a line of a table takes at most.
WIDTH = 160
#: What a cell of Markdown adds to its text: "| " and " ".
AROUND = 3
BESIDE = " ".join(
    [
        "In brackets: the paper's value, then ours minus the paper's.",
        "Where there are no brackets, no text of the paper that we have holds its value.",
    ]
)


def as_markdown(table: Table) -> str:
    """The table to read: what it shows, a line a system, and under it what was measured, and on how much."""
    lines = [f"# {markdown_text(table.title)}", ""]
    lines += [f"> {markdown_text(table.note)}", ""] if table.note else []
    titles = [markdown_cell(row.title) for row in table.rows]
    columns = {metric: column_of(table, metric) for metric in COLUMNS[table.name]}
    widths = {metric: max(map(len, texts)) for metric, texts in columns.items()}
    systems = ["system", *titles]
    for metrics in blocks(widths, WIDTH - 1 - AROUND - max(map(len, systems))):
        lines += [*text_table([systems, *(columns[metric] for metric in metrics)]), ""]
    notes = [f"- {markdown_text(note)}" for note in row_notes(table)]
    return "\n".join([*lines, " ".join(legend(table, BESIDE)), "", *notes]) + "\n"


def column_of(table: Table, metric: str) -> list[str]:
    """A metric's heading and its text for each row."""
    return [HEADINGS[metric], *(cell_text(table.cells[row.system][metric], metric) for row in table.rows)]


def cell_text(cell: Cell, metric: str) -> str:
    """Ours, with the seeds' standard deviation; in brackets the paper's value and the difference, where known."""
    ours = number(cell.value, metric)
    if cell.sd is not None:
        ours += f" ± {number(cell.sd, metric)}"
    if cell.paper is None:
        return ours
    beside = number(cell.paper, metric)
    if cell.difference is not None:
        beside += f", {number(cell.difference, metric, '+')}"
    return f"{ours} ({beside})"


def blocks(widths: dict[str, int], room: int) -> list[list[str]]:
    """The metrics that stand side by side, as many as there is room for.

    Args:
        widths: of each metric's column, in signs.
        room: what a line has for them, in signs.
    """
    found: list[list[str]] = []
    left = 0
    for metrics in kept_together(widths, room):
        needed = needs(widths, metrics)
        if not found or needed > left:
            found.append([])
            left = room
        found[-1] += metrics
        left -= needed
    return found


def kept_together(widths: dict[str, int], room: int) -> list[list[str]]:
    """The scores of one metric, such as BLEU's four; each by itself where they need more room than a line has."""
    found = []
    for _, group in groupby(widths, key=family):
        metrics = list(group)
        found += [metrics] if needs(widths, metrics) <= room else [[metric] for metric in metrics]
    return found


def family(score: str) -> str:
    """The metric that a score is of."""
    return "samples" if score in COUNTS else registry.metric_of(score).name


def needs(widths: dict[str, int], metrics: Sequence[str]) -> int:
    """The room that some columns take, in signs."""
    return sum(widths[metric] + AROUND for metric in metrics)


def text_table(columns: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown that is aligned in plain text, too.

    Args:
        columns: each its heading and its cells, which are Markdown already.
    """
    first, *others = columns
    width = max(map(len, first))
    padded = [[text.ljust(width) for text in first]]
    rules = ["-" * width]
    for column in others:
        width = max(map(len, column))
        padded.append([text.rjust(width) for text in column])
        rules.append("-" * (width - 1) + ":")
    heading, *rows = map(markdown_row, zip(*padded))
    return [heading, markdown_row(rules), *rows]
