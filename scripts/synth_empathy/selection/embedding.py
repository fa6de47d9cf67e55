"""Texts to unit vectors, by sentence-transformers, with the traps of gte-Qwen2 handled and checked."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

from ..core import cli
from ..core.errors import UserError
from ..core.model_folder import open_model
from ..core.records import TEXT, Record, check_seal, read_json, read_jsonl, sealed_path, unreadable
from ..core.resumable import FinishedChunks

#: Texts given to the tokenizer at once when lengths are counted.
TOKENISED = 4096
#: Types an embeddings file may have. float16 halves it; docs/performance.md says what it does to similarities.
STORAGE = ("float16", "float32")
#: What numpy raises on a damaged .npy file: its header is a Python literal, and its shape a size to map.
BAD_NPY = (ValueError, EOFError, TypeError, SyntaxError, TokenError, OverflowError, MemoryError, RecursionError)
BAD_NPY += (BadZipFile,)
REMAKE_BOTH = "run embed_texts.py again; its two outputs belong together"


def load_embedder(folder: Path, dtype: str):
    """A SentenceTransformer from a model folder.

    gte-Qwen2-7B-instruct attends in both directions, which only its remote code arranges; plain transformers would
    run it causally and give wrong embeddings without a word. Its remote code in turn fails on today's transformers.
    So the native Qwen2 is loaded and its causal flag is cleared after loading (clearing it in the configuration that
    is passed in has no effect), and ``assert_bidirectional`` proves on a text that it took effect.

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
    open_model(folder)  # the files that were loaded are those that were checked, unless they changed meanwhile
    return embedder


def make_bidirectional(embedder) -> None:
    """Clear the causal flag of a Qwen2 embedder and prove that its embeddings change by it.

    Raises:
        UserError: they do not, so that this transformers release ignores the flag.
    """
    probe = ["the order of attention decides what this sentence becomes"]
    transformer = embedder[0].auto_model
    set_causal(transformer, True)  # the model's own configuration may have cleared it already
    causal = embedder.encode(probe, convert_to_numpy=True)
    set_causal(transformer, False)
    embedder.tokenizer.padding_side = "left"
    both = embedder.encode(probe, convert_to_numpy=True)
    if np.allclose(causal, both, atol=1e-3):
        raise UserError(
            "the embedding model still attends causally after its causal flag was cleared, so its embeddings would be wrong",
            "use the transformers release of the lock in envs/, or embed with another model (config.yaml, scoring: model)",
        )


def set_causal(transformer, causal: bool) -> None:
    """Set the causal flag of a transformer: the configuration's, which its mask follows, and each attention layer's."""
    transformer.config.is_causal = causal
    for module in transformer.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = causal


def append_end_token(embedder, tokenizer_settings: Record) -> None:
    """End each text with the end token where the tokenizer's own settings ask for it: its embedding is the pooled one.

    gte-Qwen2's remote code does so; transformers 5 leaves ``add_eos_token`` of tokenizer_config.json unread.

    Raises:
        UserError: the texts still do not end in it.
    """
    if not tokenizer_settings.get("add_eos_token"):
        return
    embedder.tokenizer.add_eos_token = True
    if embedder.tokenizer("a text")["input_ids"][-1] != embedder.tokenizer.eos_token_id:
        raise UserError(
            "the embedding model's tokenizer does not append the end token that its settings ask for",
            "use the transformers release of the lock in envs/",
        )


def batches_by_tokens(embedder, texts: list[str], prompt_name: str | None, batch_tokens: int) -> list[list[int]]:
    """Row numbers in batches of like length, the longest first: least padding, and memory runs out at once or never.

    Args:
        prompt_name: the model's own prompt to put before each text ("query" for gte), or None.
        batch_tokens: the most tokens in a batch, padding included; a longer text has a batch of its own.

    Raises:
        UserError: the model has no such prompt.
    """
    if prompt_name is not None and prompt_name not in embedder.prompts:
        known = ", ".join(embedder.prompts) or "none"
        raise UserError(
            f"the embedding model has no prompt {prompt_name!r} (it has: {known})",
            "correct scoring: prompt_name in the configuration",
        )
    prompt = embedder.prompts[prompt_name] if prompt_name else ""
    lengths = []
    for start in range(0, len(texts), TOKENISED):
        asked = [prompt + text for text in texts[start : start + TOKENISED]]
        lengths += map(
            len, embedder.tokenizer(asked, truncation=True, max_length=embedder.max_seq_length)["input_ids"]
        )
    batches: list[list[int]] = []
    for row in sorted(range(len(texts)), key=lambda row: (-lengths[row], row)):
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > batch_tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


def embed_batch(embedder, texts: list[str], prompt_name: str | None) -> np.ndarray:
    """Unit vectors of texts in one pass of the model, float32, of shape (texts, dimensions).

    Raises:
        UserError: an embedding is zero or not finite.
    """
    found = embedder.encode(
        texts, prompt_name=prompt_name, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True
    )
    return normalised(found, texts)


def embed(embedder, texts: list[str], prompt_name: str | None, batch_tokens: int) -> np.ndarray:
    """Unit vectors of texts, float32, of shape (texts, dimensions), in memory.

    Args, raises: as ``batches_by_tokens`` and ``embed_batch``.
    """
    batches = batches_by_tokens(embedder, texts, prompt_name, batch_tokens)
    found = np.concatenate([embed_batch(embedder, [texts[row] for row in batch], prompt_name) for batch in batches])
    vectors = np.empty_like(found)
    vectors[np.concatenate(batches)] = found
    return vectors


def embed_to_file(
    embedder,
    texts: list[str],
    prompt_name: str | None,
    batch_tokens: int,
    chunks: FinishedChunks,
    output: Path,
    storage: str,
    code: dict[str, str] | None = None,
) -> None:
    """Embed texts into a ``.npy`` matrix, a row a text, going on where an interrupted run stopped.

    Batches are gathered into chunks, and a chunk is on the disk before the next begins. Which texts share a batch
    depends on the texts and ``batch_tokens`` alone, so that an interruption changes no byte.

    Args:
        chunks: where finished chunks are kept; cleared when the output is in place.
        storage: the matrix's type, float16 or float32.
        code: the code that makes it, for its seal.
    """
    batches = batches_by_tokens(embedder, texts, prompt_name, batch_tokens)
    groups = grouped(batches, chunks.size)
    lacking = [number for number in range(len(groups)) if not chunks.has(number)]
    left = [(number, batch) for number in lacking for batch in groups[number]]
    print(f"{len(texts):,} texts in {len(groups):,} chunks, {len(groups) - len(lacking):,} finished before")
    vectors: list[np.ndarray] = []
    for number, batch in cli.progress(left, len(left), f"embedding batches of up to {batch_tokens:,} tokens"):
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
    chunks.clear()


def grouped(batches: list[list[int]], size: int) -> list[list[list[int]]]:
    """Consecutive batches in groups of at least ``size`` rows, the last one of what is left."""
    groups: list[list[list[int]]] = []
    for batch in batches:
        if not groups or sum(map(len, groups[-1])) >= size:
            groups.append([])
        groups[-1].append(batch)
    return groups


def normalised(vectors: np.ndarray, texts: list[str]) -> np.ndarray:
    """Rows scaled to length 1, in float32.

    Raises:
        UserError: a row is zero or holds NaN or infinity; names the text.
    """
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if bad.size:
        raise UserError(
            f"{bad.size} of {len(texts)} embeddings are zero or not finite; the first is of {texts[bad[0]]!r}",
            "use bfloat16 or float32 rather than float16 for the embedding model, and look for empty texts",
        )
    return (vectors / lengths[:, None]).astype(np.float32)


def distinct(texts: list[str]) -> list[str]:
    """Each text once, in lexical order, so that its row does not depend on which file it came from first."""
    return sorted(set(texts))


def read_texts(path: Path) -> list[Record]:
    """The texts of an embeddings file, ``records.TEXT``: each once, and in the order of the rows.

    Raises:
        UserError: the file is bad, a text stands twice, or a row stands in another place than its own.
    """
    texts = read_jsonl(path, TEXT, unique="text")
    for row, record in enumerate(texts):
        if record["row"] != row:
            problem = f"{path}, line {row + 1}: row {record['row']} stands in the place of row {row}"
            raise UserError(problem, REMAKE_BOTH)
    return texts


def row_of(texts: list[Record]) -> dict[str, int]:
    """The row number of each text, from records of ``records.TEXT``."""
    return {record["text"]: record["row"] for record in texts}


def rows_for(rows: dict[str, int], texts: list[str]) -> list[int]:
    """Row numbers of texts.

    Raises:
        UserError: a text was not embedded.
    """
    lacking = [text for text in texts if text not in rows]
    if lacking:
        raise UserError(
            f"{len(lacking)} texts have no embedding; the first is {lacking[0]!r}",
            "run embed_texts.py on these samples and responses",
        )
    return [rows[text] for text in texts]


def load_embeddings(path: Path, rows: int | None = None) -> np.ndarray:
    """A ``.npy`` matrix of embeddings, memory-mapped.

    Args:
        rows: how many rows it must have; not checked when None.

    Raises:
        UserError: missing, no matrix of float16, float32 or float64 in this machine's byte order, or of another length.
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
    if (
        matrix.ndim != 2
        or matrix.shape[1] == 0
        or matrix.dtype not in (np.float16, np.float32, np.float64)
        or not matrix.dtype.isnative
    ):
        problem = f"{path} holds {matrix.dtype} of shape {matrix.shape}, not a matrix of floating numbers"
        raise UserError(problem, REMAKE_BOTH)
    if rows is not None and len(matrix) != rows:
        raise UserError(f"{path} has {len(matrix)} rows for {rows} texts", REMAKE_BOTH)
    return matrix
