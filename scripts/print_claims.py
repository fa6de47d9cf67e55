#!/usr/bin/env python3
"""Print the verdicts of a report on claims; fail if a claim has a verdict that --fail-on names."""

from pathlib import Path

from synth_empathy.claims import claim_report
from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import read_json

HINT = "make it with check_claims.py, or with snakemake check_claims"


def main() -> None:
    """Parse flags, read the report that check_claims.py wrote, print it."""
    flags = cli.parser(__doc__)
    flags.add_argument("--report", type=Path, required=True, metavar="JSON", help="results/{run}/claims.json")
    claim_report.add_flags(flags)
    args = flags.parse_args()

    document = read_json(args.report)
    if not claim_report.is_report(document):
        raise UserError(f"{args.report} is not a report on claims", HINT)
    claim_report.print_verdicts(document["claims"])
    print(f"{args.report.with_suffix('.md')} has what each says, and what those that are not tested need")
    claim_report.refuse(document["claims"], args.fail_on)


if __name__ == "__main__":
    cli.run(main)
