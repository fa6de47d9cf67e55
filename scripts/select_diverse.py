#!/usr/bin/env python3
"""Keep a diverse share of the samples by k-center greedy (paper, section 3.3), or by a control of the same size."""

from pathlib import Path

import numpy as np

from synth_empathy import cli, embedding, prompts, provenance, selection
from synth_empathy.records import SAMPLE, read_jsonl, write_json, write_jsonl


def main() -> None:
    """Parse flags, select rows; with --samples write the samples, else the row numbers."""
    flags = cli.parser(__doc__ + " With --samples and --texts it selects among samples; without, among all rows of the embeddings.")
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help="embeddings, a row a text")
    flags.add_argument("--samples", type=Path, metavar="JSONL", help="the samples to select from: id, history, response")
    flags.add_argument("--texts", type=Path, metavar="JSONL", help="row, text: which row of the embeddings is which sample's")
    methods = "kcenter: the paper's; random: a draw of the same size; none: every row"
    flags.add_argument("--method", choices=["kcenter", "random", "none"], default="kcenter", help=methods)
    flags.add_argument(
        "--ratio", type=cli.probability, default=0.9, help="the share to keep, above 0 and at most 1 (0.9 is in the authors' code, not in the paper)"
    )
    flags.add_argument("--seed", type=cli.seed, default=0, help="draws the first row of k-center, or the random rows")
    rules = "seeded: k-center's first row counts among the chosen; released: it is left out, as in the authors' code"
    flags.add_argument("--rule", choices=selection.DIVERSITY_RULES, default="seeded", help=rules)
    flags.add_argument("--metric", choices=selection.METRICS, default="euclidean", help="what far means; Euclidean is the released one")
    flags.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="the order is the same on both")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    flags.add_argument("--output", type=Path, required=True, help="the selected samples with their rank (JSONL), or the row numbers in order of choice (JSON)")
    args = flags.parse_args()
    if bool(args.samples) != bool(args.texts):
        flags.error("--samples and --texts go together")

    import torch

    torch.set_num_threads(args.threads)
    how = {"rule": args.rule, "metric": args.metric, "device": args.device}
    if args.samples:
        samples = read_jsonl(args.samples, SAMPLE)
        texts = embedding.read_texts(args.texts)
        matrix = embedding.load_embeddings(args.embeddings, rows=len(texts))
        rows = np.array(embedding.rows_for(embedding.row_of(texts), [prompts.flat_sample(sample) for sample in samples]))
        chosen = selection.select_rows(matrix, args.method, args.ratio, args.seed, rows, **how)
        ranked = (samples[row] | {"rank": rank} for rank, row in enumerate(chosen))
        write_jsonl(args.output, ranked, code=provenance.code(__file__))
        print(f"{len(chosen):,} of {len(samples):,} samples selected by {args.method}")
    else:
        matrix = embedding.load_embeddings(args.embeddings)
        chosen = selection.select_rows(matrix, args.method, args.ratio, args.seed, **how)
        write_json(args.output, chosen)
        print(f"{len(chosen):,} of {len(matrix):,} rows selected by {args.method}")


if __name__ == "__main__":
    cli.run(main)
