#!/usr/bin/env python3
"""Keep the synthetic samples whose similarity to the discriminator's answer passes the DK threshold (paper, section 3.2)."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import SAMPLE, SIMILARITY, read_jsonl, write_jsonl
from synth_empathy.selection import quality


def main() -> None:
    """Parse flags, join samples and similarities, write those above the threshold."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--samples", type=Path, required=True, metavar="JSONL", help="synthetic samples: id, history, response"
    )
    flags.add_argument("--similarity", type=Path, required=True, metavar="JSONL", help="id, similarity")
    flags.add_argument("--threshold", type=cli.percent, required=True, help="the DK threshold T, 0 to 100")
    rules = "greater: S > T, as the paper; released: int(S) >= T, as the authors' code"
    flags.add_argument("--rule", choices=quality.QUALITY_RULES, default="greater", help=rules)
    flags.add_argument(
        "--output", type=Path, required=True, metavar="JSONL", help="the samples kept, each with its similarity"
    )
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    similarity = {record["id"]: record["similarity"] for record in read_jsonl(args.similarity, SIMILARITY)}
    lacking = [sample["id"] for sample in samples if sample["id"] not in similarity]
    if lacking:
        raise UserError(
            f"{len(lacking)} samples have no similarity; the first is {lacking[0]}",
            "run score_similarity.py on answers to these samples",
        )
    scored = [sample | {"similarity": similarity[sample["id"]]} for sample in samples]
    kept = quality.select_quality(scored, args.threshold, args.rule)
    write_jsonl(args.output, kept, code=provenance.code(__file__))
    print(f"{len(kept):,} of {len(samples):,} samples pass DK {args.threshold:g} ({args.rule})")


if __name__ == "__main__":
    cli.run(main)
