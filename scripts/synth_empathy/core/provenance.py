"""Records of what made a file: hashes of inputs, code and packages, for manifests and for keys of resumable state."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import code_graph


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code(script: str | Path, entries: Iterable[str] | None = None) -> dict[str, str]:
    """SHA-256 of the code that decides a step's output, by path in ``scripts/``: its script and the library's modules.

    Manifests and seals hold it, so that an output of older code can be distinguished from one of today's code.

    Args:
        entries: the registered and optional modules that the step uses (``code_graph.reached``).
    """
    return {name: sha256_file(code_graph.SCRIPTS / name) for name in code_graph.reached(script, entries)}


def deciding(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a step's manifest that decide its rows: all but the code that only reads and writes values.

    They make the key of unfinished work, so that a change in how a file is checked discards no finished row.
    """
    carriers = {f"{code_graph.PACKAGE}/{module}.py" for module in code_graph.CARRIERS}
    return facts | {"code": {name: digest for name, digest in facts["code"].items() if name not in carriers}}


def versions(*packages: str) -> dict[str, str]:
    """Python's version and that of each named package."""
    installed = {package: importlib.metadata.version(package) for package in packages}
    return {"python": ".".join(map(str, sys.version_info[:3]))} | installed


def hashed(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files by their paths in ``folder``. Several are read at once: hashing releases Python's lock."""
    names = list(names)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(sha256_file, [folder / name for name in names])))


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below ``folder``, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [str(path.relative_to(folder)) for path in files]
    digests = hashed(folder, names)
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": digests[name]} for name in names}
