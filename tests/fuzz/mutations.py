"""Small valid files and what is done to them: bytes, lines, keys and values changed, files that are none.

A mutation starts from a valid file, so that an example comes past its reader's first check. Hypothesis draws small
numbers only, which say what is done and where; so an example is cheap, and it shrinks to few changes.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Odd(Enum):
    """What can be in place of a file."""

    MISSING = "no file"
    FOLDER = "a folder"


Content = bytes | Odd
Bytes = st.SearchStrategy[bytes]
#: A change: its kind, its place, and its argument.
Step = tuple[str, int, int]


@dataclass(frozen=True)
class Case:
    """One example: files by their paths in a folder, and the other inputs of the reader."""

    files: dict[str, Content]
    how: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Case({shown(self.files)}, {shown(self.how)})"


def shown(values: Mapping[str, Any], most: int = 1500) -> str:
    """A dictionary for the report of a failure; long values are cut."""
    texts = {name: repr(value) for name, value in values.items()}
    cut = {
        name: text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
        for name, text in texts.items()
    }
    return "{" + ", ".join(f"{name!r}: {text}" for name, text in cut.items()) + "}"


@dataclass(frozen=True)
class Part:
    """An input of a reader, a file or another value: a valid one, and a strategy of damaged ones."""

    valid: Any
    damaged: st.SearchStrategy


@st.composite
def cases(draw: st.DrawFn, files: Mapping[str, Part], how: Mapping[str, Part]) -> Case:
    """Examples of a reader: mostly one of its inputs is damaged, sometimes all of them."""
    chosen = draw(st.sampled_from([*files, *how, ALL]))

    def content(parts: Mapping[str, Part]) -> dict[str, Any]:
        return {name: draw(part.damaged) if chosen in (name, ALL) else part.valid for name, part in parts.items()}

    return Case(content(files), content(how))


ALL = "(all)"


def steps(kinds: Sequence[str], most: int) -> st.SearchStrategy[list[Step]]:
    """A few changes, each of a kind and with two numbers."""
    step = st.tuples(st.sampled_from(kinds), st.integers(0, 4095), st.integers(0, 255))
    return st.lists(step, max_size=most)


# Documents: JSON, JSON Lines and YAML


@dataclass(frozen=True)
class Raw:
    """A value as the text of a file."""

    text: str


class Pairs(list):
    """A mapping's keys and values as lists of two, so that a key can be repeated."""


#: Values that no field should have, or that few readers expect, separated by blanks; not all are valid JSON.
NUMBERS = f"""NaN Infinity -Infinity 1e999 -1e999 1{"0" * 400} {"1" * 5000} -0.0 -1 0 1 2.5 1e30 01 1e-400 5000"""
STRINGS = r"""
    "" "\ud800" "\udfff_x" "\u0000" "a\nb" "\r\n" "\n\n" "\u2028" "\u001b[31m" "|<script>" "=cmd" "@SUM(A1)" "$\\frac$"
    "%s{0}"     "../../x" "/" "." "\\" "'" "\"" "\u0020" "\u202e" "Context:" "12" "nan"
"""
OTHERS = """null true false [] {} [1] [[]] [null] [""] {"a":1} {"":{}} [ ' "\\x" {"a":1,"a":2}"""
SMALL = tuple(map(Raw, ["", *f"{NUMBERS} {STRINGS} {OTHERS}".split()]))


def large(deep: int, long: int) -> tuple[Raw, ...]:
    """Values that are deeply nested or very long."""
    return Raw("[" * deep + "]" * deep), Raw('{"a":' * deep + "1" + "}" * deep), Raw(f'"{"x" * long}"')


VALUES = (*SMALL, *large(100_000, 100_000))
#: The same for YAML, which also has dates, other numbers and references, and is slow to read.
YAML_NUMBERS = ".nan .inf -.inf 2024-01-01 2024-99-99 2024-01-01T00:00:00Z 0x_ 0b 1_000 12:30:45 1:99 ~ yes = <<"
YAML_OTHERS = (
    "&a [*a]", "*b", "!!python/object/apply:os.getcwd []", "!!binary x", "!!set {a}", "!!int x", "!!float x",
    "!!timestamp x",
    "!x y", "{? [a] : b}", "{? {a: b} : c}", "{1: 2}", "{null: 1}", "{2024-01-01: 1}", "\t", "- a", "? a", "| a", "%",
    "@", "`",
)  # fmt: skip
YAML_VALUES = (*SMALL, *large(2000, 5000), *map(Raw, YAML_NUMBERS.split()), *map(Raw, YAML_OTHERS))


def pairs(value: Any) -> Any:
    """A JSON value whose mappings are ``Pairs``."""
    if isinstance(value, dict):
        return Pairs([key, pairs(inner)] for key, inner in value.items())
    return [pairs(inner) for inner in value] if isinstance(value, list) else value


def written(value: Any) -> str:
    """A document as text; YAML can read it, too."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {written(inner)}" for key, inner in value) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Node:
    """The place of a value: a list and an index, and the mapping of which that list is a pair, if any."""

    holder: list
    at: int
    mapping: Pairs | None = None


def nodes(value: list) -> list[Node]:
    """Every value in a document."""
    found = []
    for place, inner in enumerate(value):
        node = Node(inner, 1, value) if isinstance(value, Pairs) else Node(value, place)
        found.append(node)
        if isinstance(node.holder[node.at], list):
            found += nodes(node.holder[node.at])
    return found


def change(root: list, step: Step, values: Sequence[Raw]) -> None:
    """Make one change to one value of a document; ``root`` is a list of documents."""
    kind, place, number = step
    places = nodes(root)
    if not places:
        return
    node = places[place % len(places)]
    value = node.holder[node.at]
    row, at = (node.mapping, node.mapping.index(node.holder)) if node.mapping is not None else (node.holder, node.at)
    if kind in ("value", "like"):
        known = [one for one in values if kind == "value" or alike(value, one)] or values
        node.holder[node.at] = known[number % len(known)]
    elif kind == "wrap":
        node.holder[node.at] = [value] if number % 2 else Pairs([["a", value]])
    elif kind == "copy":
        node.holder[node.at] = copy.deepcopy(value_at(places[number % len(places)]))
    elif kind == "drop":
        del row[at]
    elif kind == "double":
        row.insert(at, copy.deepcopy(row[at]))
    elif kind == "rename" and node.mapping is not None:
        node.holder[0] = KEYS[number % len(KEYS)]


def alike(value: Any, other: Raw) -> bool:
    """Whether a value looks like another at first sight: such an example reaches the deepest checks."""
    if isinstance(value, str):
        return other.text.startswith('"')
    return not isinstance(value, list) and other.text[:1] in set("-.0123456789NI")


def value_at(node: Node) -> Any:
    """The value at a place."""
    return node.holder[node.at]


NODE_KINDS = ("like", "like", "like", "value", "value", "wrap", "copy", "drop", "double", "rename")
#: Names that can replace a key.
KEYS = ("", "id", "a", "\ud800", "\0", "name", "..", "a/b", "x" * 300, "__class__", "true", "1", "$(x)", "a\nb")


def documents(valid: Sequence[Any], values: Sequence[Raw]) -> st.SearchStrategy[list[str]]:
    """The texts of documents, changed in up to three places."""

    def changed(done: list[Step]) -> list[str]:
        root = [pairs(one) for one in copy.deepcopy(list(valid))]
        for step in done:
            change(root, step, values)
        return [written(one) for one in root]

    return steps(NODE_KINDS, 3).map(changed)


# Bytes and lines, for every kind of file


#: Texts that are inserted anywhere.
WORDS = [
    "\0",
    "\n",
    "\r",
    "\n\n",
    '"',
    ",",
    "|",
    "\t",
    " ",
    "{",
    "}",
    "[",
    "]",
    ":",
    "'",
    "\\",
    "\ud800",
    "\ufeff",
    "\u2028",
    "\x1b[2J",
]
WORDS += [
    "é",
    "𝕏",
    "NaN",
    "inf",
    "-1",
    "0",
    "1e999",
    "=cmd|' /C calc'!A0",
    "</s>",
    "<script>",
    "$(touch x)",
    "{context}",
    "%n",
    "../",
]
WORDS += ["-" * 300, "9" * 5000, "\n" * 400, "*" * 400, "Context", "Round 1:"]
BITS = (*(word.encode("utf-8", "surrogatepass") for word in WORDS), b"\xff", b"\xe9", b"\x80\x80", b"\xc0\xaf")
LINE_KINDS = ("swap lines", "repeat line", "drop line", "join lines")
BYTE_KINDS = ("flip", "delete", "insert", "insert", "repeat", "cut", *LINE_KINDS)


def spoil(content: bytes, step: Step) -> bytes:
    """Make one change to the bytes of a file."""
    kind, place, number = step
    at = place % (len(content) + 1)
    if kind == "flip":
        return (
            content[:at] + bytes([content[at] ^ (1 << number % 8)]) + content[at + 1 :]
            if at < len(content)
            else content
        )
    if kind == "delete":
        return content[:at] + content[at + 1 + number % 16 :]
    if kind == "insert":
        return content[:at] + BITS[number % len(BITS)] + content[at:]
    if kind == "repeat":
        return content[:at] + content[at : at + 1 + number % 64] * 2 + content[at + 1 + number % 64 :]
    if kind == "cut":
        return content[:at]
    return spoil_lines(content.split(b"\n"), kind, place, number)


def spoil_lines(lines: list[bytes], kind: str, place: int, number: int) -> bytes:
    """Make one change to the lines of a file."""
    one, other = place % len(lines), number % len(lines)
    if kind == "swap lines":
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == "repeat line":
        lines.insert(other, lines[one])
    elif kind == "drop line":
        del lines[one]
    elif kind == "join lines":
        lines[one : one + 2] = [b"".join(lines[one : one + 2])]
    return b"\n".join(lines)


def spoilt(content: Bytes) -> Bytes:
    """Bytes with up to two further changes, mostly with none."""
    changes = st.one_of(st.just([]), steps(BYTE_KINDS, 2))

    def changed(both: tuple[bytes, list[Step]]) -> bytes:
        result, done = both
        for step in done:
            result = spoil(result, step)
        return result

    return st.tuples(content, changes).map(changed)


#: What happens to a file as a whole; mostly nothing.
WHOLE: tuple[Callable[[bytes], Content], ...] = (
    *[bytes] * 20,
    lambda content: b"\xef\xbb\xbf" + content,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.replace(b"\n", b"\r"),
    lambda content: content.decode("utf-8", "replace").encode("latin-1", "replace"),
    lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    lambda content: content.rstrip(b"\n"),
    lambda content: content + b"\0" * 8,
    lambda content: b"",
    lambda content: b"\n",
    lambda content: Odd.MISSING,
    lambda content: Odd.FOLDER,
)


@st.composite
def damaged(draw: st.DrawFn, content: Bytes) -> Content:
    """What can be in place of a file: its bytes, further damaged; something else; nothing."""
    number = draw(st.sampled_from(range(len(WHOLE) + 2)))
    if number == len(WHOLE):
        return draw(st.binary(max_size=100))
    return WHOLE[number](draw(spoilt(content))) if number < len(WHOLE) else encoded(draw(TEXT))


TEXT = st.text(st.characters(), max_size=60)


def encoded(text: str) -> bytes:
    """Text as UTF-8, including lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


# Files of each kind, and other values


def one_of(valid: Any, *others: Any) -> Part:
    """A flag or another value that is not a file."""
    return Part(valid, st.sampled_from([valid, *others]))


def answer(valid: str) -> Part:
    """A program's output, which the process that reads it has decoded already."""

    def printed(content: Content) -> str:
        return "" if isinstance(content, Odd) else content.decode("utf-8", "replace")

    return Part(valid, plain(encoded(valid)).damaged.map(printed))


def plain(valid: bytes) -> Part:
    """A file of unknown format, of which one valid example is given."""
    return Part(valid, damaged(st.just(valid)))


def json_file(valid: Any) -> Part:
    """One JSON document."""
    return document(valid, VALUES)


def json_lines(valid: Sequence[Any]) -> Part:
    """JSON Lines."""

    def lines(texts: list[str]) -> bytes:
        return encoded("".join(f"{text}\n" for text in texts))

    return Part(lines([written(pairs(one)) for one in valid]), damaged(documents(valid, VALUES).map(lines)))


def yaml_file(valid: Any) -> Part:
    """One YAML document."""
    return document(valid, YAML_VALUES)


def document(valid: Any, values: Sequence[Raw]) -> Part:
    """One document."""
    return Part(encoded(written(pairs(valid))), damaged(documents([valid], values).map("\n".join).map(encoded)))


def table(rows: Sequence[Sequence[str]], separator: str = ",") -> Part:
    """Lines of fields: fields are exchanged, dropped and replaced, then bytes and lines are changed."""

    def text(done: list[Step]) -> bytes:
        fields = [list(row) for row in rows]
        for kind, place, number in done:
            row = fields[place % len(fields)]
            at = number % (len(row) or 1)
            if kind == "field":
                row[at : at + 1] = [CELLS[(place // len(fields)) % len(CELLS)]]
            elif kind == "drop":
                del row[at : at + 1]
            else:
                row.insert(at, CELLS[(place // len(fields)) % len(CELLS)])
        return encoded("".join(separator.join(row) + "\n" for row in fields))

    return Part(text([]), damaged(steps(("field", "field", "drop", "more"), 3).map(text)))


#: Values that can replace a field of a table.
CELLS = (
    "", " ", "0", "-1", "1.5", "nan", "inf", "-inf", "1e999", "9" * 5000, "1_000", "x", "a b", '"', '""', '"a', "=cmd",
    "@SUM(A1)", "\0",
    "\ud800", "²", "٣", "é", ">", ">x", "|", "a/b", "None", "-" * 2000, "x" * 200_000,
)  # fmt: skip


def npy(matrix: np.ndarray) -> Part:
    """A NumPy array with changes of its header, its values and its bytes."""
    return Part(saved(matrix), damaged(ARRAYS.map(lambda how: array(matrix, *how))))


def saved(matrix: np.ndarray, pickled: bool = False) -> bytes:
    """An array's ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, matrix, allow_pickle=pickled)
    return file.getvalue()


def header(descr: str = "'<f4'", order: str = "False", shape: str = "(3, 4)") -> bytes:
    """An array's header."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()


SHAPES = "(1000000000000, 4)|(-3, 4)|(3, 0)|(0, 4)|(12,)|()|(3, 2, 2)|(3.0, 4)|(True, 4)|3|None|(" + "1, " * 40 + ")"
DESCRS = "'|O'|'<f16'|'x'|[('a', '<f4')]|'<V0'|None|1|'<M8'|('<f4', (2,))|{'names': ['a'], 'formats': ['<f4']}"
HEADERS = (
    *(header(shape=shape) for shape in SHAPES.split("|")),
    *(header(descr=descr) for descr in DESCRS.split("|")),
    *(header(order=order) for order in ("True", "3", "None")),
    b"{}", b"[]", b"1", b"", b"(" * 3000, b"'" + b"x" * 20_000, b"{[1]: 2}", b"9" * 5000, b"\xff\xfe",
    b"{'descr': None}", b"-" * 3000,
    b"{'a': 1, 'a': 2}", b"\0" * 64,
)  # fmt: skip
DTYPES = ("<f2", "<f8", ">f4", "<i4", "|b1", "|S5", "<U3", "<c8", "|O", "<M8[s]", "<f4")
FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-40, 3e38, 1e-20, 2.0)
ARRAY_KINDS = (
    "values",
    "values",
    "values",
    "dtype",
    "rows",
    "header",
    "header",
    "version",
    "as it is",
    "zip",
    "pickle",
)
ARRAYS = st.tuples(st.sampled_from(ARRAY_KINDS), st.integers(0, 255), st.integers(0, 255))


def array(matrix: np.ndarray, kind: str, place: int, number: int) -> bytes:
    """An array's file with one change."""
    matrix = matrix.copy()
    if kind == "values":
        value = FLOATS[number % len(FLOATS)]
        if place % 3:
            matrix[place % len(matrix), number % matrix.shape[1]] = value
        else:
            matrix[place % len(matrix)] = value
    elif kind == "dtype":
        return saved(matrix.astype(DTYPES[number % len(DTYPES)]), pickled=True)
    elif kind == "rows":
        matrix = [matrix[: place % len(matrix)], np.concatenate([matrix, matrix]), matrix[::-1], matrix.T, matrix[0]][
            number % 5
        ]
    elif kind == "header":
        told = HEADERS[number % len(HEADERS)]
        return b"\x93NUMPY\x01\x00" + len(told).to_bytes(2, "little") + told + matrix.tobytes()
    elif kind == "version":
        return b"\x93NUMPY" + bytes([place % 5, number % 3]) + saved(matrix)[8:]
    elif kind == "zip":
        file = io.BytesIO()
        np.savez(file, matrix)
        return file.getvalue()
    elif kind == "pickle":
        return pickle.dumps(matrix)
    return saved(matrix)
