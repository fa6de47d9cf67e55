"""Dialogues of one's own as JSON Lines: a record is a dialogue up to a listener turn, and that turn (docs/data.md)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...core.errors import UserError
from ...core.files import is_file, read_text
from ...core.paths import ROOT
from ...core.records import Fields, Record, check_record
from ...schema.setting_types import File, Section, Share, may_be_left_out
from ..tokenization import tokenised
from . import SPLITS, Preparation, Reader

FIELDS: Fields = {"history": list[str], "response": str}
#: Fields that a record may have. Ids may be whole numbers, too.
IDS, TEXTS = ("id", "conversation"), ("emotion", "situation")
HINT = "correct the file; docs/data.md says what a record holds, and how a CSV file becomes one of JSON Lines"


class Split(Section):
    """The shares of conversations that one file gives for validation and test; the rest is for training."""

    valid: Share = Field(default=0.1, description="share for validation; 0.1 when left out")
    test: Share = Field(default=0.1, description="share for the test; 0.1 when left out")


class JsonLines(Reader):
    """Entries of the reader `jsonl`: a folder with a file for each split, or one file that is split here."""

    SOURCES = ("folder", "file")

    reader: Literal["jsonl"] = Field(description="JSON Lines of `history` and `response` (docs/data.md)")
    folder: File = may_be_left_out("a folder with train.jsonl, valid.jsonl and test.jsonl")
    file: File = may_be_left_out("one file, which is split by a hash of each conversation")
    split: Split = Field(default=Split(), description="how a single file is split")
    preparation: Literal["as_is", "like_ed"] = Field(
        default="as_is",
        description="as_is (when left out): text stays as written; like_ed: in the form of prepared ED (docs/data.md)",
    )

    @property
    def location(self) -> str:
        """As of ``Reader``."""
        return self.folder or self.file

    def files(self, location: str) -> list[str]:
        """As of ``Reader``."""
        return [f"{location}/{split}.jsonl" for split in SPLITS] if self.folder else [location]

    def faults(self) -> Iterator[str]:
        """As of ``Reader``."""
        if (self.folder is None) == (self.file is None):
            yield "give either a folder with a file for each split, or one file"
            return
        for path in self.files(self.location):
            if not is_file(ROOT / path):
                yield f"there is no file {path}"
        if self.split.valid + self.split.test >= 1:
            yield f"split: valid {self.split.valid:g} and test {self.split.test:g} leave nothing for training"

    def count(self) -> dict[str, int]:
        """As of ``Reader``."""
        return {split: len(rows) for split, rows in self.rows_by_split(ROOT / self.location).items()}

    def prepare(self, location: Path) -> dict[str, Preparation]:
        """As of ``Reader``.

        Returns:
            Samples with the ids ``{split}/{id}``, in the order of their file.

        Raises:
            UserError: a record is bad, two have one id or say the same, a conversation is in two splits, or there is
                no sample to train on or to test with.
        """
        rows = self.rows_by_split(location)
        check_ids(rows)
        return {split: self.prepare_split(split, numbered, location) for split, numbered in rows.items()}

    def rows_by_split(self, location: Path) -> dict[str, list[tuple[str, Record]]]:
        """The records of each split, each after the words that say where it stands."""
        if location.is_dir():
            return {split: list(read_records(location / f"{split}.jsonl")) for split in SPLITS}
        rows: dict[str, list[tuple[str, Record]]] = {split: [] for split in SPLITS}
        for where, record in read_records(location):
            rows[split_of(record["conversation"], self.split)].append((where, record))
        return rows

    def prepare_split(self, split: str, rows: list[tuple[str, Record]], location: Path) -> Preparation:
        """The samples of one split, and its part of the report."""
        samples = [self.sample(split, where, record) for where, record in rows]
        if split != "valid" and not samples:
            problem = f"{location} gives no sample for the split {split}"
            raise UserError(
                problem, "give more conversations, or change the shares of `split` in the data set's entry"
            )
        conversations = len({sample["conv_id"] for sample in samples})
        report = {
            "split": split,
            "file": f"{split}.jsonl" if location.is_dir() else location.name,
            "content_sha256": digest(record for _, record in rows),
            "conversations": conversations,
            "samples": len(samples),
        }
        return Preparation(samples, report)

    def sample(self, split: str, where: str, record: Record) -> Record:
        """A record as a sample (``records.DATA_SAMPLE``); its text prepared as the entry says."""
        history = [self.prepared_text(text) for text in record["history"]]
        response = self.prepared_text(record["response"])
        if not all([*history, response]):
            raise UserError(f"{where}: an utterance has no word left once it is prepared like ED's", HINT)
        labels = {name: record[name] for name in TEXTS if name in record}
        about = {"id": f"{split}/{record['id']}", "conv_id": record["conversation"], "turn": len(history) // 2}
        return about | labels | {"history": history, "response": response}

    def prepared_text(self, text: str) -> str:
        """An utterance as written, or tokenised as ED's are."""
        return tokenised(text) if self.preparation == "like_ed" else text


def read_records(path: Path) -> Iterator[tuple[str, Record]]:
    """The records of a file with ``id`` and ``conversation`` filled in, each after the words that say where it stands.

    Raises:
        UserError: the file cannot be read, or a record is bad; names file, line and reason.
    """
    try:
        text = read_text(path).removeprefix("\ufeff")  # which some programs write in front
    except UserError as error:
        raise UserError(error.problem, HINT) from None
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, checked_record(line, where)


def checked_record(line: str, where: str) -> Record:
    """A line's record, checked; see ``read_records``."""
    try:
        record = check_record(line, FIELDS, where)
    except UserError as error:
        raise UserError(error.problem, HINT) from None
    record = {name: value for name, value in record.items() if value is not None}
    fault = fault_in(record)
    if fault:
        raise UserError(f"{where}: {fault}", HINT)
    conversation = record.get("conversation", short_hash(record["history"][0]))
    row_id = record.get("id", short_hash("\x1f".join([*record["history"], record["response"]])))
    return record | {"conversation": str(conversation), "id": str(row_id)}


def fault_in(record: Record) -> str | None:
    """What is wrong with a record that has its fields; None where nothing is."""
    turns = len(record["history"])
    if turns % 2 == 0:
        return (
            f"the history has {turns} utterances; speaker and listener alternate, and the first and the last are "
            "the speaker's, so that their number is odd"
        )
    if not all(text.strip() for text in [*record["history"], record["response"]]):
        return "an utterance of the history, or the response, is empty"
    for name in IDS:
        if not is_id(record.get(name, "1")):
            return f"the field {name!r} is {record[name]!r:.40}; it must be text, or a whole number"
    for name in TEXTS:
        if not isinstance(record.get(name, ""), str):
            return f"the field {name!r} is {record[name]!r:.40}; it must be text, or left out"
    return None


def is_id(value: Any) -> bool:
    """Whether a value can name a record or a conversation."""
    return bool(value.strip()) if isinstance(value, str) else type(value) is int


def check_ids(rows: dict[str, list[tuple[str, Record]]]) -> None:
    """Refuse two records of one id, and a conversation in two splits.

    Raises:
        UserError: names both places.
    """
    first: dict[str, str] = {}
    home: dict[str, tuple[str, str]] = {}
    for split, numbered in rows.items():
        for where, record in numbered:
            earlier = first.setdefault(record["id"], where)
            if earlier != where:
                raise UserError(f"{where}: {repetition(record)} {earlier} already", HINT)
            other, place = home.setdefault(record["conversation"], (split, where))
            if other != split:
                problem = f"{where}: its conversation is in the split {other}, too ({place})"
                raise UserError(problem, "keep each conversation in one split, or the test says nothing; " + HINT)


def repetition(record: Record) -> str:
    """What repeats where two records have one id: the id, or the whole record where the id was made of it."""
    made_of_it = short_hash("\x1f".join([*record["history"], record["response"]]))
    if record["id"] == made_of_it:
        return "the same history and response stand in"
    return f"the id {record['id']!r:.80} stands in"


def split_of(conversation: str, shares: Split) -> str:
    """The split of a conversation: by a hash of its name alone, so that no other row moves it."""
    digits = hashlib.sha256(f"split\x1f{conversation}".encode()).digest()[:8]
    place = int.from_bytes(digits, "big") / 2**64
    if place < shares.test:
        return "test"
    return "valid" if place < shares.test + shares.valid else "train"


def short_hash(text: str) -> str:
    """A name for a text: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(records: Iterator[Record]) -> str:
    """A hash of a split's records as read, in order."""
    whole = hashlib.sha256()
    for record in records:
        whole.update("\x1f".join([record["id"], *record["history"], record["response"]]).encode() + b"\n")
    return whole.hexdigest()
