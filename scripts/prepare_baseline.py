#!/usr/bin/env python3
"""Make the folder that a baseline is trained in: its authors' repository at the pinned commit, and the user's data."""

from pathlib import Path

from synth_empathy.baselines import authors_code
from synth_empathy.core import cli, provenance
from synth_empathy.core.json_files import write_json


def main() -> None:
    """Parse flags, check commit and data, copy both, list what was copied."""
    flags = cli.parser(__doc__)
    flags.add_argument("--name", required=True, help="the baseline's name in the configuration")
    repository = "the folder that fetch_repository.py made"
    flags.add_argument("--repository", type=Path, required=True, metavar="DIR", help=repository)
    flags.add_argument("--commit", required=True, help="the commit that the repository must be at, or its beginning")
    data = "the files that the code needs, with their paths from the repository's root"
    flags.add_argument("--data", type=Path, metavar="DIR", help=data)
    need = "a file that the data must contain; * stands for any characters"
    need_flag = {"action": "append", "nargs": 2, "default": [], "metavar": ("PATH", "WHAT")}
    flags.add_argument("--need", help=need, **need_flag)
    code = "the folder to make; an existing one is replaced"
    flags.add_argument("--code", type=Path, required=True, metavar="DIR", help=code)
    flags.add_argument("--output", type=Path, required=True, metavar="JSON", help="baseline, commit, files of data")
    args = flags.parse_args()

    repository = args.repository / authors_code.CODE
    head = authors_code.check_head(repository, args.commit)
    authors_code.check_data(args.name, {"data": args.data, "needs": dict(args.need)})
    authors_code.lay_out(repository, args.data, args.code)
    files = [path for path in args.data.rglob("*") if path.is_file()] if args.data else []
    names = sorted(str(path.relative_to(args.data)) for path in files)
    write_json(args.output, {"baseline": args.name, "commit": head, "data": names}, code=provenance.code(__file__))
    print(f"{args.name} at {head} with {len(names)} files of data in {args.code}")


if __name__ == "__main__":
    cli.run(main)
