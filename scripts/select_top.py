#!/usr/bin/env python3
"""Keep the N samples with the best scores: a quality selection by size, so that selections can be compared."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl
from synth_empathy.selection import quality


def main() -> None:
    """Parse flags, join samples and scores, write the best samples in the samples' order."""
    flags = cli.parser(f"{__doc__} Of equal scores the lower id is chosen.")
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    quality.add_score_flags(flags, required=True)
    flags.add_argument("--size", type=cli.count, required=True, metavar="N", help="how many samples to keep")
    output = "the samples that are kept, each with its score"
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help=output)
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    scores = quality.read_scores(args.scores, samples, args.scorer, args.lower_is_better)
    field = quality.SIMILARITY if args.scorer == quality.SIMILARITY else "score"
    sign = -1 if args.lower_is_better else 1
    scored = [sample | {field: sign * score} for sample, score in zip(samples, scores, strict=True)]
    selected = quality.select_top(scored, scores, args.size)
    write_jsonl(args.output, selected, code=provenance.code(__file__))
    print(f"the {len(selected):,} best of {len(samples):,} samples by {args.scorer}")


if __name__ == "__main__":
    cli.run(main)
