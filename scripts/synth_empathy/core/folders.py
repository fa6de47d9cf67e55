"""Folders that appear whole, by one rename, even if several processes make the same folder at the same time.

Each process fills a private folder. The first that is ready renames its folder to the final name. A process that finds
the same content there takes it and removes its own folder.
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

#: The file that describes its folder: folders with equal manifests are equal.
MANIFEST = "manifest.json"
#: How often a folder that other processes put in the way is moved aside before the user is told.
TRIES = 20


@contextmanager
def new_folder(output: Path, resume: bool = False) -> Iterator[Path]:
    """A private folder to fill; it is renamed to ``output`` if the block succeeds, and removed if it fails.

    Args:
        resume: keep the folder after an interruption, and begin with the one that an earlier interruption left. It is
            for downloads that can continue. Only one process at a time may use it (``one_at_a_time``).
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    private = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    before = inode_of(output)
    succeeded = False
    try:
        with marked_alive(private):
            clean_up(output, private if resume else None)
            private.mkdir(exist_ok=True)
            yield private
            set_permissions(private)
            publish(private, output, before)
        succeeded = True
    finally:
        if succeeded or not resume:
            remove(private)


def clean_up(output: Path, private: Path | None) -> None:
    """Remove the folders that dead processes left of ``output``. The newest becomes ``private``, if that is given."""
    for folder in reversed(abandoned(output)):
        with open(lock_path(folder), "a") as file:
            if not lock(file):
                continue  # its maker is alive, or the file system has no locks
            unfinished = folder.name.endswith(".partial")
            if private is not None and unfinished and not private.exists():
                os.rename(folder, private)
            remove(folder)


def abandoned(output: Path) -> list[Path]:
    """Private folders of ``output`` and old ones that were moved aside, the newest last."""
    pattern = re.compile(rf"\.{re.escape(output.name)}\.[0-9a-f]{{8}}\.(partial|old)")
    folders = [path for path in output.parent.glob(".*") if pattern.fullmatch(path.name) and path.is_dir()]
    return sorted(folders, key=lambda path: (path.name.endswith(".partial"), path.stat().st_mtime_ns))


def lock_path(private: Path) -> Path:
    """The file next to a private folder whose lock shows that its maker is alive."""
    return private.with_name(f"{private.name}.lock")


@contextmanager
def marked_alive(private: Path) -> Iterator[None]:
    """Hold the lock that shows that a private folder's maker is alive; the system frees it when the process ends."""
    with open(lock_path(private), "a") as file:
        lock(file)
        yield


def remove(private: Path) -> None:
    """Remove a private folder and its lock file."""
    shutil.rmtree(private, ignore_errors=True)
    lock_path(private).unlink(missing_ok=True)


@contextmanager
def one_at_a_time(output: Path, doing: str | None = None) -> Iterator[bool]:
    """Wait until no other process makes ``output``, a folder or a file. When a process dies, the next one begins.

    Args:
        doing: the message while waiting; by default, that another process makes ``output``.

    Yields:
        Whether this file system has locks. Without locks, processes work at the same time, in their private folders.
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    place = output.with_name(f".{output.name}.lock")
    number = os.open(place, os.O_RDONLY | os.O_CREAT, 0o666)  # only for reading: another user may own the file
    try:
        alone = lock(number)
        if alone is False:
            print(f"{doing or f'another process makes {output}'}; waiting for it")
            alone = lock(number, wait=True)
        yield bool(alone)
    finally:
        os.close(number)


def inode_of(folder: Path) -> int | None:
    """The number that distinguishes a folder from another of the same name; None if there is no folder."""
    return folder.stat().st_ino if folder.exists() else None


def publish(private: Path, output: Path, before: int | None) -> None:
    """Rename a filled folder to its final name, or take the equal one that another process has put there meanwhile.

    Args:
        before: the inode of the folder that had the name when this process began; that folder is replaced.

    Raises:
        UserError: other processes keep putting different folders there.
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
    raise UserError(f"{output} is made again and again by other processes", "end them, and run the same command again")


def manifest_of(folder: Path) -> bytes:
    """A folder's manifest; empty if it has none."""
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return b""


def move_aside(output: Path) -> None:
    """Rename a folder that is in the way, and remove it; another process may have done so already."""
    aside = output.with_name(f".{output.name}.{secrets.token_hex(4)}.old")
    try:
        os.rename(output, aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def set_permissions(folder: Path) -> None:
    """Give every file and folder the permissions of new ones (umask); safetensors makes files for their owner only."""
    mask = os.umask(0o077)
    os.umask(mask)
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        usual = 0o777 if path.is_dir() or mode & 0o100 else 0o666
        path.chmod(usual & ~mask | mode & stat.S_ISGID)  # new files in a shared folder keep its group
