"""YAML files, read strictly: what PyYAML takes in silence and nobody can have meant is refused with its file and line.

Refused are keys that repeat, keys that are no text, dates, numbers that are not finite or that no step could hold,
characters that no text file holds, tags, structures that go too deep, and aliases that stand for far more than the file.
"""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from .errors import UserError
from .records import Record

MEND = "correct it there"
#: Levels of a document: the deepest of ours has six.
DEEPEST = 50
#: Values that a document with aliases may stand for once each alias is replaced by what it names.
MOST = 100_000
#: The largest whole number that every library of ours can hold.
LARGEST = 2**63 - 1

#: Control characters other than tab and line ends, and halves of surrogate pairs: no text file holds them.
NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")

#: A whole number as everybody reads it: YAML 1.1 takes 010 for 8, 1:30 for 90 and 0b11 for 3.
PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")

TAG = "tag:yaml.org,2002:"
TEXT, MERGE, DATE = f"{TAG}str", f"{TAG}merge", f"{TAG}timestamp"
#: Kinds of values whose text PyYAML may fail to read, in words.
KINDS = {f"{TAG}int": "whole number", f"{TAG}float": "number", f"{TAG}bool": "truth value"}
#: What documents are made of.
PLAIN = frozenset(TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))


class Refused(yaml.MarkedYAMLError):
    """YAML as such, and yet nothing that is taken; ``problem`` is a sentence."""

    def __init__(self, problem: str, mark: yaml.Mark):
        super().__init__(problem=problem, problem_mark=mark)


class StrictLoader(yaml.SafeLoader):
    """PyYAML's loader of plain values, which raises ``Refused`` for the faults that this module's heading names."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.depth = 0
        self.values = 0  # so far, aliases replaced by what they name
        self.sizes: dict[str, int] = {}  # by anchor

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """One value and all below it, counted."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self.count_alias(event)
            return super().compose_node(parent, index)
        if self.depth == DEEPEST:
            raise Refused(f"it goes deeper than {DEEPEST} levels", event.start_mark)
        before = self.values
        self.values += 1
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if event.anchor is not None:
            self.sizes[event.anchor] = self.values - before
        return node

    def count_alias(self, event: yaml.AliasEvent) -> None:
        """Add what an alias stands for."""
        if event.anchor in self.anchors and event.anchor not in self.sizes:
            raise Refused(f"{shown(event.anchor)} contains itself", event.start_mark)
        self.values += self.sizes.get(event.anchor, 0)
        if self.values > MOST:
            raise Refused(f"its aliases stand for more than {MOST:,} values", event.start_mark)

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A mapping whose keys are texts and do not repeat; ``<<`` may take over another one's."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag not in (TEXT, MERGE):
                raise Refused(f"the key {key_of(key)} is no text; put it in quotes if a name is meant", key.start_mark)
            if key.value in first:
                raise Refused(f"the key {shown(key.value)} is on line {first[key.value]} already", key.start_mark)
            first[key.value] = key.start_mark.line + 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value of a plain kind."""
        if node.tag == DATE:
            problem = f"{shown(node.value)} is read as a date; put it in quotes if a text is meant"
            raise Refused(problem, node.start_mark)
        if node.tag not in PLAIN:
            raise Refused(f"the tag {shown(node.tag)} is not known here", node.start_mark)
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, IndexError):  # of int, of PyYAML's table of truth values, of an empty number
            raise Refused(f"{shown(node.value)} is no {KINDS[node.tag]} that can be held", node.start_mark) from None
        fault = fault_of(value)
        if fault:
            raise Refused(fault, node.start_mark)
        if node.tag == f"{TAG}int" and not PLAIN_INT.fullmatch(node.value):
            problem = f"{shown(node.value)} is read as the number {value}; write the number, or put it in quotes if a text is meant"
            raise Refused(problem, node.start_mark)
        return value


def key_of(node: yaml.Node) -> str:
    """A key as a message names it."""
    return shown(node.value) if isinstance(node, yaml.ScalarNode) else f"that is a {node.id}"


def shown(value: Any, most: int = 80) -> str:
    """A value in a message: its beginning where it is long."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a whole number of more than 63 bits"  # Python refuses to write some of them
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def fault_of(value: Any) -> str | None:
    """Why a single value may stand in no configuration, as a sentence without its place; None for those that may."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no finite number"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"{shown(value)} is out of range; it must be at most {LARGEST}"
    if isinstance(value, date):
        return f"{value} is a date; put it in quotes if a text is meant"
    if isinstance(value, str):
        found = NO_TEXT.search(value)
        return f"{shown(value)} holds the character U+{ord(found[0]):04X}, which no text holds" if found else None
    plain = value is None or isinstance(value, bool | int | float)
    return None if plain else f"{shown(value)} is no text, number or truth value"


def load(path: Path, hint: str = MEND) -> Any:
    """The one document of a YAML file.

    Args:
        hint: what to do about any fault of it.

    Raises:
        UserError: there is no such file, or one of this module's faults in it; names the file and, if any, the line.
    """
    text = text_of(path, hint)
    try:
        return yaml.load(text, Loader=StrictLoader)
    except Refused as error:
        raise UserError(f"{path}, line {error.problem_mark.line + 1}: {error.problem}", hint) from None
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        said = shortened(error.problem or error.context)
        raise UserError(f"{path}, line {line}: no YAML ({said})", hint) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"it holds the character U+{error.character:04X}"
        raise UserError(f"{path}, line {line}: no YAML ({said})", hint) from None


def shortened(text: str, most: int = 200) -> str:
    """A parser's words on one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}..."


def text_of(path: Path, hint: str) -> str:
    """A file's text.

    Raises:
        UserError: the file cannot be read, or is no UTF-8.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist", hint) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", hint) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise UserError(f"{path}, line {line}: no YAML ({said})", hint) from None


def load_mapping(path: Path, hint: str = MEND) -> Record:
    """A YAML file that is a mapping of names.

    Raises:
        UserError: as ``load``, or the document is something else.
    """
    document = load(path, hint)
    if not isinstance(document, dict):
        raise UserError(f"{path} holds no mapping", hint)
    return document
