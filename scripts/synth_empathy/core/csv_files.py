"""The one reader of CSV files of numbers, the paper's or a figure's. Its errors name the line."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError
from .files import read_bytes

RESTORE = "restore it from the repository (git checkout)"


@dataclass(frozen=True)
class Line:
    """A line of a CSV: its values by column, and its place for error messages."""

    path: Path
    number: int
    values: dict[str, str]
    hint: str

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def fault(self, reason: str) -> UserError:
        """The error for a fault in this line."""
        return UserError(f"{self.path}, line {self.number}: {reason}", self.hint)

    def value(self, column: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A column's number; None if it is empty.

        Raises:
            UserError: it is not a number, or outside of the bounds.
        """
        return self.number_of(self.values[column], column, least, most) if self.values[column] else None

    def number_of(self, text: str, column: str, least: float = -math.inf, most: float = math.inf) -> float:
        """A text of this line as a finite number; bounds and errors as in ``value``."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.fault(f"{column} is {text[:40]!r}, which is not a number")
        if not least <= number <= most:
            bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"at least {least:g}"
            raise self.fault(f"{column} is {text[:40]}, which is not {bounds}")
        return number


def read_csv(path: Path, columns: Iterable[str], unique: tuple[str, ...], hint: str = RESTORE) -> list[Line]:
    """The lines of a CSV. Empty lines and the byte order mark that spreadsheets write are skipped.

    Args:
        columns: the columns that the heading must have; it may have more.
        unique: columns that together identify a line: no two lines have the same values in them.
        hint: what to do about a faulty file.

    Raises:
        UserError: the file does not exist, is not UTF-8 or CSV, or its heading or a line is faulty.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist", hint)
    content = read_bytes(path)
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error.reason} at byte {error.start:,}", hint) from None
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not CSV ({error})", hint) from None
    if not rows:
        raise UserError(f"{path} is empty", hint)
    (first, heading), *rest = rows
    check_heading(Line(path, first, {}, hint), heading, [*columns, *unique])
    lines = [line_of(Line(path, number, {}, hint), heading, row) for number, row in rest]
    check_unique(lines, unique)
    return lines


def check_heading(line: Line, heading: list[str], columns: list[str]) -> None:
    """Refuse a heading that lacks a column or has one twice."""
    missing = [column for column in columns if column not in heading]
    if missing:
        raise line.fault(f"the column {missing[0]!r} is missing")
    repeated = [column for column in heading if heading.count(column) > 1]
    if repeated:
        raise line.fault(f"the heading has the column {repeated[0]!r} twice")


def line_of(place: Line, heading: list[str], row: list[str]) -> Line:
    """A line with its values by column.

    Args:
        place: the line without its values.
    """
    if len(row) != len(heading):
        raise place.fault(f"{len(row)} fields under {len(heading)} columns")
    if any("\0" in field for field in row):
        raise place.fault("it has a NUL byte")
    return Line(place.path, place.number, dict(zip(heading, row)), place.hint)


def check_unique(lines: list[Line], unique: tuple[str, ...]) -> None:
    """Refuse lines with equal values in all columns of ``unique``."""
    first: dict[tuple[str, ...], int] = {}
    for line in lines:
        name = tuple(line[column] for column in unique)
        if first.setdefault(name, line.number) != line.number:
            raise line.fault(f"{', '.join(name)} is on line {first[name]} already")
