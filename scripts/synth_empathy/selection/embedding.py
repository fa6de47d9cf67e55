"""Texts to unit vectors by sentence-transformers, the file that holds them, and the similarity of two texts.

gte-Qwen2, the paper's embedding model, needs two corrections; both are made and checked here.
"""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

from ..core import cli
from ..core.errors import UserError
from ..core.files import check_seal, sealed_path, unreadable
from ..core.json_files import read_json
from ..core.model_folder import open_model
from ..core.records import TEXT, Record, read_jsonl
from ..core.resumable import FinishedChunks

#: Texts that are tokenized at once to count their tokens.
TOKENISED = 4096
#: Pairs whose similarity is computed at once, in float64.
PAIRS = 1024
#: Types of the embeddings file. float16 halves it; docs/performance.md has its effect on similarities.
STORAGE = ("float16", "float32")
#: What numpy raises on a damaged .npy file, whose header is a Python literal and whose shape is a size to map.
BAD_NPY = (ValueError, EOFError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError, RecursionError)
BAD_NPY += (BadZipFile,)
REMAKE_BOTH = "run embed_texts.py again; its outputs belong together"

# Texts to vectors


def load_embedder(folder: Path, dtype: str):
    """A SentenceTransformer from a model folder.

    gte-Qwen2-7B-instruct attends in both directions, but only its remote code arranges that, and this code fails with
    today's transformers. Plain transformers runs the model causally, so that its embeddings are wrong without any
    error. Therefore the native Qwen2 is loaded and its causal flag is cleared after loading, because clearing it in
    the configuration that is passed in has no effect. ``make_bidirectional`` checks on a text that the flag works.

    Args:
        dtype: float32, or bfloat16 for gte (its activations overflow float16).
    """
    import torch
    from sentence_transformers import SentenceTransformer

    open_model(folder)
    embedder = SentenceTransformer(
        str(folder), model_kwargs={"dtype": getattr(torch, dtype)}, local_files_only=True, trust_remote_code=False
    )
    if read_json(folder / "config.json").get("model_type") == "qwen2":
        make_bidirectional(embedder)
        append_end_token(embedder, read_json(folder / "tokenizer_config.json"))
    open_model(folder)  # checks again: the files must not have changed while they were loaded
    return embedder


def make_bidirectional(embedder) -> None:
    """Clear the causal flag of a Qwen2 embedder, and check that this changes its embeddings.

    Raises:
        UserError: the embeddings stay the same: this transformers release ignores the flag.
    """
    probe = ["the order of attention decides what this sentence becomes"]
    transformer = embedder[0].auto_model
    set_causal(transformer, True)  # the model's own configuration may already have cleared it
    causal = embedder.encode(probe, convert_to_numpy=True)
    set_causal(transformer, False)
    embedder.tokenizer.padding_side = "left"
    bidirectional = embedder.encode(probe, convert_to_numpy=True)
    if np.allclose(causal, bidirectional, atol=1e-3):
        problem = "the embedding model still attends causally after its causal flag was cleared"
        hint = "use the transformers release of the lock in envs/, or another model (config.yaml, scoring: model)"
        raise UserError(f"{problem}, so its embeddings would be wrong", hint)


def set_causal(transformer, causal: bool) -> None:
    """Set a transformer's causal flag: in its configuration, which decides the mask, and in each attention layer."""
    transformer.config.is_causal = causal
    for module in transformer.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = causal


def append_end_token(embedder, tokenizer_settings: Record) -> None:
    """Append the end token to each text if tokenizer_config.json asks for it: its state is the text's embedding.

    gte-Qwen2's remote code appends it. transformers 5 ignores ``add_eos_token`` of tokenizer_config.json.

    Raises:
        UserError: the texts still do not end in the end token.
    """
    if not tokenizer_settings.get("add_eos_token"):
        return
    embedder.tokenizer.add_eos_token = True
    if embedder.tokenizer("a text")["input_ids"][-1] != embedder.tokenizer.eos_token_id:
        problem = "the embedding model's tokenizer does not append the end token that its settings ask for"
        raise UserError(problem, "use the transformers release of the lock in envs/")


def batches_by_tokens(embedder, texts: list[str], prompt_name: str | None, batch_tokens: int) -> list[list[int]]:
    """Row numbers in batches of similar length, the longest first.

    Similar lengths need the least padding. With the longest first, memory runs out in the first batch or never.

    Args:
        prompt_name: the model's own prompt that precedes each text ("query" for gte), or None.
        batch_tokens: the most tokens in a batch, padding included; a longer text has a batch of its own.

    Raises:
        UserError: the model has no such prompt.
    """
    lengths = token_counts(embedder, texts, prompt_name)
    batches: list[list[int]] = []
    for row in sorted(range(len(texts)), key=lambda row: (-lengths[row], row)):
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > batch_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


def token_counts(embedder, texts: list[str], prompt_name: str | None) -> list[int]:
    """How many tokens the model reads of each text, its prompt included.

    Raises:
        UserError: the model has no such prompt.
    """
    if prompt_name is not None and prompt_name not in embedder.prompts:
        known = ", ".join(embedder.prompts) or "none"
        problem = f"the embedding model has no prompt {prompt_name!r} (it has: {known})"
        raise UserError(problem, "correct scoring: prompt_name in the configuration")
    prompt = embedder.prompts[prompt_name] if prompt_name else ""
    counts: list[int] = []
    for start in range(0, len(texts), TOKENISED):
        prompted = [prompt + text for text in texts[start : start + TOKENISED]]
        tokens = embedder.tokenizer(prompted, truncation=True, max_length=embedder.max_seq_length)
        counts += map(len, tokens["input_ids"])
    return counts


def embed_batch(embedder, texts: list[str], prompt_name: str | None) -> np.ndarray:
    """Unit vectors of texts in one pass of the model, float32, of shape (texts, dimensions).

    Raises:
        UserError: an embedding is zero or not finite.
    """
    options = {"batch_size": len(texts), "show_progress_bar": False, "convert_to_numpy": True}
    return normalised(embedder.encode(texts, prompt_name=prompt_name, **options), texts)


def embed(embedder, texts: list[str], prompt_name: str | None, batch_tokens: int) -> np.ndarray:
    """Unit vectors of texts, float32, of shape (texts, dimensions), in memory.

    Args, raises: as ``batches_by_tokens`` and ``embed_batch``.
    """
    batches = batches_by_tokens(embedder, texts, prompt_name, batch_tokens)
    parts = []
    for batch in batches:
        parts.append(embed_batch(embedder, [texts[row] for row in batch], prompt_name))
    embedded = np.concatenate(parts)
    vectors = np.empty_like(embedded)
    vectors[np.concatenate(batches)] = embedded
    return vectors


def embed_to_file(
    embedder,
    texts: list[str],
    *,
    prompt_name: str | None,
    batch_tokens: int,
    chunks: FinishedChunks,
    output: Path,
    storage: str,
    code: dict[str, str] | None = None,
) -> None:
    """Embed texts into a ``.npy`` matrix, one row per text, and resume where an interrupted run stopped.

    A chunk is a number of batches, and is on the disk before the next one begins. Which texts share a batch depends
    only on the texts and ``batch_tokens``, so that an interruption changes no byte.

    Args:
        chunks: where finished chunks are kept. They stay there, for the caller to clear when all its outputs exist.
        storage: the matrix's type, float16 or float32.
        code: the code that makes the matrix, for its seal.

    Raises:
        UserError: as ``batches_by_tokens`` and ``embed_batch``.
    """
    batches = batches_by_tokens(embedder, texts, prompt_name, batch_tokens)
    groups = grouped(batches, chunks.size)
    unfinished = [number for number in range(len(groups)) if not chunks.has(number)]
    remaining = [(number, batch) for number in unfinished for batch in groups[number]]
    print(f"{len(texts):,} texts in {len(groups):,} chunks, {len(groups) - len(unfinished):,} finished before")
    what = f"embedding batches of up to {batch_tokens:,} tokens"
    vectors: list[np.ndarray] = []
    for number, batch in cli.progress(remaining, len(remaining), what):
        vectors.append(embed_batch(embedder, [texts[row] for row in batch], prompt_name))
        if len(vectors) == len(groups[number]):
            chunks.save(number, np.concatenate(vectors).astype(storage))
            vectors = []
    with sealed_path(output, code) as partial:
        shape = (len(texts), chunks.load(0).shape[1])
        matrix = np.lib.format.open_memmap(partial, mode="w+", dtype=storage, shape=shape)
        for number, group in enumerate(groups):
            matrix[np.concatenate(group)] = chunks.load(number)
        matrix.flush()


def grouped(batches: list[list[int]], size: int) -> list[list[list[int]]]:
    """Consecutive batches in groups of at least ``size`` rows; the last group may be smaller."""
    groups: list[list[list[int]]] = []
    for batch in batches:
        if not groups or sum(map(len, groups[-1])) >= size:
            groups.append([])
        groups[-1].append(batch)
    return groups


def normalised(vectors: np.ndarray, texts: list[str]) -> np.ndarray:
    """Rows scaled to length 1, in float32.

    Raises:
        UserError: a row is zero or holds NaN or infinity. The message quotes the first such text.
    """
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if bad.size:
        problem = f"{bad.size} of {len(texts)} embeddings are zero or not finite; the first is of {texts[bad[0]]!r}"
        hint = "use bfloat16 or float32 instead of float16 for the embedding model, and look for empty texts"
        raise UserError(problem, hint)
    return (vectors / lengths[:, None]).astype(np.float32)


# Texts and embeddings in files


def distinct(texts: list[str]) -> list[str]:
    """Each text once, in lexical order, so that a text's row does not depend on the order of the files."""
    return sorted(set(texts))


def read_texts(path: Path) -> list[Record]:
    """The texts of an embeddings file (``records.TEXT``), in the order of the rows.

    Raises:
        UserError: the file is invalid, a text occurs twice, or the row numbers are not 0, 1, 2, ...
    """
    texts = read_jsonl(path, TEXT, unique="text")
    for row, record in enumerate(texts):
        if record["row"] != row:
            problem = f"{path}, line {row + 1}: row {record['row']} is in the place of row {row}"
            raise UserError(problem, REMAKE_BOTH)
    return texts


def row_of(texts: list[Record]) -> dict[str, int]:
    """The row number of each text of ``read_texts``."""
    return {record["text"]: record["row"] for record in texts}


def rows_for(rows: dict[str, int], texts: list[str]) -> list[int]:
    """Row numbers of texts.

    Args:
        rows: the row number of each embedded text, of ``row_of``.

    Raises:
        UserError: a text was not embedded.
    """
    missing = [text for text in texts if text not in rows]
    if missing:
        problem = f"{len(missing)} texts have no embedding; the first is {missing[0]!r}"
        raise UserError(problem, "run embed_texts.py on these samples and responses")
    return [rows[text] for text in texts]


def load_embeddings(path: Path, rows: int | None = None) -> np.ndarray:
    """A ``.npy`` matrix of embeddings, memory-mapped.

    Args:
        rows: how many rows it must have; not checked when None.

    Raises:
        UserError: the file is missing or damaged, has another number of rows, or holds no matrix of float16, float32
            or float64 in this machine's byte order.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist", REMAKE_BOTH)
    check_seal(path)
    try:
        matrix = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        raise unreadable(path, error) from None
    except BAD_NPY as error:
        raise UserError(f"{path} is no .npy array: {error}", REMAKE_BOTH) from None
    if not isinstance(matrix, np.ndarray):
        raise UserError(f"{path} is an archive of arrays, not one .npy array", REMAKE_BOTH)
    floating = matrix.dtype in (np.float16, np.float32, np.float64) and matrix.dtype.isnative
    if matrix.ndim != 2 or matrix.shape[1] == 0 or not floating:
        problem = f"{path} holds {matrix.dtype} of shape {matrix.shape}, not a matrix of floating numbers"
        raise UserError(problem, REMAKE_BOTH)
    if rows is not None and len(matrix) != rows:
        raise UserError(f"{path} has {len(matrix)} rows for {rows} texts", REMAKE_BOTH)
    return matrix


# Similarity


def similarities(embeddings: np.ndarray, predictions: list[int], references: list[int]) -> np.ndarray:
    """Cosine x 100 of pairs of rows (paper, section 3.2, steps 2 and 3), float64, of shape (pairs,).

    Args:
        embeddings: shape (rows, dimensions), of any length except zero; may be memory-mapped.
        predictions, references: row numbers of the pairs.

    Raises:
        UserError: a cosine is not finite, because an embedding is zero or not finite.
    """
    scores = np.empty(len(predictions))
    for start in range(0, len(predictions), PAIRS):
        part = slice(start, start + PAIRS)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            scores[part] = cosines(embeddings[predictions[part]], embeddings[references[part]])
    bad = np.flatnonzero(~np.isfinite(scores))
    if bad.size:
        problem = f"{bad.size} of {len(scores)} similarities are not finite; the first is that of pair {bad[0] + 1}"
        raise UserError(problem, "run embed_texts.py again: an embedding is zero or not finite")
    return scores


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine x 100 of corresponding rows, float64, of shape (rows,).

    Args:
        left, right: shape (rows, dimensions), of any length except zero.
    """
    a, b = left.astype(np.float64), right.astype(np.float64)
    return 100 * np.einsum("ij,ij->i", a, b) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
