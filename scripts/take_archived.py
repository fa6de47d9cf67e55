#!/usr/bin/env python3
"""Take one file out of an archive of a run, checked against the archive's index (docs/archive.md)."""

from pathlib import Path

from synth_empathy.core import archive, cli


def main() -> None:
    """Parse flags, check, copy."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--archive", type=Path, required=True, metavar="DIR", help="the archive's folder, with archive.json"
    )
    flags.add_argument("--file", required=True, metavar="PATH", help="the file, as archive.json names it")
    flags.add_argument("--output", type=Path, required=True, help="where to")
    args = flags.parse_args()

    archive.take(args.archive, args.file, args.output)
    print(f"{args.file}: from {args.archive}, its SHA-256 as the index says")


if __name__ == "__main__":
    cli.run(main)
