"""What a reader of a data set is: the keys of its entry in the configuration, and how its raw files become samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from ...schema.setting_types import Limit, Section
from ..preparation import Preparation


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
    def location(self) -> str | None:
        """The folder or file with the raw files; None where `fetch_ed` gets them."""
        raise NotImplementedError

    def files(self, location: str) -> list[str]:
        """The raw files at a location: the inputs of the step that prepares them."""
        raise NotImplementedError

    def prepare(self, location: Path) -> dict[str, Preparation]:
        """Read and prepare the raw files; each split by its name.

        Raises:
            UserError: a file is missing or bad; names file, line and reason.
        """
        raise NotImplementedError

    def faults(self) -> Iterator[str]:
        """What contradicts itself in the entry, each with its key in front."""
        yield from ()

    def count(self) -> dict[str, int] | None:
        """Samples of each split before `keep`, for `make plan`; None where that is not quickly known."""
        return None

    def preparation_keys(self) -> dict[str, Any]:
        """The keys of the entry that say how the raw files are prepared, as JSON values."""
        return self.model_dump(exclude={"reader", "keep", *self.SOURCES}, exclude_defaults=True)
