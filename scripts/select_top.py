#!/usr/bin/env python3
"""Keep so many samples with the best scores: a quality selection by size, so that selections can be compared."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl
from synth_empathy.selection import scorers
from synth_empathy.systems import SIMILARITY


def main() -> None:
    """Parse flags, join samples and scores, write the best in the samples' order."""
    flags = cli.parser(f"{__doc__} Among equal scores the lower id wins.")
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    scorers.add_flags(flags, required=True)
    flags.add_argument("--size", type=cli.count, required=True, metavar="N", help="how many samples to keep")
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="the samples kept, with scores")
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    scores = scorers.scores_of(samples, args)
    field, sign = (SIMILARITY if args.scorer == SIMILARITY else "score"), (-1 if args.lower_is_better else 1)
    scored = [sample | {field: sign * score} for sample, score in zip(samples, scores, strict=True)]
    kept = scorers.best(scored, scores, args.size)
    write_jsonl(args.output, kept, code=provenance.code(__file__))
    print(f"the {len(kept):,} best of {len(samples):,} samples by {args.scorer}")


if __name__ == "__main__":
    cli.run(main)
