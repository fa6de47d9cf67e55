#!/usr/bin/env python3
"""Count the samples after each step of a selection: Table 2's column "Data" does not say which count it has."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import SAMPLE, read_jsonl


def main() -> None:
    """Parse flags, count, write both counts."""
    flags = cli.parser(__doc__)
    passed = "the samples after the quality selection"
    flags.add_argument("--passed", type=Path, required=True, metavar="JSONL", help=passed)
    selected = "the samples after the diversity selection"
    flags.add_argument("--selected", type=Path, required=True, metavar="JSONL", help=selected)
    flags.add_argument("--output", type=Path, required=True, metavar="JSON", help="samples_quality, samples_selected")
    args = flags.parse_args()

    passed = len(read_jsonl(args.passed, SAMPLE))
    selected = len(read_jsonl(args.selected, SAMPLE))
    write_json(args.output, {"samples_quality": passed, "samples_selected": selected})
    print(f"{passed:,} samples after the quality selection, {selected:,} after the diversity selection")


if __name__ == "__main__":
    cli.run(main)
