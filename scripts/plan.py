#!/usr/bin/env python3
"""Estimate a target's jobs, requests, tokens, hours, GPU-hours and disk before anything runs (docs/plan.md)."""

from argparse import Namespace
from collections import Counter
from pathlib import Path

from synth_empathy.config.settings import MEND, Settings, check, name_dataset
from synth_empathy.core import cli, yaml_files
from synth_empathy.core.errors import UserError
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.json_files import write_json
from synth_empathy.core.paths import ROOT
from synth_empathy.core.records import Record
from synth_empathy.execution import dry_run, measured, plan_report, planning, sizes


def main() -> None:
    """Parse flags, ask Snakemake for the jobs, estimate them, print the plan."""
    args = parse_flags()
    assumed = sizes.load_assumptions(args.assumptions)
    settings = merged_settings(args.configfile)  # first: Snakemake ends in a traceback if an overlay is missing
    jobs = planned_jobs(args.target, [path.resolve() for path in args.configfile], args.cores)
    past, left_out = measured.past_jobs(args.results.resolve(), assumed)
    assumed.used.clear()  # assumptions that only the earlier jobs used are not part of this plan
    count, total = sizes.counters(ROOT, {path for job in jobs for path in job.output})
    known = sizes.Sizes(settings, assumed, count, total)
    plan = planning.plan(jobs, known, measured.rates(past))
    plan |= {"targets": args.target, "earlier_jobs_left_out": dict(left_out)}
    if args.json:
        write_json(args.json, plan)
    print(terminal_text(plan_report.report(plan), lines=True))


def parse_flags() -> Namespace:
    """The command line."""
    flags = cli.parser(__doc__)
    targets = "what to plan: targets by name, or files under results/; table1 when not given"
    flags.add_argument("target", nargs="*", default=["table1"], help=targets)
    overlays = "overlays over config.yaml, as Snakemake takes them"
    flags.add_argument("--configfile", type=Path, nargs="+", default=[], metavar="YAML", help=overlays)
    cores = "cores of the machine, for jobs without a GPU"
    flags.add_argument("--cores", type=cli.count, default=2, metavar="N", help=cores)
    assumptions = "assumed throughputs, sizes and shares"
    flags.add_argument("--assumptions", type=Path, default=sizes.ASSUMPTIONS, metavar="YAML", help=assumptions)
    results = "earlier runs, whose benchmark files replace assumptions"
    flags.add_argument("--results", type=Path, default=ROOT / "results", metavar="DIR", help=results)
    flags.add_argument("--json", type=Path, metavar="FILE", help="also write the plan to this file")
    return flags.parse_args()


def planned_jobs(targets: list[str], overlays: list[Path], cores: int) -> list[planning.Job]:
    """The jobs that Snakemake would run, by a dry-run.

    If the dry-run fails, this script ends with Snakemake's own output and exit status.

    Raises:
        UserError: Snakemake's report has an unknown form.
    """
    return jobs_of_report(*dry_run.report(targets, overlays, ["--cores", str(cores)]))


def jobs_of_report(report: Record, printed: str) -> list[planning.Job]:
    """The jobs in the logger plugin's report, which must agree with Snakemake's own count.

    Args:
        printed: Snakemake's output, which says so if there is nothing to be done.

    Raises:
        UserError: they differ, or there are no jobs although Snakemake does not say that there is nothing to be done.
    """
    reported = Counter(job["rule"] for job in report["jobs"])
    counted = {rule: number for rule, number in (report["counts"] or {}).items() if rule != "total"}
    if reported != counted or (not reported and "Nothing to be done" not in printed):
        problem = f"Snakemake counts the jobs {counted or 'none'}, but reports {dict(reported) or 'none'}"
        hint = "use the Snakemake of envs/cpu.lock (make setup); another version may report its jobs in another form"
        raise UserError(problem, hint)
    return list(map(planned_job, report["jobs"]))


def planned_job(job: Record) -> planning.Job:
    """A job of the report."""
    return planning.Job(
        job["rule"],
        wildcards=job["wildcards"],
        output=tuple(job["output"]),
        threads=job["threads"],
        gpus=job["resources"].get("gpu", 0),
    )


def merged_settings(overlays: list[Path]) -> Settings:
    """config.yaml with the overlays, merged by Snakemake's own function and checked.

    Raises:
        UserError: an overlay does not exist or cannot be read, or the configuration is not valid.
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


if __name__ == "__main__":
    cli.run(main)
