"""Baselines that their authors' code trains: the code's repository at a pinned commit, and the data that it needs.

None of that code has a licence that lets us distribute it, so this repository contains none. Users fetch it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import addresses
from ..core.errors import UserError
from ..core.escaping import terminal_text
from ..core.yaml_files import shortened

#: The repository's folder, next to its manifest in the folder that fetching makes.
CODE = "code"
#: The beginning of a git-lfs pointer: a file that git-lfs has not replaced by its content.
LFS = b"version https://git-lfs"
#: Digits of a commit's full hash.
WHOLE_HASH = 40
#: A commit's hash or its beginning. No flag and no branch matches it.
COMMIT = re.compile(r"[0-9a-f]{7,40}")


def fetch(repository: str, commit: str, folder: Path) -> str:
    """Fetch a repository into ``folder`` at a commit; returns the commit's full hash.

    git never asks for a password. If neither the address nor git's settings have one that it needs, it fails.

    Args:
        repository: an address or a local path, as for ``git clone``.
        commit: the commit's hash, or at least its first seven digits. With a full hash the commit is fetched without
            its history, if the server allows that.

    Raises:
        UserError: git is not installed, or the repository or the commit does not exist.
    """
    if not shutil.which("git"):
        raise UserError("there is no git on PATH", "install it, or load its module")
    if not COMMIT.fullmatch(commit):
        hint = "give 7 to 40 of its digits, 0-9 and a-f (baselines: commit)"
        raise UserError(f"{commit!r} is not a commit's hash", hint)
    # The remote must have the address, so that git-lfs finds its files. A local path must not depend on git's folder.
    address = str(Path(repository).resolve()) if Path(repository).exists() else repository
    git = Git(address, folder)
    if not (len(commit) == WHOLE_HASH and fetch_commit(git, commit)):
        hint = "check the network and the address (baselines: repository)"
        git.run("clone", "--quiet", "--no-checkout", "--", address, str(folder), inside=False, hint=hint)
    question = f"is the commit (baselines: commit) one of {addresses.masked(repository)}?"
    hint = f"{question} The name of a branch or tag is not accepted"
    git.run("checkout", "--quiet", "--detach", commit, hint=hint)
    remove_secrets(git)
    return check_head(folder, commit)


def fetch_commit(git: Git, commit: str) -> bool:
    """Fetch one commit without its history into a new repository.

    Returns:
        Whether the server allowed it. If not, a line says so, and the folder is removed.
    """
    try:
        git.run("init", "--quiet", str(git.folder), inside=False)
        git.run("remote", "add", "--", "origin", git.address)
        git.run("fetch", "--quiet", "--depth", "1", "origin", commit)
    except UserError as error:
        print(f"{terminal_text(error.problem)}; the whole repository is cloned instead")
        shutil.rmtree(git.folder, ignore_errors=True)
        return False
    return True


def remove_secrets(git: Git) -> None:
    """Remove the address's password from the fetched files, which others may read."""
    masked = addresses.masked(git.address)
    if masked == git.address:
        return
    git.run("remote", "set-url", "--", "origin", masked)
    (git.folder / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
    shutil.rmtree(git.folder / ".git" / "logs", ignore_errors=True)


@dataclass(frozen=True)
class Git:
    """git commands for one repository.

    Attributes:
        address: the repository's address. No message shows its password.
        folder: the local repository.
    """

    address: str
    folder: Path

    def run(self, command: str, *arguments: str, inside: bool = True, hint: str = "read git's message") -> None:
        """Run a git command.

        Args:
            inside: whether it runs in the local repository, which must then exist.

        Raises:
            UserError: git fails; the message has git's last line.
        """
        where = ["-C", str(self.folder)] if inside else []
        words = ["git", *where, command, *arguments]
        no_prompt = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, env=no_prompt)
        if done.returncode != 0:
            # git may quote a server's message or a path that is not UTF-8.
            lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
            reason = addresses.masked_in(lines[-1], self.address) if lines else "it gave no reason"
            raise UserError(f"git {command} failed: {reason}", hint)


def check_head(code: Path, commit: str) -> str:
    """The full hash of the commit that a repository is at, which must be the pinned one.

    Reads git's file HEAD, because images contain no git.

    Raises:
        UserError: the repository is at another commit or at a branch, or there is none.
    """
    file = code / ".git" / "HEAD"
    # Bytes that are not UTF-8 are shown as escapes; no hash contains them.
    head = file.read_bytes().decode("utf-8", errors="backslashreplace").strip() if file.is_file() else "nothing"
    is_commit = len(head) == WHOLE_HASH and COMMIT.fullmatch(head)
    if not is_commit or not COMMIT.fullmatch(commit) or not head.startswith(commit):
        problem = f"{code} is at {shortened(head)}, not at the pinned commit {commit}"
        raise UserError(problem, f"delete {code.parent} and fetch it again, or correct the commit (baselines: commit)")
    return head


def missing_data(entry: dict[str, Any]) -> list[str]:
    """The files that a baseline's code needs and its data folder lacks, each as "path: what it is".

    A git-lfs pointer does not count as a file.
    """
    folder = Path(entry["data"]) if entry["data"] else None
    needs = entry["needs"].items()
    return [f"{pattern}: {what}" for pattern, what in needs if not (folder and contains(folder, pattern))]


def contains(folder: Path, pattern: str) -> bool:
    """Whether a folder contains a file or folder that matches a pattern.

    Raises:
        UserError: the pattern is empty, absolute or invalid.
    """
    try:
        return any(map(is_content, folder.glob(pattern)))
    except (ValueError, NotImplementedError) as error:
        problem = f"baselines: needs: {pattern!r} is not a path in a folder of data: {error}"
        hint = "give the path from the root of the authors' repository; * stands for any characters"
        raise UserError(problem, hint) from None


def is_content(path: Path) -> bool:
    """Whether a path is a folder, or a file that is not a git-lfs pointer."""
    if path.is_dir():
        return True
    with open(path, "rb") as file:
        return file.read(len(LFS)) != LFS


def check_data(name: str, entry: dict[str, Any]) -> None:
    """Refuse a baseline without the data that its code needs.

    Args:
        entry: its entry in the configuration's ``baselines``.

    Raises:
        UserError: lists every missing file.
    """
    missing = missing_data(entry)
    if not missing:
        return
    where = f"the folder {entry['data']} lacks" if entry["data"] else "no data is given (null), and its code needs"
    hint = (
        f"put them into one folder under these names and set baselines: {name}: data to it; or set"
        f" baselines: {name}: results to outputs that you have; or leave the system out of the tables"
        " (docs/baselines.md)"
    )
    raise UserError(f"baselines: {name}: {where}:\n    " + "\n    ".join(missing), hint)


def check_environment(name: str, entry: dict[str, Any]) -> None:
    """Refuse a baseline whose own interpreter does not exist.

    Raises:
        UserError: names the interpreter, and the command that installs it.
    """
    if not shutil.which(entry["environment"]):
        command = f"make setup-baseline BASELINE={name} PYTHON=/path/to/python{entry['python']}"
        problem = f"baselines: {name}: environment: there is no interpreter {entry['environment']}"
        raise UserError(problem, f"{command} installs it (docs/baselines.md)")


def lay_out(code: Path, data: Path | None, folder: Path) -> None:
    """Make ``folder`` anew: a copy of the repository for training, and the data copied into it."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(code, folder, symlinks=True)
    if data:
        shutil.copytree(data, folder, dirs_exist_ok=True)
