#!/usr/bin/env python3
"""Print the verdicts of a claims report; fail, where asked, because of some."""

from pathlib import Path

from synth_empathy import claims, cli
from synth_empathy.errors import UserError
from synth_empathy.records import read_json

AGAIN = "make it by check_claims.py, or by snakemake check_claims"


def main() -> None:
    """Parse flags, read the report that check_claims.py wrote, print it."""
    flags = cli.parser(__doc__)
    flags.add_argument("--report", type=Path, required=True, metavar="JSON", help="results/{run}/claims.json")
    claims.add_flags(flags)
    args = flags.parse_args()

    report = read_json(args.report)
    if not isinstance(report, dict) or "claims" not in report:
        raise UserError(f"{args.report} is no report on claims", AGAIN)
    told = report["claims"] if isinstance(report["claims"], list) else [None]
    if not all(is_told(claim) for claim in told):
        raise UserError(f"{args.report} is no report on claims: one has no id, verdict or finding", AGAIN)
    claims.print_verdicts(told)
    print(f"{args.report.with_suffix('.md')} has what each says, and what those that are not tested need")
    claims.refuse(told, args.fail_on)


def is_told(claim: object) -> bool:
    """Whether a claim of a report has what is printed of it."""
    return isinstance(claim, dict) and all(isinstance(claim.get(key), str) for key in ("id", "verdict", "found"))


if __name__ == "__main__":
    cli.run(main)
