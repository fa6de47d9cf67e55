"""Exact farthest-first traversal (k-center greedy) at the speed of matrix products, on CPU or GPU by the same code.

The plain way walks the whole matrix once per chosen row. Here a *block* of the rows that are farthest at the moment
is lifted out; among these few, greedy steps are taken one by one for as long as no row outside the block can be
farther; only then do all rows that are left hear of the new centres, in one matrix product.

The products are in float32, and their error is bounded (``score_error``). They only ever say which rows and which
centres *may* decide a step; what decides is computed in float64 from differences, ``((x - c) ** 2).sum()``, as the
plain reference does. The order of the rows is therefore that of the float64 reference, ties to the lowest row (but for
a probability far below one in a million, which ``score_error`` says).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..core.errors import UserError

#: Rows lifted out at once. More answer more steps, and cost block x block distances in float64.
BLOCK = 384
#: Rows read at once: these bytes of them, small enough for a CPU's cache, but enough rows for its matrix products.
PIECE = 2 << 20
PIECE_ROWS = 384
GPU_PIECE = 256 << 20
#: Bytes of rows taken at once in float64, and ambiguous rows compared with all centres at once.
EXACT_PIECE = 512 << 10
SCREEN = 64


def score_error(dimensions: int) -> float:
    """How far a float32 score x.c - |c|^2 / 2 of vectors no longer than 1 may be from the true one.

    The dot product's error is at most d u, and at most 10 sqrt(d) u with a probability that differs from 1 by less
    than 2 d exp(-50), for rounding errors that are independent with mean zero (Higham and Mary 2019, A New Approach
    to Probabilistic Rounding Error Analysis); u = 2^-24. The 16 u beside it cover the conversion to float32, the
    scaling, the bias and the subtraction of the score from half the squared length. Over the 10^10 pairs of the paper's
    largest selection, the probability that any product exceeds it is below 10^-7.
    """
    return (min(dimensions, 10 * dimensions**0.5) + 16) * 2.0**-24


class ScaledPoints:
    """Rows of a matrix, which may be memory-mapped, read a piece at a time and scaled to lengths of at most 1.

    Args:
        matrix: embeddings of shape (rows, dimensions), finite; float16, float32 or float64.
        rows: which rows of the matrix are the points, in order; all when None.
        metric: ``euclidean`` scales all points by one power of two, which changes no distance's order or rounding;
            ``cosine`` scales each to length 1, so that no point may be zero.

    Raises:
        UserError: a point that is not finite, or zero where the metric is cosine; a GPU that is not there.
    """

    def __init__(self, matrix: np.ndarray, rows: np.ndarray | None, metric: str, device: str):
        if device == "cuda" and not torch.cuda.is_available():
            raise UserError(
                "there is no GPU here that torch can use", "choose on the CPU: --device cpu; the order is the same"
            )
        # TensorFloat-32 rounds far more than ``score_error`` allows, and some environments switch it on.
        torch.backends.cuda.matmul.allow_tf32 = False
        self.matrix = matrix
        self.rows = np.arange(len(matrix)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.device = device
        self.dimensions = matrix.shape[1]
        self.tensor = torch.from_numpy(matrix).to(device)
        # Neither the rows nor their scores against a block are to be more than that.
        fitting = (PIECE if device == "cpu" else GPU_PIECE) // (4 * max(self.dimensions, BLOCK))
        self.piece = max(1, min(len(self), max(PIECE_ROWS, fitting)))
        lengths = self.lengths()
        refuse(self.rows, ~np.isfinite(lengths), "not finite")
        if metric == "cosine":
            refuse(self.rows, lengths == 0, "zero, which have no cosine")
            self.scale = 1 / lengths
        else:
            longest = lengths.max(initial=0.0)
            self.scale = np.full(
                len(lengths), 2.0 ** -np.ceil(np.log2(longest)) if longest > 1.001 or 0 < longest < 0.5 else 1.0
            )
        self.unscaled = bool((self.scale == 1).all())
        self.index = torch.from_numpy(self.rows).to(device)
        self.factors = torch.from_numpy(self.scale).to(device)
        # The scaling itself may go wrong in float32: tiny vectors overflow it, and float64 input is cut down by it.
        exact = (
            self.tensor.dtype != torch.float64
            and self.scale.max(initial=1) < 1e30
            and self.scale.min(initial=1) > 1e-30
        )
        self.factors = self.factors.float() if exact else self.factors
        self.half = torch.from_numpy(((lengths * self.scale) ** 2 / 2).astype(np.float32)).to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self) -> np.ndarray:
        """Euclidean lengths as they stand in the matrix, float64; infinite or NaN where a point is not finite."""
        step = max(1, EXACT_PIECE // (8 * self.dimensions))
        found = np.empty(len(self))
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            found[part] = np.linalg.norm(self.matrix[self.rows[part]].astype(np.float64), axis=1)
        return found

    def float32(self, places: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Points by their places, scaled, on the device, of shape (places, dimensions)."""
        out = out if self.tensor.dtype == torch.float32 else None
        points = torch.index_select(self.tensor, 0, self.index[places], out=out)
        if not self.unscaled:
            points = points.to(self.factors.dtype).mul_(self.factors[places, None])
        return points.float()

    def float64(self, places: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Points by their places, or a part of their dimensions, scaled, as the reference computes with them."""
        points = self.matrix[self.rows[places], part].astype(np.float64)
        return points if self.unscaled else points * self.scale[places, None]

    def products(self, places: np.ndarray) -> np.ndarray:
        """Dot products of points with one another, float64, a part of the dimensions at a time."""
        step = max(1, 2 * EXACT_PIECE // (8 * len(places)))
        found = torch.zeros(len(places), len(places), dtype=torch.float64)
        for start in range(0, self.dimensions, step):
            # By torch, since NumPy's own threads and torch's would wait for one another's cores.
            part = torch.from_numpy(self.float64(places, slice(start, start + step)))
            found.addmm_(part, part.T)
        return found.numpy()

    def distances(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Squared distances of corresponding points by the reference's own formula, float64."""
        step = max(1, EXACT_PIECE // (8 * self.dimensions))
        found = np.empty(len(left))
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            found[part] = ((self.float64(left[part]) - self.float64(right[part])) ** 2).sum(axis=1)
        return found


def refuse(rows: np.ndarray, bad: np.ndarray, what: str) -> None:
    """End with a sentence when any row is bad."""
    if bad.any():
        raise UserError(
            f"{bad.sum()} embeddings are {what}; the first is row {rows[bad][0]}",
            "run embed_texts.py again, with bfloat16 or float32",
        )


@dataclass
class Limit:
    """The farthest point outside a block: a block's point is chosen only if it comes before."""

    value: float
    place: int


class FarthestFirst:
    """The traversal's state: for every point, its nearest centre so far.

    Attributes:
        best, second: the two largest float32 scores over the centres (x.c - |c|^2 / 2: the larger, the nearer);
            ``second`` is -inf where a float64 comparison has settled which centre is nearest.
        centre: the place of the centre with the best score.
        exact, exact_centre: squared distance in float64 to ``exact_centre``; right as long as that is ``centre``.
    """

    def __init__(self, points: ScaledPoints, block: int = BLOCK):
        rows, device = len(points), points.device
        self.points, self.block = points, block
        self.error = score_error(points.dimensions)
        self.best = torch.full((rows,), -torch.inf, device=device)
        self.second = self.best.clone()
        self.centre = torch.full((rows,), -1, dtype=torch.int64, device=device)
        self.exact = np.full(rows, np.inf)
        self.exact_centre = np.full(rows, -2)
        self.left = torch.arange(rows, device=device)
        self.chosen: list[int] = []
        # Buffers, since memory that is freed and taken again for every piece costs time and is not all given back.
        self.vectors = torch.empty(points.piece, points.dimensions, device=device)
        self.centres = torch.empty(block, points.dimensions, device=device)
        self.scores = torch.empty(points.piece * block, device=device)

    def choose(self, size: int, first: int) -> Iterator[int]:
        """Places of ``size`` points in the order of choice, beginning with ``first``."""
        if size == 0:
            return
        picks = [first]
        while True:
            yield from picks
            self.chosen += picks
            if len(self.chosen) == size:
                return
            self.update(picks)
            picks = self.next_picks(size - len(self.chosen))

    def update(self, picks: list[int]) -> None:
        """Let every point that is left hear of new centres."""
        gone = torch.tensor(picks, device=self.left.device)
        self.left = self.left[~torch.isin(self.left, gone)]
        centres = self.points.float32(gone, self.centres[: len(gone)])
        bias = -self.points.half[gone]
        for places in self.left.split(self.points.piece):
            vectors = self.points.float32(places, self.vectors[: len(places)])
            scores = torch.addmm(
                bias, vectors, centres.T, out=self.scores[: len(places) * len(picks)].view(len(places), -1)
            )
            # Few points have a new centre among their nearest, once there are many; the rest ends here.
            near = torch.nonzero(scores.amax(1) > self.best[places] - 2 * self.error).flatten()
            if len(near):
                self.merge(places[near], scores[near], gone)

    def merge(self, places: torch.Tensor, scores: torch.Tensor, centres: torch.Tensor) -> None:
        """Keep the two best of old and new scores, and whose the best is."""
        top, winner = scores.max(1)
        scores.scatter_(1, winner[:, None], -torch.inf)
        best = self.best[places]
        self.second[places] = torch.maximum(
            torch.minimum(best, top), torch.maximum(self.second[places], scores.amax(1))
        )
        self.centre[places] = torch.where(top > best, centres[winner], self.centre[places])
        self.best[places] = torch.maximum(best, top)

    def next_picks(self, wanted: int) -> list[int]:
        """The next greedy choices, as many as one block answers for certain: at least one."""
        halves = self.points.half[self.left] - self.best[self.left]
        if len(self.left) > self.block:
            # Every point that can be among the block's farthest, and the one after them, has at least this much.
            floor = torch.topk(halves, self.block + 1, sorted=True).values[-1] - 3 * self.error
            farthest = self.left[halves >= floor].cpu().numpy()
        else:
            farthest = self.left.cpu().numpy()
        self.settle(farthest)
        ranked = farthest[np.lexsort((farthest, -self.exact[farthest]))]
        limit = Limit(self.exact[ranked[self.block]], ranked[self.block]) if len(ranked) > self.block else None
        block = Block(self.points, np.sort(ranked[: self.block]), self.exact)
        return block.greedy(wanted, limit)

    def settle(self, places: np.ndarray) -> None:
        """Bring the float64 distances of points to their nearest centres up to date."""
        at = torch.from_numpy(places).to(self.left.device)
        centre = self.centre[at].cpu().numpy()
        doubtful = (self.second[at] >= self.best[at] - 2 * self.error).cpu().numpy()
        # A point that a centre lies on is at distance 0 whatever the others are.
        on_centre = self.exact[places] == 0
        certain = ~doubtful & ~on_centre & (centre != self.exact_centre[places])
        self.exact[places[certain]] = self.points.distances(places[certain], centre[certain])
        self.exact_centre[places[certain]] = centre[certain]
        for part in np.array_split(
            places[doubtful & ~on_centre], np.arange(SCREEN, (doubtful & ~on_centre).sum(), SCREEN)
        ):
            if len(part):
                self.screen(part)

    def screen(self, places: np.ndarray) -> None:
        """Settle points with several centres about equally near: compare all centres that may be nearest in float64."""
        device = self.left.device
        at = torch.from_numpy(places).to(device)
        points, floor = self.points.float32(at), self.best[at] - 2 * self.error
        exact = np.full(len(places), np.inf)
        winner = np.full(len(places), -1)
        for centres in torch.tensor(self.chosen, device=device).split(self.points.piece):
            vectors = self.points.float32(centres, self.vectors[: len(centres)])
            scores = torch.addmm(-self.points.half[centres], points, vectors.T)
            point, column = (found.cpu().numpy() for found in torch.nonzero(scores >= floor[:, None], as_tuple=True))
            centre = centres.cpu().numpy()[column]
            distance = self.points.distances(places[point], centre)
            for place in np.unique(point):
                nearest = np.flatnonzero(point == place)[distance[point == place].argmin()]
                if distance[nearest] < exact[place]:
                    exact[place], winner[place] = distance[nearest], centre[nearest]
        self.exact[places], self.exact_centre[places] = exact, winner
        self.centre[at] = torch.from_numpy(winner).to(device)
        self.best[at] = self.points.half[at] - torch.from_numpy((exact / 2).astype(np.float32)).to(device)
        self.second[at] = -torch.inf


class Block:
    """Greedy steps among a few points, exact as long as none outside is farther.

    Args:
        places: the points, ascending, so that the first of equals is the lowest row.
        exact: squared distances of all points to their nearest centres, float64.
    """

    def __init__(self, points: ScaledPoints, places: np.ndarray, exact: np.ndarray):
        self.points, self.places = points, places
        self.before = exact[places]
        self.values = self.before.copy()
        # By matrix product: quick, and right to ``slack``. What lies within it of a rival is taken by differences.
        products = points.products(places)
        squares = products.diagonal().copy()
        self.between = products
        self.between *= -2
        self.between += squares[:, None]
        self.between += squares[None]
        np.maximum(self.between, 0, out=self.between)
        self.slack = 8 * points.dimensions * np.finfo(np.float64).eps
        self.loose = np.zeros(len(places), dtype=bool)
        self.picks: list[int] = []

    def greedy(self, wanted: int, limit: Limit | None) -> list[int]:
        """Up to ``wanted`` places in the order of choice, ending before the limit would be chosen."""
        while len(self.picks) < min(wanted, len(self.places)):
            top = int(self.values.argmax())
            rivals = self.values >= self.values[top] - self.slack
            rivals[top] = True
            contested = np.count_nonzero(rivals) > 1 or (
                limit is not None and self.values[top] <= limit.value + self.slack
            )
            if contested and self.loose[rivals].any():
                self.tighten(np.flatnonzero(rivals & self.loose))
                continue
            if limit is not None and (-self.values[top], self.places[top]) > (-limit.value, limit.place):
                break
            self.pick(top)
        return [int(self.places[pick]) for pick in self.picks]

    def pick(self, top: int) -> None:
        """Choose a point; the values of those that it is nearest to become approximate."""
        self.picks.append(top)
        distances = self.between[top]
        self.loose |= (distances < self.values + self.slack) & (self.values != 0)
        np.minimum(self.values, distances, out=self.values)
        self.values[top] = -np.inf  # below every other, and no distance is nearer
        self.loose[top] = False

    def tighten(self, members: np.ndarray) -> None:
        """Replace approximate values by those of the reference."""
        picks = np.array(self.picks)
        for member in members:
            close = picks[self.between[picks, member] <= self.values[member] + 2 * self.slack]
            distances = self.points.distances(np.full(len(close), self.places[member]), self.places[close])
            self.values[member] = min(self.before[member], distances.min(initial=np.inf))
            self.loose[member] = False
