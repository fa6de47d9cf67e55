#!/usr/bin/env python3
"""Keep a diverse share of the samples by k-center greedy (paper, section 3.3), or by another diversity selection."""

import argparse
from pathlib import Path

import numpy as np

from synth_empathy.core import cli, provenance
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import SAMPLE, Record, read_jsonl, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.selection import diversity, embedding, quality


def main() -> None:
    """Parse flags, select rows; write the samples with --samples, and the row numbers without."""
    flags = parser()
    args = flags.parse_args()
    if bool(args.samples) != bool(args.texts):
        flags.error("--samples and --texts go together")
    if args.scores and not args.samples:
        flags.error("--scores needs --samples: scores are found by the samples' ids")

    import torch

    torch.set_num_threads(args.threads)
    if args.samples:
        samples = read_jsonl(args.samples, SAMPLE)
        chosen = select_samples(samples, args)
        ranked = (samples[row] | {"rank": rank} for rank, row in enumerate(chosen))
        write_jsonl(args.output, ranked, code=provenance.code(__file__))
        print(f"{len(chosen):,} of {len(samples):,} samples selected by {args.method}")
    else:
        matrix = embedding.load_embeddings(args.embeddings)
        chosen = select(matrix, args)
        write_json(args.output, chosen)
        print(f"{len(chosen):,} of {len(matrix):,} rows selected by {args.method}")


def parser() -> argparse.ArgumentParser:
    """The script's flags."""
    flags = cli.parser(f"{__doc__} Selects from samples with --samples and --texts, and from all rows without.")
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help="embeddings, one row per text")
    samples = "the samples to select from: id, history, response"
    flags.add_argument("--samples", type=Path, metavar="JSONL", help=samples)
    texts = "row, text: the row of each sample's text in the embeddings"
    flags.add_argument("--texts", type=Path, metavar="JSONL", help=texts)
    known = diversity.SELECTIONS
    methods = "; ".join(f"{name}: {known[name].summary}" for name in known)
    flags.add_argument("--method", choices=list(known), default=diversity.K_CENTER, help=methods)
    ratio = "the share to keep, above 0 and at most 1 (0.9 is in the authors' code, not in the paper)"
    flags.add_argument("--ratio", type=cli.probability, default=0.9, help=ratio)
    seed = "the seed of what the method draws: k-center's first row, random rows"
    flags.add_argument("--seed", type=cli.seed, default=0, help=seed)
    rules = "seeded: k-center's first row is one of the chosen; released: it is left out, as in the authors' code"
    flags.add_argument("--rule", choices=diversity.RULES, default="seeded", help=rules)
    distance = "k-center's distance; euclidean is that of the authors' code"
    flags.add_argument("--distance", choices=diversity.DISTANCES, default="euclidean", help=distance)
    flags.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="the order is the same on both")
    quality.add_score_flags(flags)
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    output = "the selected samples with their rank (JSONL), or the row numbers in the order of choice (JSON)"
    flags.add_argument("--output", type=Path, required=True, help=output)
    return flags


def select_samples(samples: list[Record], args: argparse.Namespace) -> list[int]:
    """The numbers of the selected samples, in the order of choice."""
    texts = embedding.read_texts(args.texts)
    matrix = embedding.load_embeddings(args.embeddings, rows=len(texts))
    sample_texts = [prompts.flat_sample(sample) for sample in samples]
    rows = np.array(embedding.rows_for(embedding.row_of(texts), sample_texts))
    scores = None
    if args.scores:
        scores = np.array(quality.read_scores(args.scores, samples, args.scorer, args.lower_is_better))
    return select(matrix, args, rows=rows, scores=scores)


def select(matrix: np.ndarray, args: argparse.Namespace, **points: np.ndarray | None) -> list[int]:
    """The points that the method selects, with the options of the command line.

    Args:
        points: ``rows`` and ``scores`` of ``diversity.select_rows``.
    """
    options = {"rule": args.rule, "distance": args.distance, "device": args.device}
    return diversity.select_rows(matrix, args.method, args.ratio, args.seed, **points, **options)


if __name__ == "__main__":
    cli.run(main)
