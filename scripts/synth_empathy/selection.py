"""Which synthetic samples are kept: close to the discriminator's answer (quality), and far from one another (diversity)."""

from __future__ import annotations

import numpy as np

from . import cli, seeds
from .errors import UserError
from .records import Record

QUALITY_RULES = ("greater", "released")
DIVERSITY_RULES = ("seeded", "released")
METRICS = ("euclidean", "cosine")
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
        raise UserError(f"{size} samples cannot be drawn of {len(samples)}", "draw from the samples that the quality selection chose from")
    return seeds.keep_lowest(samples, size, lambda sample: seeds.row_seed(seed, sample["id"], "draw"))


def size_of(ratio: float, rows: int) -> int:
    """How many rows a ratio keeps: floor(ratio x rows), as decided; rounding errors of the product do not count.

    Raises:
        UserError: the ratio is outside (0, 1], or nothing is left.
    """
    if not 0 < ratio <= 1:
        raise UserError(f"the ratio {ratio} is not above 0 and at most 1", "correct selection: ratio in the configuration (the paper's code has 0.9)")
    size = int(np.floor(ratio * rows + 1e-9))
    if size == 0:
        raise UserError(f"a ratio of {ratio} of {rows} rows keeps none", "lower the DK threshold, so that more samples pass the quality rule")
    return size


def first_row(rows: int, seed: int) -> int:
    """The row that k-center greedy starts from: a seeded draw."""
    return int(np.random.default_rng(seed).integers(rows))


def k_center_greedy(
    embeddings: np.ndarray,
    size: int,
    seed: int,
    rows: np.ndarray | None = None,
    metric: str = "euclidean",
    rule: str = "seeded",
    device: str = "cpu",
) -> list[int]:
    """Places in the order of farthest-first traversal (paper, section 3.3; Sener and Savarese 2017).

    From a seeded first point, the next is always the one farthest from those chosen; among equals the lowest place
    wins; no point is chosen twice, even when all distances are 0. The order is the float64 reference's (``kcenter``).

    Args:
        embeddings: shape (rows, dimensions), finite; may be memory-mapped.
        size: how many points to choose, 0 to all of them.
        rows: which rows of the embeddings are the points; all when None. Places count among them.
        metric: ``euclidean``, the released one, or ``cosine``.
        rule: ``seeded``: the first point counts among the chosen. ``released``: it is left out, as in the authors'
            code, whose draw of it is not seeded either: whatever it draws, some seed here draws the same.
        device: ``cpu`` or ``cuda``; the order is the same.

    Raises:
        UserError: a size out of range, an embedding that is not finite, or zero where the metric is cosine.
    """
    from . import kcenter

    points = kcenter.ScaledPoints(embeddings, rows, metric, device)
    extra = 1 if rule == "released" and size > 0 else 0
    if not 0 <= size <= len(points) - extra:
        raise UserError(f"{size} rows cannot be chosen of {len(points)}", "give a ratio above 0 and at most 1; below 1 where the first point is left out")
    if size == 0:
        return []
    walk = kcenter.FarthestFirst(points).choose(size + extra, first_row(len(points), seed))
    return list(cli.progress(walk, size + extra, "k-center: samples chosen"))[extra:]


def random_rows(rows: int, size: int, seed: int) -> list[int]:
    """A seeded draw without replacement: our control for k-center, of the same size."""
    return sorted(np.random.default_rng(seed).choice(rows, size=size, replace=False).tolist())


def select_rows(embeddings: np.ndarray, method: str, ratio: float, seed: int, rows: np.ndarray | None = None, **how: str) -> list[int]:
    """Places kept by a diversity selection, in the order they were chosen.

    Args:
        method: ``kcenter``, the paper's; ``random``, a draw of the same size; ``none``, every one.
        rows: which rows of the embeddings to select among; all when None.
        how: metric, rule and device of ``k_center_greedy``.
    """
    count = len(embeddings) if rows is None else len(rows)
    if method == "none":
        return list(range(count))
    size = size_of(ratio, count)
    return random_rows(count, size, seed) if method == "random" else k_center_greedy(embeddings, size, seed, rows, **how)
