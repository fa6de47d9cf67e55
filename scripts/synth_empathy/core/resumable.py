"""Finished rows and chunks of a long step, kept as they finish: an interruption costs only the unfinished ones.

They are in ``results/{run}/.state/<key>/``, outside every declared output, since Snakemake deletes outputs before it
runs a job again. The key is a hash of everything that decides a row's content. So a row is used again only if it would
come out the same, in any shard. Rows stay after the step has ended: with another number of shards, outputs are written
again from them, and no row is computed again. Chunks are removed. ``make clean-state`` removes the rest.

Each finished row has a checksum, and each chunk a seal: damaged ones are made again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from .errors import UserError
from .files import check_seal, seal_of, sealed_path
from .json_files import parse_json
from .provenance import sha256_json
from .records import Record

#: The fields that every kept row has besides its own: its id, the hash of its input, its checksum.
KEPT = ("id", "asked", "sum")


class FinishedRows:
    """The finished rows of one job, read from and appended to files of its step's state folder.

    Args:
        root: the run's ``.state`` folder.
        step: the step's name, which opens the folder's name.
        decides: everything that decides a row's content besides the row's own input, as a JSON value.
        part: the name of this job's own file in the folder; other jobs of the step write other files.
        asked: a hash of each row's own input by the row's id; no other row is held in memory.
    """

    def __init__(self, root: Path, step: str, decides: Record, part: str, asked: Mapping[str, str]):
        self.folder = root / f"{step}-{sha256_json(decides)[:16]}"
        self.path = self.folder / f"{part}.jsonl"
        self.asked = asked
        self.rows: dict[str, Record] = {}
        self.damaged = 0
        mend_torn_end(self.path)
        others = sorted(path for path in self.folder.glob("*.jsonl") if path != self.path)
        for path in [self.path, *others]:
            if len(self.rows) == len(asked):
                break
            self.read(path)
        if self.damaged:
            rows = f"{self.damaged} finished rows in {self.folder} are damaged or of an older form"
            print(f"{step}: {rows}, and are made again")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115 (open for the object's life)

    def __enter__(self) -> FinishedRows:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def read(self, path: Path) -> None:
        """Read those rows of a file that this job is to make."""
        for record in whole_records(path):
            if record is None or record.pop("sum") != sha256_json(record):
                self.damaged += 1
            elif record.pop("asked") == self.asked.get(record["id"]):
                self.rows[record["id"]] = record

    def add(self, record: Record) -> None:
        """Keep one finished row. When this returns, the row is on the disk."""
        kept = record | {"asked": self.asked[record["id"]]}
        self._file.write(json.dumps(kept | {"sum": sha256_json(kept)}, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows[record["id"]] = record


class FinishedChunks:
    """The finished chunks of one step that makes a matrix, each a ``.npy`` file that appears whole.

    Args:
        root, step, decides: as of ``FinishedRows``; ``decides`` also names the inputs, since a chunk has many.
        size: the least rows of a chunk; the last chunk may have fewer.
    """

    def __init__(self, root: Path, step: str, decides: Record, size: int):
        self.folder = root / f"{step}-{sha256_json(decides | {'chunk': size})[:16]}"
        self.size = size

    def path(self, number: int) -> Path:
        """A chunk's file."""
        return self.folder / f"{number:06d}.npy"

    def has(self, number: int) -> bool:
        """Whether a chunk is finished and undamaged."""
        path = self.path(number)
        if not (path.is_file() and seal_of(path).is_file()):
            return False
        try:
            check_seal(path)
        except UserError:
            print(f"the finished chunk {path} is damaged, and is made again")
            return False
        return True

    def save(self, number: int, rows: np.ndarray) -> None:
        """Keep a finished chunk. When this returns, the chunk is on the disk."""
        with sealed_path(self.path(number)) as partial, open(partial, "wb") as file:
            np.save(file, rows, allow_pickle=False)

    def load(self, number: int) -> np.ndarray:
        """A finished chunk, of shape (rows, dimensions).

        Raises:
            UserError: it was damaged after it was written.
        """
        check_seal(self.path(number))
        return np.load(self.path(number), allow_pickle=False)

    def clear(self) -> None:
        """Remove the chunks; the declared output has replaced them."""
        shutil.rmtree(self.folder, ignore_errors=True)


def whole_records(path: Path) -> Iterator[Record | None]:
    """A file's records, without a last line that a killed job left torn; None stands for a line that is not a row.

    A file that does not exist has no records.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return  # torn, or still being written
            yield row_of(line)


def row_of(line: bytes) -> Record | None:
    """A line as a kept row; None if it is not one."""
    try:
        record = parse_json(line.decode("utf-8"))
    except ValueError:
        return None
    if isinstance(record, dict) and all(isinstance(record.get(name), str) for name in KEPT):
        return record
    return None


def mend_torn_end(path: Path) -> None:
    """Cut a torn last line off a file, so that the next row begins a new line."""
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            with open(path, "r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)
