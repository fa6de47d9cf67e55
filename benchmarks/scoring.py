#!/usr/bin/env python3
"""Embedding and scoring pairs of responses: batched, against two texts a call; and what smaller types do to the similarity S."""

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.core.records import SAMPLE, read_jsonl
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.selection import embedding, quality


def main() -> None:
    """Parse flags, time both ways on the same pairs, compare types."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--model", type=Path, default="models/all-minilm-l6-v2", metavar="DIR", help="the embedding model's folder"
    )
    flags.add_argument(
        "--samples",
        type=Path,
        default="results/demo/ed/train.jsonl",
        metavar="JSONL",
        help="samples whose turns make the pairs' texts",
    )
    flags.add_argument("--pairs", type=cli.count, default=3000, metavar="N", help="pairs of responses to score")
    flags.add_argument(
        "--calls",
        type=cli.count,
        default=500,
        metavar="N",
        help="pairs that are timed at two texts a call; each call costs the same",
    )
    flags.add_argument("--batch-tokens", type=cli.count, default=4096, help="the most tokens embedded together")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    args = flags.parse_args()

    import torch

    torch.set_num_threads(args.threads)
    pairs = made_pairs(args.samples, args.pairs)
    texts = embedding.distinct([text for pair in pairs for text in pair])
    print(
        f"{len(pairs):,} pairs of {np.mean([len(text.split()) for text in texts]):.1f} words a text, {len(texts):,} distinct, {args.threads} threads"
    )
    embedder = embedding.load_embedder(args.model, "float32")
    exact, batched = scored(embedder, pairs, texts, args.batch_tokens, "float32")
    start = time.perf_counter()
    alone = [two_texts_a_call(embedder, pair) for pair in pairs[: args.calls]]
    slow = (time.perf_counter() - start) * len(pairs) / args.calls
    print(f"batched:          {batched:7.1f} s, {len(texts) / batched:,.0f} texts/s")
    print(
        f"two texts a call: {slow:7.1f} s ({args.calls} calls timed); batched is {slow / batched:.1f} times as fast (aim: 4)"
    )
    least = products_seconds(embedder, texts)
    print(
        f"the model's matrix products:  at least {least:.1f} s in float32 on these cores, {least / batched:.0%} of the batched time"
    )
    print(f"largest difference of S between the two: {np.abs(exact[: args.calls] - alone).max():.6f}")
    stored, _ = scored(embedder, pairs, texts, args.batch_tokens, "float16")
    tell("float16 embeddings file", stored, exact)
    half, seconds = scored(embedding.load_embedder(args.model, "bfloat16"), pairs, texts, args.batch_tokens, "float32")
    print(
        f"bfloat16 weights: {seconds:7.1f} s, {batched / seconds:.1f} times as fast as float32, {slow / seconds:.1f} times as two texts a call"
    )
    tell("bfloat16 weights", half, exact)


def made_pairs(path: Path, count: int) -> list[tuple[str, str]]:
    """Pairs of seeded texts, each 5 to 19 words that follow one another in the samples: as long as ED's responses, and hardly any twice."""
    words = " ".join(
        turn for sample in read_jsonl(path, SAMPLE) for turn in (*sample["history"], sample["response"])
    ).split()
    draw = random.Random(0)

    def text() -> str:
        start = draw.randrange(len(words) - 19)
        return " ".join(words[start : start + draw.randint(5, 19)])

    return [(text(), text()) for _ in range(count)]


def scored(
    embedder, pairs: list[tuple[str, str]], texts: list[str], batch_tokens: int, storage: str
) -> tuple[np.ndarray, float]:
    """S of each pair by the steps' own functions, through the embeddings file, and the seconds it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.npy"
        chunks = FinishedChunks(Path(folder), "embed", {}, 1024)
        embedding.embed_to_file(embedder, texts, None, batch_tokens, chunks, path, storage)
        row = {text: place for place, text in enumerate(texts)}
        left, right = ([row[pair[side]] for pair in pairs] for side in (0, 1))
        found = quality.similarities(embedding.load_embeddings(path), left, right)
    return found, time.perf_counter() - start


def products_seconds(embedder, texts: list[str]) -> float:
    """What bounds it: the multiplications of the model's linear layers for these tokens, at the speed of one large matrix product."""
    import torch

    weights = sum(module.weight.numel() for module in embedder.modules() if isinstance(module, torch.nn.Linear))
    tokens = sum(map(len, embedder.tokenizer(texts)["input_ids"]))
    left, right = torch.randn(4096, 384), torch.randn(384, 1536)
    start = time.perf_counter()
    for _ in range(20):
        left @ right
    return tokens * weights / (20 * left.shape[0] * right.numel() / (time.perf_counter() - start))


def two_texts_a_call(embedder, pair: tuple[str, str]) -> float:
    """S of one pair as the released code finds it: its two texts embedded together, nothing else with them."""
    left, right = embedder.encode(list(pair), show_progress_bar=False)
    return float(quality.cosines(left[None], right[None])[0])


def tell(name: str, found: np.ndarray, exact: np.ndarray) -> None:
    """One line: how far S moves, and how many pairs change sides at a threshold."""
    threshold = np.median(exact)
    moved = int(((found > threshold) != (exact > threshold)).sum())
    off = np.abs(found - exact)
    print(
        f"{name}: S moves by {off.mean():.4f} on average, {off.max():.4f} at most; {moved} of {len(exact):,} pairs change sides at the median"
    )


if __name__ == "__main__":
    cli.run(main)
