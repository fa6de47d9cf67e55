#!/usr/bin/env python3
"""How often the two p-values of a comparison are below 5 % where two systems are equally good: at 5 % of the times they should be."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.evaluation import bootstrap


def main() -> None:
    """Parse flags, draw differences without a difference, count."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--comparisons", type=cli.count, default=4000, metavar="N", help="comparisons of two equally good systems"
    )
    flags.add_argument(
        "--samples",
        type=cli.count,
        default=500,
        metavar="N",
        help="test samples of each, with normally distributed differences",
    )
    flags.add_argument("--draws", type=cli.count, default=500, metavar="N", help="draws of the test samples")
    flags.add_argument(
        "--seed", type=int, default=0, help="of the differences; each comparison's draws have its number as seed"
    )
    args = flags.parse_args()

    random = np.random.default_rng(args.seed)
    below = {"p": 0, "p_two_sided": 0}
    for trial in range(args.comparisons):
        differences = random.normal(size=args.samples)
        draws = (
            np.concatenate([counts @ differences for counts in bootstrap.drawn(args.samples, args.draws, trial)])
            / args.samples
        )
        below["p"] += bootstrap.p_value(draws, differences.mean()) < 0.05
        below["p_two_sided"] += bootstrap.p_two_sided(draws, differences.mean()) < 0.05
    print(f"{args.comparisons:,} comparisons of equally good systems, {args.samples} samples, {args.draws} draws")
    for name, count in below.items():
        print(f"{name} below 0.05: {count / args.comparisons:.1%}")


if __name__ == "__main__":
    cli.run(main)
