"""The plan as text: a table, totals, downloads, and the source of each figure (docs/plan.md)."""

from __future__ import annotations

from ..core.records import Record
from .planning import AUTHORS_CODE

HEADER = (
    "rule", "model", "jobs", "requests", "tokens in", "tokens out", "GPUs", "hours a job", "longest", "GPU-hours",
    "disk GB", "time from",
)  # fmt: skip
SIDE_BY_SIDE = "jobs that run side by side need the sum of theirs"
#: Columns that are aligned to the left; numbers are aligned to the right.
TEXT_COLUMNS = ("rule", "model", "time from")


def report(plan: Record) -> str:
    """A plan, with its ``targets`` and ``earlier_jobs_left_out``, as text."""
    if not plan["lines"]:
        return f"{' '.join(plan['targets'])}: nothing to be done, all files exist"
    parts = [table(plan), totals(plan), downloads(plan), sources(plan)]
    return "\n\n".join(parts)


def table(plan: Record) -> str:
    """One line per rule and model, with aligned columns, and the totals."""
    rows = [HEADER, *map(line_cells, plan["lines"]), total_cells(plan["totals"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(aligned(row, widths) for row in rows)


def line_cells(line: Record) -> list[str]:
    """The cells of one line."""
    if line["hours_a_job"] is None:
        hours, source = ["?", "?", "?"], "not known"
    else:
        hours = [decimal(line["hours_a_job"], 2), decimal(line["longest_hours"], 2), decimal(line["gpu_hours"])]
        source = f"measured {line['measured_jobs']}/{line['jobs']}" if line["measured_jobs"] else "assumed"
    counts = [number(line[key]) for key in ("requests", "tokens_in", "tokens_out", "gpus")]
    return [line["rule"], line["model"] or "", str(line["jobs"]), *counts, *hours, decimal(line["disk_gb"]), source]


def total_cells(total: Record) -> list[str]:
    """The cells of the last line."""
    counts = [number(total[key]) for key in ("requests", "tokens_in", "tokens_out")]
    hours = ["", "", decimal(total["gpu_hours"])]
    return ["total", "", str(total["jobs"]), *counts, "", *hours, decimal(total["disk_gb"]), ""]


def aligned(row: list[str], widths: list[int]) -> str:
    """A line of the table."""
    cells = []
    for heading, cell, width in zip(HEADER, row, widths, strict=True):
        cells.append(cell.ljust(width) if heading in TEXT_COLUMNS else cell.rjust(width))
    return "  ".join(cells).rstrip()


def number(value: float) -> str:
    """A count with separators; empty for 0."""
    return f"{value:,.0f}" if value else ""


def decimal(value: float, places: int = 1) -> str:
    """A rounded quantity; empty for 0, and never 0.0 for more than 0."""
    if not value:
        return ""
    smallest = 10**-places
    return f"{value:,.{places}f}" if value >= smallest / 2 else f"<{smallest:.{places}f}"


def totals(plan: Record) -> str:
    """The sentences under the table."""
    total = plan["totals"]
    hours = f"{total['hours_one_after_the_other']:,.1f} hours one after the other"
    checkpoints = f"{plan['largest_scratch_gb']:,.1f} GB of checkpoints while the largest training runs"
    sentences = [
        f"{total['jobs']} jobs, {hours}, {total['gpu_hours']:,.1f} GPU-hours",
        f"largest need of one job: {plan['largest_gpus_of_a_job']} GPUs; {SIDE_BY_SIDE}",
        f"disk: {total['disk_gb']:,.1f} GB that stay, and up to {checkpoints}",
    ]
    return "\n".join([*sentences, *unknown(plan["not_estimated"])])


def unknown(jobs: dict[str, int]) -> list[str]:
    """The jobs that the figures leave out, by rule and number, and what else is unknown about baselines."""
    if not jobs:
        return []
    count = sum(jobs.values())
    names = ", ".join(f"{rule} ({number})" for rule, number in jobs.items())
    noun = "job" if count == 1 else "jobs"
    sentences = [f"NOT in these hours and GPU-hours: {count} {noun} of unknown duration: {names}"]
    if not AUTHORS_CODE.isdisjoint(jobs):
        sentences.append("  nor does any figure include the download of baselines' repositories, code and checkpoints")
    return sentences


def downloads(plan: Record) -> str:
    """The downloads that remain, with their sizes."""
    sizes = plan["download_gb"]
    if not sizes:
        return "to download: nothing"
    items = [f"  {name}: {size:,.2f} GB" for name, size in sizes.items()]
    return "\n".join([f"to download: {sum(sizes.values()):,.1f} GB", *items])


def sources(plan: Record) -> str:
    """The sources of the figures: measurements first, then every assumption that was used."""
    lines = []
    if plan["measured"]:
        lines.append("measured, from earlier jobs' benchmark files (results/*/benchmarks), starts included:")
    lines += map(rate, plan["measured"])
    for reason, count in sorted(plan["earlier_jobs_left_out"].items()):
        lines.append(f"  {count} earlier jobs left out: {reason}")
    lines.append("assumed or counted (resources/throughput.yaml):")
    for name, entry in plan["assumptions"].items():
        lines.append(f"  {name}: {entry['value']} {entry['unit']} ({entry['source']})")
    return "\n".join(lines)


def rate(measured: Record) -> str:
    """A measured rate."""
    name = ", ".join(filter(None, [measured["rule"], measured["model"], measured["variant"]]))
    device = "GPU" if measured["on"] == "GPUs" else "job on a CPU"
    speed = f"{measured['per_second']:,.3g} {measured['unit']} per second and {device}"
    return f"  {name}: {speed}, from {measured['jobs']} jobs"
