"""Pydantic's errors as sentences that name the place, the value and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..core import yaml_files
from . import wording
from .declared import Declared
from .setting_types import Section

#: What pydantic calls faults of a mapping's keys, rather than of values.
MISSING, UNKNOWN = "missing", "extra_forbidden"
#: What it puts behind a mapping's key that is at fault itself.
KEY = "[key]"
WRONG_TYPES = ("int_type", "float_type", "bool_type", "string_type", "list_type", "dict_type", "model_type")
OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


@dataclass(frozen=True)
class Fault:
    """One fault: where, what pydantic calls it, and what is wrong there in words."""

    place: tuple[str | int, ...]
    kind: str
    words: str

    def __str__(self) -> str:
        """A sentence that begins with the place."""
        place = ": ".join(map(str, self.place)) or "top level"
        return f"{place}: {self.words}"


def faults_of(section: type[Section], values: Any) -> list[Fault]:
    """All faults of values that are to be a section, in order of place."""
    try:
        section.model_validate(values)
    except ValidationError as error:
        found = [fault_of(section, entry) for entry in error.errors(include_url=False)]
        return sorted(found, key=lambda fault: list(map(str, fault.place)))
    return []


def fault_of(section: type[Section], entry: Mapping[str, Any]) -> Fault:
    """One of pydantic's errors, put into words."""
    kind, place = entry["type"], entry["loc"]
    if kind in (MISSING, UNKNOWN):
        *above, key = place
        if kind == MISSING:
            return Fault(tuple(above), kind, wording.missing_key(key))
        return Fault(tuple(above), kind, wording.unknown_key(key, declared_at(section, above).keys))
    found = yaml_files.shown(entry["input"], 200)
    if place[-1:] == (KEY,):
        place = place[:-2]
        return Fault(place, kind, said(entry, f"the key {found}", declared_at(section, place).key))
    return Fault(place, kind, said(entry, found, declared_at(section, place)))


def declared_at(section: type[Section], place: tuple[str | int, ...]) -> Declared:
    """What is declared of the value in a place."""
    declared = Declared(section)
    for key in place:
        declared = declared.at(key)
    return declared


def said(entry: Mapping[str, Any], found: str, declared: Declared) -> str:
    """What is wrong with a value."""
    kind = entry["type"]
    if declared.names and kind == "literal_error":
        return wording.not_one_of(found, entry["input"], declared.names)
    if kind in WRONG_TYPES:
        return wording.wrong_type(found, declared.kinds)
    if kind in OUT_OF_RANGE:
        return wording.out_of_range(found, declared.limits)
    return OTHERS.get(kind, plain)(entry, found, declared)


def form(_: Any, found: str, declared: Declared) -> str:
    """A text of another form."""
    return f"{found} {declared.form.fault(declared.nullable)}"


def not_finite(_: Any, found: str, __: Any) -> str:
    """NaN and the infinities."""
    return f"{found} is not a finite number"


def too_short(entry: Mapping[str, Any], found: str, _: Any) -> str:
    """An empty list or mapping."""
    return f"{found} is too short; it must hold at least {entry['ctx']['min_length']}"


def plain(entry: Mapping[str, Any], found: str, _: Any) -> str:
    """A sentence of the check that found it."""
    return f"{found} {yaml_files.shortened(entry['msg'])}"


OTHERS: dict[str, Callable[[Mapping[str, Any], str, Declared], str]] = {
    "form": form,
    "finite_number": not_finite,
    "too_short": too_short,
}
