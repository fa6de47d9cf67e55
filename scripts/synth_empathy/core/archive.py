"""An archive: the few files of a run from which every table and figure is made again without a GPU, and their hashes.

It holds the systems' responses, the counts of the selections, BERTScore, the judge's summaries, human judgements, and
what says which model wrote the synthetic dialogues, under the paths that they have below results/{run}, and
``archive.json``, written last, with the SHA-256 of each.

Somebody else made an archive, so nothing in it is trusted: its names become paths and targets of the workflow, and are
taken only as far as they cannot be anything else.
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
#: Under what path an archive keeps human judgements, wherever the configuration of its run had them.
JUDGEMENTS = "human/judgements.jsonl"

#: What a name may be made of: nothing in it means anything to a shell, a pattern or a terminal.
ALPHABET = "[A-Za-z0-9._+/-]"
#: What a run's archive holds, as patterns of its names.
KINDS = "|".join(
    [
        r"ed/test_ids\.json",
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
#: The longest name: what is before it must fit into a path, too.
LONGEST_NAME = 1000

HINT = "set archive to a folder that `snakemake archive` made (docs/archive.md)"


def pack(run: str, files: dict[str, Path], folder: Path) -> Record:
    """Copy files of a run into an archive; returns its index, which is written last.

    Afterwards the folder holds these files, the index, and nothing else: what an earlier or an interrupted packing
    left there is removed. A file that no packing left is refused, since it may be the user's only copy.

    Args:
        run: its name.
        files: by their paths below results/{run}.

    Raises:
        UserError: a file is not there, a name is none that an archive can hold, or the folder holds something else.
    """
    for fault in name_faults(files):
        raise UserError(f"an archive cannot hold {fault}", "name it otherwise in the configuration")
    lacking = [str(path) for path in files.values() if not path.is_file()]
    if lacking:
        raise UserError(f"there is no {lacking[0]}", "run the target `archive`, which makes what an archive holds")
    for name, path in files.items():
        if (folder / name).exists() and path.samefile(folder / name):
            problem = f"{path} lies in the archive's own folder {folder}"
            raise UserError(problem, "give the archive a folder of its own")
    clear(folder, set(files))
    hashes = {}
    for name, path in sorted(files.items()):
        check_seal(path)
        with atomic_path(folder / name) as partial:
            shutil.copyfile(path, partial)
        hashes[name] = sha256_file(folder / name)
    index = {"format": 1, "run": run, "files": hashes}
    # Without a seal: the folder holds the index, what it names, and nothing else.
    write_text(folder / INDEX, json.dumps(index, indent=1) + "\n")
    return index


def clear(folder: Path, wanted: set[str]) -> None:
    """Remove what earlier packings left in an archive's folder: its index, partial files, files not wanted now.

    Snakemake deletes the index before it packs again; so files of an archive's kinds count as an earlier packing's.

    Raises:
        UserError: the folder holds a link, or a file that no packing left. Then nothing is removed.
    """
    earlier = names_of_earlier(folder)
    removed = []
    for name in held(folder):
        path = folder / name
        if name in wanted and not path.is_symlink():
            continue
        packed = name == INDEX or name in earlier or re.fullmatch(KINDS, name)
        if path.is_symlink() or not (packed or PARTIAL.fullmatch(path.name)):
            raise UserError(
                f"{folder} holds {name!a}, which is no file of this archive",
                "move it out of the archive's folder, or delete that folder, and pack again",
            )
        removed.append(path)
    for path in removed:
        path.unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder and not os.listdir(place):
            os.rmdir(place)


def names_of_earlier(folder: Path) -> set[str]:
    """The names in the index of an earlier packing; none where there is no index, or one that cannot be read."""
    try:
        return set(read_index(folder))
    except UserError:
        return set()


def held(folder: Path) -> Iterator[str]:
    """Every file and every link below a folder, by its path there; a linked folder is one entry."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted(files + links):
            yield Path(place, name).relative_to(folder).as_posix()


def read_index(folder: Path) -> dict[str, str]:
    """An archive's files and their SHA-256.

    Raises:
        UserError: the folder is no archive; its index has a name or a hash that no archive has; or a file that it
            names is a symbolic link, or lies behind one. The message says which.
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
    for link in filter(None, (linked(folder, name) for name in files)):
        problem = f"{link} is a symbolic link, and an archive has none"
        raise UserError(problem, "copy the archive again, with files in the place of links")
    return files


def is_one(value: Any) -> bool:
    """Whether a JSON value is the number 1; true, which equals it in Python, is not."""
    return value == 1 and not isinstance(value, bool)


def hash_faults(files: dict[str, Any]) -> Iterator[str]:
    """Files whose SHA-256 is none."""
    for name, digest in files.items():
        if not isinstance(digest, str) or not SHA256.fullmatch(digest):
            yield f"the SHA-256 of {name} is not 64 of the digits 0 to 9 and a to f"


def name_faults(names: Iterable[str]) -> Iterator[str]:
    """Names that no archive has, each as a sentence that shows it in ASCII: it may hold a terminal's commands."""
    spelled: dict[str, str] = {}
    for name in names:
        fault = fault_of(name)
        if fault:
            yield f"the name {name!a} {fault}"
            continue
        other = spelled.setdefault(name.casefold(), name)
        if other != name:
            yield f"the names {other!a} and {name!a} are one file where letters' case does not count"
    for name in spelled:
        for parent in PurePosixPath(name).parents:
            if str(parent) in spelled:
                yield f"the name {spelled[str(parent)]!a} is a file and the folder of {spelled[name]!a}"


def fault_of(name: str) -> str | None:
    """Why a name is none of an archive's; None where it is one."""
    parts = name.split("/")
    if not re.fullmatch(f"{ALPHABET}+", name):
        return "has other characters than letters of ASCII, digits and . _ + / -" if name else "is empty"
    if any(part in ("", ".", "..") for part in parts):
        return "is absolute, or has an empty part, . or .."
    if any(part.startswith("-") for part in parts):
        return "has a part that begins with a dash"
    if any(map(PARTIAL.fullmatch, parts)):
        return "is that of a file half written"
    if name.casefold() == INDEX or len(name) > LONGEST_NAME or max(map(len, parts)) > LONGEST_PART:
        return "is the index's own" if name.casefold() == INDEX else "is too long"
    return None


def take(folder: Path, name: str, target: Path) -> None:
    """Copy one file out of an archive, checked.

    Raises:
        UserError: the archive does not hold it, or holds another than its index says, or a link in its place.
    """
    files = read_index(folder)
    if name not in files:
        near = sorted(other for other in files if kind_of(other) == kind_of(name))
        has = "; ".join(near[:5]) + (f" and {len(near) - 5} more" if len(near) > 5 else "")
        shown = ascii(name) if fault_of(name) else name
        raise UserError(
            f"the archive {folder} has no {shown} (of that kind it has: {has or 'none'})",
            "archive a run that made it, leave it out of the configuration's tables, or set tables: partial: true",
        )
    if not (folder / name).is_file():
        raise UserError(f"the archive {folder} has no file {name}, which its index names", "copy the archive again")
    with sealed_path(target) as partial:
        shutil.copyfile(folder / name, partial)
        if sha256_file(partial) != files[name]:
            problem = f"{folder / name} is not the file that the archive's index names: its SHA-256 differs"
            raise UserError(problem, "copy the archive again")


def kind_of(name: str) -> str:
    """The folder of an archive that a name stands in."""
    return name.split("/")[0]


def linked(folder: Path, name: str) -> Path | None:
    """The part of a file's path in an archive that is a symbolic link, if one is. The archive's folder may be one."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return path
    return None
