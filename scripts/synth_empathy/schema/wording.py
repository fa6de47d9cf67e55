"""What is said of a value that is refused, in the same words for every file that is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import nearest

#: Kinds of values, by their names in JSON Schema.
KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def unknown_key(key: str, known: Iterable[str]) -> str:
    """A key that a mapping does not have."""
    return f"unknown key {key!r}{nearest(key, known)}"


def missing_key(key: str) -> str:
    """A key that a mapping must have."""
    return f"the key {key!r} is missing"


def not_one_of(found: str, name: Any, known: Iterable[str]) -> str:
    """A value that is none of a few names; ``found`` is how it is shown."""
    known = list(known)
    return f"{found} is not one of {', '.join(known)}{nearest(name, known)}"


def wrong_type(found: str, kinds: Iterable[str]) -> str:
    """A value of another kind; ``kinds`` are names in JSON Schema."""
    return f"{found} is of the wrong type; it must be {' or '.join(KINDS[kind] for kind in kinds)}"


def out_of_range(found: str, limits: Mapping[str, Any]) -> str:
    """A number outside its range; see ``span``."""
    return f"{found} is out of range; it must be {span(limits)}"


def span(limits: Mapping[str, Any]) -> str:
    """A number's range: ``{"above": 0, "at most": 1}`` is "above 0 and at most 1"."""
    return " and ".join(f"{words} {limit}" for words, limit in limits.items())
