#!/usr/bin/env python3
"""List the code that a row passes from the raw data to a target: the rules files, scripts and modules of its jobs.

Each file is listed once, with the first job that needs it. Rules come from a dry-run, modules from imports.
"""

import re
from itertools import chain
from pathlib import Path

from synth_empathy.core import cli, code_graph
from synth_empathy.core.paths import ROOT
from synth_empathy.execution import dry_run, row_path

#: A row of the demo's Table 1, from ED's CSV files by way of synthetic dialogues.
ROW = "results/demo/cells/table1/smollm2-135m/ed+prompt2-dk20-kcenter/bleu1.json"


def main() -> None:
    """Parse flags, ask Snakemake for the jobs, print the files of each job, their number, and what is left out."""
    flags = cli.parser(__doc__)
    targets = "files under results/, or targets by name; a cell of the demo's Table 1 if not given"
    flags.add_argument("target", nargs="*", default=[ROW], help=targets)
    overlay = {"default": [ROOT / "config/demo.yaml"], "help": "overlays; the demo's if not given"}
    flags.add_argument("--configfile", type=Path, nargs="+", metavar="YAML", **overlay)
    args = flags.parse_args()

    overlays = [path.resolve() for path in args.configfile]
    report, _ = dry_run.report(args.target, overlays, ["--cores", "1", "--forceall"])
    metrics = row_path.metrics_of(args.target)
    jobs = row_path.longest_chain(report["jobs"])
    carriers = {row_path.module_path(module): reason for module, reason in code_graph.CARRIERS.items()}
    rules = rules_files()
    listed: set[str] = set()
    for job in jobs:
        for path in [rules[job["rule"]], *row_path.code_of(job, metrics)]:
            if path not in listed and path not in carriers:
                listed.add(path)
                print(f"{job['rule']:20}  {path}")
    print(f"{len(listed)} files")

    print("\nLeft out:")
    for rule, reason in row_path.left_out(report["jobs"], jobs).items():
        print(f"  the rule {rule}: {reason}")
    unused = chain.from_iterable(row_path.unused_code(job, metrics) for job in jobs)
    for path in dict.fromkeys(unused):
        if path not in listed and path not in carriers:
            print(f"  {path}: no job on the path uses it for the target")
    silent = {row_path.module_path(module): reason for module, reason in code_graph.SILENT.items()}
    for path, reason in (carriers | silent).items():
        print(f"  {path}: {reason}")


def rules_files() -> dict[str, str]:
    """The file that declares each rule."""
    declared = {}
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        for name in re.findall(r"(?m)^(?:rule|use rule \w+ as) (\w+)(?::| with:)", path.read_text(encoding="utf-8")):
            declared[name] = path.relative_to(ROOT).as_posix()
    return declared


if __name__ == "__main__":
    cli.run(main)
