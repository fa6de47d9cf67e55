#!/usr/bin/env python3
"""Read another system's outputs on ED's test split (a results.txt, or JSON Lines) into our responses, aligned by content."""

from pathlib import Path

from synth_empathy.baselines import outputs
from synth_empathy.core import cli
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.records import SAMPLE, read_jsonl, write_json, write_jsonl


def main() -> None:
    """Parse flags, align, say what does not belong together, write the responses unless it is too much."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--outputs",
        type=Path,
        required=True,
        metavar="FILE",
        help="results.txt, or .jsonl with prediction and reference, perhaps context",
    )
    flags.add_argument(
        "--samples", type=Path, required=True, metavar="JSONL", help="our test samples: id, history, response"
    )
    flags.add_argument(
        "--unaligned",
        type=cli.share,
        default=0.0,
        metavar="SHARE",
        help="mismatches that are taken, as a share of the test samples",
    )
    flags.add_argument(
        "--part",
        action="store_true",
        help="the samples are a part of the test split: outputs for the rest are no mismatch",
    )
    flags.add_argument("--responses", type=Path, required=True, metavar="JSONL", help="id, prediction, reference")
    flags.add_argument(
        "--alignment", type=Path, required=True, metavar="JSON", help="what belongs together, and every mismatch"
    )
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    read = outputs.read_outputs(args.outputs)
    alignment = outputs.align(samples, read.outputs)
    found = outputs.report(args.outputs, samples, read, alignment)
    write_json(args.alignment, found)
    print("\n".join(map(terminal_text, outputs.lines_of(found))))
    outputs.check(found, args.unaligned, args.part)
    write_jsonl(args.responses, outputs.responses(samples, alignment))


if __name__ == "__main__":
    cli.run(main)
