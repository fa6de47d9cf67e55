#!/usr/bin/env python3
"""Score responses: BLEU, Distinct, ROUGE, CIDEr, BERTScore and added metrics, all times 100 (paper, section 4.1.3)."""

import argparse
from pathlib import Path

from synth_empathy.core import cli, devices
from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import read_test_ids
from synth_empathy.evaluation.metrics import METRICS, PROTOCOLS, scoring


def main() -> None:
    """Parse flags, score the responses, write one JSON document."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--responses", type=Path, required=True, metavar="FILE.jsonl",
        help="one object a line with prediction and reference (and id)",
    )  # fmt: skip
    flags.add_argument(
        "--protocol", choices=PROTOCOLS, required=True,
        help="paper: as the paper's group computes them; standard: library defaults",
    )  # fmt: skip
    flags.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="the scores")
    flags.add_argument(
        "--metrics", nargs="+", choices=list(METRICS), metavar="NAME",
        help=f"one or more of {', '.join(METRICS)}; default: all",
    )  # fmt: skip
    flags.add_argument("--no-bertscore", action="store_true", help="leave BERTScore out")
    flags.add_argument(
        "--bertscore-only", action="store_true",
        help="BERTScore only, with the scores of every response (by_sample)",
    )  # fmt: skip
    for metric in METRICS.values():
        metric.add_flags(flags)
    flags.add_argument(
        "--gpus", type=cli.count_or_none, default=0,
        help="GPUs that BERTScore needs; fewer are an error",
    )  # fmt: skip
    flags.add_argument(
        "--test-ids", type=Path, metavar="JSON",
        help="the test samples' ids; responses to other samples, or in another order, are refused",
    )  # fmt: skip
    flags.add_argument(
        "--subset", action="store_true",
        help="with --test-ids: samples may be missing; the output has the number scored",
    )  # fmt: skip
    args = flags.parse_args()

    if args.test_ids:
        scoring.check_test_set(args.responses, read_test_ids(args.test_ids), args.subset)
    devices.check_gpus(args.gpus)
    metrics = [METRICS[name].from_flags(args) for name in chosen(args)]
    result = scoring.evaluate(args.responses, args.protocol, metrics, by_sample=args.bertscore_only)
    write_json(args.output, result)
    counts = f"{result['samples']:,} responses, {result['empty_predictions']['count']:,} of them empty"
    print(f"{args.output}: {counts}, {args.protocol} protocol")


def chosen(args: argparse.Namespace) -> list[str]:
    """The metrics that the flags ask for. BERTScore is left out only if the user says so.

    Raises:
        UserError: one flag asks for a metric that another leaves out.
    """
    names = [name for name in METRICS if name in (args.metrics or METRICS)]
    has_layer = args.bertscore_layer is not None
    wants_bertscore = args.bertscore_model or has_layer or args.bertscore_baseline or args.bertscore_only
    if args.no_bertscore and wants_bertscore:
        problem = "--no-bertscore leaves out what the other --bertscore flags ask for"
        raise UserError(problem, "give --no-bertscore or other --bertscore flags, not both")
    if wants_bertscore and "bertscore" not in names:
        problem = f"--metrics {' '.join(names)} leaves out what the --bertscore flags ask for"
        raise UserError(problem, "add bertscore to --metrics, or leave the --bertscore flags out")
    if args.bertscore_only:
        return ["bertscore"]
    return [name for name in names if not (args.no_bertscore and name == "bertscore")]


if __name__ == "__main__":
    cli.run(main)
