#!/usr/bin/env python3
"""Embed every distinct text once: samples as whole dialogues, for diversity; both responses, for similarity."""

from pathlib import Path

from synth_empathy.core import cli, devices, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import DTYPES, fingerprint, open_model
from synth_empathy.core.records import RESPONSE, SAMPLE, read_jsonl, remove_outputs, write_jsonl
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.data import prompts
from synth_empathy.selection import embedding


def main() -> None:
    """Parse flags, embed what is not embedded yet, write texts with their row numbers and the matrix."""
    flags = cli.parser(__doc__)
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    flags.add_argument(
        "--responses",
        type=Path,
        metavar="JSONL",
        help="the discriminator's answers to them: id, prediction, reference; none when not given",
    )
    flags.add_argument("--model", type=Path, required=True, metavar="DIR", help="the embedding model's folder")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="the weights' type")
    flags.add_argument(
        "--prompt-name", help="the model's own prompt to put before each text (gte: query); none when not given"
    )
    flags.add_argument(
        "--batch-tokens", type=cli.count, default=4096, help="the most tokens embedded together, padding included"
    )
    flags.add_argument(
        "--chunk-texts",
        type=cli.count,
        default=1024,
        help="finished embeddings are kept after so many texts, in whole batches; an interruption costs no more",
    )
    flags.add_argument(
        "--storage", choices=embedding.STORAGE, default="float32", help="the type of the embeddings file"
    )
    flags.add_argument(
        "--gpus", type=cli.count_or_none, default=0, help="GPUs that the step counts on; refused where there are fewer"
    )
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for finished chunks of unfinished runs (results/RUN/.state)",
    )
    flags.add_argument("--texts", type=Path, required=True, metavar="JSONL", help="row, text")
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help="unit vectors, a row a text")
    args = flags.parse_args()
    devices.check_gpus(args.gpus)

    wanted = [prompts.flat_sample(sample) for sample in read_jsonl(args.samples, SAMPLE)]
    responses = read_jsonl(args.responses, RESPONSE) if args.responses else []
    wanted += [text for response in responses for text in (response["prediction"], response["reference"])]
    texts = embedding.distinct(wanted)
    if not texts:
        raise UserError(
            f"{args.samples} holds no sample, so that there is nothing to embed",
            "make it again from a split or a selection that has samples",
        )
    print(f"{len(wanted):,} texts, {len(texts):,} distinct")
    remove_outputs(args.texts, args.embeddings)
    code = provenance.code(__file__)
    write_jsonl(args.texts, ({"row": row, "text": text} for row, text in enumerate(texts)), code=code)
    chunks = FinishedChunks(args.state, "embed", what_decides(args, texts), args.chunk_texts)
    embedder = embedding.load_embedder(args.model, args.dtype)
    embedding.embed_to_file(
        embedder,
        texts,
        prompt_name=args.prompt_name,
        batch_tokens=args.batch_tokens,
        chunks=chunks,
        output=args.embeddings,
        storage=args.storage,
        code=code,
    )


def what_decides(args, texts: list[str]) -> dict:
    """Everything that decides an embedding, and which texts share its chunk; sets torch's threads."""
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
