"""Records: JSON Lines of every kind, and single JSON documents."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from synth_empathy.core import json_files, records

from ..checks import same
from ..mutations import json_file, json_lines
from . import valid
from .registry import Reader

KINDS = {
    "SAMPLE": valid.SAMPLES,
    "DATA_SAMPLE": valid.ED_SAMPLES,
    "ED_SAMPLE": valid.ED_SAMPLES,
    "OUTPUT": valid.OUTPUTS,
    "DIALOGUE": valid.DIALOGUES,
    "RESPONSE": valid.RESPONSES,
    "JUDGED": valid.JUDGED,
    "TEXT": valid.TEXTS,
    "SIMILARITY": valid.SIMILARITIES,
    "JUDGEMENT": valid.JUDGEMENTS,
}
UNIQUE = {"TEXT": "text", "JUDGEMENT": None}


def read_lines(kind: str, folder: Path, how: dict) -> None:
    """Every object of the file is a row, and rows that are read, written and read again stay the same."""
    path, again = folder / "rows.jsonl", folder / "again.jsonl"
    fields, unique = getattr(records, kind), UNIQUE.get(kind, "id")
    rows = records.read_jsonl(path, fields, unique=unique)
    same("rows", objects(path.read_text(encoding="utf-8")), rows)
    records.write_jsonl(again, rows)
    same("rows written and read again", rows, records.read_jsonl(again, fields, unique=unique))


def objects(text: str) -> list[Any]:
    """The JSON values of a text, one after the other, independent of line ends."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def read_document(folder: Path, how: dict) -> None:
    """A document that is read, written and read again stays the same."""
    value = json_files.read_json(folder / "document.json")
    json_files.write_json(folder / "again.json", value)
    same("document written and read again", value, json_files.read_json(folder / "again.json"))


READERS = [
    Reader(f"records.{kind}", partial(read_lines, kind), {"rows.jsonl": json_lines(rows)})
    for kind, rows in KINDS.items()
]
READERS.append(Reader("json_files.read_json", read_document, {"document.json": json_file(valid.SUMMARY)}))
