#!/usr/bin/env python3
"""Embed every distinct text of the selection once: both responses, for similarity, and the dialogue, for diversity."""

from pathlib import Path

import numpy as np

from synth_empathy import cli, embedding, prompts
from synth_empathy.models import DTYPES
from synth_empathy.records import RESPONSE, SAMPLE, atomic_path, read_jsonl, write_jsonl


def main() -> None:
    """Parse flags, embed, write texts with their row numbers and the matrix."""
    flags = cli.parser(__doc__)
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help="synthetic samples: id, history, response")
    flags.add_argument("--responses", type=Path, metavar="JSONL", help="the discriminator's answers: id, prediction, reference; without, dialogues alone")
    flags.add_argument("--model", type=Path, required=True, metavar="DIR", help="the embedding model's folder")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="the weights' type")
    flags.add_argument("--prompt-name", help="the model's own prompt to put before each text (gte: query); none when not given")
    flags.add_argument("--batch-size", type=int, default=32, help="texts embedded together")
    flags.add_argument("--threads", type=int, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument("--texts", type=Path, required=True, metavar="JSONL", help="row, text")
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help="unit vectors, float32, a row a text")
    args = flags.parse_args()

    samples = read_jsonl(args.samples, SAMPLE)
    responses = read_jsonl(args.responses, RESPONSE) if args.responses else []
    wanted = [text for response in responses for text in (response["prediction"], response["reference"])]
    wanted += [prompts.flat_sample(sample) for sample in samples]
    texts = embedding.distinct(wanted)
    print(f"{len(wanted):,} texts, {len(texts):,} distinct")

    import torch

    torch.set_num_threads(args.threads)
    matrix = embedding.embed(embedding.load_embedder(args.model, args.dtype), texts, args.prompt_name, args.batch_size)
    with atomic_path(args.embeddings) as partial, open(partial, "wb") as file:
        np.save(file, matrix, allow_pickle=False)
    write_jsonl(args.texts, ({"row": row, "text": text} for row, text in enumerate(texts)))
    print(f"{matrix.shape[0]:,} embeddings of {matrix.shape[1]} dimensions")


if __name__ == "__main__":
    cli.run(main)
