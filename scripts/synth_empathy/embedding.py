"""Texts to unit vectors, by sentence-transformers, with the traps of gte-Qwen2 handled and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import cli
from .errors import UserError
from .models import open_model
from .records import Record, read_json


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
    embedder = SentenceTransformer(str(folder), model_kwargs={"dtype": getattr(torch, dtype)}, local_files_only=True, trust_remote_code=False)
    if read_json(folder / "config.json").get("model_type") == "qwen2":
        make_bidirectional(embedder)
        append_end_token(embedder, read_json(folder / "tokenizer_config.json"))
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
            "the embedding model's tokenizer does not append the end token that its settings ask for", "use the transformers release of the lock in envs/"
        )


def embed(embedder, texts: list[str], prompt_name: str | None, batch_size: int) -> np.ndarray:
    """Unit vectors of texts, float32, of shape (texts, dimensions).

    Args:
        prompt_name: the model's own prompt to put before each text ("query" for gte), or None.

    Raises:
        UserError: the model has no such prompt, or an embedding is zero or not finite.
    """
    if prompt_name is not None and prompt_name not in embedder.prompts:
        known = ", ".join(embedder.prompts) or "none"
        raise UserError(f"the embedding model has no prompt {prompt_name!r} (it has: {known})", "correct scoring: prompt_name in the configuration")
    # Texts of like length together: least padding, and the progress that is said is even.
    order = sorted(range(len(texts)), key=lambda row: (-len(texts[row]), row))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    rows = []
    for batch in cli.progress(batches, len(batches), f"embedding batches of {batch_size}"):
        chosen = [texts[row] for row in batch]
        rows.append(embedder.encode(chosen, prompt_name=prompt_name, batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True))
    vectors = np.empty((len(texts), rows[0].shape[1]), dtype=np.float32)
    vectors[order] = np.concatenate(rows)
    return normalised(vectors, texts)


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
        raise UserError(f"{len(lacking)} texts have no embedding; the first is {lacking[0]!r}", "run embed_texts.py on these samples and responses")
    return [rows[text] for text in texts]


def load_embeddings(path: Path, rows: int | None = None) -> np.ndarray:
    """A ``.npy`` matrix of embeddings, memory-mapped.

    Args:
        rows: how many rows it must have; not checked when None.

    Raises:
        UserError: missing, no matrix of floating numbers, or of another length.
    """
    remake = "run embed_texts.py again; its two outputs belong together"
    try:
        matrix = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist", remake) from None
    except (ValueError, EOFError) as error:
        raise UserError(f"{path} is no .npy array: {error}", remake) from None
    if not isinstance(matrix, np.ndarray):
        raise UserError(f"{path} is an archive of arrays, not one .npy array", remake)
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating):
        raise UserError(f"{path} holds {matrix.dtype} of shape {matrix.shape}, not a matrix of floating numbers", remake)
    if rows is not None and len(matrix) != rows:
        raise UserError(f"{path} has {len(matrix)} rows for {rows} texts", remake)
    return matrix
