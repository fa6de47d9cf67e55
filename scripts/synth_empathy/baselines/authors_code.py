"""Baselines that their authors' own code trains: its repository at a pinned commit, and the data that it needs beside it.

Nothing of that code is in this repository, and none has a licence that lets us ship it: it is fetched by who runs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ..core import addresses
from ..core.errors import UserError
from ..core.escaping import terminal_text
from ..core.yaml_files import shortened

#: The repository inside the folder that fetching makes, beside its manifest.
CODE = "code"
#: How a file begins that git-lfs has not replaced by its content.
LFS = b"version https://git-lfs"
#: Digits of a commit's whole hash.
WHOLE_HASH = 40
#: A commit's hash, or its beginning; nothing that git might take for a flag or a branch.
COMMIT = re.compile(r"[0-9a-f]{7,40}")


def fetch(repository: str, commit: str, folder: Path) -> str:
    """Bring a repository into ``folder`` at a commit; returns the commit's full hash.

    Args:
        repository: what ``git clone`` takes: an address, or a local path.
        commit: its hash, or the beginning of it, at least seven digits. By its whole hash the commit is fetched without
            its history, where the server gives commits out one at a time.

    Nothing is asked: where git needs a password that neither the address nor git's own settings have, it fails.

    Raises:
        UserError: there is no git, no such repository, or it has no such commit.
    """
    if not shutil.which("git"):
        raise UserError("there is no git on PATH", "install it, or load its module")
    if not COMMIT.fullmatch(commit):
        raise UserError(
            f"{commit!r} is no commit's hash", "give 7 to 40 of its digits, 0-9 and a-f (baselines: commit)"
        )
    # The address as the remote, so that git-lfs finds its files; a local path must not depend on the folder that git runs in.
    address = str(Path(repository).resolve()) if Path(repository).exists() else repository
    git = Git(address)
    if not (len(commit) == WHOLE_HASH and fetch_commit(git, commit, folder)):
        clone = ("clone", "--quiet", "--no-checkout", "--", address, str(folder))
        git.run(*clone, hint="check the network and the address (baselines: repository)")
    wrong = f"is the commit (baselines: commit) one of {addresses.masked(repository)}? A branch's or tag's name is not taken"
    git.run("-C", str(folder), "checkout", "--quiet", "--detach", commit, hint=wrong)
    forget_secrets(git, folder)
    return check_head(folder, commit)


def fetch_commit(git: Git, commit: str, folder: Path) -> bool:
    """Fetch one commit without its history into a new repository; where that is refused, say so and leave no folder."""
    try:
        git.run("init", "--quiet", str(folder), hint="see what git says")
        git.run("-C", str(folder), "remote", "add", "--", "origin", git.address, hint="see what git says")
        git.run("-C", str(folder), "fetch", "--quiet", "--depth", "1", "origin", commit, hint="see what git says")
    except UserError as error:
        print(f"{terminal_text(error.problem)}; the whole repository is cloned instead")
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def forget_secrets(git: Git, folder: Path) -> None:
    """Leave no password of the address in what was fetched, which others may read."""
    shown = addresses.masked(git.address)
    if shown == git.address:
        return
    git.run("-C", str(folder), "remote", "set-url", "--", "origin", shown, hint="see what git says")
    (folder / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
    shutil.rmtree(folder / ".git" / "logs", ignore_errors=True)


class Git:
    """git, about one repository.

    Args:
        address: the repository's; its secrets are in no message.
    """

    def __init__(self, address: str):
        self.address = address

    def run(self, *words: str, hint: str) -> None:
        """Run a command of git; an error is the user's to mend.

        Raises:
            UserError: git says that it failed.
        """
        silent = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(["git", *words], stdin=subprocess.DEVNULL, capture_output=True, env=silent)
        if done.returncode != 0:
            # What git repeats of a server or of a path need not be UTF-8.
            said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
            reason = addresses.masked_in(said[-1], self.address) if said else "it said nothing"
            raise UserError(f"git {words[0] if words[0] != '-C' else words[2]} failed: {reason}", hint)


def check_head(code: Path, commit: str) -> str:
    """The commit that a repository stands at, if it is the pinned one. Reads the file, since images have no git.

    Raises:
        UserError: it stands at another, at a branch, or is no repository.
    """
    head = code / ".git" / "HEAD"
    # A byte that is no text is in no hash, and is shown as such.
    found = head.read_bytes().decode("utf-8", errors="backslashreplace").strip() if head.is_file() else "nothing"
    whole = len(found) == WHOLE_HASH and COMMIT.fullmatch(found)
    if not whole or not COMMIT.fullmatch(commit) or not found.startswith(commit):
        problem = f"{code} stands at {shortened(found)}, not at the pinned commit {commit}"
        raise UserError(problem, f"delete {code.parent} and fetch it again, or correct the commit (baselines: commit)")
    return found


def lacking(entry: dict[str, Any]) -> list[str]:
    """What a baseline needs by hand and its data folder does not hold, each as "path: what it is".

    git-lfs's stand-ins for files do not count.
    """
    folder = Path(entry["data"]) if entry["data"] else None
    return [
        f"{pattern}: {what}" for pattern, what in entry["needs"].items() if not (folder and holds(folder, pattern))
    ]


def holds(folder: Path, pattern: str) -> bool:
    """Whether a folder has what a pattern names.

    Raises:
        UserError: the pattern is empty, an absolute path, or none.
    """
    try:
        return any(map(is_content, folder.glob(pattern)))
    except (ValueError, NotImplementedError) as error:
        problem = f"baselines: needs: {pattern!r} names nothing in a folder of data: {error}"
        raise UserError(
            problem, "give a path as it is in the root of the authors' repository; * is any letters"
        ) from None


def is_content(path: Path) -> bool:
    """Whether a path is a folder, or a file that is not git-lfs's stand-in for one."""
    if path.is_dir():
        return True
    with open(path, "rb") as file:
        return file.read(len(LFS)) != LFS


def check_data(name: str, entry: dict[str, Any]) -> None:
    """Refuse a baseline whose data is not there.

    Args:
        entry: from the configuration's ``baselines``.

    Raises:
        UserError: names every file that is needed.
    """
    needed = lacking(entry)
    if not needed:
        return
    where = f"the folder {entry['data']} lacks" if entry["data"] else "no data is given (null), and its code needs"
    hint = (
        f"put them into one folder under these names and set it as baselines: {name}: data; or give outputs that you have as"
        f" baselines: {name}: results; or leave the system out of the tables (docs/baselines.md)"
    )
    raise UserError(f"baselines: {name}: {where}:\n    " + "\n    ".join(needed), hint)


def check_environment(name: str, entry: dict[str, Any]) -> None:
    """Refuse a baseline whose own interpreter is not there.

    Raises:
        UserError: names it, and how it is made.
    """
    if not shutil.which(entry["environment"]):
        hint = (
            f"make setup-baseline BASELINE={name} PYTHON=/path/to/python{entry['python']} makes it (docs/baselines.md)"
        )
        raise UserError(f"baselines: {name}: environment: there is no interpreter {entry['environment']}", hint)


def lay_out(code: Path, data: Path | None, folder: Path) -> None:
    """Make ``folder`` anew: a copy of the repository, to train in, with the data over it."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(code, folder, symlinks=True)
    if data:
        shutil.copytree(data, folder, dirs_exist_ok=True)
