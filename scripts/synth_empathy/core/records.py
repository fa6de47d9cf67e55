"""Files as contracts: JSON Lines with checked fields, and outputs that appear whole or not at all.

What one step writes for another has its SHA-256 beside it, in a hidden file as ``sha256sum`` writes it (its seal). Who
reads the file checks it. A file without a seal, such as one that a user brings, is taken as it is. The seal of a file
that has no manifest also names the code that made it, in comments.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import MISSING, UserError, from_os_error
from .provenance import sha256_bytes, sha256_file

Record = dict[str, Any]
Fields = dict[str, Any]  # the kind of each field that must be there: a type, list[str], a Number or a OneOf


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


#: A whole number that counts something. More than 64 bits are no count.
COUNT = Number(int, 0, 2**63 - 1)
#: Cosine x 100, with room for the rounding of float32.
COSINE = Number(float, -100.001, 100.001)
#: A metric's value. Nothing that is computed from such numbers overflows.
METRIC = Number(float, -1e15, 1e15)
#: One sample's BERTScore x 100. Rescaled by a baseline it may leave 0 to 100, and not by far.
SAMPLE_SCORE = Number(float, -1000, 1000)

#: One sample, of a data set or synthetic: a dialogue up to a listener turn, and that turn.
SAMPLE: Fields = {"id": str, "history": list[str], "response": str}
#: One sample of a data set, which also knows its conversation; it may have an emotion and a situation.
DATA_SAMPLE: Fields = {"id": str, "conv_id": str, "turn": COUNT, "history": list[str], "response": str}
#: One sample of ED, which has an emotion.
ED_SAMPLE: Fields = DATA_SAMPLE | {"emotion": str}
#: How a text ends: at a stop token, or cut at max_tokens.
FINISH = OneOf(("stop", "length"))
#: One output of the generator.
OUTPUT: Fields = {"id": str, "seed_id": str, "pass": COUNT, "text": str, "tokens": COUNT, "finish": FINISH}
#: One parsed output: its rounds of context and response.
DIALOGUE: Fields = {"id": str, "rounds": list}
#: One answer of a model to a sample's history, beside what the sample itself says.
RESPONSE: Fields = {"id": str, "prediction": str, "reference": str}
#: One sample's marks by the judge: criteria by name, each with score, mark, probabilities, mass and output.
JUDGED: Fields = {"id": str, "criteria": dict}
#: One row number of an embeddings file.
TEXT: Fields = {"row": COUNT, "text": str}
#: One synthetic sample's similarity to the discriminator's answer, cosine x 100.
SIMILARITY: Fields = {"id": str, "similarity": COSINE}
#: One sample's score by a scorer that a user brings.
SCORE: Fields = {"id": str, "score": METRIC}
#: One evaluator's verdict on one criterion of one example: win, tie or loss of our system's response against a baseline's.
JUDGEMENT: Fields = {"example": str, "baseline": str, "criterion": str, "evaluator": str, "verdict": str}

#: How deep a JSON document may be nested: ours have 6 levels.
DEPTH = 100


# Writing


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; renamed to ``path`` when the block ends well, removed when it does not.

    An interruption at any moment leaves either the old file or the new one, never half of one. What a kill leaves is
    removed by the next process that writes the same file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_dead(path)
    with locked_partial(path) as partial:
        try:
            yield partial
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            name_the_file(error, partial, path)
            raise
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def locked_partial(path: Path) -> Iterator[Path]:
    """A new private file beside ``path``, locked. No name is used twice: whoever removes one removes no other's.

    Another process may take the file for a dead one's before it is locked, and remove it. Then a further one is made.
    """
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with open(partial, "ab") as mine:
            taken = lock(mine) is False
            if taken or not partial.exists():
                continue
            yield partial
            return


def name_the_file(error: OSError, partial: Path, path: Path) -> None:
    """Let an error tell the file's own name: a full disk tells none, and the private one tells a user nothing."""
    nameless = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if nameless or error.filename == str(partial):
        error.filename, error.filename2 = str(path), None


def remove_dead(path: Path) -> None:
    """Remove what killed processes left beside ``path`` of it. A living writer holds a lock on its own file."""
    for partial in partials(path):
        try:
            with open(partial, "rb+") as file:
                if lock(file):
                    partial.unlink(missing_ok=True)
        except OSError:
            continue  # another's, or gone meanwhile; it is no file of ours that counts


def partials(path: Path) -> list[Path]:
    """The unfinished files of ``path``; a name with a dot more is another file's."""
    form = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.partial")
    return [found for found in path.parent.glob(".*.partial") if form.fullmatch(found.name) and found.is_file()]


def lock(file: IO | int, wait: bool = False) -> bool | None:
    """Whether an open file's lock is ours now; the system frees it when this process ends, however it ends.

    Args:
        wait: wait for a process that has it.

    Returns:
        False where another process has it; None where the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def seal_of(path: str | Path) -> Path:
    """Where a file's seal stands."""
    return Path(path).with_name(f".{Path(path).name}.sha256")


@contextmanager
def sealed_path(path: str | Path, code: dict[str, str] | None = None) -> Iterator[Path]:
    """As ``atomic_path``, for a file that another step reads: its SHA-256 stands beside it.

    The old seal goes before the new file comes. A kill between the two leaves a whole file without a seal.

    Args:
        code: SHA-256 of the files of code that made it (``provenance.code``), which the seal names, too.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        yield partial
        digest = sha256_file(partial)
        seal_of(path).unlink(missing_ok=True)
    made_by = "".join(f"# {code_digest}  {name}\n" for name, code_digest in (code or {}).items())
    write_text(seal_of(path), f"{digest}  {path.name}\n{made_by}")


def code_in_seal(path: str | Path) -> dict[str, str]:
    """The code that made a file, as its seal names it; empty where there is no seal, or none that names code.

    Raises:
        UserError: the seal cannot be read.
    """
    try:
        lines = seal_of(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from None
    named = (re.fullmatch(r"# ([0-9a-f]{64})  (\S+)", line) for line in lines)
    return {line[2]: line[1] for line in named if line}


def remove_outputs(*paths: str | Path) -> None:
    """Remove what an earlier run left of files that belong together, before the first of them is written anew.

    A kill between two of them then leaves one that is missing, and not files of two runs.
    """
    for path in map(Path, paths):
        path.unlink(missing_ok=True)
        seal_of(path).unlink(missing_ok=True)


def write_text(path: str | Path, text: str, sealed: bool = False, code: dict[str, str] | None = None) -> None:
    """Write UTF-8 text whole, with ``\\n`` line ends on every system.

    Args:
        sealed: whether another step reads it.
        code: of a sealed file, as in ``sealed_path``.
    """
    with sealed_path(path, code) if sealed else atomic_path(path) as partial, encodable(path):
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any, code: dict[str, str] | None = None) -> None:
    """Write one JSON document, indented, keys in the order given, and its seal; ``code`` as in ``sealed_path``."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    write_text(path, text, sealed=True, code=code)


def write_jsonl(path: str | Path, records: Iterable[Record], code: dict[str, str] | None = None) -> int:
    """Write one JSON object a line, and the file's seal; returns how many. ``code`` as in ``sealed_path``."""
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


@contextmanager
def encodable(path: str | Path) -> Iterator[None]:
    """Refuse text that is none in UTF-8: half of a pair of surrogates, which settings and flags can hold."""
    try:
        yield
    except UnicodeEncodeError as error:
        part = ascii(error.object[error.start : error.end])
        problem = f"{path} cannot be written: {part} in its text is not a valid character"
        raise UserError(problem, "remove it from the settings or flags") from None


# Reading


def is_file(path: Path) -> bool:
    """Whether there is a file. A name that no file system takes is none, and no error of its own."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_bytes(path: str | Path) -> bytes:
    """A file's bytes, checked against its seal, if it has one.

    Raises:
        UserError: the file is missing, cannot be read, or is not what was written.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, error) from None
    check_seal(path, sha256_bytes(content))
    return content


def check_seal(path: str | Path, found: str | None = None) -> None:
    """Refuse a file that is not what was written.

    Args:
        found: its SHA-256, where that is known already.

    Raises:
        UserError: the file cannot be read, or its SHA-256 is not that of its seal.
    """
    seal = seal_of(path)
    try:
        words = seal.read_bytes().split()
        found = found or sha256_file(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if words[:1] != [found.encode()]:
        problem = f"{path} is not what was written: its SHA-256 is not the one that {seal.name} beside it holds"
        raise UserError(problem, f"{MAKE_AGAIN}; where you changed it on purpose, remove {seal}")


def read_text(path: str | Path) -> str:
    """A UTF-8 file's text, line ends as they are.

    Raises:
        UserError: as ``read_bytes``, or the bytes are not UTF-8; the message names the line.
    """
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: it is not UTF-8 (byte {content[error.start]:#04x})", REMAKE) from None


def read_json(path: str | Path) -> Any:
    """Read one JSON document.

    Raises:
        UserError: the file is missing or is no JSON (``parse_json``).
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not a JSON document: {error}", REMAKE) from None


def field_at(document: object, place: str) -> object:
    """A field by its place, such as ``made_by: models``; None where there is none."""
    for key in place.split(": "):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def read_jsonl(path: str | Path, fields: Fields, unique: str | None = "id") -> list[Record]:
    """Read JSON Lines whose records have at least ``fields``, each of its type.

    Args:
        unique: a field whose values must not repeat; ``None`` for files without such a field.

    Raises:
        UserError: the file is missing, or a line is bad; the message names file, line and reason.
    """
    records = []
    seen: dict[Any, int] = {}
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        record = check_record(line, fields, f"{path}, line {number}")
        if unique is not None:
            first = seen.setdefault(record[unique], number)
            if first != number:
                what = f"{unique} {record[unique]!r}"
                raise UserError(f"{path}, line {number}: {what} stands on line {first} already", REMAKE)
        records.append(record)
    return records


def read_test_ids(path: str | Path) -> list[str]:
    """The ids of a run's test samples in their order, from its list (``list_test_ids.py``).

    Raises:
        UserError: it is no list of names, or names one twice.
    """
    ids = read_json(path)
    if not ids or not is_a(ids, list[str]) or len(set(ids)) < len(ids):
        hint = f"give a run's test_ids.json; {REMAKE}"
        raise UserError(f"{path} is no list of test samples' ids, each once", hint)
    return ids


MAKE_AGAIN = "delete it and run the step that makes it again"
REMAKE = (
    "delete the file and run the step that makes it again, or give a file in the documented format (docs/files.md)"
)


def missing(path: str | Path) -> UserError:
    """The error for a file that is not there."""
    return UserError(f"{path} does not exist", MISSING)


def unreadable(path: str | Path, error: OSError | ValueError) -> UserError:
    """The error for a file that the system does not give."""
    known = from_os_error(error, path) if isinstance(error, OSError) else None
    return known or UserError(f"{path} cannot be read: {error}", "check the path")


def parse_json(text: str) -> Any:
    """Parse JSON, strictly: what it says must be one value, and one that can be written again.

    Raises:
        ValueError: no JSON; a number that is none (NaN) or too large for a float (1e999); a key that stands twice in
            an object; half of a pair of surrogates; nesting deeper than ``DEPTH``.
    """
    try:
        value = json.loads(text, parse_constant=refuse_constant, parse_float=finite, object_pairs_hook=without_repeats)
        shallow(value)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEPTH} levels") from None
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start : error.end])
        raise ValueError(f"{half} is half a character (a lone surrogate)") from None
    return value


def refuse_constant(name: str) -> None:
    """NaN and infinity are no JSON, and no value that a step writes: a comparison with them is always false."""
    raise ValueError(f"{name} is not a JSON number")


def finite(text: str) -> float:
    """A number with a fraction or an exponent; one too large for a float would be read as infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def without_repeats(pairs: list[tuple[str, Any]]) -> Record:
    """A JSON object; Python itself takes the last of equal keys without a word."""
    found: Record = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} stands in an object twice")
        found[name] = value
    return found


def shallow(value: Any) -> None:
    """Refuse a value nested deeper than ``DEPTH``."""
    level = [value]
    for _ in range(DEPTH + 1):
        containers = [item for item in level if isinstance(item, (dict, list))]
        if not containers:
            return
        level = []
        for item in containers:
            level += item.values() if isinstance(item, dict) else item
    raise ValueError(f"it is nested deeper than {DEPTH} levels")


def check_record(line: str, fields: Fields, where: str) -> Record:
    """Parse one line and check its fields; ``where`` opens the error message."""
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
    """What is wrong with a field's value, in words that follow "is"; None where nothing is."""
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
    """Whether a JSON value is of a type; a whole number is a float too, and true is no number."""
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def name_of(kind: Any) -> str:
    """A type's name as an error message says it."""
    return "a list of strings" if kind == list[str] else kind.__name__
