"""A table of the paper for LaTeX, with booktabs."""

from __future__ import annotations

from ..core.absent import DASH
from ..core.escaping import LATEX_SIGN, latex_text
from .cells import HEADINGS, Cell
from .table_notes import legend, paper_is_known, row_notes
from .tables import COLUMNS, Row, Table, number

COMPARISON = (
    "Under ours: the paper's values, and ours minus the paper's."
    f" {DASH} there, or no such lines: no text of the paper that we have holds the value."
)


def as_latex(table: Table) -> str:
    """The same as in Markdown, with the paper's values under ours, so that thirteen metrics fit.

    A row's title has a line of its own. A table that is wider than the page is scaled down to it.
    """
    metrics = COLUMNS[table.name]
    lines = [
        "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.",
        "\\begin{table*}",
        "\\centering",
        f"\\caption{{{caption(table)}}}",
        "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{l{'r' * len(metrics)}}}",
        "\\toprule",
        latex_row(["", *(latex_text(HEADINGS[metric]) for metric in metrics)]),
    ]
    for row in table.rows:
        lines += row_lines(row, table.cells[row.system])
    notes = [latex_text(note) for note in (" ".join(legend(table, COMPARISON)), *row_notes(table))]
    lines += ["\\bottomrule", "\\end{tabular}}", "", "\\smallskip"]
    lines.append("\\parbox{\\linewidth}{\\footnotesize " + " \\\\ ".join(notes) + "}")
    lines.append("\\end{table*}")
    if any("\\unicodesign" in line for line in lines):
        lines.insert(1, LATEX_SIGN)
    return "\n".join(lines) + "\n"


def row_lines(row: Row, cells: dict[str, Cell]) -> list[str]:
    """A row's title and values; if any of the paper's values is known, also those and the differences."""
    lines = ["\\midrule", f"\\multicolumn{{{1 + len(cells)}}}{{l}}{{{latex_text(row.title)}}} \\\\"]
    lines.append(latex_row(["ours", *(latex_text(ours(cell)) for cell in cells.values())]))
    if paper_is_known(list(cells.values())):
        paper = [number(cell.paper, cell.metric) for cell in cells.values()]
        changes = [number(cell.difference, cell.metric, "+") for cell in cells.values()]
        lines.append(latex_row(["paper", *map(latex_text, paper)]))
        lines.append(latex_row(["difference", *map(latex_text, changes)]))
    return lines


def ours(cell: Cell) -> str:
    """Our value, with the seeds' standard deviation."""
    sd = f" ± {number(cell.sd, cell.metric)}" if cell.sd is not None else ""
    return number(cell.value, cell.metric) + sd


def latex_row(cells: list[str]) -> str:
    """A line of a table in LaTeX; the cells are LaTeX already."""
    return " & ".join(cells) + " \\\\"


def caption(table: Table) -> str:
    """A table's caption in LaTeX: its title without its number, which LaTeX adds, and the note."""
    title = latex_text(table.title.partition(": ")[2])
    return f"{title}. {latex_text(table.note)}" if table.note else f"{title}."
