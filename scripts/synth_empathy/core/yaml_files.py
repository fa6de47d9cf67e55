"""YAML files, read strictly: faults that PyYAML accepts silently are refused with their file and line.

The reader refuses repeated keys, keys that are not texts, dates, numbers that are not finite or too large, control
characters, tags, structures that are too deep, and aliases that expand to far more than the file.
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

CORRECT = "correct it there"
#: The most levels of a document; ours have at most six.
DEEPEST = 50
#: The most values of a document after each alias is replaced by its anchor's value.
MOST = 100_000
#: The largest whole number that every library we use can hold.
LARGEST = 2**63 - 1

#: Control characters other than tab and line ends, and halves of surrogate pairs: no text file contains them.
NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")

#: A whole number as people read it: YAML 1.1 reads 010 as 8, 1:30 as 90 and 0b11 as 3.
PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")

TAG = "tag:yaml.org,2002:"
TEXT, MERGE, DATE = f"{TAG}str", f"{TAG}merge", f"{TAG}timestamp"
#: The names of the kinds of values that PyYAML may fail to read.
KINDS = {f"{TAG}int": "whole number", f"{TAG}float": "number", f"{TAG}bool": "truth value"}
#: The tags of the values that documents may have.
PLAIN = frozenset(TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))


class Refused(yaml.MarkedYAMLError):
    """A fault in a valid YAML document; ``problem`` is a sentence."""

    def __init__(self, problem: str, mark: yaml.Mark):
        super().__init__(problem=problem, problem_mark=mark)


class StrictLoader(yaml.SafeLoader):
    """PyYAML's loader of plain values, which raises ``Refused`` for the faults that the module's docstring names."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.depth = 0
        self.values = 0  # the number so far, with aliases replaced
        self.sizes: dict[str, int] = {}  # by anchor

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Compose one value and all values in it, and count them."""
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
        """Count the values that an alias stands for."""
        if event.anchor in self.anchors and event.anchor not in self.sizes:
            raise Refused(f"{shown(event.anchor)} contains itself", event.start_mark)
        self.values += self.sizes.get(event.anchor, 0)
        if self.values > MOST:
            raise Refused(f"its aliases stand for more than {MOST:,} values", event.start_mark)

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Compose a mapping whose keys are texts and do not repeat; ``<<`` may merge another mapping."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag not in (TEXT, MERGE):
                raise Refused(
                    f"the key {key_of(key)} is not a text; put it in quotes if a name is meant", key.start_mark
                )
            if key.value in first:
                raise Refused(f"the key {shown(key.value)} is on line {first[key.value]} already", key.start_mark)
            first[key.value] = key.start_mark.line + 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct a plain value."""
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
            raise Refused(f"{shown(node.value)} is not a valid {KINDS[node.tag]}", node.start_mark) from None
        fault = fault_of(value)
        if fault:
            raise Refused(fault, node.start_mark)
        if node.tag == f"{TAG}int" and not PLAIN_INT.fullmatch(node.value):
            hint = "write the number, or put it in quotes if a text is meant"
            raise Refused(f"{shown(node.value)} is read as the number {value}; {hint}", node.start_mark)
        return value


def key_of(node: yaml.Node) -> str:
    """A key in a message."""
    return shown(node.value) if isinstance(node, yaml.ScalarNode) else f"that is a {node.id}"


def shown(value: Any, most: int = 80) -> str:
    """A value in a message; a long one is cut."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a whole number of more than 63 bits"  # Python refuses to write some of them
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def fault_of(value: Any) -> str | None:
    """Why no configuration may have a single value, as a sentence without the place; None if it may."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a finite number"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"{shown(value)} is out of range; it must be at most {LARGEST}"
    if isinstance(value, date):
        return f"{value} is a date; put it in quotes if a text is meant"
    if isinstance(value, str):
        match = NO_TEXT.search(value)
        return f"{shown(value)} has the character U+{ord(match[0]):04X}, which no text file has" if match else None
    is_plain = value is None or isinstance(value, bool | int | float)
    return None if is_plain else f"{shown(value)} is not a text, number or truth value"


def load(path: Path, hint: str = CORRECT) -> Any:
    """The one document of a YAML file.

    Args:
        hint: what to do about any fault of the file.

    Raises:
        UserError: the file does not exist or has a fault; the message names the file and, if known, the line.
    """
    text = text_of(path, hint)
    try:
        return yaml.load(text, Loader=StrictLoader)
    except Refused as error:
        raise UserError(f"{path}, line {error.problem_mark.line + 1}: {error.problem}", hint) from None
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        reason = shortened(error.problem or error.context)
        raise UserError(f"{path}, line {line}: not YAML ({reason})", hint) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"it has the character U+{error.character:04X}"
        raise UserError(f"{path}, line {line}: not YAML ({reason})", hint) from None


def shortened(text: str, most: int = 200) -> str:
    """A parser's message on one line; a long one is cut."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}..."


def text_of(path: Path, hint: str) -> str:
    """A file's text.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
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
        reason = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise UserError(f"{path}, line {line}: not YAML ({reason})", hint) from None


def load_mapping(path: Path, hint: str = CORRECT) -> Record:
    """A YAML file that is a mapping.

    Raises:
        UserError: as ``load``, or the document is not a mapping.
    """
    document = load(path, hint)
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a mapping", hint)
    return document
