"""Whole files: an output appears complete or not at all, and a reader can tell whether it has changed since.

A file that one step writes for another has a seal: a hidden file next to it, in the format of ``sha256sum``, that
holds its SHA-256. Every reader of the file checks the seal. A file without a seal, such as a user's own, is read
unchecked. The seal of a file that has no manifest also names the code that made it, in comments.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import MISSING, UserError, from_os_error
from .provenance import sha256_bytes, sha256_file

MAKE_AGAIN = "delete it and run the step that makes it again"
REMAKE = (
    "delete the file and run the step that makes it again, or give a file in the documented format (docs/files.md)"
)

# Writing


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A private path to write to; it is renamed to ``path`` if the block succeeds, and removed if it fails.

    An interruption at any moment leaves the old file or the new one, never a part of one. The next process that writes
    the same file removes what a killed process left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
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
    """A new, locked, private file in the folder of ``path``. No name is used twice, so that none removes another's
    file.

    Another process may find the file before it is locked, take it for an abandoned one, and remove it. Then another
    file is made.
    """
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with open(partial, "ab") as file:
            locked_by_other = lock(file) is False
            if locked_by_other or not partial.exists():
                continue
            yield partial
            return


def name_the_file(error: OSError, partial: Path, path: Path) -> None:
    """Let an error name ``path``: a full disk names no file, and the private name tells a user nothing."""
    nameless = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if nameless or error.filename == str(partial):
        error.filename, error.filename2 = str(path), None


def remove_abandoned(path: Path) -> None:
    """Remove the unfinished files of ``path`` that killed processes left. A living writer holds a lock on its own."""
    for partial in partials(path):
        try:
            with open(partial, "rb+") as file:
                if lock(file):
                    partial.unlink(missing_ok=True)
        except OSError:
            continue  # another user's file, or already removed


def partials(path: Path) -> list[Path]:
    """The unfinished files of ``path``, but not those of a file whose name only begins with its name."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.partial")
    return [file for file in path.parent.glob(".*.partial") if pattern.fullmatch(file.name) and file.is_file()]


def lock(file: IO | int, wait: bool = False) -> bool | None:
    """Try to lock an open file. The system frees the lock when this process ends, even if it is killed.

    Args:
        wait: wait while another process holds the lock.

    Returns:
        True if this process holds the lock, False if another one does, None if the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def seal_of(path: str | Path) -> Path:
    """The path of a file's seal."""
    return Path(path).with_name(f".{Path(path).name}.sha256")


@contextmanager
def sealed_path(path: str | Path, code: dict[str, str] | None = None) -> Iterator[Path]:
    """As ``atomic_path``, for a file that another step reads; then write the file's seal.

    The old seal is removed before the new file appears. A kill in between leaves a whole file without a seal.

    Args:
        code: SHA-256 of the files of code that made it (``provenance.code``), for the seal to name.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        yield partial
        digest = sha256_file(partial)
        seal_of(path).unlink(missing_ok=True)
    comments = "".join(f"# {code_digest}  {name}\n" for name, code_digest in (code or {}).items())
    write_text(seal_of(path), f"{digest}  {path.name}\n{comments}")


def code_in_seal(path: str | Path) -> dict[str, str]:
    """The code that made a file, as its seal names it; empty if there is no seal, or one that names no code.

    Raises:
        UserError: the seal cannot be read.
    """
    try:
        lines = seal_of(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from None
    comments = (re.fullmatch(r"# ([0-9a-f]{64})  (\S+)", line) for line in lines)
    return {comment[2]: comment[1] for comment in comments if comment}


def remove_outputs(*paths: str | Path) -> None:
    """Remove outputs of an earlier run that belong together, before the first of them is written again.

    If a kill then comes between two of them, one is missing; they are not files of two runs.
    """
    for path in map(Path, paths):
        path.unlink(missing_ok=True)
        seal_of(path).unlink(missing_ok=True)


def write_text(path: str | Path, text: str, sealed: bool = False, code: dict[str, str] | None = None) -> None:
    """Write a whole file of UTF-8 text, with ``\\n`` at line ends on every system.

    Args:
        sealed: whether another step reads the file.
        code: of a sealed file, as in ``sealed_path``.
    """
    with sealed_path(path, code) if sealed else atomic_path(path) as partial, encodable(path):
        partial.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def encodable(path: str | Path) -> Iterator[None]:
    """Refuse text that UTF-8 cannot hold: half of a surrogate pair, which settings and flags can contain."""
    try:
        yield
    except UnicodeEncodeError as error:
        part = ascii(error.object[error.start : error.end])
        problem = f"{path} cannot be written: {part} in its text is not a valid character"
        raise UserError(problem, "remove it from the settings or flags") from None


# Reading


def is_file(path: Path) -> bool:
    """Whether a file exists. A name that no file system takes is no error: no file has it."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, checked against its seal if it has one.

    Raises:
        UserError: the file is missing, cannot be read, or has changed since it was written.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, error) from None
    check_seal(path, sha256_bytes(content))
    return content


def check_seal(path: str | Path, digest: str | None = None) -> None:
    """Refuse a file that has changed since it was written.

    Args:
        digest: its SHA-256, if the caller knows it.

    Raises:
        UserError: the file cannot be read, or its SHA-256 is not the seal's.
    """
    seal = seal_of(path)
    try:
        words = seal.read_bytes().split()
        digest = digest or sha256_file(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if words[:1] != [digest.encode()]:
        problem = f"{path} has changed since it was written: its SHA-256 is not the one in {seal.name} next to it"
        raise UserError(problem, f"{MAKE_AGAIN}; if you changed it on purpose, remove {seal}")


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, with its own line ends.

    Raises:
        UserError: as ``read_bytes``, or the bytes are not UTF-8; the message names the line.
    """
    content = read_bytes(path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: it is not UTF-8 (byte {content[error.start]:#04x})", REMAKE) from None


def missing(path: str | Path) -> UserError:
    """The error for a file that does not exist."""
    return UserError(f"{path} does not exist", MISSING)


def unreadable(path: str | Path, error: OSError | ValueError) -> UserError:
    """The error for a file that the system does not let us read."""
    known = from_os_error(error, path) if isinstance(error, OSError) else None
    return known or UserError(f"{path} cannot be read: {error}", "check the path")
