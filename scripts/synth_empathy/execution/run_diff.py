"""Compares two runs' results: which files differ, in the order in which data flow, and by how much.

The first file in that order that differs is where the runs diverge; later differences can follow from it.
"""

from __future__ import annotations

import filecmp
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..core.errors import from_os_error
from ..core.files import seal_of
from . import file_diff

#: Files that differ even between equal runs: logs, times, unfinished work, settings, a report with times.
NOT_COMPARED = ("logs", "benchmarks", ".state", "config.yaml", "report.html")
#: Part of the name of files that record what was hashed on this machine.
CHECKED = ".checked-"
#: Endings of files that describe how other files were made: they may differ while those files are equal.
MANIFESTS = ("manifest.json", "/prepared.json")
#: A run's files in the order in which data flow: a rule's outputs stand after its inputs (a test asks Snakemake). The
#: first pattern that fits counts; * is any name, ** any path, {alone} the name of a data set, or of a training set
#: that is nothing else. The data set's own folder comes first.
ORDER = (
    "{alone}/raw/*",
    "{alone}/train.jsonl",
    "{alone}/valid.jsonl",
    "{alone}/test.jsonl",
    "{alone}/report.json",
    "{alone}/test_ids.json",
    "{alone}/embedded/**",
    "synthetic/*/outputs/*",
    "synthetic/*/dialogues.jsonl",
    "synthetic/*/rejected.jsonl",
    "synthetic/*/parse_summary.json",
    "synthetic/*/samples.jsonl",
    "training/{alone}/*",
    "models/*/{alone}/**",
    "responses/*/*/*/synthetic-*",
    "scored/*/texts.jsonl",
    "scored/*/embeddings.npy",
    "scored/*/similarity.jsonl",
    "selected/*/*/quality.jsonl",
    "selected/*/*/seed*.jsonl",
    "selected/*/*/*/seed*.jsonl",
    "selected/*/*/*/seed*.counts.json",
    "judged/**",
    "training/**",
    "models/**",
    "baselines/*/prepared.json",
    "baselines/*/code/**",
    "baselines/*/checkpoint.txt",
    "baselines/*/results.txt",
    "responses/**",
    "metrics/**",
    "comparisons/**",
    "cells/**",
    "tables/*",
    "human/*",
    "figures/*",
    "reports/**",
    "claims.*",
    "archive/**",
)


@dataclass(frozen=True)
class Difference:
    """A file that differs between two runs, A and B: its path in both, and how."""

    path: str
    how: str


def files_of(run: Path) -> dict[str, Path]:
    """A run's files by their paths in it, without those that are not compared."""
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in files.items()
        if name.split("/")[0] not in NOT_COMPARED and CHECKED not in path.name
    }


def compare(run_a: Path, run_b: Path) -> list[Difference]:
    """The files that differ between two runs' results, in the order in which data flow."""
    files_a, files_b = files_of(run_a), files_of(run_b)
    differences = []
    for name in sorted(files_a.keys() | files_b.keys(), key=place):
        how = how_files_differ(name, files_a.get(name), files_b.get(name))
        if how and not is_seal_of_last(name, differences):
            differences.append(Difference(name, how))
    return differences


def place(name: str) -> tuple[int, bool, str, bool]:
    """A file's place in the order: by its pattern, manifests last among equals, a seal after its file."""
    path = Path(name)
    seal = re.fullmatch(r"\.(.+)\.sha256", path.name)
    owner = path.with_name(seal[1]).as_posix() if seal else name
    return rank(owner), owner.endswith(MANIFESTS), owner, bool(seal)


def rank(name: str) -> int:
    """The number of the first pattern in ``ORDER`` that fits a file; a file that fits none comes last."""
    return next((number for number, form in enumerate(forms()) if form.fullmatch(name)), len(ORDER))


@cache
def forms() -> list[re.Pattern[str]]:
    """``ORDER`` as regular expressions."""
    meanings = {r"\*\*": ".+", r"\*": "[^/]+", r"\{alone\}": "[^/+]+"}
    return [re.compile(with_meanings(re.escape(pattern), meanings)) for pattern in ORDER]


def with_meanings(text: str, meanings: dict[str, str]) -> str:
    """A text with each of some signs replaced by what it means, in their order."""
    for sign, meaning in meanings.items():
        text = text.replace(sign, meaning)
    return text


def is_seal_of_last(name: str, differences: Sequence[Difference]) -> bool:
    """Whether a file is the seal of the last file that differs: seals follow their files and add nothing."""
    return bool(differences) and seal_of(differences[-1].path).as_posix() == name


def how_files_differ(name: str, path_a: Path | None, path_b: Path | None) -> str | None:
    """How a file of A differs from that of B; None if both contain the same bytes."""
    if path_b is None:
        return "only in A"
    if path_a is None:
        return "only in B"
    try:
        if filecmp.cmp(path_a, path_b, shallow=False):
            return None
        return file_diff.how(path_a, path_b)
    except OSError as error:
        known = from_os_error(error, name)
        return f"cannot be read: {known.problem if known else error}"


def report_lines(run_a: Path, run_b: Path, differences: Sequence[Difference]) -> list[str]:
    """The report to print: every file that differs, and where the runs diverge."""
    if not differences:
        return [f"{run_a} and {run_b} contain the same files"]
    count = len(differences)
    lines = [f"A is {run_a}, B is {run_b}: differences, in the order in which data flow ({count:,} files)"]
    lines += [f"{difference.path}: {difference.how}" for difference in differences]
    first = differences[0].path
    lines.append(f"The first is {first}: what made it is the cause; later differences can follow from it.")
    others = [difference.path for difference in differences if not difference.path.endswith(MANIFESTS)]
    if others and others[0] != first:
        lines.append(f"The first that is not a manifest is {others[0]}.")
    if not others:
        lines.append("All are manifests, which describe how other files were made; those files are the same.")
    return lines
