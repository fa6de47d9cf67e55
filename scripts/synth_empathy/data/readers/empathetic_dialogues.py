"""EmpatheticDialogues (ED): from the raw CSV, in a folder or an archive, to one sample per listener turn.

The preparation is the MoEL/EmpDG preprocessing, which the systems that the paper compares itself with share (MoEL,
MIME, EmpDG, CEM, CASE, SEEK). It is rebuilt from their files. The paper itself only says "the same dataset division as
the previous research".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...core.errors import UserError
from ...core.files import read_bytes
from ...core.records import Record
from ...schema.setting_types import File, Sha256, Text, may_be_left_out
from ..tokenization import normalise
from . import SPLITS, Preparation, Reader

COLUMNS = ["conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance", "selfeval", "tags"]

#: What a field's form tells: a bare comma in the text pushes words into the columns behind it.
FORMS = {
    "utterance_idx": re.compile(r"[0-9]{1,9}"),
    "speaker_idx": re.compile(r"[0-9]{1,9}"),
    "selfeval": re.compile(r"[\d|_]*"),
}

#: Dialogues that the preprocessed files lack; nobody has found the reason. They are named here, so that no count
#: differs in silence. ED's train split has 40,252 samples by the rules below, and the preprocessed file 40,250. That
#: file ends just before this dialogue, whose two samples are regular otherwise.
UNEXPLAINED = {
    "train": {"hit:12424_conv:24848": "the MoEL/EmpDG preprocessing ends before this dialogue; nobody knows why"},
}


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
        """As of ``Reader``; see ``prepare_split``."""
        return {split: prepare_split(location / f"{split}.csv", split) for split in SPLITS}

    def faults(self) -> Iterator[str]:
        """As of ``Reader``."""
        if self.folder is None and (self.sha256 is None or self.archive is None and self.url is None):
            yield "give either a folder, or sha256 and an archive or its url"


@dataclass
class Dialogue:
    """One conversation: who said what about which situation."""

    conv_id: str
    emotion: str
    situation: str
    turns: list[str]


def prepare_split(path: Path, split: str) -> Preparation:
    """Prepare one split of ED.

    The order is that of the MoEL/EmpDG preprocessing. A last speaker turn that nobody answers is dropped. A dialogue
    merges into the one before it if both have the same situation; it takes that one's id, and its turns are numbered
    on. The split's last dialogue is dropped. Each listener turn is a sample, whose history is all turns before it.

    Returns:
        The samples (``records.ED_SAMPLE``, ids ``{split}/{conv_id}/{turn}``) and the report.

    Raises:
        UserError: the file is missing or bad; names file, line and reason.
    """
    report: Record = {"split": split, "file": path.name}
    dialogues = read_dialogues(path)
    report["content_sha256"] = content_digest(dialogues)
    report["conversations"] = len(dialogues)
    report["utterances"] = sum(len(dialogue.turns) for dialogue in dialogues)
    answered = drop_unanswered(dialogues, report)
    merged = merge_neighbours(answered, report)
    kept = drop_unused(merged, split, report)
    samples = [sample for dialogue in kept for sample in samples_of(dialogue, split)]
    report["samples"] = len(samples)
    if not samples:
        raise UserError(
            f"{path} gives no sample: it holds {len(dialogues)} conversations, and the last of a split is dropped",
            USE_ED,
        )
    log = [
        f"{split}: the dialogue {name} is left out ({count_in_words(entry['samples'])}): {entry['reason']}"
        for name, entry in report["dialogues_dropped"].items()
    ]
    return Preparation(samples, report, log)


def count_in_words(samples: int) -> str:
    """1 sample, 2 samples."""
    return f"{samples} sample{'s' * (samples != 1)}"


def content_digest(dialogues: list[Dialogue]) -> str:
    """A hash of a split's conversations, labels, situations and utterances, in order.

    It tells whether the split is ED's, however its file is written.
    """
    whole = hashlib.sha256()
    for dialogue in dialogues:
        whole.update(json.dumps([dialogue.conv_id, dialogue.emotion, dialogue.situation, *dialogue.turns]).encode())
    return whole.hexdigest()


def read_dialogues(path: Path) -> list[Dialogue]:
    """Read one of ED's raw CSV files into dialogues, in the file's order.

    ED does not quote: a comma in the text is written ``_comma_`` and stray quote characters stand in it, so a CSV
    reader with quoting merges rows. Rows are split at commas as they stand; a ninth field (candidates) may follow.

    Raises:
        UserError: missing file, bytes that are no UTF-8, a missing column, a wrong field count, a field of the
            wrong form, turns out of order, no rows.
    """
    dialogues: list[Dialogue] = []
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        for column, form in FORMS.items():
            if not form.fullmatch(row[column]):
                problem = f"{where}: {column} {row[column]!r} does not have the form {form.pattern}"
                raise UserError(f"{problem}; is a comma in the text not written _comma_?", USE_ED)
        if not dialogues or dialogues[-1].conv_id != row["conv_id"]:
            dialogues.append(Dialogue(row["conv_id"], row["context"], row["prompt"], []))
        turns = dialogues[-1].turns
        if int(row["utterance_idx"]) != len(turns) + 1:
            raise UserError(
                f"{where}: utterance {row['utterance_idx']} of {row['conv_id']} follows {len(turns)} others", USE_ED
            )
        turns.append(row["utterance"])
    counts = Counter(dialogue.conv_id for dialogue in dialogues)
    repeated = [conv_id for conv_id, count in counts.items() if count > 1]
    if repeated:
        raise UserError(f"{path}: the rows of conversation {repeated[0]} do not stand together", USE_ED)
    return dialogues


USE_ED = (
    "give ED's own files: its archive (datasets: ed: archive), or a folder with its train.csv, valid.csv and test.csv "
    "(datasets: ed: folder); write other dialogues as JSON Lines. docs/data.md describes both, and converts a CSV file"
)
#: What a line with too many or too few commas breaks.
UNQUOTED = "ED's raw files have no quotes, and write a comma in a text as _comma_"


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and named fields of each row below the header."""
    if not path.exists():
        raise UserError(f"{path} does not exist", USE_ED)
    try:
        lines = read_bytes(path).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8", USE_ED) from None
    header = lines[0].rstrip("\r").split(",")
    lacking = [column for column in COLUMNS if column not in header]
    if lacking:
        raise UserError(
            f"{path}: the header lacks the column {', '.join(lacking)} (it has: {lines[0].strip() or 'nothing'})",
            USE_ED,
        )
    rows = [(number, line.rstrip("\r")) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if not rows:
        raise UserError(f"{path} has a header and no rows", USE_ED)
    for number, line in rows:
        fields = line.split(",")
        if len(fields) not in (len(header), len(header) + 1):
            problem = f"{path}, line {number}: {len(fields)} fields, the header has {len(header)}"
            raise UserError(f"{problem}; {UNQUOTED}", USE_ED)
        yield number, dict(zip(header, fields))


def drop_unanswered(dialogues: Iterable[Dialogue], report: Record) -> list[Dialogue]:
    """Drop a last speaker turn that nobody answers, and dialogues that have nothing else."""
    kept, unanswered, empty = [], 0, 0
    for dialogue in dialogues:
        even = len(dialogue.turns) // 2 * 2
        unanswered += len(dialogue.turns) - even
        empty += even == 0
        if even:
            kept.append(Dialogue(dialogue.conv_id, dialogue.emotion, dialogue.situation, dialogue.turns[:even]))
    report["unanswered_turns_dropped"] = unanswered
    report["dialogues_without_a_listener_turn"] = empty
    return kept


def merge_neighbours(dialogues: Iterable[Dialogue], report: Record) -> list[Dialogue]:
    """Merge a dialogue into the one before it if both have the same situation, as the preprocessing does."""
    merged: list[Dialogue] = []
    into: dict[str, str] = {}
    for dialogue in dialogues:
        if merged and merged[-1].situation == dialogue.situation:
            merged[-1].turns.extend(dialogue.turns)
            into[dialogue.conv_id] = merged[-1].conv_id
        else:
            merged.append(dialogue)
    report["merged_into_neighbour"] = into
    return merged


def drop_unused(dialogues: list[Dialogue], split: str, report: Record) -> list[Dialogue]:
    """Leave out what the preprocessing leaves out: the last dialogue, and the unexplained ones; name each."""
    dropped = (
        {dialogues[-1].conv_id: "the last dialogue of a split is dropped, as in the MoEL/EmpDG preprocessing"}
        if dialogues
        else {}
    )
    unexplained = UNEXPLAINED.get(split, {})
    dropped |= {d.conv_id: unexplained[d.conv_id] for d in dialogues if d.conv_id in unexplained}
    report["dialogues_dropped"] = {
        d.conv_id: {"samples": len(d.turns) // 2, "reason": dropped[d.conv_id]}
        for d in dialogues
        if d.conv_id in dropped
    }
    return [d for d in dialogues if d.conv_id not in dropped]


def samples_of(dialogue: Dialogue, split: str) -> Iterator[Record]:
    """One sample per listener turn: the turns before it as history, the turn as response."""
    turns = [normalise(turn) for turn in dialogue.turns]
    for turn, place in enumerate(range(1, len(turns), 2)):
        yield {
            "id": f"{split}/{dialogue.conv_id}/{turn}",
            "conv_id": dialogue.conv_id,
            "turn": turn,
            "emotion": dialogue.emotion,
            "history": turns[:place],
            "response": turns[place],
        }
