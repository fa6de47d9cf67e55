#!/usr/bin/env python3
"""How often the two p-values of a comparison are below 5 % for equally good systems. A valid test gives 5 %."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.evaluation import bootstrap


def main() -> None:
    """Parse flags, draw differences whose true mean is 0, count the p-values below 5 %."""
    flags = cli.parser(__doc__)
    comparisons_help = "comparisons of two equally good systems"
    flags.add_argument("--comparisons", type=cli.count, default=4000, metavar="N", help=comparisons_help)
    samples_help = "test samples of each comparison, with normally distributed differences"
    flags.add_argument("--samples", type=cli.count, default=500, metavar="N", help=samples_help)
    flags.add_argument("--draws", type=cli.count, default=500, metavar="N", help="draws of the test samples")
    seed_help = "seed of the differences; the draws of a comparison have its number as their seed"
    flags.add_argument("--seed", type=int, default=0, help=seed_help)
    args = flags.parse_args()

    random = np.random.default_rng(args.seed)
    below = {"p": 0, "p_two_sided": 0}
    for trial in range(args.comparisons):
        differences = random.normal(size=args.samples)
        parts = [counts @ differences for counts in bootstrap.drawn(args.samples, args.draws, trial)]
        draws = np.concatenate(parts) / args.samples
        below["p"] += bootstrap.p_value(draws, differences.mean()) < 0.05
        below["p_two_sided"] += bootstrap.p_two_sided(draws, differences.mean()) < 0.05
    print(f"{args.comparisons:,} comparisons of equally good systems, {args.samples} samples, {args.draws} draws")
    for name, count in below.items():
        print(f"{name} below 0.05: {count / args.comparisons:.1%}")


if __name__ == "__main__":
    cli.run(main)
