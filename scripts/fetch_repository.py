#!/usr/bin/env python3
"""Fetch the repository of a baseline's authors at a pinned commit, and check that this commit is checked out."""

import argparse
from pathlib import Path

from synth_empathy.baselines import authors_code
from synth_empathy.core import addresses, cli, folders
from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import read_json, write_json


def main() -> None:
    """Parse flags, fetch, write the manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--repository", required=True, help="what git clone takes: an address, or a local path")
    commit_help = "the commit's hash, or its beginning; with the whole hash, git fetches no history"
    flags.add_argument("--commit", required=True, help=commit_help)
    output_help = "the folder to make: code/ and manifest.json"
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help=output_help)
    args = flags.parse_args()

    address = addresses.masked(args.repository)
    with folders.one_at_a_time(args.output):
        head = fetched_head(args.output, address, args.commit) or fetch(args, address)
    print(f"{address} at {head} in {args.output}")


def fetched_head(output: Path, address: str, commit: str) -> str | None:
    """The commit of the same repository if another process has fetched it meanwhile; else None."""
    if not (output / folders.MANIFEST).is_file():
        return None
    manifest = read_json(output / folders.MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("repository") != address:
        return None
    try:
        return authors_code.check_head(output / authors_code.CODE, commit)
    except UserError:
        return None


def fetch(args: argparse.Namespace, address: str) -> str:
    """Fetch the repository; returns its commit's full hash.

    Args:
        address: the repository's address as the manifest holds it, without secrets.
    """
    with folders.new_folder(args.output) as folder:
        head = authors_code.fetch(args.repository, args.commit, folder / authors_code.CODE)
        write_json(folder / folders.MANIFEST, {"kind": "repository", "repository": address, "commit": head})
    return head


if __name__ == "__main__":
    cli.run(main, online=True)
