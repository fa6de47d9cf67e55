"""An archive: the few files of a run from which every table and figure is made again without a GPU, and their hashes.

It holds the systems' responses, the counts of the selections, BERTScore, the judge's summaries, human judgements, and what
says which model wrote the synthetic dialogues, under the paths that they have below results/{run}, and ``archive.json``,
written last, with the SHA-256 of each.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path, PurePosixPath

from .errors import UserError
from .records import Record, atomic_path, read_json, write_json

INDEX = "archive.json"
#: Under what path an archive keeps human judgements, wherever the configuration of its run had them.
JUDGEMENTS = "human/judgements.jsonl"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(run: str, files: dict[str, Path], folder: Path) -> Record:
    """Copy files of a run into an archive; returns its index, which is written last.

    Args:
        run: its name.
        files: by their paths below results/{run}.

    Raises:
        UserError: a file is not there.
    """
    lacking = [str(path) for path in files.values() if not path.is_file()]
    if lacking:
        raise UserError(f"there is no {lacking[0]}", "run the target `archive`, which makes what an archive holds")
    hashes = {}
    for name, path in sorted(files.items()):
        copy(path, folder / name)
        hashes[name] = sha256_of(folder / name)
    index = {"format": 1, "run": run, "files": hashes}
    write_json(folder / INDEX, index)
    return index


def copy(source: Path, target: Path) -> None:
    """Copy a file whole or not at all."""
    with atomic_path(target) as partial:
        shutil.copyfile(source, partial)


def read_index(folder: Path) -> dict[str, str]:
    """An archive's files and their SHA-256.

    Raises:
        UserError: the folder is no archive.
    """
    hint = "set archive to a folder that `snakemake archive` made (docs/archive.md)"
    if not (folder / INDEX).is_file():
        raise UserError(f"{folder} is not an archive: it has no {INDEX}", hint)
    index = read_json(folder / INDEX)
    files = index.get("files") if isinstance(index, dict) else None
    if not isinstance(files, dict) or index.get("format") != 1 or any(unsafe(name) for name in files):
        raise UserError(f"{folder / INDEX} is not an archive's index of format 1", hint)
    return files


def unsafe(name: str) -> bool:
    """Whether a path leads out of its folder."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def take(folder: Path, name: str, target: Path) -> None:
    """Copy one file out of an archive, checked.

    Raises:
        UserError: the archive does not hold it, or holds another than its index says.
    """
    files = read_index(folder)
    if name not in files:
        near = sorted(other for other in files if PurePosixPath(other).parts[0] == PurePosixPath(name).parts[0])
        has = "; ".join(near[:5]) + (f" and {len(near) - 5} more" if len(near) > 5 else "")
        raise UserError(
            f"the archive {folder} has no {name} (of that kind it has: {has or 'none'})",
            "archive a run that made it, leave it out of the configuration's tables, or set tables: partial: true",
        )
    if not (folder / name).is_file() or sha256_of(folder / name) != files[name]:
        raise UserError(f"{folder / name} is not the file that the archive's index names: its SHA-256 differs", "copy the archive again")
    copy(folder / name, target)
