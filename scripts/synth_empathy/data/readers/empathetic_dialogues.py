"""EmpatheticDialogues in its raw form: a folder with train.csv, valid.csv and test.csv, or the archive of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...schema.setting_types import File, Sha256, Text, may_be_left_out
from .. import empathetic_dialogues
from ..preparation import SPLITS, Preparation
from .base import Reader


class EmpatheticDialogues(Reader):
    """Entries of the reader `empathetic_dialogues`: a folder, else an archive on this machine, else its address."""

    SOURCES = ("folder", "archive", "url", "sha256")

    reader: Literal["empathetic_dialogues"] = Field(description="ED's CSV files (docs/data.md)")
    folder: File = may_be_left_out("a folder with train.csv, valid.csv and test.csv; null takes the archive")
    archive: File = may_be_left_out("an archive on this machine; null downloads it")
    url: Text = may_be_left_out("where the archive is downloaded from")
    sha256: Sha256 = may_be_left_out("of the archive")

    @property
    def location(self) -> str | None:
        """As of ``Reader``."""
        return self.folder

    def files(self, location: str) -> list[str]:
        """As of ``Reader``."""
        return [f"{location}/{split}.csv" for split in SPLITS]

    def prepare(self, location: Path) -> dict[str, Preparation]:
        """As of ``Reader``; see ``empathetic_dialogues.prepare_split``."""
        return {split: empathetic_dialogues.prepare_split(location / f"{split}.csv", split) for split in SPLITS}

    def faults(self) -> Iterator[str]:
        """As of ``Reader``."""
        if self.folder is None and (self.sha256 is None or self.archive is None and self.url is None):
            yield "give either a folder, or sha256 and an archive or its url"
