"""Records: JSON Lines whose fields are checked against the contract of their kind of file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import REMAKE, encodable, read_text, sealed_path
from .json_files import parse_json, read_json

Record = dict[str, Any]
Fields = dict[str, Any]  # the kind of each required field: a type, list[str], a Number or a OneOf


@dataclass(frozen=True)
class Number:
    """A field that is a number in a range."""

    type: type
    least: float
    most: float


@dataclass(frozen=True)
class OneOf:
    """A field that is one of a few texts."""

    texts: tuple[str, ...]


#: A whole number that counts something, in at most 64 bits.
COUNT = Number(int, 0, 2**63 - 1)
#: Cosine x 100, with room for the rounding of float32.
COSINE = Number(float, -100.001, 100.001)
#: A metric's value. Nothing that is computed from such numbers overflows.
METRIC = Number(float, -1e15, 1e15)
#: One sample's BERTScore x 100. Rescaling by a baseline moves it out of 0 to 100, but not far.
SAMPLE_SCORE = Number(float, -1000, 1000)

#: One sample, of a data set or synthetic: a dialogue up to a listener turn, and that turn.
SAMPLE: Fields = {"id": str, "history": list[str], "response": str}
#: One sample of a data set, which also has its conversation; it may have an emotion and a situation.
DATA_SAMPLE: Fields = {"id": str, "conv_id": str, "turn": COUNT, "history": list[str], "response": str}
#: One sample of ED, which has an emotion.
ED_SAMPLE: Fields = DATA_SAMPLE | {"emotion": str}
#: How a text ends: at a stop token, or cut at max_tokens.
FINISH = OneOf(("stop", "length"))
#: One output of the generator.
OUTPUT: Fields = {"id": str, "seed_id": str, "pass": COUNT, "text": str, "tokens": COUNT, "finish": FINISH}
#: One parsed output: its rounds of context and response.
DIALOGUE: Fields = {"id": str, "rounds": list}
#: A model's answer to a sample's history, and the sample's own response.
RESPONSE: Fields = {"id": str, "prediction": str, "reference": str}
#: The judge's result for one sample: criteria by name, each with score, mark, probabilities, mass and output.
JUDGED: Fields = {"id": str, "criteria": dict}
#: One text of an embeddings file, and the number of its row.
TEXT: Fields = {"row": COUNT, "text": str}
#: One synthetic sample's similarity to the discriminator's answer, cosine x 100.
SIMILARITY: Fields = {"id": str, "similarity": COSINE}
#: One sample's score by a user's own scorer.
SCORE: Fields = {"id": str, "score": METRIC}
#: One evaluator's verdict on one criterion of one example: win, tie or loss of our system's response against a
#: baseline's.
JUDGEMENT: Fields = {"example": str, "baseline": str, "criterion": str, "evaluator": str, "verdict": str}


def write_jsonl(path: str | Path, records: Iterable[Record], code: dict[str, str] | None = None) -> int:
    """Write one JSON object a line, and the file's seal; returns the number of lines. ``code``: see ``write_text``."""
    count = 0
    with (
        sealed_path(path, code) as partial,
        encodable(path),
        partial.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def read_jsonl(path: str | Path, fields: Fields, unique: str | None = "id") -> list[Record]:
    """Read JSON Lines whose records have at least ``fields``, each of its kind.

    Args:
        unique: a field whose values must not repeat; None for files without such a field.

    Raises:
        UserError: the file is missing, or a line is faulty; the message names file, line and reason.
    """
    records = []
    first_lines: dict[Any, int] = {}
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        record = check_record(line, fields, f"{path}, line {number}")
        if unique is not None:
            first = first_lines.setdefault(record[unique], number)
            if first != number:
                problem = f"{path}, line {number}: {unique} {record[unique]!r} is on line {first} already"
                raise UserError(problem, REMAKE)
        records.append(record)
    return records


def read_test_ids(path: str | Path) -> list[str]:
    """The ids of a run's test samples in their order, as ``list_test_ids.py`` lists them.

    Raises:
        UserError: it is not a list of distinct names.
    """
    ids = read_json(path)
    if not ids or not is_a(ids, list[str]) or len(set(ids)) < len(ids):
        hint = f"give a run's test_ids.json; {REMAKE}"
        raise UserError(f"{path} is not a list of test samples' ids, each once", hint)
    return ids


def check_record(line: str, fields: Fields, where: str) -> Record:
    """Parse one line and check its fields.

    Args:
        where: the file and the line, which open the error's message.

    Raises:
        UserError: the line is not a JSON object, or a field is missing or faulty.
    """
    try:
        record = parse_json(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error})", REMAKE) from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: not a JSON object", REMAKE)
    for name, kind in fields.items():
        if name not in record:
            raise UserError(f"{where}: the field {name!r} is missing (found: {', '.join(record) or 'none'})", REMAKE)
        fault = fault_of(record[name], kind)
        if fault:
            raise UserError(f"{where}: the field {name!r} is {fault}", REMAKE)
    return record


def fault_of(value: Any, kind: Any) -> str | None:
    """The fault of a field's value, worded to follow "is"; None if it has none."""
    type_ = type_of(kind)
    if not is_a(value, type_):
        return f"{type(value).__name__}, not {name_of(type_)}"
    if isinstance(kind, Number) and not kind.least <= value <= kind.most:
        return f"{value!r:.40}, not from {round(kind.least)} to {round(kind.most)}"
    if isinstance(kind, OneOf) and value not in kind.texts:
        return f"{value!r:.40}, not one of {', '.join(kind.texts)}"
    return None


def type_of(kind: Any) -> Any:
    """The type of a field of some kind."""
    if isinstance(kind, Number):
        return kind.type
    return str if isinstance(kind, OneOf) else kind


def is_a(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type; a whole number is also a float, and true is not a number."""
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def name_of(kind: Any) -> str:
    """A type's name in an error message."""
    return "a list of strings" if kind == list[str] else kind.__name__
