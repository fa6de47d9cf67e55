#!/usr/bin/env python3
"""Score responses: BLEU, Distinct, ROUGE, CIDEr and BERTScore, all times 100 (paper, section 4.1.3)."""

import argparse
from pathlib import Path

from synth_empathy import cli, devices, metrics
from synth_empathy.errors import UserError
from synth_empathy.metrics import bertscore
from synth_empathy.records import write_json


def main() -> None:
    """Parse flags, score the responses, write one JSON document."""
    flags = cli.parser(__doc__)
    flags.add_argument("--responses", type=Path, required=True, metavar="FILE.jsonl", help="one object a line with prediction and reference (and id)")
    flags.add_argument("--protocol", choices=sorted(metrics.PROTOCOLS), required=True, help="paper: as the paper's group computes; standard: library defaults")
    flags.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="the scores")
    flags.add_argument("--no-bertscore", action="store_true", help="leave BERTScore out")
    flags.add_argument("--bertscore-only", action="store_true", help="BERTScore alone, with the scores of every response (by_sample)")
    flags.add_argument("--bertscore-model", type=Path, metavar="DIR", help="local folder of BERTScore's model; only roberta-large is reported as bert_*")
    flags.add_argument("--bertscore-layer", type=cli.count, metavar="N", help="the layer to compare; 17 for roberta-large when not given")
    flags.add_argument("--bertscore-baseline", type=Path, metavar="FILE", help="rescale with this table (LAYER,P,R,F); roberta-large has bert-score's own")
    flags.add_argument("--gpus", type=cli.count_or_none, default=0, help="GPUs that BERTScore counts on; refused where there are fewer")
    flags.add_argument("--test-ids", type=Path, metavar="JSON", help="the test samples' ids: refuse responses to others, or in another order")
    flags.add_argument("--subset", action="store_true", help="with --test-ids: samples may be lacking; the number scored is in the output")
    args = flags.parse_args()

    if args.test_ids:
        metrics.check_test_set(args.responses, metrics.read_test_ids(args.test_ids), args.subset)
    devices.check_gpus(args.gpus)
    model = bertscore_model(args)
    score = metrics.evaluate_bertscore if args.bertscore_only else metrics.evaluate
    result = score(args.responses, args.protocol, model)
    write_json(args.output, result)
    print(f"{args.output}: {result['samples']:,} responses, {result['empty_predictions']['count']:,} of them empty, {args.protocol} protocol")


def bertscore_model(args: argparse.Namespace) -> bertscore.Model | None:
    """What the flags say of BERTScore; it is left out only when the user says so."""
    if args.no_bertscore:
        if args.bertscore_model or args.bertscore_layer is not None or args.bertscore_baseline or args.bertscore_only:
            raise UserError("--no-bertscore leaves out what the other --bertscore flags ask for", "give --no-bertscore or other --bertscore flags, not both")
        return None
    if args.bertscore_model is None:
        raise UserError("BERTScore has no model", bertscore.USE_MODEL)
    return bertscore.choose(args.bertscore_model, args.bertscore_layer, args.bertscore_baseline)


if __name__ == "__main__":
    cli.run(main)
