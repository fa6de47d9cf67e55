#!/usr/bin/env python3
"""Score responses: BLEU, Distinct, ROUGE, CIDEr, BERTScore and other metrics, all times 100 (paper, section 4.1.3)."""

import argparse
from pathlib import Path

from synth_empathy.core import cli, devices
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import read_test_ids, write_json
from synth_empathy.evaluation.metrics import base, registry, scoring


def main() -> None:
    """Parse flags, score the responses, write one JSON document."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--responses", type=Path, required=True, metavar="FILE.jsonl",
        help="one object a line with prediction and reference (and id)",
    )  # fmt: skip
    flags.add_argument(
        "--protocol", choices=base.PROTOCOLS, required=True,
        help="paper: as the paper's group computes; standard: library defaults",
    )  # fmt: skip
    flags.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="the scores")
    flags.add_argument(
        "--metrics", nargs="+", choices=list(registry.METRICS), metavar="NAME",
        help=f"of {', '.join(registry.METRICS)}; all of them when not given",
    )  # fmt: skip
    flags.add_argument("--no-bertscore", action="store_true", help="leave BERTScore out")
    flags.add_argument(
        "--bertscore-only", action="store_true",
        help="BERTScore alone, with the scores of every response (by_sample)",
    )  # fmt: skip
    for metric in registry.METRICS.values():
        metric.add_flags(flags)
    flags.add_argument(
        "--gpus", type=cli.count_or_none, default=0,
        help="GPUs that BERTScore counts on; refused where there are fewer",
    )  # fmt: skip
    flags.add_argument(
        "--test-ids", type=Path, metavar="JSON",
        help="the test samples' ids: refuse responses to others, or in another order",
    )  # fmt: skip
    flags.add_argument(
        "--subset", action="store_true",
        help="with --test-ids: samples may be lacking; the number scored is in the output",
    )  # fmt: skip
    args = flags.parse_args()

    if args.test_ids:
        scoring.check_test_set(args.responses, read_test_ids(args.test_ids), args.subset)
    devices.check_gpus(args.gpus)
    metrics = [registry.METRICS[name].from_flags(args) for name in chosen(args)]
    result = scoring.evaluate(args.responses, args.protocol, metrics, by_sample=args.bertscore_only)
    write_json(args.output, result)
    counts = f"{result['samples']:,} responses, {result['empty_predictions']['count']:,} of them empty"
    print(f"{args.output}: {counts}, {args.protocol} protocol")


def chosen(args: argparse.Namespace) -> list[str]:
    """The metrics that the flags ask for; BERTScore is left out only when the user says so.

    Raises:
        UserError: a flag asks for what another leaves out.
    """
    names = [name for name in registry.METRICS if name in (args.metrics or registry.METRICS)]
    asked = args.bertscore_model or args.bertscore_layer is not None or args.bertscore_baseline or args.bertscore_only
    if args.no_bertscore and asked:
        problem = "--no-bertscore leaves out what the other --bertscore flags ask for"
        raise UserError(problem, "give --no-bertscore or other --bertscore flags, not both")
    if asked and "bertscore" not in names:
        problem = f"--metrics {' '.join(names)} leaves out what the --bertscore flags ask for"
        raise UserError(problem, "add bertscore to --metrics, or leave the --bertscore flags out")
    if args.bertscore_only:
        return ["bertscore"]
    return [name for name in names if not (args.no_bertscore and name == "bertscore")]


if __name__ == "__main__":
    cli.run(main)
