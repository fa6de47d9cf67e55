#!/usr/bin/env python3
"""Print the verdicts of a claims report; fail, where asked, because of some."""

from pathlib import Path

from synth_empathy.claims import claims
from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import read_json

AGAIN = "make it by check_claims.py, or by snakemake check_claims"


def main() -> None:
    """Parse flags, read the report that check_claims.py wrote, print it."""
    flags = cli.parser(__doc__)
    flags.add_argument("--report", type=Path, required=True, metavar="JSON", help="results/{run}/claims.json")
    claims.add_flags(flags)
    args = flags.parse_args()

    report = read_json(args.report)
    if not claims.is_report(report):
        raise UserError(f"{args.report} is no report on claims", AGAIN)
    claims.print_verdicts(report["claims"])
    print(f"{args.report.with_suffix('.md')} has what each says, and what those that are not tested need")
    claims.refuse(report["claims"], args.fail_on)


if __name__ == "__main__":
    cli.run(main)
