"""Folders that appear whole, by one rename, whoever else makes the same folder at the same time.

Each process fills a private folder. The first that is ready renames its own to the final name. One that finds the same
content there takes it and drops its own.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .files import lock

#: The file of a folder that says what the folder holds: equal ones stand for equal folders.
MANIFEST = "manifest.json"
#: How often a folder that others put in the way is moved aside before it is the user's to look at.
TRIES = 20


@contextmanager
def new_folder(output: Path, resume: bool = False) -> Iterator[Path]:
    """A private folder to fill; renamed to ``output`` when the block ends well, removed when it does not.

    Args:
        resume: keep what an interruption leaves, and begin with what an earlier one left. It is for downloads that go
            on where they were. Only one process at a time may ask for it (``one_at_a_time``).
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    private = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    before = inode_of(output)
    ended_well = False
    try:
        with marked_alive(private):
            take_left_over(output, private if resume else None)
            private.mkdir(exist_ok=True)
            yield private
            give_rights(private)
            publish(private, output, before)
        ended_well = True
    finally:
        if ended_well or not resume:
            remove(private)


def take_left_over(output: Path, private: Path | None) -> None:
    """Remove what dead processes left of ``output``. The newest becomes ``private``, where that is given."""
    for folder in reversed(left_over(output)):
        with open(mark_of(folder), "a") as file:
            if not lock(file):
                continue  # its maker lives, or the file system has no locks
            unfinished = folder.name.endswith(".partial")
            if private is not None and unfinished and not private.exists():
                os.rename(folder, private)
            remove(folder)


def left_over(output: Path) -> list[Path]:
    """Private folders of ``output`` and old ones moved aside, the newest last; a longer name's are its own."""
    form = re.compile(rf"\.{re.escape(output.name)}\.[0-9a-f]{{8}}\.(partial|old)")
    found = [path for path in output.parent.glob(".*") if form.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (path.name.endswith(".partial"), path.stat().st_mtime_ns))


def mark_of(private: Path) -> Path:
    """The file beside a private folder whose lock says that its maker lives."""
    return private.with_name(f"{private.name}.lock")


@contextmanager
def marked_alive(private: Path) -> Iterator[None]:
    """Hold the lock that says that a private folder's maker lives; the system frees it when the process ends."""
    with open(mark_of(private), "a") as file:
        lock(file)
        yield


def remove(private: Path) -> None:
    """Remove a private folder and its mark."""
    shutil.rmtree(private, ignore_errors=True)
    mark_of(private).unlink(missing_ok=True)


@contextmanager
def one_at_a_time(output: Path, doing: str | None = None) -> Iterator[bool]:
    """Wait until no other process makes ``output``, a folder or a file. A process that dies lets the next one begin.

    Args:
        doing: what is said while waiting; that another process makes ``output`` when not given.

    Yields:
        Whether this file system has locks. Without them processes work side by side, in their private folders.
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    place = output.with_name(f".{output.name}.lock")
    number = os.open(place, os.O_RDONLY | os.O_CREAT, 0o666)  # read-only: another user may own the file
    try:
        alone = lock(number)
        if alone is False:
            print(f"{doing or f'another process makes {output}'}; waiting for it")
            alone = lock(number, wait=True)
        yield bool(alone)
    finally:
        os.close(number)


def inode_of(folder: Path) -> int | None:
    """What tells a folder from another of the same name; None where there is none."""
    return folder.stat().st_ino if folder.exists() else None


def publish(private: Path, output: Path, before: int | None) -> None:
    """Rename a filled folder to its final name, or take the equal one that another process has put there meanwhile.

    Args:
        before: the inode of what was there when this process began; that is replaced.

    Raises:
        UserError: others keep putting other folders there.
    """
    for _ in range(TRIES):
        try:
            os.rename(private, output)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if inode_of(output) != before and manifest_of(private) and manifest_of(private) == manifest_of(output):
            print(f"another process has made {output} meanwhile: it is taken")
            return
        move_aside(output)
    raise UserError(f"{output} is made by other processes again and again", "end them, and run the same command again")


def manifest_of(folder: Path) -> bytes:
    """A folder's manifest; nothing where it has none."""
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return b""


def move_aside(output: Path) -> None:
    """Rename a folder that is in the way, and remove it. Of several processes one does; the others find it gone."""
    aside = output.with_name(f".{output.name}.{secrets.token_hex(4)}.old")
    try:
        os.rename(output, aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def give_rights(folder: Path) -> None:
    """Give every file and folder the rights of new ones (umask): safetensors writes files for their owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        usual = 0o777 if path.is_dir() or mode & 0o100 else 0o666
        path.chmod(usual & ~mask | mode & stat.S_ISGID)  # a shared folder gives its group to what is made in it
