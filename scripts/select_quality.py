#!/usr/bin/env python3
"""Keep the synthetic samples whose similarity passes the DK threshold (paper, section 3.2)."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl
from synth_empathy.selection import quality


def main() -> None:
    """Parse flags, join samples and similarities, write the samples that pass."""
    flags = cli.parser(__doc__)
    samples = "synthetic samples: id, history, response"
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help=samples)
    flags.add_argument("--similarity", type=Path, required=True, metavar="JSONL", help="id, similarity")
    flags.add_argument("--threshold", type=cli.percent, required=True, help="the DK threshold T, 0 to 100")
    rules = "greater: S > T, as in the paper; released: int(S) >= T, as in the authors' code"
    flags.add_argument("--rule", choices=quality.QUALITY_RULES, default="greater", help=rules)
    output = "the samples that pass, each with its similarity"
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help=output)
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    scores = quality.read_scores(args.similarity, samples)
    scored = [sample | {"similarity": score} for sample, score in zip(samples, scores, strict=True)]
    selected = quality.select_quality(scored, args.threshold, args.rule)
    write_jsonl(args.output, selected, code=provenance.code(__file__))
    print(f"{len(selected):,} of {len(samples):,} samples pass DK {args.threshold:g} ({args.rule})")


if __name__ == "__main__":
    cli.run(main)
