"""Finds files of a run that other code than today's made, and that Snakemake does not make again by itself.

When code changes, Snakemake makes cheap files again, because the code is an input of their rules. It never does so
with files that GPUs made, or files whose remaking would make GPUs work again: prepared, parsed, scored and selected
samples, and training sets. The manifests and seals of those files name the code that made them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..core import code_graph
from ..core.files import code_in_seal
from ..core.json_files import field_at, read_json
from ..core.provenance import sha256_file
from . import run_diff

#: Files whose seals name their code; the code is not an input of their rules.
SEALED = (
    "*/train.jsonl",
    "*/valid.jsonl",
    "*/test.jsonl",
    "*/report.json",
    "*/embedded/*/*",
    "synthetic/*/*.jsonl",
    "synthetic/*/parse_summary.json",
    "scored/*/*",
    "selected/*/*/*.jsonl",
    "selected/*/*/*/*.jsonl",
    "training/*/*.jsonl",
    "baselines/*/prepared.json",
    "baselines/*/*.txt",
)
#: Manifests: of texts, each beside the file that it describes, and of trained models.
MANIFESTS = (
    "synthetic/*/outputs/*.manifest.json",
    "responses/*/*/*/*.manifest.json",
    "judged/*/*/*.manifest.json",
    "models/*/*/*/manifest.json",
)


@dataclass(frozen=True)
class Made:
    """A file, by its path in the run, and the code that made it: SHA-256 by path, empty if there is no record."""

    path: str
    code: dict[str, str]

    @property
    def changes(self) -> tuple[str, ...]:
        """The code files that have changed since, or are gone."""
        changed = [name for name, digest in self.code.items() if digest_today(name) != digest]
        return tuple(name if digest_today(name) else f"{name} (gone)" for name in changed)


def made_files(run: Path) -> list[Made]:
    """A run's files that GPUs made, or that would make them work again, in the order in which data flow.

    Raises:
        UserError: a manifest or a seal cannot be read.
    """
    files = [*sealed_files(run), *described_files(run)]
    return sorted(files, key=lambda made: run_diff.place(made.path))


def sealed_files(run: Path) -> Iterator[Made]:
    """Files whose seals should name their code."""
    for path in matching(run, SEALED):
        yield Made(path.relative_to(run).as_posix(), code_in_seal(path))


def described_files(run: Path) -> Iterator[Made]:
    """Files whose manifests name their code; a model is listed by its manifest."""
    for path in matching(run, MANIFESTS):
        described = path.relative_to(run).as_posix().replace(".manifest.json", ".jsonl")
        yield Made(described, named_code(field_at(read_json(path), "code")))


def matching(run: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """A run's files that fit one of the patterns, without hidden files."""
    for pattern in patterns:
        yield from (path for path in run.glob(pattern) if path.is_file() and not path.name.startswith("."))


def named_code(value: Any) -> dict[str, str]:
    """The code in a manifest; empty if it names none."""
    return value if isinstance(value, dict) and all(isinstance(digest, str) for digest in value.values()) else {}


@cache
def digest_today(name: str) -> str | None:
    """SHA-256 of a recorded code file today; None if it is gone."""
    path = path_today(name)
    return sha256_file(path) if path else None


def path_today(name: str) -> Path | None:
    """The path today of a recorded code file; None if it is gone.

    Args:
        name: its path in ``scripts/``. Records from before November 2026 have only the file name. A module that moved
            to another package is found by its file name, too.
    """
    path = code_graph.SCRIPTS / name
    if path.is_file():
        return path
    moved = [path for path in code_graph.modules().values() if path.name == Path(name).name]
    return moved[0] if len(moved) == 1 else None


def report_lines(run: Path, files: list[Made]) -> list[str]:
    """The report to print: stale files by the code that changed, and the number of files without a record."""
    changed: dict[tuple[str, ...], list[str]] = {}
    for made in files:
        if made.changes:
            changed.setdefault(made.changes, []).append(made.path)
    count = sum(map(len, changed.values()))
    lines = [f"{run}: {count:,} of {len(files):,} files were made by other code than today's"]
    for changes, paths in changed.items():
        lines += [f"made before a change of {', '.join(changes)}:", *(f"    {path}" for path in paths)]
    if changed:
        lines.append("To make a file again, delete it and start Snakemake; files made from it are made again, too.")
    unknown = [made.path for made in files if not made.code]
    if unknown:
        lines.append(f"No record says which code made {len(unknown):,} of them, first {unknown[0]}.")
    return lines
