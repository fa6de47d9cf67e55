#!/usr/bin/env python3
"""List the ids of ED's test samples in order. Every system's responses are checked against them before scoring."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import DATA_SAMPLE, read_jsonl


def main() -> None:
    """Parse flags, write the ids."""
    flags = cli.parser(__doc__)
    flags.add_argument("--test", type=Path, required=True, metavar="JSONL", help="ED's test samples")
    flags.add_argument("--output", type=Path, required=True, metavar="JSON", help="a list of ids")
    args = flags.parse_args()

    ids = [sample["id"] for sample in read_jsonl(args.test, DATA_SAMPLE)]
    write_json(args.output, ids)
    print(f"{len(ids):,} test samples")


if __name__ == "__main__":
    cli.run(main)
