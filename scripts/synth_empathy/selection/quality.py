"""Quality selection: which synthetic samples are close to the discriminator's answer (paper, section 3.2)."""

from __future__ import annotations

import numpy as np

from ..core import seeds
from ..core.errors import UserError
from ..core.records import Record

QUALITY_RULES = ("greater", "released")
#: Pairs whose similarity is computed at once, in float64.
PAIRS = 1024


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine x 100 of corresponding rows, float64, of shape (rows,).

    Args:
        left, right: shape (rows, dimensions), of any length but zero.
    """
    a, b = left.astype(np.float64), right.astype(np.float64)
    return 100 * np.einsum("ij,ij->i", a, b) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def similarities(embeddings: np.ndarray, predictions: list[int], references: list[int]) -> np.ndarray:
    """Cosine x 100 of pairs of rows (paper, section 3.2, steps 2 and 3), float64, of shape (pairs,).

    Args:
        embeddings: shape (rows, dimensions), of any length but zero; may be memory-mapped.
        predictions, references: row numbers of the pairs.

    Raises:
        UserError: a cosine is no number, since an embedding is zero or not finite.
    """
    found = np.empty(len(predictions))
    for start in range(0, len(predictions), PAIRS):
        part = slice(start, start + PAIRS)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found[part] = cosines(embeddings[predictions[part]], embeddings[references[part]])
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        problem = f"{bad.size} of {len(found)} similarities are no numbers; the first is that of pair {bad[0] + 1}"
        raise UserError(problem, "run embed_texts.py again: an embedding is zero or not finite")
    return found


def passes_quality(similarity: float, threshold: float, rule: str) -> bool:
    """Whether a sample is kept at a DK threshold.

    Args:
        rule: ``greater``: S > T, as the paper writes it (section 3.2, step 4). ``released``: int(S) >= T, as the
            authors' code has it, which for a whole T keeps S = T besides.
    """
    return int(similarity) >= threshold if rule == "released" else similarity > threshold


def select_quality(scored: list[Record], threshold: float, rule: str) -> list[Record]:
    """The samples above the DK threshold, in their order.

    Raises:
        UserError: none is; says the highest similarity seen.
    """
    kept = [record for record in scored if passes_quality(record["similarity"], threshold, rule)]
    if not kept:
        highest = max((record["similarity"] for record in scored), default=float("nan"))
        raise UserError(
            f"no sample of {len(scored)} passes the DK threshold {threshold:g}; the highest similarity is {highest:.2f}",
            "lower the threshold in the configuration (systems: training_set), or raise the number of generated samples",
        )
    return kept


def draw_samples(samples: list[Record], size: int, seed: int) -> list[Record]:
    """A seeded draw without replacement, in the samples' order, by each id's own seed: Table 3 without quality selection.

    A smaller draw is part of a larger one, so that what is drawn at DK 60 is also drawn at 55.

    Raises:
        UserError: there are not so many samples.
    """
    if size > len(samples):
        raise UserError(
            f"{size} samples cannot be drawn of {len(samples)}",
            "draw from the samples that the quality selection chose from",
        )
    return seeds.keep_lowest(samples, size, lambda sample: seeds.row_seed(seed, sample["id"], "draw"))
