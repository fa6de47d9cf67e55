#!/usr/bin/env python3
"""Before anything runs: a target's jobs, requests, tokens, hours, GPU-hours and disk (docs/plan.md)."""

from collections import Counter
from pathlib import Path

from synth_empathy.config.settings import MEND, Settings, check, name_dataset
from synth_empathy.core import cli, yaml_files
from synth_empathy.core.errors import UserError
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.paths import ROOT
from synth_empathy.core.records import Record, write_json
from synth_empathy.execution import dry_run, measured, planning, sizes


def main() -> None:
    """Parse flags, ask Snakemake for the jobs, estimate them, print the plan."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "target", nargs="*", default=["table1"], help="what to plan: targets by name, or files under results/"
    )
    flags.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="YAML",
        help="overlays over config.yaml, as Snakemake takes them",
    )
    flags.add_argument(
        "--cores", type=cli.count, default=2, metavar="N", help="cores of the machine, for jobs without a GPU"
    )
    flags.add_argument(
        "--assumptions",
        type=Path,
        default=sizes.ASSUMPTIONS,
        metavar="YAML",
        help="throughputs, sizes and shares that are assumed",
    )
    flags.add_argument(
        "--results",
        type=Path,
        default=ROOT / "results",
        metavar="DIR",
        help="earlier runs, whose benchmark files replace assumptions",
    )
    flags.add_argument("--json", type=Path, metavar="FILE", help="write the plan here, too")
    args = flags.parse_args()

    assumed = sizes.load_assumptions(args.assumptions)
    settings = merged_settings(args.configfile)  # first: Snakemake ends in a traceback where an overlay is missing
    jobs = planned_jobs(args.target, [path.resolve() for path in args.configfile], args.cores)
    past, left_out = measured.past_jobs(args.results.resolve(), assumed)
    assumed.used.clear()  # what only the reading of earlier jobs asked for is not part of this plan
    count, total = sizes.counters(ROOT, {path for job in jobs for path in job.output})
    known = sizes.Sizes(settings, assumed, count, total)
    plan = planning.plan(jobs, known, measured.rates(past)) | {
        "targets": args.target,
        "earlier_jobs_left_out": dict(left_out),
    }
    if args.json:
        write_json(args.json, plan)
    print(terminal_text(shown(plan), lines=True))


def planned_jobs(targets: list[str], overlays: list[Path], cores: int) -> list[planning.Job]:
    """The jobs that Snakemake would run, by a dry-run.

    A dry-run that fails ends this script with Snakemake's own words and exit status.

    Raises:
        UserError: what Snakemake reports is not what this script understands.
    """
    return understood(*dry_run.report(targets, overlays, ["--cores", str(cores)]))


def understood(report: Record, said: str) -> list[planning.Job]:
    """The report of the logger plugin as jobs, held against Snakemake's own count of them.

    Raises:
        UserError: the two differ, or there is neither a job nor the word that there is none.
    """
    found = Counter(job["rule"] for job in report["jobs"])
    counted = {rule: number for rule, number in (report["counts"] or {}).items() if rule != "total"}
    if found != counted or (not found and "Nothing to be done" not in said):
        problem = f"Snakemake counts the jobs {counted or 'none'}, its events tell of {dict(found) or 'none'}"
        raise UserError(
            problem, "use the Snakemake of envs/cpu.lock (make setup); another one may report its jobs in another form"
        )
    return [
        planning.Job(job["rule"], job["wildcards"], tuple(job["output"]), job["threads"], job["resources"].get("gpu", 0))
        for job in report["jobs"]
    ]  # fmt: skip


def merged_settings(overlays: list[Path]) -> Settings:
    """config.yaml under the overlays, merged by Snakemake's own function and checked.

    Raises:
        UserError: an overlay is not there or cannot be read, or the configuration is not valid.
    """
    from snakemake.utils import update_config

    settings: Settings = {}
    for path in [ROOT / "config.yaml", *overlays]:
        if not path.exists():
            raise UserError(f"{path} does not exist", "check the path of the overlay, or leave it out")
        update_config(settings, yaml_files.load_mapping(path, MEND))
    check(settings)
    name_dataset(settings)
    return settings


def shown(plan: Record) -> str:
    """The plan as text: a table, totals, downloads, and where each figure comes from."""
    if not plan["lines"]:
        return f"{' '.join(plan['targets'])}: nothing to be done, all files are there"
    parts = [table(plan), totals(plan), downloads(plan), sources(plan)]
    return "\n\n".join(part for part in parts if part)


HEADER = [
    "rule",
    "model",
    "jobs",
    "requests",
    "tokens in",
    "tokens out",
    "GPUs",
    "hours a job",
    "longest",
    "GPU-hours",
    "disk GB",
    "time from",
]


def table(plan: Record) -> str:
    """One line a rule and model, columns aligned, and the totals."""
    rows = [HEADER]
    for line in plan["lines"]:
        source = f"measured {line['measured_jobs']}/{line['jobs']}" if line["measured_jobs"] else "assumed"
        known = line["hours_a_job"] is not None
        hours = (
            [decimal(line["hours_a_job"], 2), decimal(line["longest_hours"], 2), decimal(line["gpu_hours"])]
            if known
            else ["?", "?", "?"]
        )
        rows.append(
            [line["rule"], line["model"] or "", f"{line['jobs']}", number(line["requests"]), number(line["tokens_in"]), number(line["tokens_out"]),
             number(line["gpus"]), *hours, decimal(line["disk_gb"]), source if known else "not known"]
        )  # fmt: skip
    whole = plan["totals"]
    rows.append(
        ["total", "", f"{whole['jobs']}", number(whole["requests"]), number(whole["tokens_in"]), number(whole["tokens_out"]),
         "", "", "", decimal(whole["gpu_hours"]), decimal(whole["disk_gb"]), ""]
    )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    texts = (0, 1, len(HEADER) - 1)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


def number(value: float) -> str:
    """A count with separators; nothing for none."""
    return f"{value:,.0f}" if value else ""


def decimal(value: float, places: int = 1) -> str:
    """A quantity rounded; nothing for none, and never 0.0 for some."""
    least = 10**-places
    return "" if not value else f"{value:,.{places}f}" if value >= least / 2 else f"<{least:.{places}f}"


def totals(plan: Record) -> str:
    """The sentences under the table."""
    whole = plan["totals"]
    said = [
        f"{whole['jobs']} jobs, {whole['hours_one_after_the_other']:,.1f} hours one after the other, {whole['gpu_hours']:,.1f} GPU-hours",
        f"largest need of one job: {plan['largest_gpus_of_a_job']} GPUs; jobs that run side by side need the sum of theirs",
        f"disk: {whole['disk_gb']:,.1f} GB that stay, and up to {plan['largest_scratch_gb']:,.1f} GB of checkpoints while the largest training runs",
    ]
    return "\n".join([*said, *unknown(plan["not_estimated"])])


def unknown(jobs: dict[str, int]) -> list[str]:
    """The jobs that are in no figure, by rule and number, and what else is not known where they are baselines'."""
    if not jobs:
        return []
    many = sum(jobs.values())
    named = ", ".join(f"{rule} ({number})" for rule, number in jobs.items())
    said = [f"NOT in these hours and GPU-hours: {many} {'job' if many == 1 else 'jobs'} of unknown duration: {named}"]
    if not planning.OTHERS_CODE.isdisjoint(jobs):
        said.append(
            "  nor is the size of baselines known: the download of their repositories, their code and their checkpoints are in no figure"
        )
    return said


def downloads(plan: Record) -> str:
    """What is not fetched yet, with its size."""
    if not plan["download_gb"]:
        return "to download: nothing"
    items = [f"  {name}: {size:,.2f} GB" for name, size in plan["download_gb"].items()]
    return "\n".join([f"to download: {sum(plan['download_gb'].values()):,.1f} GB", *items])


def sources(plan: Record) -> str:
    """Where the figures come from: measurements first, then every assumption that was used."""
    said = []
    if plan["measured"]:
        said.append("measured, from earlier jobs' benchmark files (results/*/benchmarks), starts included:")
        for rate in plan["measured"]:
            what = ", ".join(filter(None, [rate["rule"], rate["model"], rate["variant"]]))
            said.append(
                f"  {what}: {rate['per_second']:,.3g} {rate['unit']} a second and {'GPU' if rate['on'] == 'GPUs' else 'job on a CPU'}, from {rate['jobs']} jobs"
            )
    for reason, many in sorted(plan["earlier_jobs_left_out"].items()):
        said.append(f"  {many} earlier jobs left out: {reason}")
    said.append("assumed or counted (resources/throughput.yaml):")
    said += [
        f"  {name}: {entry['value']} {entry['unit']} ({entry['source']})"
        for name, entry in plan["assumptions"].items()
    ]
    return "\n".join(said)


if __name__ == "__main__":
    cli.run(main)
