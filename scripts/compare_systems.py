#!/usr/bin/env python3
"""Compare a system with a baseline on the same test samples: differences, 95 % intervals and p by paired bootstrap."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import write_json, write_text
from synth_empathy.evaluation import bootstrap
from synth_empathy.evaluation.metrics.base import PROTOCOLS
from synth_empathy.reporting import comparison_table


def main() -> None:
    """Parse flags, compare, write one JSON document and, where asked to, its table."""
    flags = cli.parser(__doc__)
    for side in ("system", "baseline"):
        flags.add_argument(
            f"--{side}",
            type=Path,
            nargs="+",
            required=True,
            metavar="FILE.jsonl",
            help=f"the {side}'s responses, a file a seed",
        )
        flags.add_argument(
            f"--{side}-bertscore", type=Path, nargs="*", default=[], metavar="FILE.json",
            help="their BERTScore by evaluate.py --bertscore-only, in the same order; none leaves BERTScore out",
        )  # fmt: skip
        flags.add_argument(
            f"--{side}-name", metavar="NAME", help=f"the {side}'s name in the result; its first file when not given"
        )
    flags.add_argument("--protocol", choices=PROTOCOLS, required=True, help="as of evaluate.py")
    flags.add_argument(
        "--draws", type=cli.count, default=1000, help="how often the test samples are drawn with replacement"
    )
    flags.add_argument("--seed", type=cli.seed, default=0, help="of the draws")
    flags.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="the comparison")
    flags.add_argument("--csv", type=Path, metavar="FILE.csv", help="the same as a table, one line a metric")
    flags.add_argument("--markdown", type=Path, metavar="FILE.md", help="the table to read")
    flags.add_argument("--note", help="a sentence under the heading of the Markdown")
    args = flags.parse_args()

    sides = {side: (getattr(args, side), getattr(args, f"{side}_bertscore")) for side in ("system", "baseline")}
    if args.system == args.baseline:
        raise UserError(
            f"{args.system[0]} is compared with itself", "give --system and --baseline different responses"
        )
    outputs = [read(side, *files, args.protocol) for side, files in sides.items()]
    found = bootstrap.compare(*outputs, args.protocol, args.draws, args.seed)
    names = {side: getattr(args, f"{side}_name") or str(sides[side][0][0]) for side in sides}
    about = {"test": bootstrap.TEST, "protocol": args.protocol, "draws": args.draws, "seed": args.seed}
    counts = {"seeds": {side: len(sides[side][0]) for side in sides}, "samples": len(outputs[0][0].ids)}
    document = names | about | counts | {"metrics": found}
    if args.csv:
        write_text(args.csv, comparison_table.as_csv(document, args.note))
    if args.markdown:
        write_text(args.markdown, comparison_table.as_markdown(document, args.note))
    write_json(args.output, document)
    for metric, entry in found.items():
        low, high = entry["interval"]
        means = f"{entry['system']['mean']:.2f} against {entry['baseline']['mean']:.2f}"
        print(
            f"{metric}: {means}, {low:+.2f} to {high:+.2f}, p = {entry['p']:.4f}, two-sided {entry['p_two_sided']:.4f}"
        )


def read(side: str, responses: list[Path], bertscores: list[Path], protocol: str) -> list[bootstrap.Output]:
    """One side's outputs, a seed each."""
    if bertscores and len(bertscores) != len(responses):
        raise UserError(
            f"--{side} has {len(responses)} files and --{side}-bertscore {len(bertscores)}",
            "give BERTScore of each of the responses, or of none",
        )
    return [
        bootstrap.read_output(path, bertscore, protocol)
        for path, bertscore in zip(responses, bertscores or [None] * len(responses))
    ]


if __name__ == "__main__":
    cli.run(main)
