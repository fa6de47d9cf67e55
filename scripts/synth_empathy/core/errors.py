"""The one exception that a user sees, and the operating system's errors in words for a user."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """An error that the user can correct: what is wrong, and what to do next.

    ``cli.run`` prints both and exits with status 1, without a traceback.

    Args:
        problem: one sentence that names the faulty file, setting or value.
        hint: what to do next; every error for users has one.
    """

    def __init__(self, problem: str, hint: str):
        super().__init__(f"{problem}\n  What to do: {hint}")
        self.problem = problem
        self.hint = hint


def nearest(name: Any, known: Iterable[str]) -> str:
    """A hint with the nearest valid name, or with all names if none is near."""
    known = list(known)
    close = difflib.get_close_matches(str(name)[:100], known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (valid: {', '.join(known)})"


MISSING = "check the path, or run the step that makes the file (docs/files.md says which)"
AGAIN = "run the same command again"
SPACE = "free some space, or put results (or models_dir) on another disk; the next run goes on from what is finished"
RIGHTS = "check the owner and the permissions of the path, or give a path that you may use"
#: The problem and the hint for each error number of the operating system.
BY_ERRNO = {
    errno.ENOSPC: ("the disk is full", SPACE),
    errno.EDQUOT: ("your quota on this disk is used up", SPACE),
    errno.EROFS: ("the file system is read-only", "give a path on a disk that can be written to"),
    errno.EACCES: ("access is denied", RIGHTS),
    errno.EPERM: ("the operation is not permitted", RIGHTS),
    errno.EISDIR: ("it is a folder, and a file is needed", "give the path of a file"),
    errno.ENOTDIR: ("a part of the path is a file, and a folder is needed", "correct the path"),
    errno.EEXIST: ("it exists already, as something else", "remove it, or give another path"),
    errno.ENOENT: ("it does not exist", MISSING),
    errno.ENAMETOOLONG: ("the path is too long for this file system", "give a shorter path"),
    errno.ELOOP: ("its symbolic links lead in a circle", "correct the links, or give another path"),
    errno.EIO: ("the disk reports an error", "check the disk (the system's log names it), and copy the file again"),
    errno.ESTALE: ("the file was replaced on the file server meanwhile", "run the same command again"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), and run the same command again"),
    errno.EFBIG: ("the file is larger than this file system takes", "put it on another disk"),
    errno.EBUSY: ("it is in use", "end what uses it, and run the same command again"),
    errno.ENOTEMPTY: ("the folder is not empty", "remove what is in it, or give another path"),
    errno.EXDEV: ("it would have to move to another disk", "keep the folder and its parent on one disk"),
    errno.ETIMEDOUT: ("there was no answer in time", f"check the network or the file server, and {AGAIN}"),
    errno.ENOTCONN: ("the file server is not connected", "mount it again, and run the same command again"),
    errno.EPIPE: (
        "the program that read the output has ended",
        "write it to a file, or let the program read to the end",
    ),
    errno.ENOMEM: ("no memory is left", "give the step more memory (mem_mb), or end other programs"),
}


def from_os_error(error: OSError, path: object = None) -> UserError | None:
    """An error of the operating system in words for a user; None for an error that is a defect of ours.

    Args:
        path: the file that was read or written, if the error itself does not name it.
    """
    number = error.errno or full_disk(error)
    if number not in BY_ERRNO:
        return None
    what, hint = BY_ERRNO[number]
    named = error.filename2 if error.filename2 is not None else error.filename  # of a rename, the new name
    place = named if named is not None else path
    return UserError(f"{place}: {what}" if place is not None else what, hint)


def full_disk(error: BaseException) -> int | None:
    """ENOSPC if only an error's message reports a full disk, as those of safetensors and torch do; else None."""
    message = str(error)
    return errno.ENOSPC if "No space left on device" in message or "os error 28" in message else None
