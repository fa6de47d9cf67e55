#!/usr/bin/env python3
"""Collect the files from which a reviewer makes every table and figure again without a GPU (docs/archive.md)."""

from pathlib import Path

from synth_empathy.core import archive, cli


def main() -> None:
    """Parse flags, copy the files, write the index with their hashes."""
    flags = cli.parser(__doc__)
    flags.add_argument("--run", type=Path, required=True, metavar="DIR", help="results/{run}")
    flags.add_argument("--files", type=Path, nargs="+", required=True, metavar="FILE", help="files below it")
    flags.add_argument(
        "--judgements",
        type=Path,
        metavar="JSONL",
        help="human judgements, wherever they are; kept as human/judgements.jsonl",
    )
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the archive's folder")
    args = flags.parse_args()

    files = {path.relative_to(args.run).as_posix(): path for path in args.files}
    if args.judgements:
        files[archive.JUDGEMENTS] = args.judgements
    index = archive.pack(args.run.name, files, args.output)
    size = sum((args.output / name).stat().st_size for name in index["files"])
    print(f"{len(index['files']):,} files, {size / 1e6:.1f} MB, in {args.output}")


if __name__ == "__main__":
    cli.run(main)
