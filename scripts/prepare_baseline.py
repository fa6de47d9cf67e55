#!/usr/bin/env python3
"""Lay out a baseline to train in: a copy of its authors' repository at the pinned commit, with the user's data over it."""

from pathlib import Path

from synth_empathy.baselines import authors_code
from synth_empathy.core import cli, provenance
from synth_empathy.core.records import write_json


def main() -> None:
    """Parse flags, check commit and data, copy, say what is there."""
    flags = cli.parser(__doc__)
    flags.add_argument("--name", required=True, help="the baseline's name in the configuration")
    flags.add_argument("--repository", type=Path, required=True, metavar="DIR", help="what fetch_repository.py made")
    flags.add_argument("--commit", required=True, help="the commit that it must stand at, or its beginning")
    flags.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="files that the code needs beside it, laid out as in the repository's root",
    )
    flags.add_argument(
        "--need",
        action="append",
        nargs=2,
        default=[],
        metavar=("PATH", "WHAT"),
        help="a file that the data must hold; * stands for any letters",
    )
    flags.add_argument("--code", type=Path, required=True, metavar="DIR", help="the copy to make; what is there goes")
    flags.add_argument("--output", type=Path, required=True, metavar="JSON", help="what was laid out")
    args = flags.parse_args()

    head = authors_code.check_head(args.repository / authors_code.CODE, args.commit)
    authors_code.check_data(args.name, {"data": args.data, "needs": dict(args.need)})
    authors_code.lay_out(args.repository / authors_code.CODE, args.data, args.code)
    given = (
        sorted(str(path.relative_to(args.data)) for path in args.data.rglob("*") if path.is_file())
        if args.data
        else []
    )
    write_json(args.output, {"baseline": args.name, "commit": head, "data": given}, code=provenance.code(__file__))
    print(f"{args.name} at {head} with {len(given)} files of data in {args.code}")


if __name__ == "__main__":
    cli.run(main)
