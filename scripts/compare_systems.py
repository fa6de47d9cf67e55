#!/usr/bin/env python3
"""Compare a system with a baseline on the same test samples: differences, 95 % intervals and p by paired bootstrap."""

import argparse
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import write_text
from synth_empathy.core.json_files import write_json
from synth_empathy.evaluation import bootstrap
from synth_empathy.evaluation.metrics import PROTOCOLS
from synth_empathy.reporting import comparison_table


def main() -> None:
    """Parse flags, compare, write one JSON document and, if asked for, its table."""
    flags = cli.parser(__doc__)
    add_flags(flags)
    args = flags.parse_args()

    if args.system == args.baseline:
        problem = f"{args.system[0]} is compared with itself"
        raise UserError(problem, "give --system and --baseline different responses")
    systems = read("system", args.system, args.system_bertscore, args.protocol)
    baselines = read("baseline", args.baseline, args.baseline_bertscore, args.protocol)
    metrics = bootstrap.compare(systems, baselines, protocol=args.protocol, draws=args.draws, seed=args.seed)
    document = {
        "system": args.system_name or str(args.system[0]),
        "baseline": args.baseline_name or str(args.baseline[0]),
        "test": bootstrap.TEST,
        "protocol": args.protocol,
        "draws": args.draws,
        "seed": args.seed,
        "seeds": {"system": len(systems), "baseline": len(baselines)},
        "samples": len(systems[0].ids),
        "metrics": metrics,
    }
    if args.csv:
        write_text(args.csv, comparison_table.as_csv(document, args.note))
    if args.markdown:
        write_text(args.markdown, comparison_table.as_markdown(document, args.note))
    write_json(args.output, document)
    for name, entry in metrics.items():
        low, high = entry["interval"]
        means = f"{entry['system']['mean']:.2f} against {entry['baseline']['mean']:.2f}"
        p = f"p = {entry['p']:.4f}, two-sided {entry['p_two_sided']:.4f}"
        print(f"{name}: {means}, {low:+.2f} to {high:+.2f}, {p}")


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of both sides, the test and the outputs."""
    for side in ("system", "baseline"):
        responses = f"the {side}'s responses, a file a seed"
        flags.add_argument(f"--{side}", type=Path, nargs="+", required=True, metavar="FILE.jsonl", help=responses)
        bertscore = "their BERTScore by evaluate.py --bertscore-only, in the same order; none leaves BERTScore out"
        flags.add_argument(
            f"--{side}-bertscore", type=Path, nargs="*", default=[], metavar="FILE.json", help=bertscore
        )
        name = f"the {side}'s name in the result; default: its first file"
        flags.add_argument(f"--{side}-name", metavar="NAME", help=name)
    flags.add_argument("--protocol", choices=PROTOCOLS, required=True, help="as of evaluate.py")
    draws = "how often the test samples are drawn with replacement"
    flags.add_argument("--draws", type=cli.count, default=1000, help=draws)
    flags.add_argument("--seed", type=cli.seed, default=0, help="of the draws")
    flags.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="the comparison")
    flags.add_argument("--csv", type=Path, metavar="FILE.csv", help="the same as a table, one line a metric")
    flags.add_argument("--markdown", type=Path, metavar="FILE.md", help="the table for readers")
    flags.add_argument("--note", help="a sentence under the heading of the Markdown, and in each line of the CSV")


def read(side: str, responses: list[Path], bertscores: list[Path], protocol: str) -> list[bootstrap.Output]:
    """One side's outputs, a seed each.

    Raises:
        UserError: there is BERTScore of some responses only, or as of ``bootstrap.read_output``.
    """
    if bertscores and len(bertscores) != len(responses):
        problem = f"--{side} has {len(responses)} files and --{side}-bertscore {len(bertscores)}"
        raise UserError(problem, "give the BERTScore of all responses, or of none")
    pairs = zip(responses, bertscores or [None] * len(responses))
    return [bootstrap.read_output(path, bertscore, protocol) for path, bertscore in pairs]


if __name__ == "__main__":
    cli.run(main)
