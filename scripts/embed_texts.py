#!/usr/bin/env python3
"""Embed samples as whole dialogues, and pairs of responses, whose similarity is their score (paper, section 3.2)."""

import argparse
from pathlib import Path

import numpy as np

from synth_empathy.core import cli, devices, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import REMAKE, remove_outputs
from synth_empathy.core.model_folder import DTYPES, fingerprint, open_model
from synth_empathy.core.records import RESPONSE, SAMPLE, Record, read_jsonl, write_jsonl
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.data import prompts
from synth_empathy.selection import embedding


def main() -> None:
    """Parse flags; write each distinct text with its row, the embeddings, and the similarities of the responses."""
    flags = parser()
    args = flags.parse_args()
    if bool(args.responses) != bool(args.similarity):
        flags.error("--responses and --similarity go together")
    devices.check_gpus(args.gpus)

    samples = read_jsonl(args.samples, SAMPLE)
    responses = read_jsonl(args.responses, RESPONSE) if args.responses else []
    texts = distinct_texts(samples, responses)
    if args.responses and not responses:
        raise UserError(f"{args.responses} holds no response, so that there is nothing to score", REMAKE)
    if not texts:
        hint = "make it again from a split or a selection that has samples"
        raise UserError(f"{args.samples} holds no sample, so that there is nothing to embed", hint)
    outputs = [args.texts, args.embeddings, args.similarity]
    remove_outputs(*filter(None, outputs))
    code = provenance.code(__file__)
    write_jsonl(args.texts, ({"row": row, "text": text} for row, text in enumerate(texts)), code=code)
    chunks = FinishedChunks(args.state, "embed", what_decides(args, texts), args.chunk_texts)
    embedding.embed_to_file(
        embedding.load_embedder(args.model, args.dtype),
        texts,
        prompt_name=args.prompt_name,
        batch_tokens=args.batch_tokens,
        chunks=chunks,
        output=args.embeddings,
        storage=args.storage,
        code=code,
    )
    if responses:
        write_jsonl(args.similarity, similarities(responses, texts, args.embeddings), code=code)
    chunks.clear()  # with every output in place, since Snakemake removes them all if one is missing


def parser() -> argparse.ArgumentParser:
    """The script's flags."""
    flags = cli.parser(__doc__)
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    responses = "the discriminator's responses to them: id, prediction, reference; none when not given"
    flags.add_argument("--responses", type=Path, metavar="JSONL", help=responses)
    flags.add_argument("--model", type=Path, required=True, metavar="DIR", help="the embedding model's folder")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="the type of the model's weights")
    prompt = "the model's own prompt that precedes each text (gte: query); none when not given"
    flags.add_argument("--prompt-name", help=prompt)
    tokens = "the most tokens in a batch, padding included"
    flags.add_argument("--batch-tokens", type=cli.count, default=4096, help=tokens)
    chunk = "texts after which finished embeddings are saved, in whole batches; an interruption costs at most these"
    flags.add_argument("--chunk-texts", type=cli.count, default=1024, help=chunk)
    storage = "the type of the embeddings file"
    flags.add_argument("--storage", choices=embedding.STORAGE, default="float32", help=storage)
    gpus = "GPUs that the step needs; it stops if there are fewer"
    flags.add_argument("--gpus", type=cli.count_or_none, default=0, help=gpus)
    threads = "CPU threads; another number may change the last bits of an embedding"
    flags.add_argument("--threads", type=cli.count, default=2, help=threads)
    state = "the folder for finished chunks of unfinished runs (results/RUN/.state)"
    flags.add_argument("--state", type=Path, required=True, metavar="DIR", help=state)
    flags.add_argument("--texts", type=Path, required=True, metavar="JSONL", help="output: row, text")
    matrix = "output: unit vectors, one row per text"
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help=matrix)
    scores = "output, with --responses: id, similarity (cosine x 100 of prediction and reference)"
    flags.add_argument("--similarity", type=Path, metavar="JSONL", help=scores)
    return flags


def distinct_texts(samples: list[Record], responses: list[Record]) -> list[str]:
    """The texts to embed: samples as whole dialogues, and both texts of each response."""
    texts = [prompts.flat_sample(sample) for sample in samples]
    for response in responses:
        texts += [response["prediction"], response["reference"]]
    distinct = embedding.distinct(texts)
    print(f"{len(texts):,} texts, {len(distinct):,} distinct")
    return distinct


def similarities(responses: list[Record], texts: list[str], embeddings: Path) -> list[Record]:
    """The similarity of each response's two texts (``records.SIMILARITY``), by the embeddings file."""
    matrix = embedding.load_embeddings(embeddings, rows=len(texts))
    row_of = {text: row for row, text in enumerate(texts)}
    predictions = [row_of[response["prediction"]] for response in responses]
    references = [row_of[response["reference"]] for response in responses]
    scores = embedding.similarities(matrix, predictions, references)
    quartiles = ", ".join(f"{value:.1f}" for value in np.percentile(scores, [0, 25, 50, 75, 100]))
    print(f"{len(scores):,} similarities; minimum, quartiles and maximum: {quartiles}")
    return [{"id": row["id"], "similarity": float(score)} for row, score in zip(responses, scores, strict=True)]


def what_decides(args: argparse.Namespace, texts: list[str]) -> dict:
    """Everything that decides an embedding, and which texts share its chunk. Sets torch's threads."""
    import torch

    torch.set_num_threads(args.threads)
    open_model(args.model)
    facts = {
        "model": fingerprint(args.model),
        "how": [args.dtype, args.prompt_name, args.batch_tokens, args.storage, args.threads],
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "texts": provenance.sha256_json(texts),
        "code": provenance.code(__file__),
        "versions": provenance.versions("torch", "transformers", "sentence-transformers"),
    }
    return provenance.deciding(facts)


if __name__ == "__main__":
    cli.run(main)
