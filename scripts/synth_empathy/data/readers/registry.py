"""The readers by name. A reader is a class in a module of this package, and an entry in ``READERS``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .base import Reader

#: Each reader's module and class, by the name that an entry's `reader` gives.
READERS = {
    "empathetic_dialogues": "empathetic_dialogues:EmpatheticDialogues",
    "jsonl": "jsonl:JsonLines",
}


def reader_class(name: str) -> type[Reader]:
    """A reader's class: its fields are the keys that an entry may have."""
    module, _, class_name = READERS[name].partition(":")
    return getattr(import_module(f".{module}", __package__), class_name)


def reader_of(entry: Mapping[str, Any]) -> Reader:
    """The reader of a checked entry of the configuration."""
    return reader_class(entry["reader"]).model_validate(dict(entry))


def sources(name: str, location: str) -> dict[str, str]:
    """The keys that an entry must have to say where the raw files are, with a place for them."""
    reader = reader_class(name)
    return {key: location for key in reader.SOURCES if reader.model_fields[key].is_required()}


def code(name: str) -> list[str]:
    """The module that decides what a reader makes, as a step names the code that it depends on (``code_graph``)."""
    package = __package__.partition(".")[2]
    return [f"{package}.{READERS[name].partition(':')[0]}"]
