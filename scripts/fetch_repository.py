#!/usr/bin/env python3
"""Fetch the repository of a baseline's authors at a pinned commit, and check that it stands there."""

from pathlib import Path

from synth_empathy import addresses, baselines, cli, models
from synth_empathy.records import write_json


def main() -> None:
    """Parse flags, fetch, write the manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--repository", required=True, help="what git clone takes: an address, or a local path")
    flags.add_argument("--commit", required=True, help="the commit's hash, or its beginning; by the whole hash its history is left out")
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder to make: code/ and manifest.json")
    args = flags.parse_args()

    shown = addresses.masked(args.repository)
    with models.model_folder(args.output) as folder:
        head = baselines.fetch(args.repository, args.commit, folder / baselines.CODE)
        write_json(folder / models.MANIFEST, {"kind": "repository", "repository": shown, "commit": head})
    print(f"{shown} at {head} in {args.output}")


if __name__ == "__main__":
    cli.run(main, online=True)
