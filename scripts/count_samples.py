#!/usr/bin/env python3
"""Count the samples of a selection: Table 2's column "Data", which does not say after which step it counts."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.records import SAMPLE, read_jsonl, write_json


def main() -> None:
    """Parse flags, count, write both counts."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--passed", type=Path, required=True, metavar="JSONL", help="what the diversity selection chose among"
    )
    flags.add_argument("--selected", type=Path, required=True, metavar="JSONL", help="what it kept")
    flags.add_argument("--output", type=Path, required=True, metavar="JSON", help="samples_quality, samples_selected")
    args = flags.parse_args()

    counts = {
        "samples_quality": len(read_jsonl(args.passed, SAMPLE)),
        "samples_selected": len(read_jsonl(args.selected, SAMPLE)),
    }
    write_json(args.output, counts)
    print(
        f"{counts['samples_quality']:,} samples after the quality selection, {counts['samples_selected']:,} after the diversity selection"
    )


if __name__ == "__main__":
    cli.run(main)
