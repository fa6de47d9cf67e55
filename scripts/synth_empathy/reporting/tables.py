"""The paper's tables: their rows and columns, their cells, and their form as CSV.

``table_markdown`` and ``table_latex`` write them for readers.
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
from ..core.records import Record
from ..core.yaml_files import load_mapping
from ..evaluation import metrics
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
#: Each table's columns: the scores of the metrics that name it; in Table 2 also the counts of samples. The paper's
#: columns of Tables 3 and 4 are lost from the text that we have; we assume those of Table 2.
COLUMNS: dict[str, tuple[str, ...]] = {table: metrics.scores(list(metrics.METRICS), table) for table in TITLES}
COLUMNS["table2"] += tuple(COUNTS)
CSV_COLUMNS = ["system", "title", "metric", "ours", "sd", "paper", "difference"]
CSV_COLUMNS += ["test_samples", "seeds", "protocol", "remark"]
RUN_CONFIG = "give the configuration of a run, results/{run}/config.yaml"


@dataclass(frozen=True)
class Row:
    """A row of a table: a base model, its training set, a title, and the name of the paper's row, if there is one."""

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
    """A table's rows, and their cells by system and metric; cells that were not made are marked ``missing``."""

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
    """A table's rows in the configuration's order; with other data than ED none is a row of the paper's."""
    rows = all_rows(table, settings["tables"][table], settings)
    if dataset_of(settings) == ED:
        return rows
    return [replace(row, paper_row=None) for row in rows]


def dataset_of(settings: dict[str, Any]) -> str:
    """The data set of a run; configurations of before November 2026 do not name it."""
    return settings.get("dataset", ED)


def all_rows(table: str, chosen: dict[str, Any], settings: dict[str, Any]) -> list[Row]:
    """A table's rows, with the paper's rows as if the data set were the paper's."""
    dataset = dataset_of(settings)
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
    remark = " (published outputs)" if system["training_set"] == PUBLISHED else ""
    training_set = with_dataset(system["training_set"], dataset)
    return Row(system["base"], training_set, system["title"] + remark, system["paper_row"])


def ablations(table: str, chosen: dict[str, Any], dk: float) -> list[Selected]:
    """Our selection at a DK threshold, then its ablations: no quality selection, or other diversity selections."""
    prompt, passed = chosen["prompt"], Quality.threshold(dk)
    ours = Selected(prompt, passed, K_CENTER)
    if table == "table3":
        return [ours, Selected(prompt, Quality.draw(dk), K_CENTER)]
    return [ours, *(Selected(prompt, passed, selection) for selection in chosen["selections"])]


def row_of(settings: dict[str, Any], table: str, base: str, training_set: str) -> Row:
    """The row of a system; a row that the configuration does not list for the table is titled by its path."""
    every_system = settings | {"tables": settings["tables"] | {"table1": {"systems": list(settings["systems"])}}}
    known = rows_of(every_system if table == "table1" else settings, table)
    rows = [row for row in known if (row.base, row.training_set) == (base, training_set)]
    if rows:
        return rows[0]
    paper_row = f"{base}/{training_set}" if dataset_of(settings) == ED else None
    return Row(base, training_set, f"{base}, {training_set}", paper_row)


def trained(base: str, training_set: TrainingSet) -> Row:
    """The row of a base model trained on the data set and selected synthetic samples."""
    system = System(base, training_set)
    return Row(base, str(training_set), system.in_words(), str(system))


def add_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags of every script that reads a table's cells."""
    config = "the run's configuration, which lists the rows: results/{run}/config.yaml"
    flags.add_argument("--config", type=Path, required=True, metavar="YAML", help=config)
    cells = "folder of {base}/{training_set}/{metric}.json"
    flags.add_argument("--cells", type=Path, required=True, metavar="DIR", help=cells)
    flags.add_argument("--partial", action="store_true", help="show cells that were not made as missing")


def read_rows(config: Path, table: str) -> list[Row]:
    """A table's rows, from a run's configuration.

    Raises:
        UserError: the file is missing, or does not configure the table's rows.
    """
    settings: Record = load_mapping(config, RUN_CONFIG)
    try:
        return rows_of(settings, table)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{config} does not configure the rows of {table}: {error!r}", RUN_CONFIG) from None


def read_table(
    name: str,
    rows: list[Row],
    folder: Path,
    *,
    note: str | None = None,
    partial: bool = False,
    columns: Sequence[str] = (),
) -> Table:
    """A table from the folder of its cells.

    Args:
        partial: take cells that were not made as missing, in place of refusing the table.
        columns: only these columns; all columns if empty.

    Raises:
        UserError: a cell was not made, or with ``partial`` none was; names the first one.
    """
    places = list(product(rows, columns or COLUMNS[name]))
    paths = [folder / row.system / f"{metric}.json" for row, metric in places]
    missing = [path for path in paths if not path.exists()]
    if missing and (not partial or len(missing) == len(paths)):
        raise missing_cells(name, missing, partial)
    cells: dict[str, dict[str, Cell]] = {row.system: {} for row in rows}
    for (row, metric), path in zip(places, paths):
        cells[row.system][metric] = cell_of(name, row, metric, path)
    return Table(name, rows, cells, note)


def missing_cells(name: str, missing: list[Path], partial: bool) -> UserError:
    """The error for cells that were not made."""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    hint = "make them, with these names as targets; tables: partial: true shows them as missing"
    return UserError(f"{name} lacks {missing[0]}{more}", "make one of them" if partial else hint)


def cell_of(table: str, row: Row, metric: str, path: Path) -> Cell:
    """A row's cell, or its stand-in if it was not made."""
    if path.exists():
        return read_cell(path)
    paper = paper_values.read_row(paper_values.PAPER / f"{table}.csv", row.paper_row)
    place = {"table": table, "base": row.base, "training_set": row.training_set}
    return missing_cell(place | {"metric": metric, "title": row.title}, paper.get(metric))


def number(value: float | None, metric: str, sign: str = "", absent: str = DASH) -> str:
    """A value as tables print it: two decimals, or none for counts; ``absent`` for None."""
    if value is None:
        return absent
    return format(value, f"{sign},.0f" if metric in COUNTS else f"{sign}.2f")


def as_csv(table: Table) -> str:
    """One line a cell; a cell with BERTScore by another model has a second line, under that model's name."""
    lines = []
    for row in table.rows:
        for metric, cell in table.cells[row.system].items():
            lines += [[row.system, row.title, *line] for line in csv_lines(metric, cell)]
    return csv_with_note(CSV_COLUMNS, lines, table.note)


def csv_lines(metric: str, cell: Cell) -> list[list[Any]]:
    """A cell's lines without its row's names and the note; values have two decimals."""
    if cell.missing:
        return [[metric, MISSING, "", plain(cell.paper, metric), UNKNOWN, "", "", "", cell.why_null]]
    sd = "" if cell.sd is None else plain(cell.sd, metric)
    values = [plain(cell.value, metric), sd, plain(cell.paper, metric), plain(cell.difference, metric, "+")]
    about = [cell.test_samples or "", len(cell.by_seed), cell.protocol or ""]
    lines = [[metric, *values, *about, cell.why_null or ""]]
    if cell.instead:
        name = f"{metric} by {cell.instead['model']}, layer {cell.instead['layer']}"
        other = [plain(cell.instead["value"], metric), "", UNKNOWN, UNKNOWN]
        lines.append([name, *other, *about, "not the paper's BERTScore"])
    return lines


def plain(value: float | None, metric: str, sign: str = "") -> str:
    """A value for machines: as ``number``, but without thousands separators; ``UNKNOWN`` for None."""
    return number(value, metric, sign, absent=UNKNOWN).replace(",", "")
