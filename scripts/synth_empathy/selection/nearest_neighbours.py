"""Exact nearest neighbours among unit vectors: faiss finds candidates in float32, and float64 decides among them.

faiss's flat index compares every pair, on CPUs, or on GPUs where its GPU build finds one. It computes in float32, and
the order of equal distances is undefined. So every candidate that float32 cannot distinguish from the best is measured
again in float64, and of equal ones the lowest position is chosen. Threads, blocks and device change no result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.errors import UserError
from . import embedding

#: Neighbours that faiss finds for each query. If float32 cannot distinguish any of them, every row is measured.
CANDIDATES = 16
#: Rows of the queries, and of the points, that are in memory at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Points:
    """Rows of a matrix in any order. The matrix may be memory-mapped.

    Attributes:
        matrix: unit vectors, shape (any, dimensions).
        rows: row numbers of the matrix, shape (points,); a row may occur several times.
    """

    matrix: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> Points:
        """Some of the points, in the order of their positions."""
        return Points(self.matrix, self.rows[positions])

    def at(self, positions: np.ndarray | slice) -> np.ndarray:
        """The vectors at some positions, in the matrix's type, shape (positions, dimensions).

        Raises:
            UserError: a vector's length is not 1.
        """
        vectors = np.asarray(self.matrix[self.rows[positions]])
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        bad = np.abs(squares - 1) > 2e-3  # the error of float16 is smaller
        if not np.isfinite(vectors).all() or bad.any():
            hint = "run embed_texts.py again; it scales each embedding to length 1"
            raise UserError("the embeddings are not unit vectors", hint)
        return vectors


def blocks(points: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` that cover ``points`` points."""
    return (slice(start, min(start + size, points)) for start in range(0, points, size))


def float32_error(dimensions: int) -> float:
    """The largest error in float32 of the difference of two squared distances between unit vectors.

    The error of a sum of n products is at most n x 2^-24 times the sum of their magnitudes. faiss adds two squared
    lengths and subtracts twice an inner product, which is 4 such sums of size 1, and two distances are compared. The
    added 8 covers the few other roundings.
    """
    return 8 * (dimensions + 8) * 2.0**-24


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of corresponding rows, float64."""
    return ((a.astype(np.float64) - b.astype(np.float64)) ** 2).sum(axis=1)


def nearest(
    queries: Points, points: Points, own: np.ndarray | None = None, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest point to each query by Euclidean distance, which is the highest cosine for unit vectors.

    Args:
        own: each query's own position among the points, which is left out; None if queries are not among the points.
        block: rows in memory at a time; changes no result.

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
    rough, neighbours = knn_ground_truth(np.ascontiguousarray(vectors, dtype=np.float32), parts, CANDIDATES)
    farthest = rough.max(axis=1)
    rough[neighbours == own[:, None]] = np.inf
    limit = rough.min(axis=1) + float32_error(vectors.shape[1])
    # Where faiss finds fewer neighbours, it gives the largest float32 and a wrong position.
    query, place = np.nonzero((rough <= limit[:, None]) & (rough < 5))
    candidate = neighbours[query, place]
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
    """Position and squared distance of the nearest point to one query, with every point measured in float64."""
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
    parts = [embedding.cosines(a.at(part), b.at(part)) for part in blocks(len(a), block)]
    return np.minimum(np.concatenate(parts), 100.0) if parts else np.zeros(0)


def near_pairs(points: Points, least: float, block: int = BLOCK) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of points whose cosine x 100 is at least ``least``, one block at a time.

    Returns:
        Arrays of positions i and j, with i < j.
    """
    # The length of a vector in float16 has a larger error than float32's. Pairs near the limit are measured again.
    error = float32_error(points.matrix.shape[1]) + (8e-3 if points.matrix.dtype == np.float16 else 0)
    radius = 2 - 2 * least / 100
    for mine in blocks(len(points), block):
        for theirs in blocks(len(points), block):
            if theirs.start < mine.start:
                continue
            i, j, rough = pairs_within(points.at(mine), points.at(theirs), radius + error)
            i, j = i + mine.start, j + theirs.start
            ordered = i < j
            i, j, rough = i[ordered], j[ordered], rough[ordered]
            ambiguous = np.flatnonzero(rough > radius - error)
            near = np.ones(len(i), dtype=bool)
            near[ambiguous] = cosines(points.take(i[ambiguous]), points.take(j[ambiguous]), block) >= least
            yield i[near], j[near]


def pairs_within(a: np.ndarray, b: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a and of b whose squared distance in float32 is below a radius, and that distance."""
    from faiss.contrib.exhaustive_search import range_ground_truth

    rows = [np.ascontiguousarray(x, dtype=np.float32) for x in (a, b)]
    limits, rough, neighbours = range_ground_truth(rows[0], [rows[1]], radius)
    return np.repeat(np.arange(len(a)), np.diff(limits.astype(np.int64))), neighbours, rough
