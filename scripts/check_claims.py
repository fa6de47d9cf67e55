#!/usr/bin/env python3
"""Hold the paper's claims against what a run's results hold now: holds, does not hold, or not tested; makes nothing else."""

from pathlib import Path

from synth_empathy.claims import claims
from synth_empathy.claims.evidence import Results
from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import write_json, write_text
from synth_empathy.reporting.paper_values import other_data
from synth_empathy.systems import ED


def main() -> None:
    """Parse flags, test every claim, print and write the verdicts."""
    flags = cli.parser(__doc__)
    flags.add_argument("--results", type=Path, required=True, metavar="DIR", help="results/{run}")
    flags.add_argument(
        "--claims", type=Path, default=claims.CLAIMS, metavar="YAML", help="the claims (docs/claims.md)"
    )
    flags.add_argument("--note", help="a sentence under the heading")
    flags.add_argument("--dataset", default=ED, help="the run's data set; claims are tested on ED alone")
    claims.add_flags(flags)
    flags.add_argument(
        "--markdown", type=Path, metavar="FILE", help="the report to read; claims.md in the results when not given"
    )
    flags.add_argument(
        "--json", type=Path, metavar="FILE", help="the same as JSON; claims.json in the results when not given"
    )
    args = flags.parse_args()
    if not args.results.is_dir():
        raise UserError(f"{args.results} is not a folder", "give a run's results, such as results/paper")

    known = claims.load(args.claims)
    checked = claims.check_all(known, Results(args.results, known.systems, args.dataset))
    run = args.results.resolve().name
    markdown = claims.as_markdown(run, args.note, checked, other_data(args.dataset))
    write_text(args.markdown or args.results / "claims.md", markdown)
    write_json(
        args.json or args.results / "claims.json",
        {"run": run, "note": args.note, "counts": claims.counts_of(checked), "claims": checked},
    )
    claims.print_verdicts(checked)
    claims.refuse(checked, args.fail_on)


if __name__ == "__main__":
    cli.run(main)
