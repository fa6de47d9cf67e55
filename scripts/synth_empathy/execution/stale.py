"""Which files of a run were made by other code than today's, though Snakemake does not make them again by itself.

Snakemake makes what is cheap again when its code changes: the code is an input there. It never does so with what GPUs
made, or with what they would have to work on again: prepared, parsed, scored and selected samples, and training sets.
Manifests and seals name the code that made those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..core import code_graph
from ..core.provenance import sha256_file
from ..core.records import code_in_seal, field_at, read_json
from . import run_diff

#: Files whose seals name their code, by rules whose inputs do not.
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
#: Manifests: of texts, each beside what it describes, and of trained models.
MANIFESTS = (
    "synthetic/*/outputs/*.manifest.json",
    "responses/*/*/*/*.manifest.json",
    "judged/*/*/*.manifest.json",
    "models/*/*/*/manifest.json",
)


@dataclass(frozen=True)
class Made:
    """A file of a run, by its path in it, and the code that made it: SHA-256 by path, empty where nobody knows."""

    path: str
    code: dict[str, str]

    @property
    def changes(self) -> tuple[str, ...]:
        """The files of code that are not today what they were, each with what became of it."""
        changed = [name for name, digest in self.code.items() if digest_today(name) != digest]
        return tuple(name if digest_today(name) else f"{name} (gone)" for name in changed)


def made_files(run: Path) -> list[Made]:
    """A run's files that GPUs made, or would work on again, in the order in which data flow.

    Raises:
        UserError: a manifest or a seal cannot be read.
    """
    found = [*sealed_files(run), *described_files(run)]
    return sorted(found, key=lambda made: run_diff.place(made.path))


def sealed_files(run: Path) -> Iterator[Made]:
    """Files whose seals name their code, or should."""
    for path in matching(run, SEALED):
        yield Made(path.relative_to(run).as_posix(), code_in_seal(path))


def described_files(run: Path) -> Iterator[Made]:
    """Files whose manifests name their code; a model by its manifest."""
    for path in matching(run, MANIFESTS):
        what = path.relative_to(run).as_posix().replace(".manifest.json", ".jsonl")
        yield Made(what, named_code(field_at(read_json(path), "code")))


def matching(run: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """A run's files that fit one of some patterns, without hidden ones."""
    for pattern in patterns:
        yield from (path for path in run.glob(pattern) if path.is_file() and not path.name.startswith("."))


def named_code(value: Any) -> dict[str, str]:
    """The code in a manifest; empty where it names none."""
    return value if isinstance(value, dict) and all(isinstance(digest, str) for digest in value.values()) else {}


@cache
def digest_today(name: str) -> str | None:
    """SHA-256 of a recorded file of code as it stands today; None where it is gone."""
    path = path_today(name)
    return sha256_file(path) if path else None


def path_today(name: str) -> Path | None:
    """Where a recorded file of code stands today, by its path in ``scripts/``; None where it is gone.

    Records of before November 2026 name a module by its file alone, and a module may move to another package.
    """
    path = code_graph.SCRIPTS / name
    if path.is_file():
        return path
    moved = [path for path in code_graph.modules().values() if path.name == Path(name).name]
    return moved[0] if len(moved) == 1 else None


def report_lines(run: Path, files: list[Made]) -> list[str]:
    """What is stale in a run, to print: by what changed, the files; and for how many nobody knows."""
    changed: dict[tuple[str, ...], list[str]] = {}
    for made in files:
        if made.changes:
            changed.setdefault(made.changes, []).append(made.path)
    count = sum(map(len, changed.values()))
    lines = [f"{run}: {count:,} of {len(files):,} files were made by other code than today's"]
    for changes, paths in changed.items():
        lines += [f"made before a change of {', '.join(changes)}:", *(f"    {path}" for path in paths)]
    if changed:
        lines.append("To make one again, delete it and start Snakemake; what was made of it is made again, too.")
    unknown = [made.path for made in files if not made.code]
    if unknown:
        lines.append(f"No record says which code made {len(unknown):,} of them, first {unknown[0]}.")
    return lines
