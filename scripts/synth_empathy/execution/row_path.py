"""The path of a row: the jobs that it passes from the raw data to a target, and the files of code of each job.

The jobs come from a dry-run that makes everything anew. The path is the longest chain of jobs in which each job reads
what the one before it wrote. A job that reads no data, such as one that fetches a model, is on no path.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import PurePosixPath

from ..core import code_graph
from ..core.paths import ROOT, SCRIPTS
from ..core.records import Record
from ..evaluation import metrics as registry

#: The folder of code, whose files are inputs of some jobs but no data.
CODE = f"{SCRIPTS.name}/"


def longest_chain(jobs: list[Record]) -> list[Record]:
    """The longest chain of jobs in which each job reads what the one before it wrote.

    Args:
        jobs: as ``dry_run.report`` lists them. Of several longest chains, the one whose jobs come first counts.
    """
    reading = [job for job in jobs if reads_data(job)]
    maker = {path: number for number, job in enumerate(reading) for path in job["output"]}
    needed = {number: makers_of(job, maker) for number, job in enumerate(reading)}
    chains: dict[int, list[int]] = {}
    for number in TopologicalSorter(needed).static_order():
        before = max((chains[earlier] for earlier in needed[number]), key=len, default=[])
        chains[number] = [*before, number]
    longest = max((chains[number] for number in sorted(chains)), key=len, default=[])
    return [reading[number] for number in longest]


def reads_data(job: Record) -> bool:
    """Whether a job has an input other than code."""
    return any(not path.startswith(CODE) for path in job["input"])


def makers_of(job: Record, maker: dict[str, int]) -> list[int]:
    """The numbers of the jobs that make a job's inputs, in order."""
    return sorted({maker[path] for path in job["input"] if path in maker})


def left_out(jobs: list[Record], path: list[Record]) -> dict[str, str]:
    """The rules whose jobs are all outside a path, each with the reason."""
    rules = {job["rule"] for job in path}
    reason = {True: "a longer chain of jobs leads to the same target", False: "it reads no data"}
    return {job["rule"]: reason[reads_data(job)] for job in jobs if job["rule"] not in rules}


def metrics_of(targets: Iterable[str]) -> set[str]:
    """The metrics whose scores some targets show: of a cell, its own; all of them if a target is no cell."""
    scores = [PurePosixPath(target).stem for target in targets]
    if not all(score in registry.HEADINGS for score in scores):
        return set(registry.METRICS)
    return {registry.metric_of(score).name for score in scores}


def code_of(job: Record, metrics: Iterable[str]) -> list[str]:
    """The script of a job and the modules that decide its output, as paths in the repository.

    Args:
        metrics: the only metrics to count, by name.
    """
    script = script_of(job)
    if script is None:
        return []
    inputs = [path for path in job["input"] if path.startswith(CODE)]
    code = inputs or in_repository(code_graph.reached(SCRIPTS / script, entries_of(job)))
    not_shown = registry.code([name for name in registry.METRICS if name not in metrics])
    return [path for path in code if path not in map(module_path, not_shown)]


def unused_code(job: Record, metrics: Iterable[str]) -> list[str]:
    """The modules that a job's script can reach and the job does not use, as paths in the repository."""
    script = script_of(job)
    used = code_of(job, metrics)
    everything = in_repository(code_graph.reached(SCRIPTS / script)) if script else []
    return [path for path in everything if path not in used]


def script_of(job: Record) -> str | None:
    """The file name of the script that a job runs; None if it runs none."""
    match = re.search(rf"{CODE}(\w+\.py)", job["command"] or "")
    return match[1] if match else None


def entries_of(job: Record) -> set[str]:
    """The registered and optional modules that a job's flags request (``code_graph``).

    A flag requests an entry of a registry by its name: ``transformers`` is ``inference.transformers_engine``.
    """
    values = flag_values(job["command"])
    requested = set()
    for pattern in code_graph.REGISTRIES.values():
        requested |= {pattern.replace("*", value) for value in chain.from_iterable(values.values())}
    numbers = [*values.get("gpus", []), *values.get("processes", [])]
    if any(number.isdigit() and int(number) > 1 for number in numbers):
        requested |= code_graph.SEVERAL_PROCESSES
    return requested & reachable(script_of(job))


def reachable(script: str) -> set[str]:
    """The dotted names of all modules that a script can reach."""
    paths = set(code_graph.reached(SCRIPTS / script))
    return {name for name, path in code_graph.modules().items() if path.relative_to(SCRIPTS).as_posix() in paths}


def flag_values(command: str) -> dict[str, list[str]]:
    """The words after each flag in a shell command, whether they follow it or an equals sign."""
    values: dict[str, list[str]] = {}
    name = ""
    for word in shlex.split(command):
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            values.setdefault(name, []).extend([value] if equals else [])
        elif name:
            values[name].append(word)
    return values


def module_path(module: str) -> str:
    """The file of a module, as a path in the repository."""
    return code_graph.path_of(module).relative_to(ROOT).as_posix()


def in_repository(code: Iterable[str]) -> list[str]:
    """Paths in ``scripts/`` as paths in the repository."""
    return [f"{CODE}{path}" for path in code]
