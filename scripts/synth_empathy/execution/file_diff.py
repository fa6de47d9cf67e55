"""Describes how two versions of a file, A and B, differ: rows, values, lines, or numbers and by how much."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.records import Record

#: Numbers of an array that are compared at a time.
CHUNK = 1 << 24
#: Stands for the value at a place that only the other document has.
ABSENT = object()


def how(path_a: Path, path_b: Path) -> str:
    """How two files with different bytes differ, by the kind that their names indicate.

    Raises:
        OSError: one of them cannot be read.
    """
    read = READERS.get(path_a.suffix, how_lines)
    try:
        return read(path_a, path_b)
    except (ValueError, AttributeError, RecursionError):  # one is damaged: not of the kind that its name indicates
        return how_lines(path_a, path_b)


# Text


def how_lines(path_a: Path, path_b: Path) -> str:
    """The number of lines that only one of two texts has; the sizes of files that are not text."""
    try:
        lines_a = path_a.read_text(encoding="utf-8").splitlines()
        lines_b = path_b.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return f"{path_a.stat().st_size:,} bytes in A, {path_b.stat().st_size:,} in B"
    shorter = min(len(lines_a), len(lines_b))
    first = next((row for row in range(shorter) if lines_a[row] != lines_b[row]), shorter) + 1
    counts_a, counts_b = Counter(lines_a), Counter(lines_b)
    only_a, only_b = (counts_a - counts_b).total(), (counts_b - counts_a).total()
    if only_a or only_b:
        return f"lines only in A: {only_a:,}, only in B: {only_b:,}, from line {first}"
    return "the same lines in another order" if lines_a != lines_b else "the same lines, other line endings"


def how_pictures(path_a: Path, path_b: Path) -> str:
    """A drawing is not compared further: the CSV beside it contains the numbers."""
    return "the drawing differs"


# JSON


@dataclass
class Values:
    """The differences between the values at the same places of two documents."""

    count: int = 0  # of all places
    places: list[str] = field(default_factory=list)  # places that differ
    largest: float = 0.0  # absolute difference of two numbers
    numbers: str = ""  # a description of the largest difference, with its place
    other: str = ""  # the first place where the values differ and are not numbers

    def compare(self, a: Any, b: Any) -> None:
        """Compare two JSON documents value by value."""
        in_a, in_b = dict(leaves(a)), dict(leaves(b))
        for place in in_a | in_b:
            self.add(place, in_a.get(place, ABSENT), in_b.get(place, ABSENT))

    def add(self, place: str, a: Any, b: Any) -> None:
        """Count the two values at one place."""
        self.count += 1
        if a == b and isinstance(a, bool) == isinstance(b, bool):
            return
        self.places.append(place)
        if not (is_number(a) and is_number(b)):
            self.other = self.other or place
        elif not abs(a - b) <= self.largest:
            self.largest = abs(a - b)
            self.numbers = f"numbers differ by at most {self.largest:.3g} ({place}: {a:.6g} and {b:.6g})"

    def description(self) -> str:
        """By how much numbers differ, and where other values do."""
        other = f"not a number: {self.other}" if self.other else ""
        return "; ".join(filter(None, [self.numbers, other]))


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document that contains no others, with its place, such as ``output: rows``."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value, start=1)
    if not inner or not value:
        yield place or "the document", value
        return
    for name, item in inner:
        yield from leaves(item, f"{place}: {name}" if place else str(name))


def how_documents(path_a: Path, path_b: Path) -> str:
    """The number of values of two JSON documents that differ, and by how much numbers do."""
    values = Values()
    values.compare(json.loads(path_a.read_text(encoding="utf-8")), json.loads(path_b.read_text(encoding="utf-8")))
    if not values.places:
        return "the same values, written differently"
    return f"{len(values.places):,} of {values.count:,} values differ: {values.description()}"


# JSON Lines


def how_rows(path_a: Path, path_b: Path) -> str:
    """The rows that differ, in which fields, and the rows of one file only; rows are identified by id or number."""
    rows_a, rows_b = read_rows(path_a), read_rows(path_b)
    key = next((key for key in ("id", "row") if is_unique(key, rows_a) and is_unique(key, rows_b)), None)
    by_a, by_b = by_key(rows_a, key), by_key(rows_b, key)
    parts = [
        how_common_rows(by_a, by_b),
        rows_of_one("A", [name for name in by_a if name not in by_b]),
        rows_of_one("B", [name for name in by_b if name not in by_a]),
    ]
    if not any(parts):
        return "the same rows in another order" if list(by_a) != list(by_b) else "the same rows, written differently"
    return "; ".join(filter(None, parts))


def read_rows(path: Path) -> list[Record]:
    """The records of a JSON Lines file, without checks."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def is_unique(key: str, rows: list[Record]) -> bool:
    """Whether every row has the field, each with another value."""
    values = [row.get(key) for row in rows]
    return all(isinstance(value, (str, int)) for value in values) and len(set(values)) == len(values)


def by_key(rows: list[Record], key: str | None) -> dict[Any, Record]:
    """Rows by a field, or by line number if there is no such field."""
    return {row[key] if key else f"line {number}": row for number, row in enumerate(rows, start=1)}


def how_common_rows(by_a: dict[Any, Record], by_b: dict[Any, Record]) -> str:
    """How many of the common rows differ, in which fields, the first of them, and by how much numbers do."""
    common = [name for name in by_a if name in by_b]
    differing = [name for name in common if by_a[name] != by_b[name]]
    if not differing:
        return ""
    fields: dict[str, None] = {}
    values = Values()
    for row in differing:
        a, b = by_a[row], by_b[row]
        fields |= dict.fromkeys(name for name in a | b if a.get(name, ABSENT) != b.get(name, ABSENT))
        values.compare(a, b)
    rows = f"{len(differing):,} of {len(common):,} rows differ in {', '.join(fields)}, first {differing[0]}"
    return f"{rows}; {values.numbers}" if values.numbers else rows


def rows_of_one(run: str, names: list[Any]) -> str:
    """The rows that only one file has."""
    return f"rows only in {run}: {len(names):,}, first {names[0]}" if names else ""


# Arrays


@dataclass
class Arrays:
    """The differences between arrays of one shape: the largest, and the cosine over all numbers."""

    largest: float = 0.0
    dot: float = 0.0
    squares_a: float = 0.0
    squares_b: float = 0.0
    not_finite: int = 0  # places where one or both are not finite

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Compare two parts of the same size, in float64."""
        for start in range(0, a.size, CHUNK):
            x = a.reshape(-1)[start : start + CHUNK].astype(np.float64)
            y = b.reshape(-1)[start : start + CHUNK].astype(np.float64)
            finite = np.isfinite(x) & np.isfinite(y)
            self.not_finite += int((~finite).sum())
            x, y = x[finite], y[finite]
            self.largest = max(self.largest, float(np.abs(x - y).max(initial=0.0)))
            self.dot += float(x @ y)
            self.squares_a += float(x @ x)
            self.squares_b += float(y @ y)

    def description(self) -> str:
        """The largest absolute difference and the cosine."""
        length = (self.squares_a * self.squares_b) ** 0.5
        cosine = f"cosine {self.dot / length:.9f}" if length else "one is all zeros"
        not_finite = f"; not finite: {self.not_finite:,}" if self.not_finite else ""
        return f"numbers differ by at most {self.largest:.3g}, {cosine}{not_finite}"


def kind(array: Any) -> str:
    """An array's shape and type, such as ``3 x 4 of float32``."""
    shape = " x ".join(map(str, array.shape)) or "one number"
    return f"{shape} of {str(array.dtype).removeprefix('torch.')}"


def how_arrays(path_a: Path, path_b: Path) -> str:
    """Shape and type of two .npy files if they differ, otherwise by how much numbers do."""
    a = np.load(path_a, mmap_mode="r", allow_pickle=False)
    b = np.load(path_b, mmap_mode="r", allow_pickle=False)
    if a.shape != b.shape:
        return f"{kind(a)} in A, {kind(b)} in B"
    arrays = Arrays()
    arrays.add(a, b)
    types = f"{kind(a)} in A, {kind(b)} in B; " if a.dtype != b.dtype else f"{kind(a)}: "
    return types + arrays.description()


def how_weights(path_a: Path, path_b: Path) -> str:
    """Tensors of two safetensors files with other names or shapes, otherwise by how much numbers differ."""
    from safetensors import safe_open  # with torch, since numpy has no bfloat16

    with safe_open(path_a, framework="pt") as a, safe_open(path_b, framework="pt") as b:
        names_a, names_b = set(a.keys()), set(b.keys())
        if names_a != names_b:
            first = min(names_a ^ names_b)
            return f"tensors only in A: {len(names_a - names_b)}, only in B: {len(names_b - names_a)}, first {first}"
        arrays, differing = Arrays(), []
        for name in sorted(names_a):
            x, y = a.get_tensor(name), b.get_tensor(name)
            if x.shape != y.shape or x.dtype != y.dtype:
                return f"the tensor {name}: {kind(x)} in A, {kind(y)} in B"
            arrays.add(x.double().numpy(), y.double().numpy())
            if not x.equal(y):
                differing.append(name)
    if not differing:
        return "the same tensors, written differently"
    return f"{len(differing):,} of {len(names_a):,} tensors differ, first {differing[0]}; {arrays.description()}"


#: How files are compared, by their suffix; all other files are compared as text.
READERS = {
    ".json": how_documents,
    ".jsonl": how_rows,
    ".npy": how_arrays,
    ".safetensors": how_weights,
    **dict.fromkeys([".pdf", ".png", ".svg"], how_pictures),
}
