"""Estimates a target's cost before anything runs: requests, tokens, hours, GPU-hours, disk (docs/plan.md).

A job's load (loads.py) follows from its rule, its wildcards and the sizes of files and models (sizes.py). Its time
follows from the load and either stated assumptions (resources/throughput.yaml) or a rate measured in earlier jobs'
benchmark files (measured.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..core.records import Record
from .loads import LOADS, WORK, Load
from .sizes import GB, Sizes


@dataclass(frozen=True)
class Job:
    """One job as Snakemake plans it."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    output: tuple[str, ...] = ()
    threads: int = 1
    gpus: int = 0


#: Jobs with equal keys are comparable: rule, model, variant, and whether they run on GPUs.
Key = tuple[str, "str | None", "str | None", bool]


@dataclass(frozen=True)
class Rate:
    """The measured speed of earlier jobs: work per second and device (a GPU, or a CPU job as a whole)."""

    per_second: float
    jobs: int
    largest: float  # work of the largest job


#: Rules that run a baseline with its authors' code, whose duration is unknown on any device.
AUTHORS_CODE = frozenset({"train_baseline", "run_baseline"})

#: A rate holds for jobs of up to this many times the work of the largest job measured. For larger jobs, the start of
#: the measured job would weigh too much.
REACH = 100


@dataclass(frozen=True)
class Estimate:
    """One job's cost: seconds (None when unknown), and the rate that the time was computed from."""

    job: Job
    load: Load
    seconds: float | None
    measured: Rate | None = None

    @property
    def gpu_seconds(self) -> float:
        """Seconds x GPUs."""
        return (self.seconds or 0) * self.job.gpus


def key_of(rule: str, load: Load, gpus: int) -> Key:
    """The key by which jobs are compared."""
    return (rule, load.model, load.variant, gpus > 0)


def estimate(job: Job, sizes: Sizes, rates: dict[Key, Rate]) -> Estimate:
    """One job's cost, from a measured rate if one is within reach, otherwise from the assumptions."""
    if not job.output:  # a target without output of its own
        return Estimate(job, Load(), 0.0)
    if job.rule not in LOADS:
        unknown = job.gpus or job.rule in AUTHORS_CODE
        return Estimate(job, Load(), None if unknown else sizes.assumed["start"])
    load = LOADS[job.rule](sizes, job.wildcards)
    rate = rates.get(key_of(job.rule, load, job.gpus))
    if rate and load.work <= REACH * rate.largest:
        return Estimate(job, load, load.work / rate.per_second / max(1, job.gpus), rate)
    return Estimate(job, load, assumed_seconds(load, job, sizes))


def assumed_seconds(load: Load, job: Job, sizes: Sizes) -> float:
    """Seconds by the assumptions: the sum of start, weights, operations, records, matrix products and network."""
    assumed = sizes.assumed
    seconds = assumed["start"]
    if load.rows:
        seconds += load.rows / assumed["rows"]
    if load.products:
        seconds += load.products / (job.threads * assumed["cpu_core"] * 1e12 * assumed["product_utilisation"])
    if load.network_bytes:
        seconds += load.network_bytes / (assumed["network"] * GB)
    if load.model:
        seconds += sizes.weights(load.model) / (assumed["loading"] * GB) + model_seconds(load, job, sizes)
    return seconds


def model_seconds(load: Load, job: Job, sizes: Sizes) -> float:
    """Seconds of a model's operations.

    Each token costs a number of operations per active parameter, at a share of the device's peak.
    """
    assumed, entry = sizes.assumed, sizes.model(load.model)
    peak = job.gpus * assumed[f"gpu_{entry['dtype']}"] if job.gpus else job.threads * assumed["cpu_core"]
    parameters = entry.get("active_parameters", entry["parameters"]) * 1e9
    if load.training:
        operations = load.tokens_in * assumed[f"{load.training}_operations"] / assumed["train_utilisation"]
    else:
        operations = load.tokens_in * assumed["read_operations"] / assumed["read_utilisation"]
        if load.tokens_out:
            operations += load.tokens_out * assumed["read_operations"] / assumed["write_utilisation"]
    return operations * parameters / (peak * 1e12)


@dataclass(frozen=True)
class Line:
    """The total over the jobs of one rule and model; hours are the mean of a job and the longest job's."""

    rule: str
    model: str | None
    gpus: int
    jobs: int
    requests: int
    tokens_in: float
    tokens_out: float
    hours_a_job: float | None
    longest_hours: float | None
    gpu_hours: float | None
    disk_gb: float
    measured_jobs: int


def lines(estimates: list[Estimate]) -> list[Line]:
    """One line per rule, model and number of GPUs, in the order in which data flow; unknown rules come last."""
    groups: dict[tuple, list[Estimate]] = {}
    for one in estimates:
        model = one.job.wildcards.get("model") if one.job.rule == "fetch_model" else one.load.model
        groups.setdefault((one.job.rule, model, one.job.gpus), []).append(one)
    order = {rule: place for place, rule in enumerate(LOADS)}

    def place(key: tuple) -> tuple:
        rule, model, gpus = key
        return order.get(rule, len(order)), rule, model or "", gpus

    return [line(*key, groups[key]) for key in sorted(groups, key=place)]


def line(rule: str, model: str | None, gpus: int, group: list[Estimate]) -> Line:
    """The total over a group of estimates; hours and GPU-hours are None if one of them is unknown."""
    unknown = any(one.seconds is None for one in group)
    return Line(
        rule,
        model,
        gpus,
        len(group),
        requests=sum(one.load.requests for one in group),
        tokens_in=sum(one.load.tokens_in for one in group),
        tokens_out=sum(one.load.tokens_out for one in group),
        hours_a_job=None if unknown else sum(one.seconds for one in group) / len(group) / 3600,
        longest_hours=None if unknown else max(one.seconds for one in group) / 3600,
        gpu_hours=None if unknown else sum(one.gpu_seconds for one in group) / 3600,
        disk_gb=sum(one.load.disk for one in group) / GB,
        measured_jobs=sum(one.measured is not None for one in group),
    )


def plan(jobs: list[Job], sizes: Sizes, rates: dict[Key, Rate]) -> Record:
    """The whole plan as a JSON value: lines, totals, and the assumptions and measurements used (docs/plan.md).

    Raises:
        UserError: the catalogue lacks what a job's estimate needs.
    """
    estimates = [estimate(job, sizes, rates) for job in jobs]
    table = lines(estimates)
    not_estimated = Counter(one.job.rule for one in estimates if one.seconds is None)
    return {
        "lines": [vars(entry) for entry in table],
        "totals": {
            "jobs": len(jobs),
            "requests": sum(entry.requests for entry in table),
            "tokens_in": sum(entry.tokens_in for entry in table),
            "tokens_out": sum(entry.tokens_out for entry in table),
            "hours_one_after_the_other": sum(one.seconds or 0 for one in estimates) / 3600,
            "gpu_hours": sum(entry.gpu_hours or 0 for entry in table),
            "disk_gb": sum(entry.disk_gb for entry in table),
        },
        "largest_gpus_of_a_job": max((job.gpus for job in jobs), default=0),
        "largest_scratch_gb": max((one.load.scratch for one in estimates), default=0) / GB,
        "download_gb": downloads(estimates),
        "not_estimated": dict(sorted(not_estimated.items())),
        "assumptions": {name: sizes.assumed.used[name] for name in sorted(sizes.assumed.used)},
        "measured": rates_used(estimates),
    }


def downloads(estimates: list[Estimate]) -> dict[str, float]:
    """The gigabytes to download, by model or data set."""
    fetched = [one for one in estimates if one.load.network_bytes]
    sizes = {one.job.wildcards.get("model", "ED's archive"): one.load.network_bytes / GB for one in fetched}
    return dict(sorted(sizes.items()))


def rates_used(estimates: list[Estimate]) -> list[Record]:
    """The measured rates that estimates were computed from, each once."""
    used = {key_of(one.job.rule, one.load, one.job.gpus): one.measured for one in estimates if one.measured}
    records = []
    for (rule, model, variant, on_gpus), rate in used.items():
        device = "GPUs" if on_gpus else "CPU"
        unit = WORK.get(rule, "rows")
        records.append({"rule": rule, "model": model, "variant": variant, "on": device, "unit": unit, **vars(rate)})
    return records
