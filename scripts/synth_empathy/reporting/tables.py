"""The paper's tables from their cells: which rows and columns a table has, and its form as CSV.

For readers, ``table_markdown`` and ``table_latex`` write them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from ..core.absent import DASH, MISSING, UNKNOWN
from ..core.errors import UserError
from ..core.escaping import csv_with_note
from ..evaluation.metrics import registry
from ..selection.diversity import K_CENTER
from ..systems import ED, PUBLISHED, Quality, Selected, System, TrainingSet, with_dataset
from . import paper_values
from .cells import COUNTS, Cell, missing_cell, read_cell

TITLES = {
    "table1": "Table 1: automatic evaluation on the {data} test split",
    "table2": "Table 2: the DK threshold between quality and quantity of the synthetic data",
    "table3": "Table 3: with and without quality selection",
    "table4": "Table 4: with and without diversity selection",
}
#: Each table's columns: the metrics that name it, and in Table 2 the counts of samples. The paper's columns of
#: Tables 3 and 4 are lost from the text that we have, and taken to be Table 2's.
COLUMNS: dict[str, tuple[str, ...]] = {table: registry.scores(list(registry.METRICS), table) for table in TITLES}
COLUMNS["table2"] += tuple(COUNTS)
CSV_COLUMNS = [
    "system",
    "title",
    "metric",
    "ours",
    "sd",
    "paper",
    "difference",
    "test_samples",
    "seeds",
    "protocol",
    "remark",
]


@dataclass(frozen=True)
class Row:
    """A row of a table: a base model, what it was trained on, and its row in the paper's table, if there is one."""

    base: str
    training_set: str
    title: str
    paper_row: str | None

    @property
    def system(self) -> str:
        """The row's name in files: {base}/{training_set}."""
        return f"{self.base}/{self.training_set}"


@dataclass(frozen=True)
class Table:
    """A table's rows, each with its cells by metric; a cell that is missing, on request, says so of itself."""

    name: str
    rows: list[Row]
    cells: dict[str, dict[str, Cell]]
    note: str | None
    dataset: str = ED

    @property
    def title(self) -> str:
        """What the table shows."""
        return TITLES[self.name].format(data=paper_values.data_title(self.dataset))


def rows_of(settings: dict[str, Any], table: str) -> list[Row]:
    """A table's rows by the configuration, in its order."""
    rows = all_rows(table, settings["tables"][table], settings)
    if settings["dataset"] == ED:
        return rows
    return [replace(row, paper_row=None) for row in rows]


def all_rows(table: str, chosen: dict[str, Any], settings: dict[str, Any]) -> list[Row]:
    """A table's rows, with the paper's rows as if the data set were the paper's."""
    dataset = settings["dataset"]
    if table == "table1":
        return [listed(settings["systems"][name], dataset) for name in chosen["systems"]]
    if table == "table2":
        return thresholds(chosen, dataset)
    selections = list(chain.from_iterable(ablations(table, chosen, dk) for dk in chosen["thresholds"]))
    if table == "table3":
        others = map(Quality.parse, chosen["qualities"])
        selections += [Selected(chosen["prompt"], quality, K_CENTER) for quality in others]
    training_sets = [TrainingSet(dataset, selected) for selected in selections]
    return [trained(base, training_set) for base, training_set in product(chosen["bases"], training_sets)]


def thresholds(chosen: dict[str, Any], dataset: str) -> list[Row]:
    """Table 2's rows: each series at each DK threshold."""
    rows = []
    for series, dk in product(chosen["series"], chosen["thresholds"]):
        selected = Selected(series["prompt"], Quality.threshold(dk), chosen["selection"])
        rows.append(trained(series["base"], TrainingSet(dataset, selected)))
    return rows


def listed(system: dict[str, Any], dataset: str) -> Row:
    """The row of a system of the configuration."""
    mark = " (published outputs)" if system["training_set"] == PUBLISHED else ""
    training_set = with_dataset(system["training_set"], dataset)
    return Row(system["base"], training_set, system["title"] + mark, system["paper_row"])


def ablations(table: str, chosen: dict[str, Any], dk: float) -> list[Selected]:
    """Ours at a DK threshold, then what stands beside it: no quality selection, or other diversity selections."""
    prompt, passed = chosen["prompt"], Quality.threshold(dk)
    ours = Selected(prompt, passed, K_CENTER)
    if table == "table3":
        return [ours, Selected(prompt, Quality.draw(dk), K_CENTER)]
    return [ours, *(Selected(prompt, passed, selection) for selection in chosen["selections"])]


def row_of(settings: dict[str, Any], table: str, base: str, training_set: str) -> Row:
    """A row by its place; one that the configuration does not list for the table is named by its path."""
    systems = settings | {"tables": settings["tables"] | {"table1": {"systems": list(settings["systems"])}}}
    known = rows_of(systems if table == "table1" else settings, table)
    listed = [row for row in known if (row.base, row.training_set) == (base, training_set)]
    if listed:
        return listed[0]
    paper_row = f"{base}/{training_set}" if settings["dataset"] == ED else None
    return Row(base, training_set, f"{base}, {training_set}", paper_row)


def trained(base: str, training_set: TrainingSet) -> Row:
    """The row of a base model trained on the data set and selected synthetic samples."""
    system = System(base, training_set)
    return Row(base, str(training_set), system.in_words(), str(system))


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of every script that reads a table's cells."""
    flags.add_argument(
        "--cells", type=Path, required=True, metavar="DIR", help="folder of {base}/{training_set}/{metric}.json"
    )
    flags.add_argument(
        "--row", nargs=4, action="append", required=True, metavar=("BASE", "TRAINING_SET", "TITLE", "PAPER_ROW"),
        help="a row, and the paper's row beside it ('' for none); may be given again",
    )  # fmt: skip
    flags.add_argument(
        "--partial", action="store_true", help="show cells that are not there as missing, instead of refusing"
    )


def rows_from(words: list[list[str]]) -> list[Row]:
    """The rows that --row gives."""
    return [Row(base, training_set, title, paper_row or None) for base, training_set, title, paper_row in words]


def read_table(
    name: str,
    rows: list[Row],
    folder: Path,
    note: str | None = None,
    partial: bool = False,
    metrics: Sequence[str] = (),
) -> Table:
    """A table from the folder of its cells.

    Args:
        partial: a cell that is not there is shown as missing beside the paper's value, instead of refused.
        metrics: only these columns; all when empty.

    Raises:
        UserError: cells are missing; names them.
    """
    places = [
        (row, metric, folder / row.system / f"{metric}.json")
        for row, metric in product(rows, metrics or COLUMNS[name])
    ]
    missing = [path for _, _, path in places if not path.exists()]
    if missing and (not partial or len(missing) == len(places)):
        raise lacking(name, missing, partial)
    cells: dict[str, dict[str, Cell]] = {row.system: {} for row in rows}
    for row, metric, path in places:
        cells[row.system][metric] = cell_of(name, row, metric, path)
    return Table(name, rows, cells, note)


def lacking(name: str, missing: list[Path], partial: bool) -> UserError:
    """The error for cells that are not there."""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    hint = "make them by these names as targets; tables: partial: true shows them as missing"
    return UserError(f"{name} lacks {missing[0]}{more}", "make one of them" if partial else hint)


def cell_of(table: str, row: Row, metric: str, path: Path) -> Cell:
    """A row's cell, or what stands for it where it was not made."""
    if path.exists():
        return read_cell(path)
    paper = paper_values.read_row(paper_values.PAPER / f"{table}.csv", row.paper_row)
    place = {"table": table, "base": row.base, "training_set": row.training_set}
    return missing_cell(place | {"metric": metric, "title": row.title}, paper.get(metric))


def number(value: float | None, metric: str, sign: str = "", absent: str = DASH) -> str:
    """A value as tables print it: two decimals, counts whole; ``absent`` for None."""
    if value is None:
        return absent
    return format(value, f"{sign},.0f" if metric in COUNTS else f"{sign}.2f")


def as_csv(table: Table) -> str:
    """One line a cell; a cell that BERTScore's stand-in fills has a second line under that model's name."""
    lines = []
    for row in table.rows:
        for metric, cell in table.cells[row.system].items():
            lines += [[row.system, row.title, *line] for line in csv_lines(metric, cell)]
    return csv_with_note(CSV_COLUMNS, lines, table.note)


def csv_lines(metric: str, cell: Cell) -> list[list[Any]]:
    """A cell's lines without its row's name and the note, unformatted but for two decimals."""
    if cell.missing:
        return [[metric, MISSING, "", plain(cell.paper, metric), UNKNOWN, "", "", "", cell.why_null]]
    sd = "" if cell.sd is None else plain(cell.sd, metric)
    values = [plain(cell.value, metric), sd, plain(cell.paper, metric), plain(cell.difference, metric, "+")]
    about = [cell.test_samples or "", len(cell.by_seed), cell.protocol or ""]
    lines = [[metric, *values, *about, cell.why_null or ""]]
    if cell.instead:
        name = f"{metric} by {cell.instead['model']}, layer {cell.instead['layer']}"
        lines.append(
            [name, plain(cell.instead["value"], metric), "", UNKNOWN, UNKNOWN, *about, "not the paper's BERTScore"]
        )
    return lines


def plain(value: float | None, metric: str, sign: str = "") -> str:
    """A value for machines: as ``number``, without thousands' commas; ``UNKNOWN`` for None."""
    return number(value, metric, sign, absent=UNKNOWN).replace(",", "")
