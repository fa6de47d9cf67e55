"""Files as contracts: JSON Lines with checked fields, and outputs that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError

Record = dict[str, Any]
Fields = dict[str, Any]  # the type of each field that must be there; list[str] checks the items too

#: One ED or synthetic sample: a dialogue up to a listener turn, and that turn.
SAMPLE: Fields = {"id": str, "history": list[str], "response": str}
#: One sample of ED, which also knows its conversation.
ED_SAMPLE: Fields = {"id": str, "conv_id": str, "turn": int, "emotion": str, "history": list[str], "response": str}
#: One output of the generator.
OUTPUT: Fields = {"id": str, "seed_id": str, "pass": int, "text": str, "tokens": int, "finish": str}
#: One parsed output: its rounds of context and response.
DIALOGUE: Fields = {"id": str, "rounds": list}
#: One answer of a model to a sample's history, beside what the sample itself says.
RESPONSE: Fields = {"id": str, "prediction": str, "reference": str}
#: One sample's marks by the judge: criteria by name, each with score, mark, probabilities, mass and output.
JUDGED: Fields = {"id": str, "criteria": dict}
#: One row number of an embeddings file.
TEXT: Fields = {"row": int, "text": str}
#: One synthetic sample's similarity to the discriminator's answer, cosine x 100.
SIMILARITY: Fields = {"id": str, "similarity": float}
#: One evaluator's verdict on one criterion of one example: win, tie or loss of our system's response against a baseline's.
JUDGEMENT: Fields = {"example": str, "baseline": str, "criterion": str, "evaluator": str, "verdict": str}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; renamed to ``path`` when the block ends well, removed when it does not.

    An interruption at any moment leaves either the old file or the new one, never half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text whole, with ``\\n`` line ends on every system."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON document, indented, keys in the order given."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def write_jsonl(path: str | Path, records: Iterable[Record]) -> int:
    """Write one JSON object a line; returns how many."""
    count = 0
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
        file.flush()
    return count


def read_json(path: str | Path) -> Any:
    """Read one JSON document.

    Raises:
        UserError: the file is missing or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a JSON document: {error}", REMAKE) from None


def read_jsonl(path: str | Path, fields: Fields, unique: str | None = "id") -> list[Record]:
    """Read JSON Lines whose records have at least ``fields``, each of its type.

    Args:
        unique: a field whose values must not repeat; ``None`` for files without such a field.

    Raises:
        UserError: the file is missing, or a line is bad; the message names file, line and reason.
    """
    records = []
    seen: dict[Any, int] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                record = check_record(line, fields, f"{path}, line {number}")
                if unique is not None:
                    first = seen.setdefault(record[unique], number)
                    if first != number:
                        raise UserError(f"{path}, line {number}: {unique} {record[unique]!r} stands on line {first} already", REMAKE)
                records.append(record)
    except FileNotFoundError:
        raise missing(path) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}", REMAKE) from None
    return records


REMAKE = "delete the file and run the step that makes it again, or give a file in the documented format (docs/files.md)"


def missing(path: str | Path) -> UserError:
    """The error for a file that is not there."""
    return UserError(f"{path} does not exist", "check the path, or run the step that makes the file (docs/files.md says which)")


def check_record(line: str, fields: Fields, where: str) -> Record:
    """Parse one line and check its fields; ``where`` opens the error message."""
    try:
        record = json.loads(line, parse_constant=refuse_constant)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error})", REMAKE) from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: not a JSON object", REMAKE)
    for name, kind in fields.items():
        if name not in record:
            raise UserError(f"{where}: the field {name!r} is missing (found: {', '.join(record) or 'none'})", REMAKE)
        if not is_a(record[name], kind):
            raise UserError(f"{where}: the field {name!r} is {type(record[name]).__name__}, not {name_of(kind)}", REMAKE)
    return record


def refuse_constant(name: str) -> None:
    """NaN and infinity are no JSON, and no value that a step writes: what compares with them is lost without a word."""
    raise ValueError(f"{name} is not a JSON number")


def is_a(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type; a whole number is a float too, and true is no number."""
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def name_of(kind: Any) -> str:
    """A type's name as an error message says it."""
    return "a list of strings" if kind == list[str] else kind.__name__
