#!/usr/bin/env python3
"""Draw as many samples as another selection keeps: the ablation without quality selection (paper, Table 3)."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl
from synth_empathy.selection import quality


def main() -> None:
    """Parse flags, draw, write the samples in their order."""
    flags = cli.parser(f"{__doc__} The paper does not say how many samples it drew: docs/deviations.md.")
    samples = "all synthetic samples: id, history, response"
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help=samples)
    selected = "the samples that the quality selection keeps"
    flags.add_argument("--as-many-as", type=Path, required=True, metavar="JSONL", help=selected)
    flags.add_argument("--seed", type=cli.seed, default=0, help="the draw's seed")
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="the samples that are drawn")
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    size = len(read_jsonl(args.as_many_as, SAMPLE))
    drawn = quality.draw_samples(samples, size, args.seed)
    write_jsonl(args.output, drawn, code=provenance.code(__file__))
    print(f"{len(drawn):,} of {len(samples):,} samples drawn")


if __name__ == "__main__":
    cli.run(main)
