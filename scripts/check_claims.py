#!/usr/bin/env python3
"""Test the paper's claims on a run's present results: each holds, does not hold, or is not tested. Makes no result."""

from pathlib import Path

from synth_empathy.claims import claim_list, claim_report, verdicts
from synth_empathy.claims.run_results import Results
from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import write_text
from synth_empathy.core.json_files import write_json
from synth_empathy.reporting.paper_values import other_data
from synth_empathy.systems import ED


def main() -> None:
    """Parse flags, test every claim, print and write the verdicts."""
    flags = cli.parser(__doc__)
    flags.add_argument("--results", type=Path, required=True, metavar="DIR", help="results/{run}")
    claims_help = "the claims (docs/claims.md)"
    flags.add_argument("--claims", type=Path, default=claim_list.CLAIMS, metavar="YAML", help=claims_help)
    flags.add_argument("--note", help="a sentence under the heading")
    flags.add_argument("--dataset", default=ED, help="the run's data set; claims are tested on ED alone")
    claim_report.add_flags(flags)
    markdown_help = "the report to read; claims.md in the results if not given"
    flags.add_argument("--markdown", type=Path, metavar="FILE", help=markdown_help)
    json_help = "the same as JSON; claims.json in the results if not given"
    flags.add_argument("--json", type=Path, metavar="FILE", help=json_help)
    args = flags.parse_args()
    if not args.results.is_dir():
        raise UserError(f"{args.results} is not a folder", "give a run's results, such as results/paper")

    claims = claim_list.load(args.claims)
    checked = verdicts.check_all(claims, Results(args.results, claims.systems, args.dataset))
    run = args.results.resolve().name
    document = {"run": run, "note": args.note, "counts": claim_report.count_verdicts(checked), "claims": checked}
    markdown = claim_report.as_markdown(run, args.note, checked, other_data(args.dataset))
    write_text(args.markdown or args.results / "claims.md", markdown)
    write_json(args.json or args.results / "claims.json", document)
    claim_report.print_verdicts(checked)
    claim_report.refuse(checked, args.fail_on)


if __name__ == "__main__":
    cli.run(main)
