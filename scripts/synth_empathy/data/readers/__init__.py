"""Data sets: the keys of an entry in the configuration, and how its raw files become samples.

A reader is a class in a module of this package, and an entry in ``READERS``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from ...core.records import Record
from ...schema.setting_types import Limit, Section

#: The splits of a data set, in the order in which they are prepared.
SPLITS = ("train", "valid", "test")


@dataclass
class Preparation:
    """The samples of one split, and what became of its dialogues on the way.

    Attributes:
        samples: ``records.DATA_SAMPLE``, with ``emotion`` and ``situation`` where the data has them.
        report: the split's part of report.json: at least ``conversations`` and ``samples``, counts.
        log: sentences for the log, such as each dialogue that was left out.
    """

    samples: list[Record]
    report: Record = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


class Keep(Section):
    """How many samples of each split to keep, chosen by a hash of their ids; null keeps all."""

    train: Limit = Field(default=None, description="of the training split")
    valid: Limit = Field(default=None, description="of the validation split")
    test: Limit = Field(default=None, description="of the test split")


class Reader(Section):
    """A data set's entry; a subclass adds the keys of its form and the way to read it."""

    #: The keys that say where the raw files are; the other keys say how they are prepared.
    SOURCES: ClassVar[tuple[str, ...]] = ()

    reader: str = Field(description="the form of the raw files")
    keep: Keep = Field(default=Keep(), description="samples to keep of each split")

    @property
    @abstractmethod
    def location(self) -> str | None:
        """The folder or file with the raw files; None where `fetch_ed` gets them."""

    @abstractmethod
    def files(self, location: str) -> list[str]:
        """The raw files at a location: the inputs of the step that prepares them."""

    @abstractmethod
    def prepare(self, location: Path) -> dict[str, Preparation]:
        """Read and prepare the raw files; each split by its name.

        Raises:
            UserError: a file is missing or bad; names file, line and reason.
        """

    def faults(self) -> Iterator[str]:
        """What contradicts itself in the entry, each with its key in front."""
        yield from ()

    def count(self) -> dict[str, int] | None:
        """Samples of each split before `keep`, for `make plan`; None where that is not quickly known."""
        return None

    def preparation_keys(self) -> dict[str, Any]:
        """The keys of the entry that say how the raw files are prepared, as JSON values."""
        return self.model_dump(exclude={"reader", "keep", *self.SOURCES}, exclude_defaults=True)


#: Each reader's module and class, by the name that an entry's `reader` gives.
READERS = {
    "empathetic_dialogues": "empathetic_dialogues:EmpatheticDialogues",
    "jsonl": "jsonl:JsonLines",
}


def reader_class(name: str) -> type[Reader]:
    """A reader's class: its fields are the keys that an entry may have."""
    module, _, class_name = READERS[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), class_name)


def reader_of(entry: Mapping[str, Any]) -> Reader:
    """The reader of a checked entry of the configuration."""
    return reader_class(entry["reader"]).model_validate(dict(entry))


def sources(name: str, location: str) -> dict[str, str]:
    """The keys that an entry must have to say where the raw files are, with a place for them."""
    reader = reader_class(name)
    return {key: location for key in reader.SOURCES if reader.model_fields[key].is_required()}


def code(name: str) -> list[str]:
    """The module that decides what a reader makes, as a step names the code that it depends on (``code_graph``)."""
    package = __name__.partition(".")[2]
    return [f"{package}.{READERS[name].partition(':')[0]}"]
