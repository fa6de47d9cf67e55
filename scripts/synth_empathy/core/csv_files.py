"""Reading a CSV of numbers, the paper's or a figure's: the one reader, which names the line of whatever is wrong."""

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
    """A line of a CSV by its heading, and where it stands."""

    path: Path
    number: int
    values: dict[str, str]
    hint: str

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def fault(self, reason: str) -> UserError:
        """The error for what is wrong in this line."""
        return UserError(f"{self.path}, line {self.number}: {reason}", self.hint)

    def value(self, column: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A column's number; None where it is empty.

        Raises:
            UserError: no number, or one outside of the bounds.
        """
        return self.number_of(self.values[column], column, least, most) if self.values[column] else None

    def number_of(self, text: str, column: str, least: float = -math.inf, most: float = math.inf) -> float:
        """A text of this line as a finite number, as ``value``."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.fault(f"{column} is {text[:40]!r}, which is no number")
        if not least <= number <= most:
            bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"at least {least:g}"
            raise self.fault(f"{column} is {text[:40]}, which is not {bounds}")
        return number


def read_csv(path: Path, columns: Iterable[str], unique: tuple[str, ...], hint: str = RESTORE) -> list[Line]:
    """The lines of a CSV; empty ones are left out, and so is the mark (BOM) that spreadsheets begin a file with.

    Args:
        columns: what the heading must have; it may have more.
        unique: the columns whose values together stand on one line only.
        hint: what to do about a faulty file.

    Raises:
        UserError: no such file, bytes that are no text, a heading or a line that is not as it must be.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist", hint)
    content = read_bytes(path)
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start:,}", hint) from None
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: no CSV ({error})", hint) from None
    if not rows:
        raise UserError(f"{path} is empty", hint)
    (first, heading), *rest = rows
    check_heading(Line(path, first, {}, hint), heading, [*columns, *unique])
    lines = [line_of(Line(path, number, {}, hint), heading, row) for number, row in rest]
    check_unique(lines, unique)
    return lines


def check_heading(line: Line, heading: list[str], columns: list[str]) -> None:
    """Refuse a heading that lacks a column or has one twice."""
    lacking = [column for column in columns if column not in heading]
    if lacking:
        raise line.fault(f"the column {lacking[0]!r} is missing")
    twice = [column for column in heading if heading.count(column) > 1]
    if twice:
        raise line.fault(f"the column {twice[0]!r} stands twice")


def line_of(place: Line, heading: list[str], row: list[str]) -> Line:
    """A line by its heading."""
    if len(row) != len(heading):
        raise place.fault(f"{len(row)} fields under {len(heading)} columns")
    if any("\0" in field for field in row):
        raise place.fault("a NUL byte")
    return Line(place.path, place.number, dict(zip(heading, row)), place.hint)


def check_unique(lines: list[Line], unique: tuple[str, ...]) -> None:
    """Refuse two lines about the same."""
    first: dict[tuple[str, ...], int] = {}
    for line in lines:
        name = tuple(line[column] for column in unique)
        if first.setdefault(name, line.number) != line.number:
            raise line.fault(f"{', '.join(name)} is on line {first[name]} already")
