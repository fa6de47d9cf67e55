#!/usr/bin/env python3
"""Fetch the repository of a baseline's authors at a pinned commit, and check the commit."""

import argparse
from pathlib import Path

from synth_empathy.baselines import authors_code
from synth_empathy.core import addresses, cli, folders
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import read_json, write_json


def main() -> None:
    """Parse flags, fetch, write the manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument("--repository", required=True, help="an address or a local path, as for git clone")
    commit = "the commit's hash or its beginning; with the full hash, the history is not fetched"
    flags.add_argument("--commit", required=True, help=commit)
    output = "the folder to make: code/ and manifest.json"
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help=output)
    args = flags.parse_args()

    address = addresses.masked(args.repository)
    with folders.one_at_a_time(args.output):
        head = fetched_commit(args.output, address, args.commit) or fetch(args, address)
    print(f"{address} at {head} in {args.output}")


def fetched_commit(output: Path, address: str, commit: str) -> str | None:
    """The full hash of the commit, if another process has fetched it from the same address meanwhile; else None."""
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
    """Fetch the repository; returns its commit's full hash."""
    with folders.new_folder(args.output) as folder:
        head = authors_code.fetch(args.repository, args.commit, folder / authors_code.CODE)
        write_json(folder / folders.MANIFEST, {"kind": "repository", "repository": address, "commit": head})
    return head


if __name__ == "__main__":
    cli.run(main, online=True)
