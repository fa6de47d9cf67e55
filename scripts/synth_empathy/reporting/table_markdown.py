"""A table of the paper as Markdown that also reads well in a terminal: one line a system, of limited width.

A table wider than ``WIDTH`` is split into several, with the same systems and further metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..core.escaping import markdown_cell, markdown_row, markdown_text
from ..evaluation.metrics import metric_of
from .cells import COUNTS, HEADINGS, Cell
from .table_notes import legend, row_notes
from .tables import COLUMNS, Table, number

#: The widest line of a table, in characters.
WIDTH = 160
#: The characters that a cell of Markdown adds to its text: "| " and " ".
PADDING = 3
COMPARISON = (
    "In brackets: the paper's value, then ours minus the paper's."
    " Where there are no brackets, no text of the paper that we have holds its value."
)


def as_markdown(table: Table) -> str:
    """The table for readers: its title, a line a system, and notes on what was measured."""
    lines = [f"# {markdown_text(table.title)}", ""]
    lines += [f"> {markdown_text(table.note)}", ""] if table.note else []
    titles = [markdown_cell(row.title) for row in table.rows]
    columns = {metric: column_of(table, metric) for metric in COLUMNS[table.name]}
    widths = {metric: max(map(len, texts)) for metric, texts in columns.items()}
    systems = ["system", *titles]
    for metrics in blocks(widths, WIDTH - 1 - PADDING - max(map(len, systems))):
        lines += [*text_table([systems, *(columns[metric] for metric in metrics)]), ""]
    notes = [f"- {markdown_text(note)}" for note in row_notes(table)]
    return "\n".join([*lines, " ".join(legend(table, COMPARISON)), "", *notes]) + "\n"


def column_of(table: Table, metric: str) -> list[str]:
    """A metric's heading and its text for each row."""
    return [HEADINGS[metric], *(cell_text(table.cells[row.system][metric], metric) for row in table.rows)]


def cell_text(cell: Cell, metric: str) -> str:
    """Our value, with the seeds' standard deviation; in brackets the paper's value and the difference, if known."""
    ours = number(cell.value, metric)
    if cell.sd is not None:
        ours += f" ± {number(cell.sd, metric)}"
    if cell.paper is None:
        return ours
    paper = number(cell.paper, metric)
    if cell.difference is not None:
        paper += f", {number(cell.difference, metric, '+')}"
    return f"{ours} ({paper})"


def blocks(widths: dict[str, int], room: int) -> list[list[str]]:
    """The metrics of each block of columns; a block holds as many as there is room for.

    Args:
        widths: of each metric's column, in characters.
        room: for all columns of a line, in characters.
    """
    filled: list[list[str]] = []
    left = 0
    for metrics in groups(widths, room):
        width = total_width(widths, metrics)
        if not filled or width > left:
            filled.append([])
            left = room
        filled[-1] += metrics
        left -= width
    return filled


def groups(widths: dict[str, int], room: int) -> list[list[str]]:
    """The scores of each metric, such as BLEU's four, which share a block; single scores if a block is too narrow."""
    grouped = []
    for _, scores in groupby(widths, key=metric_name):
        metrics = list(scores)
        grouped += [metrics] if total_width(widths, metrics) <= room else [[metric] for metric in metrics]
    return grouped


def metric_name(score: str) -> str:
    """The name of the metric that a score belongs to."""
    return "samples" if score in COUNTS else metric_of(score).name


def total_width(widths: dict[str, int], metrics: Sequence[str]) -> int:
    """The width of some columns, in characters."""
    return sum(widths[metric] + PADDING for metric in metrics)


def text_table(columns: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown that is also aligned in plain text.

    Args:
        columns: each a heading and its cells, which are Markdown already.
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
