#!/usr/bin/env python3
"""Turn another system's outputs on ED's test split into our responses, aligned to our test samples by content."""

from pathlib import Path

from synth_empathy.baselines import outputs
from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl


def main() -> None:
    """Parse flags, align, report mismatches, and write the responses unless there are too many mismatches."""
    flags = cli.parser(__doc__)
    file = "a results.txt, or JSON Lines (.jsonl) with prediction, reference and optionally context"
    flags.add_argument("--outputs", type=Path, required=True, metavar="FILE", help=file)
    samples = "our test samples: id, history, response"
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help=samples)
    share = "mismatches that are accepted, as a share of the test samples"
    flags.add_argument("--unaligned", type=cli.share, default=0.0, metavar="SHARE", help=share)
    part = "the samples are a part of the test split: outputs for its other samples are no mismatches"
    flags.add_argument("--part", action="store_true", help=part)
    responses = "output: id, prediction, reference"
    flags.add_argument("--responses", type=Path, required=True, metavar="JSONL", help=responses)
    alignment = "output: counts, and every mismatch"
    flags.add_argument("--alignment", type=Path, required=True, metavar="JSON", help=alignment)
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    contents = outputs.read_outputs(args.outputs)
    alignment = outputs.align(samples, contents.outputs)
    report = outputs.report(args.outputs, samples, contents, alignment)
    write_json(args.alignment, report)
    print("\n".join(map(terminal_text, outputs.report_lines(report))))
    outputs.check(report, args.unaligned, args.part)
    write_jsonl(args.responses, outputs.responses(samples, alignment))


if __name__ == "__main__":
    cli.run(main)
