"""JSON documents, read strictly: what Python's own parser accepts silently and no step can mean is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import REMAKE, read_text, write_text

#: The deepest nesting that is taken; ours has 6 levels.
DEPTH = 100


def write_json(path: str | Path, value: Any, code: dict[str, str] | None = None) -> None:
    """Write one JSON document, indented, keys in the given order, and its seal; ``code`` as in ``sealed_path``."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    write_text(path, text, sealed=True, code=code)


def read_json(path: str | Path) -> Any:
    """Read one JSON document.

    Raises:
        UserError: the file cannot be read, or is not strict JSON (``parse_json``).
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not a JSON document: {error}", REMAKE) from None


def field_at(document: object, place: str) -> object:
    """A field by its place, such as ``made_by: models``; None if there is none."""
    for key in place.split(": "):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def parse_json(text: str) -> Any:
    """Parse JSON strictly: the text must be one value that can be written again.

    Raises:
        ValueError: not JSON; NaN or infinity; a number too large for a float (1e999); a repeated key; half of a
            surrogate pair; nesting deeper than ``DEPTH``.
    """
    try:
        value = json.loads(
            text, parse_constant=refuse_constant, parse_float=finite_float, object_pairs_hook=object_without_repeats
        )
        check_depth(value)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEPTH} levels") from None
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start : error.end])
        raise ValueError(f"{half} is half a character (a lone surrogate)") from None
    return value


def refuse_constant(name: str) -> None:
    """Refuse NaN and infinity: no step writes them, and comparisons with NaN are always false."""
    raise ValueError(f"{name} is not a JSON number")


def finite_float(text: str) -> float:
    """A number with a fraction or an exponent; Python reads one that is too large as infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of repeated keys, Python silently takes the last."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"an object has the key {name!r} twice")
        fields[name] = value
    return fields


def check_depth(value: Any) -> None:
    """Refuse a value nested deeper than ``DEPTH``."""
    level = [value]
    for _ in range(DEPTH + 1):
        containers = [item for item in level if isinstance(item, (dict, list))]
        if not containers:
            return
        level = []
        for item in containers:
            level += item.values() if isinstance(item, dict) else item
    raise ValueError(f"it is nested deeper than {DEPTH} levels")
