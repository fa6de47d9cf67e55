#!/usr/bin/env python3
"""Time embedding and scoring of pairs of responses, in batches and two texts a call; measure smaller types' errors."""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.core.records import SAMPLE, read_jsonl
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.selection import embedding

#: Words of the longest text.
LONGEST = 19


def main() -> None:
    """Parse flags, time both ways on the same pairs, compare types."""
    args = parser().parse_args()

    import torch

    torch.set_num_threads(args.threads)
    pairs = random_pairs(args.samples, args.pairs)
    workload = Workload(pairs, embedding.distinct([text for pair in pairs for text in pair]), args.batch_tokens)
    texts = workload.texts
    words = np.mean([len(text.split()) for text in texts])
    print(f"{len(pairs):,} pairs of {words:.1f} words a text, {len(texts):,} distinct, {args.threads} threads")
    embedder = embedding.load_embedder(args.model, "float32")
    exact, batched = workload.score(embedder, "float32")
    start = time.perf_counter()
    alone = [two_texts_a_call(embedder, pair) for pair in pairs[: args.calls]]
    slow = (time.perf_counter() - start) * len(pairs) / args.calls
    print(f"batched:          {batched:7.1f} s, {len(texts) / batched:,.0f} texts/s")
    ratio = f"batched is {slow / batched:.1f} times as fast (aim: 4)"
    print(f"two texts a call: {slow:7.1f} s ({args.calls} calls timed); {ratio}")
    least = products_seconds(embedder, texts)
    share = f"{least / batched:.0%} of the batched time"
    print(f"the model's matrix products:  at least {least:.1f} s in float32 on these cores, {share}")
    print(f"largest difference of S between the two: {np.abs(exact[: args.calls] - alone).max():.6f}")
    stored, _ = workload.score(embedder, "float16")
    print_error("float16 embeddings file", stored, exact)
    half, seconds = workload.score(embedding.load_embedder(args.model, "bfloat16"), "float32")
    ratios = f"{batched / seconds:.1f} times as fast as float32, {slow / seconds:.1f} times as two texts a call"
    print(f"bfloat16 weights: {seconds:7.1f} s, {ratios}")
    print_error("bfloat16 weights", half, exact)


def parser() -> argparse.ArgumentParser:
    """The benchmark's flags."""
    flags = cli.parser(__doc__)
    model = "the embedding model's folder"
    flags.add_argument("--model", type=Path, default="models/all-minilm-l6-v2", metavar="DIR", help=model)
    samples = "samples from whose turns the texts are made"
    flags.add_argument("--samples", type=Path, default="results/demo/ed/train.jsonl", metavar="JSONL", help=samples)
    flags.add_argument("--pairs", type=cli.count, default=3000, metavar="N", help="pairs of responses to score")
    calls = "pairs that are timed at two texts a call; the time of the others is extrapolated"
    flags.add_argument("--calls", type=cli.count, default=500, metavar="N", help=calls)
    flags.add_argument("--batch-tokens", type=cli.count, default=4096, help="the most tokens in a batch")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    return flags


def random_pairs(path: Path, count: int) -> list[tuple[str, str]]:
    """Seeded pairs of texts, each 5 to 19 consecutive words of samples: as long as ED's responses, rarely equal."""
    turns = []
    for sample in read_jsonl(path, SAMPLE):
        turns += [*sample["history"], sample["response"]]
    words = " ".join(turns).split()
    draw = random.Random(0)

    def text() -> str:
        start = draw.randrange(len(words) - LONGEST)
        return " ".join(words[start : start + draw.randint(5, LONGEST)])

    return [(text(), text()) for _ in range(count)]


@dataclass
class Workload:
    """Pairs of texts to score.

    Attributes:
        texts: their distinct texts.
        batch_tokens: the most tokens in a batch.
    """

    pairs: list[tuple[str, str]]
    texts: list[str]
    batch_tokens: int

    def score(self, embedder, storage: str) -> tuple[np.ndarray, float]:
        """S of each pair by the functions of embed_texts.py, with an embeddings file; and the seconds it takes."""
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "embeddings.npy"
            chunks = FinishedChunks(Path(folder), "embed", {}, 1024)
            options = {"prompt_name": None, "batch_tokens": self.batch_tokens, "storage": storage}
            embedding.embed_to_file(embedder, self.texts, chunks=chunks, output=path, **options)
            row_of = {text: row for row, text in enumerate(self.texts)}
            left = [row_of[pair[0]] for pair in self.pairs]
            right = [row_of[pair[1]] for pair in self.pairs]
            scores = embedding.similarities(embedding.load_embeddings(path), left, right)
        return scores, time.perf_counter() - start


def products_seconds(embedder, texts: list[str]) -> float:
    """A lower bound: the products of the model's linear layers for these tokens, at the speed of one large product."""
    import torch

    weights = sum(module.weight.numel() for module in embedder.modules() if isinstance(module, torch.nn.Linear))
    tokens = sum(map(len, embedder.tokenizer(texts)["input_ids"]))
    left, right = torch.randn(4096, 384), torch.randn(384, 1536)
    start = time.perf_counter()
    for _ in range(20):
        left @ right
    return tokens * weights / (20 * left.shape[0] * right.numel() / (time.perf_counter() - start))


def two_texts_a_call(embedder, pair: tuple[str, str]) -> float:
    """S of one pair as in the authors' code, which embeds the two texts together and nothing else with them."""
    left, right = embedder.encode(list(pair), show_progress_bar=False)
    return float(embedding.cosines(left[None], right[None])[0])


def print_error(name: str, scores: np.ndarray, exact: np.ndarray) -> None:
    """One line: how far S differs, and for how many pairs the median as a threshold gives another result."""
    threshold = np.median(exact)
    changed = int(((scores > threshold) != (exact > threshold)).sum())
    error = np.abs(scores - exact)
    sides = f"{changed} of {len(exact):,} pairs change sides at the median"
    print(f"{name}: S differs by {error.mean():.4f} on average, {error.max():.4f} at most; {sides}")


if __name__ == "__main__":
    cli.run(main)
