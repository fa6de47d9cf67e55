"""An archive: the few files of a run from which every table and figure is made again without a GPU, and their hashes.

It holds the systems' responses, the counts of the selections, BERTScore, the judge's summaries, human judgements, and
the record of the model that wrote the synthetic dialogues, under their paths below results/{run}. ``archive.json``,
written last, has the SHA-256 of each.

An archive comes from somebody else, so nothing in it is trusted. Its names become paths and targets of the workflow; a
name that could be anything else is refused.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import UserError
from .files import atomic_path, check_seal, sealed_path, write_text
from .json_files import read_json
from .provenance import sha256_file
from .records import Record

INDEX = "archive.json"
#: The path of human judgements in an archive, wherever they were in its run.
JUDGEMENTS = "human/judgements.jsonl"

#: The characters of a name: none has a meaning to a shell, a pattern or a terminal.
ALPHABET = "[A-Za-z0-9._+/-]"
#: The files of an archive, as patterns of their names.
KINDS = "|".join(
    [
        r"[a-z0-9][a-z0-9_]*/test_ids\.json",
        rf"responses/{ALPHABET}+/test\.jsonl",
        rf"selected/{ALPHABET}+\.counts\.json",
        rf"metrics/{ALPHABET}+-bertscore\.json",
        rf"judged/{ALPHABET}+\.summary\.json",
        rf"synthetic/{ALPHABET}+/parse_summary\.json",
        r"human/judgements\.jsonl",
    ]
)
#: What an interrupted writer leaves (files.atomic_path).
PARTIAL = re.compile(r"\..*\.partial", flags=re.DOTALL)
#: A SHA-256 as an index writes it.
SHA256 = re.compile(r"[0-9a-f]{64}")
#: The longest part of a name: file systems take 255 bytes, and a file is written under a longer name first.
LONGEST_PART = 200
#: The longest name: the path of the folder before it needs room, too.
LONGEST_NAME = 1000

HINT = "set archive to a folder that `snakemake archive` made (docs/archive.md)"


def pack(run: str, files: dict[str, Path], folder: Path) -> Record:
    """Copy files of a run into an archive; returns its index, which is written last.

    Afterwards the folder holds only these files and the index: files of an earlier or interrupted packing are removed.
    A file that no packing left is refused, since it may be the user's only copy.

    Args:
        run: the name of the run.
        files: by their paths below results/{run}.
        folder: of the archive.

    Raises:
        UserError: a file is missing, an archive cannot hold a name, or the folder holds something else.
    """
    for fault in name_faults(files):
        raise UserError(f"an archive cannot hold {fault}", "choose another name in the configuration")
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise UserError(f"there is no {missing[0]}", "run the target `archive`, which makes the files of an archive")
    for name, path in files.items():
        if (folder / name).exists() and path.samefile(folder / name):
            problem = f"{path} is in the archive's own folder {folder}"
            raise UserError(problem, "give the archive a folder of its own")
    clear(folder, set(files))
    hashes = {}
    for name, path in sorted(files.items()):
        check_seal(path)
        with atomic_path(folder / name) as partial:
            shutil.copyfile(path, partial)
        hashes[name] = sha256_file(folder / name)
    index = {"format": 1, "run": run, "files": hashes}
    # Without a seal: the folder holds only the index and the files that it names.
    write_text(folder / INDEX, json.dumps(index, indent=1) + "\n")
    return index


def clear(folder: Path, wanted: set[str]) -> None:
    """Remove the files of earlier packings from an archive's folder: its index, partial files, and unwanted files.

    Snakemake deletes the index before it packs again. So every file whose name fits ``KINDS`` counts as one of them.

    Raises:
        UserError: the folder holds a link, or a file that no packing left. Then nothing is removed.
    """
    earlier = packed_names(folder)
    removed = []
    for name in names_in(folder):
        path = folder / name
        if name in wanted and not path.is_symlink():
            continue
        packed = name == INDEX or name in earlier or re.fullmatch(KINDS, name)
        if path.is_symlink() or not (packed or PARTIAL.fullmatch(path.name)):
            hint = "move it out of the archive's folder, or delete that folder, and pack again"
            raise UserError(f"{folder} holds {name!a}, which is not a file of this archive", hint)
        removed.append(path)
    for path in removed:
        path.unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder and not os.listdir(place):
            os.rmdir(place)


def packed_names(folder: Path) -> set[str]:
    """The names in the index of an earlier packing; empty if there is no index, or it cannot be read."""
    try:
        return set(read_index(folder))
    except UserError:
        return set()


def names_in(folder: Path) -> Iterator[str]:
    """The path of every file and link in a folder, relative to it; a linked folder is one entry."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted(files + links):
            yield Path(place, name).relative_to(folder).as_posix()


def read_index(folder: Path) -> dict[str, str]:
    """An archive's files and their SHA-256.

    Raises:
        UserError: the folder is not an archive; its index has an invalid name or hash; or a file that it names is a
            symbolic link, or in a linked folder. The message names the fault.
    """
    path = folder / INDEX
    if not path.is_file():
        raise UserError(f"{folder} is not an archive: it has no {INDEX}", HINT)
    index = read_json(path)
    files = index.get("files") if isinstance(index, dict) else None
    if not isinstance(files, dict) or not is_one(index.get("format")):
        raise UserError(f"{path} is not an archive's index of format 1", HINT)
    for fault in (*name_faults(files), *hash_faults(files)):
        raise UserError(f"{path} is not an archive's index: {fault}", HINT)
    for link in filter(None, (link_in(folder, name) for name in files)):
        problem = f"{link} is a symbolic link, and an archive has none"
        raise UserError(problem, "copy the archive again, with files in place of links")
    return files


def is_one(value: Any) -> bool:
    """Whether a JSON value is the number 1; true, which equals it in Python, is not."""
    return value == 1 and not isinstance(value, bool)


def hash_faults(files: dict[str, Any]) -> Iterator[str]:
    """Invalid SHA-256 hashes, each as a sentence."""
    for name, digest in files.items():
        if not isinstance(digest, str) or not SHA256.fullmatch(digest):
            yield f"the SHA-256 of {name} is not 64 of the digits 0 to 9 and a to f"


def name_faults(names: Iterable[str]) -> Iterator[str]:
    """Invalid names, each as a sentence that shows it in ASCII: it may contain control sequences for a terminal."""
    by_casefold: dict[str, str] = {}
    for name in names:
        fault = fault_of(name)
        if fault:
            yield f"the name {name!a} {fault}"
            continue
        other = by_casefold.setdefault(name.casefold(), name)
        if other != name:
            yield f"the names {other!a} and {name!a} are one file on systems that ignore case"
    for name in by_casefold:
        for parent in PurePosixPath(name).parents:
            if str(parent) in by_casefold:
                yield f"the name {by_casefold[str(parent)]!a} is a file and the folder of {by_casefold[name]!a}"


def fault_of(name: str) -> str | None:
    """Why an archive cannot have a name, worded to follow the name; None if it can."""
    parts = name.split("/")
    if not re.fullmatch(f"{ALPHABET}+", name):
        return "has characters other than ASCII letters, digits and . _ + / -" if name else "is empty"
    if any(part in ("", ".", "..") for part in parts):
        return "is absolute, or has an empty part, . or .."
    if any(part.startswith("-") for part in parts):
        return "has a part that begins with a dash"
    if any(map(PARTIAL.fullmatch, parts)):
        return "is that of an unfinished file"
    if name.casefold() == INDEX or len(name) > LONGEST_NAME or max(map(len, parts)) > LONGEST_PART:
        return "is the index's own" if name.casefold() == INDEX else "is too long"
    return None


def take(folder: Path, name: str, target: Path) -> None:
    """Copy one file out of an archive, checked.

    Raises:
        UserError: the archive does not hold it, or its SHA-256 is not the index's, or a link is in its place.
    """
    files = read_index(folder)
    if name not in files:
        similar = sorted(other for other in files if top_folder(other) == top_folder(name))
        listed = "; ".join(similar[:5]) + (f" and {len(similar) - 5} more" if len(similar) > 5 else "")
        printable = ascii(name) if fault_of(name) else name
        hint = "archive a run that made it, leave it out of the configuration's tables, or set tables: partial: true"
        raise UserError(f"the archive {folder} has no {printable} (of that kind it has: {listed or 'none'})", hint)
    if not (folder / name).is_file():
        raise UserError(f"the archive {folder} has no file {name}, which its index names", "copy the archive again")
    with sealed_path(target) as partial:
        shutil.copyfile(folder / name, partial)
        if sha256_file(partial) != files[name]:
            problem = f"{folder / name} is not the file that the archive's index names: its SHA-256 differs"
            raise UserError(problem, "copy the archive again")


def top_folder(name: str) -> str:
    """The outermost folder in a name."""
    return name.split("/")[0]


def link_in(folder: Path, name: str) -> Path | None:
    """The first part of a file's path in an archive that is a symbolic link; None if none is.

    The archive's own folder may be a link.
    """
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return path
    return None
