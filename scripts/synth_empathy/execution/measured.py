"""The speed of earlier jobs, from Snakemake's benchmark files and the jobs' outputs; it replaces assumptions.

A job counts only if the files that show how much it did still exist, and if its log says that it ran from the start:
the benchmark of a resumed job contains only the time since the resumption.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import systems
from ..config.settings import Settings, form_faults, value_faults
from ..core import yaml_files
from ..core.errors import UserError
from ..reporting import paper_values
from ..schema.setting_faults import MISSING, UNKNOWN
from .loads import LOADS
from .planning import Key, Rate, key_of
from .sizes import Assumptions, Sizes, counters

#: Benchmark files by rule, below results/{run}/benchmarks/ and without their suffix; logs have the same paths.
PATHS = {
    "prepare_data": "prepare_data",
    "generate": "generate/{prompt}/{shard}",
    "parse_rounds": "parse_rounds/{prompt}",
    "sample_turns": "sample_turns/{prompt}",
    "mix_training_set": "mix_training_set/{training_set}/seed{seed}",
    "train_model": "train_model/{base}/{training_set}/seed{seed}",
    "respond": "respond/{base}/{training_set}/seed{seed}/{inputs}",
    "embed_texts": "embed_texts/{prompt}",
    "select_quality": "select_quality/{prompt}/dk{dk}",
    "draw_samples": "draw_samples/{prompt}/draw{dk}/seed{seed}",
    "select_top": "select_top/{prompt}/top{size}-{scorer}",
    "select_diverse": "select_diverse/{prompt}/{quality}/{selection}/seed{seed}",
    "judge": "judge/{prompt}/{stage}/seed{seed}",
    "embed_data": "embed_data/{split}",
    "report_novelty": "report_novelty/{prompt}/{quality}/{selection}/seed{seed}",
    "evaluate": "evaluate/{base}/{training_set}/seed{seed}/{protocol}",
    "evaluate_metric": "evaluate_metric/{metric}/{base}/{training_set}/seed{seed}/{protocol}",
    "evaluate_bertscore": "evaluate_bertscore/{base}/{training_set}/seed{seed}/{protocol}",
}

#: Rules that resume after an interruption, and how their logs say that they started from the beginning.
RESUMABLE = {
    "generate": re.compile(r"\b0 finished before"),
    "respond": re.compile(r"\b0 finished before"),
    "embed_texts": re.compile(r"\b0 finished before"),
    "judge": re.compile(r"\b0 finished before"),
    "embed_data": re.compile(r"\b0 finished before"),
    "train_model": re.compile(r"\bfrom the start"),
}
#: Regular expressions of the wildcards in those paths; any other wildcard is a name.
FORMS = {
    "shard": "[0-9]{1,9}",
    "seed": "[0-9]+",
    "training_set": systems.TRAINING_SET,
    "inputs": systems.INPUTS,
    "prompt": systems.PART,
    "dk": systems.DK,
    "size": systems.SIZE,
    "scorer": systems.PART,
    "quality": systems.QUALITY,
    "selection": systems.SELECTION,
    "stage": systems.STAGE,
}
RESUMED = re.compile(r"\b[1-9]\d* finished before|goes on from")


@dataclass(frozen=True)
class Past:
    """An earlier job: the key by which it is compared, its work, and its seconds x devices."""

    key: Key
    work: float
    device_seconds: float


class Unusable(Exception):
    """The reason why an earlier job says nothing about speed."""


def past_jobs(results: Path, assumed: Assumptions) -> tuple[list[Past], Counter[str]]:
    """Earlier jobs of every run below ``results``, and the number of jobs left out for each reason."""
    jobs: list[Past] = []
    left_out: Counter[str] = Counter()
    for folder in sorted(path for path in results.glob("*/benchmarks") if path.is_dir()):
        for path in sorted(path for path in folder.rglob("*.tsv") if path.is_file()):
            name = str(path.relative_to(folder).with_suffix(""))
            try:
                jobs.append(past_job(name, folder.parent, assumed))
            except Unusable as reason:
                left_out[str(reason)] += 1
    return jobs, left_out


def past_job(name: str, run: Path, assumed: Assumptions) -> Past:
    """One earlier job, from the path of its benchmark file.

    Raises:
        Unusable: something that the rate needs is missing or unclear.
    """
    rule, wildcards = job_of(name)
    check_from_the_start(rule, run / "logs" / f"{name}.log")
    settings = settings_of(run)

    def missing(path: str, *_: str) -> None:
        raise Unusable("its output, or what it read, no longer exists")

    count, total = counters(run.parent.parent, set())

    def counted(path: str) -> int:
        return missing(path) if readable(count, path) is None else count(path)

    def added(path: str, field: str) -> float:
        return missing(path) if readable(total, path, field) is None else total(path, field)

    sizes = Sizes(settings, assumed, counted, added)
    try:
        load = LOADS[rule](sizes, wildcards)
        gpus = gpus_of(rule, wildcards, settings)
    except (KeyError, TypeError, UserError):
        raise Unusable("its run's config.yaml does not fit it") from None
    seconds = seconds_of(run / "benchmarks" / f"{name}.tsv")
    if not load.work or not seconds:
        raise Unusable("it did nothing that could be measured")
    return Past(key_of(rule, load, gpus), load.work, seconds * max(1, gpus))


def readable(read: Callable[..., float | None], *of: str) -> float | None:
    """The result of a function of ``counters``.

    Raises:
        Unusable: a file is damaged.
    """
    try:
        return read(*of)
    except UserError:
        raise Unusable("its output, or what it read, is damaged") from None


def job_of(name: str) -> tuple[str, dict[str, str]]:
    """A benchmark's rule and wildcards.

    Raises:
        Unusable: the plan knows no rule that writes it.
    """
    for rule, pattern in PATHS.items():
        match = re.fullmatch(re.sub(r"\\{(\w+)\\}", form_of, re.escape(pattern)), name)
        if match:
            return rule, match.groupdict()
    raise Unusable("the plan does not measure its rule")


def form_of(wildcard: re.Match) -> str:
    """A wildcard of a path as a named group of a regular expression."""
    return f"(?P<{wildcard[1]}>{FORMS.get(wildcard[1], '[^/]+')})"


def check_from_the_start(rule: str, log: Path) -> None:
    """Raise Unusable if the job was resumed, or if a rule that can resume does not say in its log that it was not."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if RESUMED.search(text):
        raise Unusable("it was resumed, so its benchmark contains only a part of its time")
    if rule in RESUMABLE and not RESUMABLE[rule].search(text):
        raise Unusable("no log says that it ran from the start")


def settings_of(run: Path) -> Settings:
    """The configuration that Snakemake wrote when it last ran into this folder.

    A file of an earlier version may lack keys, or have others. That matters only to jobs that need them.

    Raises:
        Unusable: there is no such file, or a value in it has the wrong type or range.
    """
    try:
        settings = yaml_files.load_mapping(run / "config.yaml")
    except UserError:
        raise Unusable("its run has no readable config.yaml") from None
    wrong = [fault for fault in form_faults(settings) if fault.kind not in (MISSING, UNKNOWN)]
    if wrong or any(value_faults(settings)):
        raise Unusable("its run's config.yaml does not fit it")
    if "ed" in settings:  # of before November 2026
        settings |= {"dataset": systems.ED, "datasets": {systems.ED: {"reader": paper_values.READER} | settings["ed"]}}
    return settings | {"run": run.name}


def gpus_of(rule: str, wildcards: dict[str, str], settings: Settings) -> int:
    """GPUs that a rule requests (rules/*.smk), by the run's own configuration."""
    if rule == "train_model":
        return settings["training"]["recipes"][settings["training"]["bases"][wildcards["base"]]]["gpus"]
    models = {
        "generate": settings["generation"]["model"],
        "embed_texts": settings["scoring"]["model"],
        "judge": settings.get("judge", {}).get("model"),
        "embed_data": settings["scoring"]["model"],
        "evaluate_bertscore": settings["evaluation"]["bertscore"]["model"],
    }
    model = wildcards["base"] if rule == "respond" else models.get(rule)
    return settings["models"][model]["gpus"] if model else 0


def seconds_of(benchmark: Path) -> float:
    """Mean seconds over a benchmark file's rows.

    Raises:
        Unusable: it has no column of seconds, no row, or no numbers.
    """
    try:
        with open(benchmark, encoding="utf-8", newline="") as file:
            seconds = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
        mean = sum(seconds) / len(seconds)
    except (KeyError, ValueError, ZeroDivisionError, TypeError, csv.Error):
        raise Unusable("its benchmark file is not in Snakemake's form") from None
    except OSError:
        raise Unusable("its benchmark file cannot be read") from None
    if not 0 <= mean < math.inf:
        raise Unusable("its benchmark file is not in Snakemake's form")
    return mean


def rates(past: Iterable[Past]) -> dict[Key, Rate]:
    """Work per second and device of comparable jobs: all their work divided by all their time, starts included."""
    groups: dict[Key, list[Past]] = defaultdict(list)
    for job in past:
        groups[job.key].append(job)
    return {key: rate(jobs) for key, jobs in groups.items()}


def rate(jobs: list[Past]) -> Rate:
    """The rate of comparable jobs."""
    work = [job.work for job in jobs]
    return Rate(sum(work) / sum(job.device_seconds for job in jobs), len(jobs), max(work))
