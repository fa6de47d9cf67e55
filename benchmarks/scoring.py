#!/usr/bin/env python3
"""Embedding and scoring of pairs of responses: batches against two texts a call, and smaller types against float32."""

import argparse
import random
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.core.records import SAMPLE, read_jsonl
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.selection import embedding, quality

Pair = tuple[str, str]


def main() -> None:
    """Parse flags, score the same pairs in both ways, then with smaller types."""
    args = parse_flags()

    import torch

    torch.set_num_threads(args.threads)
    pairs = make_pairs(args.samples, args.pairs)
    texts = embedding.distinct(list(chain.from_iterable(pairs)))
    words = np.mean([len(text.split()) for text in texts])
    print(f"{len(pairs):,} pairs of {words:.1f} words a text, {len(texts):,} distinct, {args.threads} threads")
    embedder = embedding.load_embedder(args.model, "float32")
    exact, batched = score(embedder, pairs, args.batch_tokens)
    alone, one_by_one = score_two_texts_a_call(embedder, pairs, args.calls)
    print(f"batched:          {batched:7.1f} s, {len(texts) / batched:,.0f} texts/s")
    ratio = f"batched is {one_by_one / batched:.1f} times as fast (target: 4)"
    print(f"two texts a call: {one_by_one:7.1f} s ({args.calls} calls timed); {ratio}")
    least = products_seconds(embedder, texts)
    share = f"{least / batched:.0%} of the batched time"
    print(f"the model's matrix products:  at least {least:.1f} s in float32 on these cores, {share}")
    print(f"largest difference of S between the two: {np.abs(exact[: args.calls] - alone).max():.6f}")

    stored, _ = score(embedder, pairs, args.batch_tokens, storage="float16")
    compare("float16 embeddings file", stored, exact)
    half, seconds = score(embedding.load_embedder(args.model, "bfloat16"), pairs, args.batch_tokens)
    ratios = f"{batched / seconds:.1f} times as fast as float32, {one_by_one / seconds:.1f} times as two texts a call"
    print(f"bfloat16 weights: {seconds:7.1f} s, {ratios}")
    compare("bfloat16 weights", half, exact)


def parse_flags() -> argparse.Namespace:
    """The flags of this benchmark."""
    flags = cli.parser(__doc__)
    model_help = "the embedding model's folder"
    flags.add_argument("--model", type=Path, default="models/all-minilm-l6-v2", metavar="DIR", help=model_help)
    samples, samples_help = "results/demo/ed/train.jsonl", "samples whose turns make up the texts of the pairs"
    flags.add_argument("--samples", type=Path, default=samples, metavar="JSONL", help=samples_help)
    flags.add_argument("--pairs", type=cli.count, default=3000, metavar="N", help="pairs of responses to score")
    calls_help = "pairs that are timed at two texts a call; each call costs the same"
    flags.add_argument("--calls", type=cli.count, default=500, metavar="N", help=calls_help)
    tokens_help = "the largest number of tokens embedded together"
    flags.add_argument("--batch-tokens", type=cli.count, default=4096, help=tokens_help)
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    return flags.parse_args()


def make_pairs(path: Path, count: int) -> list[Pair]:
    """Pairs of seeded texts, each of 5 to 19 consecutive words of the samples.

    They are as long as ED's responses, and hardly any text occurs twice.
    """
    turns = chain.from_iterable([*sample["history"], sample["response"]] for sample in read_jsonl(path, SAMPLE))
    words = " ".join(turns).split()
    draw = random.Random(0)

    def text() -> str:
        start = draw.randrange(len(words) - 19)
        return " ".join(words[start : start + draw.randint(5, 19)])

    return [(text(), text()) for _ in range(count)]


def score(embedder, pairs: list[Pair], batch_tokens: int, storage: str = "float32") -> tuple[np.ndarray, float]:
    """S of each pair, by the functions of the steps and through an embeddings file, and the seconds that it took."""
    texts = embedding.distinct(list(chain.from_iterable(pairs)))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.npy"
        chunks = FinishedChunks(Path(folder), "embed", {}, 1024)
        embedding.embed_to_file(
            embedder,
            texts,
            prompt_name=None,
            batch_tokens=batch_tokens,
            chunks=chunks,
            output=path,
            storage=storage,
        )
        row = {text: place for place, text in enumerate(texts)}
        left = [row[prediction] for prediction, _ in pairs]
        right = [row[reference] for _, reference in pairs]
        scores = quality.similarities(embedding.load_embeddings(path), left, right)
    return scores, time.perf_counter() - start


def score_two_texts_a_call(embedder, pairs: list[Pair], calls: int) -> tuple[np.ndarray, float]:
    """S of the first pairs as the released code computes it, each pair embedded on its own.

    Returns:
        S of the pairs that were timed, and the seconds that all pairs would take.
    """
    start = time.perf_counter()
    scores = []
    for pair in pairs[:calls]:
        left, right = embedder.encode(list(pair), show_progress_bar=False)
        scores.append(float(quality.cosines(left[None], right[None])[0]))
    return np.array(scores), (time.perf_counter() - start) * len(pairs) / calls


def products_seconds(embedder, texts: list[str]) -> float:
    """A lower bound: seconds to multiply by all weights of linear layers, at the speed of one large matrix product."""
    import torch

    weights = sum(module.weight.numel() for module in embedder.modules() if isinstance(module, torch.nn.Linear))
    tokens = sum(map(len, embedder.tokenizer(texts)["input_ids"]))
    left, right = torch.randn(4096, 384), torch.randn(384, 1536)
    start = time.perf_counter()
    for _ in range(20):
        left @ right
    return tokens * weights / (20 * left.shape[0] * right.numel() / (time.perf_counter() - start))


def compare(name: str, scores: np.ndarray, exact: np.ndarray) -> None:
    """Print how far S moves, and how many pairs change sides at the median."""
    threshold = np.median(exact)
    moved = int(((scores > threshold) != (exact > threshold)).sum())
    errors = np.abs(scores - exact)
    print(
        f"{name}: S moves by {errors.mean():.4f} on average, {errors.max():.4f} at most; "
        f"{moved} of {len(exact):,} pairs change sides at the median"
    )


if __name__ == "__main__":
    cli.run(main)
