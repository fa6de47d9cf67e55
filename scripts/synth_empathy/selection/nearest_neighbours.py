"""Exact nearest neighbours among unit vectors: candidates by faiss in float32, the answer among them in float64.

faiss's flat index compares every pair, on CPUs or, where a GPU build of faiss sees a GPU, on GPUs, by the same calls.
It computes in float32 and promises no order among equals. So every candidate that float32 cannot tell from the best is
measured again in float64, and among equals the lowest position wins: neither threads, blocks nor device change a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.errors import UserError

#: Neighbours asked of faiss for each query. Where all of them are as near as float32 can tell, every row is measured.
CANDIDATES = 16
#: Rows of queries, and of what is searched, held in memory at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Points:
    """Rows of a matrix that may be memory-mapped, in an order of their own.

    Attributes:
        matrix: unit vectors, shape (any, dimensions).
        rows: row numbers of the matrix, shape (points,); a row may stand there several times.
    """

    matrix: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> Points:
        """Some of the points, in the order of their positions."""
        return Points(self.matrix, self.rows[positions])

    def at(self, positions: np.ndarray | slice) -> np.ndarray:
        """The vectors at some positions, as stored, shape (positions, dimensions).

        Raises:
            UserError: one of them is not of length 1.
        """
        vectors = np.asarray(self.matrix[self.rows[positions]])
        bad = (
            np.abs(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64) - 1) > 2e-3
        )  # float16 storage is off by less
        if not np.isfinite(vectors).all() or bad.any():
            raise UserError(
                "the embeddings are not unit vectors", "run embed_texts.py again; it scales each embedding to length 1"
            )
        return vectors


def blocks(points: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` that cover so many points."""
    return (slice(start, min(start + size, points)) for start in range(0, points, size))


def float32_error(dimensions: int) -> float:
    """How far two squared distances of unit vectors may be misjudged against each other in float32.

    A sum of n products is off by at most n x 2^-24 of the sum of their sizes; faiss takes two squared lengths and twice an
    inner product, 4 such sums of size 1, and two distances are compared. The few further roundings are the 8.
    """
    return 8 * (dimensions + 8) * 2.0**-24


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of corresponding rows, float64."""
    return ((a.astype(np.float64) - b.astype(np.float64)) ** 2).sum(axis=1)


def nearest(
    queries: Points, points: Points, own: np.ndarray | None = None, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest point to each query by Euclidean distance, which on unit vectors is the highest cosine.

    Args:
        own: for each query the position that it must not find, its own; None when queries are not among the points.
        block: rows held in memory at a time; changes no result.

    Returns:
        Positions, int64, -1 where there is no other point; distances, float64, infinite there. Shape (queries,) each.
    """
    own = np.full(len(queries), -1) if own is None else np.asarray(own)
    positions, squares = np.full(len(queries), -1, dtype=np.int64), np.full(len(queries), np.inf)
    for part in blocks(len(queries), block):
        positions[part], squares[part] = nearest_of_block(queries.at(part), points, own[part], block)
    return positions, np.sqrt(squares)


def nearest_of_block(
    vectors: np.ndarray, points: Points, own: np.ndarray, block: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and squared distances of the nearest points to a block of queries."""
    from faiss.contrib.exhaustive_search import knn_ground_truth

    parts = (np.ascontiguousarray(points.at(part), dtype=np.float32) for part in blocks(len(points), block))
    rough, found = knn_ground_truth(np.ascontiguousarray(vectors, dtype=np.float32), parts, CANDIDATES)
    farthest = rough.max(axis=1)
    rough[found == own[:, None]] = np.inf
    limit = rough.min(axis=1) + float32_error(vectors.shape[1])
    # faiss fills up what it does not find with the largest float32, and a wrong position.
    query, place = np.nonzero((rough <= limit[:, None]) & (rough < 5))
    candidate = found[query, place]
    measured = np.zeros(len(query))
    for part in blocks(len(query), block):
        measured[part] = squared_distances(vectors[query[part]], points.at(candidate[part]))
    order = np.lexsort((candidate, measured, query))
    best = order[np.unique(query[order], return_index=True)[1]]
    positions, squares = np.full(len(vectors), -1, dtype=np.int64), np.full(len(vectors), np.inf)
    positions[query[best]], squares[query[best]] = candidate[best], measured[best]
    for q in np.flatnonzero(farthest <= limit):
        positions[q], squares[q] = nearest_by_all(vectors[q], points, own[q], block)
    return positions, squares


def nearest_by_all(vector: np.ndarray, points: Points, own: int, block: int) -> tuple[int, float]:
    """Position and squared distance of the nearest point to one query, every point measured in float64."""
    best, smallest = -1, np.inf
    for part in blocks(len(points), block):
        measured = squared_distances(vector[None], points.at(part))
        if part.start <= own < part.stop:
            measured[own - part.start] = np.inf
        place = int(measured.argmin())
        if measured[place] < smallest:
            best, smallest = part.start + place, float(measured[place])
    return best, smallest


def cosines(a: Points, b: Points, block: int = BLOCK) -> np.ndarray:
    """Cosine x 100 of corresponding points, float64, shape (points,); at most 100."""
    from . import quality

    parts = [quality.cosines(a.at(part), b.at(part)) for part in blocks(len(a), block)]
    return np.minimum(np.concatenate(parts), 100.0) if parts else np.zeros(0)


def near_pairs(points: Points, least: float, block: int = BLOCK) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of points whose cosine x 100 is at least ``least``, as arrays of positions (i, j) with i < j, a block at a time."""
    # Stored in float16 a vector's length is off by more than float32's error: what is near the limit is measured again.
    error = float32_error(points.matrix.shape[1]) + (8e-3 if points.matrix.dtype == np.float16 else 0)
    radius = 2 - 2 * least / 100
    for mine in blocks(len(points), block):
        for theirs in blocks(len(points), block):
            if theirs.start < mine.start:
                continue
            i, j, rough = pairs_within(points.at(mine), points.at(theirs), radius + error)
            i, j = i + mine.start, j + theirs.start
            keep = i < j
            i, j, rough = i[keep], j[keep], rough[keep]
            doubtful = np.flatnonzero(rough > radius - error)
            sure = np.ones(len(i), dtype=bool)
            sure[doubtful] = cosines(points.take(i[doubtful]), points.take(j[doubtful]), block) >= least
            yield i[sure], j[sure]


def pairs_within(a: np.ndarray, b: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a and b whose squared distance is below a radius in float32, and that distance."""
    from faiss.contrib.exhaustive_search import range_ground_truth

    rows = [np.ascontiguousarray(x, dtype=np.float32) for x in (a, b)]
    limits, rough, found = range_ground_truth(rows[0], [rows[1]], radius)
    return np.repeat(np.arange(len(a)), np.diff(limits.astype(np.int64))), found, rough
