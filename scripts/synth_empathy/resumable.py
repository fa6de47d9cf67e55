"""Finished rows of a long step, kept as they come, so that an interruption costs at most the rows in flight.

They live in ``results/{run}/.state/<key>/``, outside every declared output (Snakemake deletes those before it runs
a job again). The key is a hash of everything that decides a row's content, so a row is reused only where it would
come out the same, whatever shard it was made in. They stay when the step has ended: another number of shards makes
every declared output anew, and no row. ``make clean-state`` removes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from .provenance import sha256_json
from .records import Record


class FinishedRows:
    """The finished rows of one job, read from and appended to files of its step's state folder.

    Args:
        root: the run's ``.state`` folder.
        step: the step's name, which opens the folder's name.
        decides: everything that decides a row's content besides the row's own input, as a JSON value.
        part: this job's own file in the folder; other jobs of the step write others.
        asked: a hash of each row's own input by the row's id; other rows are not held in memory.
    """

    def __init__(self, root: Path, step: str, decides: Record, part: str, asked: Mapping[str, str]):
        self.folder = root / f"{step}-{sha256_json(decides)[:16]}"
        self.path = self.folder / f"{part}.jsonl"
        self.asked = asked
        self.rows: dict[str, Record] = {}
        mend_torn_end(self.path)
        others = sorted(path for path in self.folder.glob("*.jsonl") if path != self.path)
        for path in [self.path, *others]:
            if len(self.rows) == len(asked):
                break
            self.read(path)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115 (open for the object's life)

    def __enter__(self) -> FinishedRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, path: Path) -> None:
        """Take over the rows of a file that this job was asked for."""
        for record in whole_records(path):
            if record.pop("asked") == self.asked.get(record["id"]):
                self.rows[record["id"]] = record

    def add(self, record: Record) -> None:
        """Keep one finished row; it is on the disk when this returns."""
        self._file.write(json.dumps(record | {"asked": self.asked[record["id"]]}, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows[record["id"]] = record


def whole_records(path: Path) -> Iterator[Record]:
    """A file's records, without lines that a killed job left torn; none when there is no file."""
    if not path.is_file():
        return
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn, or being written just now
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the row is made again


def mend_torn_end(path: Path) -> None:
    """Cut a torn last line off a file, so that what is appended next starts on a line of its own."""
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            with open(path, "r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)
