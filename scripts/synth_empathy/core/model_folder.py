"""Model folders: weights and tokenizer, and a manifest that records their origin and lists their hashes.

A model folder holds safetensors, a tokenizer and ``manifest.json``. It appears whole, by one rename. Every user of a
folder calls ``open_model``, which refuses one that is missing, incomplete or damaged, and says what to do.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import folders
from .errors import UserError
from .files import seal_of, write_text
from .folders import MANIFEST
from .json_files import read_json, write_json
from .provenance import describe_files, hashed, sha256_file, sha256_json, versions
from .records import Record, is_a

DTYPES = ("float32", "bfloat16")


def make(output: Path, source: Record, fill: Callable[[Path], None], resume: bool = False) -> None:
    """Make a model folder, or take the one that another process has made from the same source meanwhile.

    Snakemake removes a manifest before it runs a rule again. If the folder is whole otherwise, the manifest is
    restored.

    Args:
        source: the model's origin; equal sources are equal models.
        fill: a function that puts the model's files into a given private folder.
        resume: as in ``folders.new_folder``.

    Raises:
        UserError: the folder holds a whole model from another source; or any error of ``fill``.
    """
    with folders.one_at_a_time(output) as alone:
        restore_manifest(output, source)
        if holds_model(output, source):
            print(f"{output} exists, made from the same source: it is taken")
            return
        with folders.new_folder(output, resume and alone) as folder:
            fill(folder)
            write_manifest(folder, {"kind": "fetched", **source, "versions": versions("transformers", "torch")})
        manifest = read_manifest(output / MANIFEST)  # its hashes are new: the files need no check
        remember(output.resolve(), file_states(output, manifest))


def holds_model(output: Path, source: Record) -> bool:
    """Whether ``output`` holds a whole model from a source.

    Raises:
        UserError: it holds a whole model from another source.
    """
    try:
        manifest = open_model(output)
    except UserError:
        return False
    expected = {key: value for key, value in source.items() if manifest.get(key) != value}
    differences = [f"{key} {manifest.get(key)!r}, not {value!r}" for key, value in expected.items()]
    if differences:
        hint = f"give the model another name, or the run another models_dir; if nobody needs it, delete {output}"
        raise UserError(f"{output} holds a model with {', '.join(differences)}", hint)
    return True


def restore_manifest(output: Path, source: Record) -> None:
    """Restore the manifest of a model from a source, out of the record of an earlier check (``check_files``)."""
    if not output.is_dir() or (output / MANIFEST).exists():
        return
    folder = output.resolve()
    for path in folder.parent.glob(f".{folder.name}.checked-*.json"):
        manifest = read_check(path).get("manifest", {})
        if all(manifest.get(key) == value for key, value in source.items()):
            write_json(output / MANIFEST, manifest)
            return


def write_manifest(folder: Path, facts: Record) -> None:
    """Write the manifest of a folder: some facts, and its other files. Nothing in it depends on time or place."""
    own = {MANIFEST, seal_of(MANIFEST).name}
    described = {name: file for name, file in describe_files(folder).items() if name not in own}
    write_json(folder / MANIFEST, facts | {"files": described})


def open_model(folder: Path) -> Record:
    """The manifest of a model folder, after a check that the folder holds exactly what the manifest lists.

    Files are hashed once on each machine, and again if a file's size, time or inode has changed since.

    Raises:
        UserError: the manifest is missing or faulty, or a file is missing, damaged, or not listed.
    """
    if not (folder / MANIFEST).is_file():
        hint = f"fetch or train it: snakemake {folder / MANIFEST}"
        raise UserError(f"there is no model in {folder} (no {MANIFEST})", hint)
    manifest = read_manifest(folder / MANIFEST)
    again = f"delete {folder} and make it again: snakemake {folder / MANIFEST}"
    for name, file in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            state = "is missing" if not path.is_file() else f"has {path.stat().st_size} bytes, not {file['bytes']}"
            raise UserError(f"{path} {state}", again)
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)) for path in paths if not path.name.startswith(".")}
    added = sorted(names - manifest["files"].keys() - {MANIFEST})
    if added:
        problem = f"{folder / added[0]} is not listed in the model's {MANIFEST}, and may change what is loaded"
        raise UserError(problem, again)
    check_files(folder, manifest, again)
    return manifest


def read_manifest(path: Path) -> Record:
    """A model's manifest, after a check of its list of files.

    Raises:
        UserError: it is not a manifest, or lists no files.
    """
    manifest = read_json(path)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    well_formed = isinstance(files, dict) and all(is_entry(name, file) for name, file in files.items())
    if not well_formed or not files:
        hint = f"delete {path.parent} and make it again: snakemake {path}"
        raise UserError(f"{path} is not a model's manifest: it does not list files with their bytes and sha256", hint)
    return manifest


def is_entry(name: str, file: Any) -> bool:
    """Whether an entry of a manifest is the name of a file inside the folder, with its size and SHA-256."""
    inside = name and not Path(name).is_absolute() and ".." not in Path(name).parts and "\0" not in name
    return bool(inside) and isinstance(file, dict) and is_a(file.get("bytes"), int) and is_a(file.get("sha256"), str)


def check_files(folder: Path, manifest: Record, again: str) -> None:
    """Hash the files of a model that this machine has not hashed in their present state.

    The record of a check lies next to the model, one for each machine: the size, time of change and inode of each
    file. If several processes of a machine check a model, one hashes and the others wait for it.

    Raises:
        UserError: a file's SHA-256 is not the manifest's.
    """
    states = file_states(folder, manifest)
    folder = folder.resolve()
    if CHECKED.get(folder) != states and changed_files(folder, states):
        with one_hashes(folder):
            changed = changed_files(folder, states)
            hash_files(folder, manifest, changed, again)
            if changed:
                remember(folder, states)
    CHECKED[folder] = states


def file_states(folder: Path, manifest: Record) -> Record:
    """A model's manifest, and the state of each of its files."""
    return {"manifest": manifest, "files": {name: state_of(folder / name) for name in manifest["files"]}}


def check_paths(folder: Path) -> list[Path]:
    """Where this machine may record a check: next to the model, or in the user's cache if that is read-only."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "synth-empathy")
    end = f"checked-{socket.gethostname()}.json"
    return [folder.with_name(f".{folder.name}.{end}"), cache / f"{sha256_json(str(folder))[:16]}.{end}"]


def changed_files(folder: Path, states: Record) -> list[str]:
    """The files whose state has changed since this machine's last check."""
    checked: Record = {}
    for check in map(read_check, check_paths(folder)):
        if check.get("manifest") == states["manifest"] and isinstance(check.get("files"), dict):
            checked |= check["files"]
    return [name for name, state in states["files"].items() if checked.get(name) != state]


@contextmanager
def one_hashes(folder: Path) -> Iterator[None]:
    """Let one process of this machine hash at a time; if nothing can be written next to the model, each one hashes."""
    with ExitStack() as stack:
        try:
            place = check_paths(folder)[0]
            stack.enter_context(folders.one_at_a_time(place, f"another process is checking the files of {folder}"))
        except OSError:
            pass
        yield


def hash_files(folder: Path, manifest: Record, names: list[str], again: str) -> None:
    """Hash some of a model's files, and compare them with the manifest.

    Raises:
        UserError: a file's SHA-256 is not the manifest's.
    """
    size = sum(manifest["files"][name]["bytes"] for name in names)
    if names:
        print(f"{folder}: hashing {len(names)} files, {size / 1e6:,.0f} MB, once on this machine")
    for name, digest in hashed(folder, names).items():
        if digest != manifest["files"][name]["sha256"]:
            raise UserError(f"{folder / name} is damaged: its SHA-256 is not the one that {MANIFEST} lists", again)


#: What this process has checked, for models whose check cannot be recorded.
CHECKED: dict[Path, Record] = {}


def state_of(path: Path) -> list[int]:
    """What changes if a file changes: size, time of the last change, inode."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def read_check(path: Path) -> Record:
    """The record of an earlier check; empty if there is none, or it is unusable."""
    try:
        check = read_json(path)
    except UserError:
        return {}
    return check if isinstance(check, dict) and isinstance(check.get("manifest"), dict) else {}


def remember(folder: Path, states: Record) -> None:
    """Record a check. The record has no seal: several processes may write it at once, and readers compare its content.

    If no place for it is writable, each step checks the model again.
    """
    for path in check_paths(folder):
        try:
            write_text(path, json.dumps(states))
            return
        except OSError as error:
            print(f"the check of {folder} cannot be recorded in {path.parent} ({error.strerror})")


def fingerprint(folder: Path) -> str:
    """SHA-256 of a model's manifest, which lists the hashes of all its files."""
    return sha256_file(folder / MANIFEST)
