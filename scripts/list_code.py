#!/usr/bin/env python3
"""List the code that makes a target from the raw data: its jobs' rules files, scripts and modules, in their order.

Rules come from a dry-run, modules from imports. Only the engine and the metrics that a job uses are counted.
"""

import re
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.code_graph import CARRIERS, SCRIPTS, path_of, reached
from synth_empathy.core.paths import ROOT
from synth_empathy.core.records import Record
from synth_empathy.execution import dry_run
from synth_empathy.inference import engines

#: A row of the demo's Table 1, from ED's CSV files by way of synthetic dialogues.
ROW = "results/demo/cells/table1/smollm2-135m/ed+prompt2-dk20-kcenter/bleu1.json"


def main() -> None:
    """Parse flags, ask Snakemake for the jobs, print each one's files that no earlier job had, and their number."""
    flags = cli.parser(__doc__)
    targets = "files under results/, or targets by name; a cell of the demo's Table 1 when not given"
    flags.add_argument("target", nargs="*", default=[ROW], help=targets)
    overlay = {"default": [ROOT / "config/demo.yaml"], "help": "overlays; the demo's when not given"}
    flags.add_argument("--configfile", type=Path, nargs="+", metavar="YAML", **overlay)
    args = flags.parse_args()

    overlays = [path.resolve() for path in args.configfile]
    report, _ = dry_run.report(args.target, overlays, ["--cores", "1", "--forceall"])
    files = rules_files()
    carriers = {path_of(module).relative_to(ROOT).as_posix() for module in CARRIERS}
    listed: list[str] = []
    for job in report["jobs"]:
        for name in [files[job["rule"]], *code_of(job)]:
            if name not in [*listed, *carriers]:
                listed.append(name)
                print(f"{job['rule']:20}  {name}")
    print(f"{len(listed)} files; modules that only read, check and write files are not counted")


def rules_files() -> dict[str, str]:
    """The file that declares each rule."""
    declared = {}
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        for name in re.findall(r"(?m)^(?:rule|use rule \w+ as) (\w+)(?::| with:)", path.read_text(encoding="utf-8")):
            declared[name] = path.relative_to(ROOT).as_posix()
    return declared


def code_of(job: Record) -> list[str]:
    """The script of a job and the modules that decide its output, as paths in the repository."""
    code = [name for name in job["input"] if name.startswith("scripts/")]
    script = re.search(r"scripts/(\w+)\.py", job["command"] or "")
    if code or not script:
        return code
    engine = re.search(r"--engine=(\w+)", job["command"])
    entries = [engines.module_of(engine[1])] if engine else None
    return [f"scripts/{name}" for name in reached(SCRIPTS / f"{script[1]}.py", entries)]


if __name__ == "__main__":
    cli.run(main)
