"""Exact farthest-first traversal (k-center greedy) at the speed of matrix products, with one code for CPU and GPU.

The plain algorithm reads the whole matrix once per chosen row. This one takes out a *block* of the rows that are
farthest at the moment, and chooses among these few, one by one, as long as no row outside the block can be farther.
Only then does it update the distances of all remaining rows, with all new centres in one matrix product.

The products are in float32, and their error is bounded (``score_error``). They only determine which rows and centres
*may* decide a step. The decision itself is computed in float64 from differences, ``((x - c) ** 2).sum()``, as in the
plain reference. The order of the rows is therefore that of the float64 reference, with ties to the lowest row (except
with a probability far below one in a million; see ``score_error``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..core.errors import UserError

#: Rows in a block. A larger block decides more steps, and costs block x block distances in float64.
BLOCK = 384
#: Bytes of rows that are read at once: few enough for a CPU's cache, but at least PIECE_ROWS rows, so that its matrix
#: products are fast.
PIECE = 2 << 20
PIECE_ROWS = 384
GPU_PIECE = 256 << 20
#: Bytes of rows that are converted to float64 at once.
EXACT_PIECE = 512 << 10
#: Ambiguous rows that are compared with all centres at once.
SCREEN = 64


def score_error(dimensions: int) -> float:
    """The largest error of a float32 score x.c - |c|^2 / 2 of vectors of length at most 1.

    The dot product's error is at most d u, with u = 2^-24. If rounding errors are independent with mean zero, it is at
    most 10 sqrt(d) u with a probability of at least 1 - 2 d exp(-50) (Higham and Mary 2019, A New Approach to
    Probabilistic Rounding Error Analysis). The additional 16 u cover the conversion to float32, the scaling, the bias,
    and the subtraction of the score from half the squared length. Over the 10^10 pairs of the paper's largest
    selection, the probability that any product exceeds the bound is below 10^-7.
    """
    return (min(dimensions, 10 * dimensions**0.5) + 16) * 2.0**-24


class ScaledPoints:
    """Rows of a matrix, read a piece at a time and scaled to lengths of at most 1. The matrix may be memory-mapped.

    Args:
        matrix: embeddings of shape (rows, dimensions), finite; float16, float32 or float64.
        rows: which rows of the matrix are the points, in order; all when None.
        distance: ``euclidean`` scales all points by one power of two, which changes neither the order of distances nor
            their rounding. ``cosine`` scales each point to length 1, so that no point may be zero.

    Raises:
        UserError: a point is not finite, or is zero with ``cosine``; or there is no GPU for the device ``cuda``.
    """

    def __init__(self, matrix: np.ndarray, rows: np.ndarray | None, distance: str, device: str):
        if device == "cuda" and not torch.cuda.is_available():
            hint = "choose on the CPU: --device cpu; the order is the same"
            raise UserError("there is no GPU here that torch can use", hint)
        # TensorFloat-32 rounds far more than ``score_error`` allows, and some environments enable it.
        torch.backends.cuda.matmul.allow_tf32 = False
        self.matrix = matrix
        self.rows = np.arange(len(matrix)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.device = device
        self.dimensions = matrix.shape[1]
        self.tensor = torch.from_numpy(matrix).to(device)
        # Neither the rows of a piece nor their scores against a block may take more bytes than that.
        fitting = (PIECE if device == "cpu" else GPU_PIECE) // (4 * max(self.dimensions, BLOCK))
        self.piece = max(1, min(len(self), max(PIECE_ROWS, fitting)))
        lengths = self.lengths()
        refuse(self.rows, ~np.isfinite(lengths), "not finite")
        if distance == "cosine":
            refuse(self.rows, lengths == 0, "zero and have no cosine")
            self.scale = 1 / lengths
        else:
            self.scale = np.full(len(lengths), power_of_two(lengths.max(initial=0.0)))
        self.unscaled = bool((self.scale == 1).all())
        self.index = torch.from_numpy(self.rows).to(device)
        self.factors = torch.from_numpy(self.scale).to(device)
        # float32 is too small for the scaling of tiny vectors, and too coarse for that of float64 input.
        in_range = self.scale.max(initial=1) < 1e30 and self.scale.min(initial=1) > 1e-30
        if in_range and self.tensor.dtype != torch.float64:
            self.factors = self.factors.float()
        self.half = torch.from_numpy(((lengths * self.scale) ** 2 / 2).astype(np.float32)).to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self) -> np.ndarray:
        """Euclidean lengths of the unscaled points, float64; infinite or NaN where a point is not finite."""
        step = max(1, EXACT_PIECE // (8 * self.dimensions))
        lengths = np.empty(len(self))
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            lengths[part] = np.linalg.norm(self.matrix[self.rows[part]].astype(np.float64), axis=1)
        return lengths

    def float32(self, places: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Scaled points by their places in ``rows``, on the device, of shape (places, dimensions)."""
        out = out if self.tensor.dtype == torch.float32 else None
        points = torch.index_select(self.tensor, 0, self.index[places], out=out)
        if not self.unscaled:
            points = points.to(self.factors.dtype).mul_(self.factors[places, None])
        return points.float()

    def float64(self, places: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Scaled points by their places, or a part of their dimensions, in the reference's precision."""
        points = self.matrix[self.rows[places], part].astype(np.float64)
        return points if self.unscaled else points * self.scale[places, None]

    def products(self, places: np.ndarray) -> np.ndarray:
        """Dot products of all pairs of points, float64, summed over parts of the dimensions."""
        step = max(1, 2 * EXACT_PIECE // (8 * len(places)))
        products = torch.zeros(len(places), len(places), dtype=torch.float64)
        for start in range(0, self.dimensions, step):
            # With torch, because NumPy's threads and torch's would compete for the same cores.
            part = torch.from_numpy(self.float64(places, slice(start, start + step)))
            products.addmm_(part, part.T)
        return products.numpy()

    def distances(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Squared distances of corresponding points by the reference's formula, float64."""
        step = max(1, EXACT_PIECE // (8 * self.dimensions))
        squares = np.empty(len(left))
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            squares[part] = ((self.float64(left[part]) - self.float64(right[part])) ** 2).sum(axis=1)
        return squares


def power_of_two(longest: float) -> float:
    """The factor that scales the longest point to a length of 1/2 to 1; 1 where its length is about that already."""
    return 2.0 ** -np.ceil(np.log2(longest)) if longest > 1.001 or 0 < longest < 0.5 else 1.0


def refuse(rows: np.ndarray, bad: np.ndarray, what: str) -> None:
    """Refuse embeddings of which some rows are bad.

    Raises:
        UserError: counts them, and names the first row.
    """
    if bad.any():
        problem = f"{bad.sum()} embeddings are {what}; the first is row {rows[bad][0]}"
        raise UserError(problem, "run embed_texts.py again, with bfloat16 or float32")


@dataclass
class Limit:
    """The farthest point outside a block: a point of the block is chosen only if it precedes this one."""

    value: float
    place: int


class FarthestFirst:
    """The state of the traversal: for every point, its nearest centre so far.

    Attributes:
        best, second: the two largest float32 scores over the centres (x.c - |c|^2 / 2; a higher score is nearer).
            ``second`` is -inf where a float64 comparison has decided which centre is nearest.
        centre: the place of the centre with the best score.
        exact, exact_centre: the squared distance in float64 to ``exact_centre``. It is valid while that is ``centre``.
        remaining: the places of the points that are not chosen.
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
        self.remaining = torch.arange(rows, device=device)
        self.chosen: list[int] = []
        # Buffers: allocating memory again for every piece takes time, and not all of it is returned.
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
        """Update the scores of the remaining points with new centres."""
        new = torch.tensor(picks, device=self.remaining.device)
        self.remaining = self.remaining[~torch.isin(self.remaining, new)]
        centres = self.points.float32(new, self.centres[: len(new)])
        bias = -self.points.half[new]
        for places in self.remaining.split(self.points.piece):
            vectors = self.points.float32(places, self.vectors[: len(places)])
            buffer = self.scores[: len(places) * len(picks)].view(len(places), -1)
            scores = torch.addmm(bias, vectors, centres.T, out=buffer)
            # With many centres, a new one is among the nearest of few points; only these need an update.
            near = torch.nonzero(scores.amax(1) > self.best[places] - 2 * self.error).flatten()
            if len(near):
                self.merge(places[near], scores[near], new)

    def merge(self, places: torch.Tensor, scores: torch.Tensor, centres: torch.Tensor) -> None:
        """Keep the two best of the old and new scores, and the centre of the best."""
        top, winner = scores.max(1)
        scores.scatter_(1, winner[:, None], -torch.inf)
        best = self.best[places]
        runner_up = torch.maximum(self.second[places], scores.amax(1))
        self.second[places] = torch.maximum(torch.minimum(best, top), runner_up)
        self.centre[places] = torch.where(top > best, centres[winner], self.centre[places])
        self.best[places] = torch.maximum(best, top)

    def next_picks(self, count: int) -> list[int]:
        """The next greedy choices: as many as one block decides with certainty, at least one."""
        halves = self.points.half[self.remaining] - self.best[self.remaining]
        if len(self.remaining) > self.block:
            # No point below this value can be in the block, or be the first one outside it.
            floor = torch.topk(halves, self.block + 1, sorted=True).values[-1] - 3 * self.error
            farthest = self.remaining[halves >= floor].cpu().numpy()
        else:
            farthest = self.remaining.cpu().numpy()
        self.measure(farthest)
        ranked = farthest[np.lexsort((farthest, -self.exact[farthest]))]
        limit = Limit(self.exact[ranked[self.block]], ranked[self.block]) if len(ranked) > self.block else None
        block = Block(self.points, np.sort(ranked[: self.block]), self.exact)
        return block.greedy(count, limit)

    def measure(self, places: np.ndarray) -> None:
        """Update the float64 distances of points to their nearest centres."""
        at = torch.from_numpy(places).to(self.remaining.device)
        centre = self.centre[at].cpu().numpy()
        ambiguous = (self.second[at] >= self.best[at] - 2 * self.error).cpu().numpy()
        # No other centre can be nearer than one at distance 0.
        on_centre = self.exact[places] == 0
        certain = ~ambiguous & ~on_centre & (centre != self.exact_centre[places])
        self.exact[places[certain]] = self.points.distances(places[certain], centre[certain])
        self.exact_centre[places[certain]] = centre[certain]
        screened = places[ambiguous & ~on_centre]
        for start in range(0, len(screened), SCREEN):
            self.screen(screened[start : start + SCREEN])

    def screen(self, places: np.ndarray) -> None:
        """Measure points with several centres at about the same distance: all that may be nearest, in float64."""
        device = self.remaining.device
        at = torch.from_numpy(places).to(device)
        points, floor = self.points.float32(at), self.best[at] - 2 * self.error
        exact = np.full(len(places), np.inf)
        winner = np.full(len(places), -1)
        for centres in torch.tensor(self.chosen, device=device).split(self.points.piece):
            vectors = self.points.float32(centres, self.vectors[: len(centres)])
            scores = torch.addmm(-self.points.half[centres], points, vectors.T)
            candidates = torch.nonzero(scores >= floor[:, None]).cpu().numpy()
            point, column = candidates[:, 0], candidates[:, 1]
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
    """Greedy steps among a few points; they are exact as long as no point outside is farther.

    Args:
        places: the points, ascending, so that the first of equal points is the lowest row.
        exact: squared distances of all points to their nearest centres, float64.
    """

    def __init__(self, points: ScaledPoints, places: np.ndarray, exact: np.ndarray):
        self.points, self.places = points, places
        self.before = exact[places]
        self.values = self.before.copy()
        # Distances by matrix product are fast, and exact up to ``slack``. Values that are closer than that to one
        # another are computed again from differences.
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

    def greedy(self, count: int, limit: Limit | None) -> list[int]:
        """Up to ``count`` places in the order of choice, ending before the limit would be chosen."""
        while len(self.picks) < min(count, len(self.places)):
            top = int(self.values.argmax())
            rivals = self.values >= self.values[top] - self.slack
            rivals[top] = True
            near_limit = limit is not None and self.values[top] <= limit.value + self.slack
            contested = near_limit or np.count_nonzero(rivals) > 1
            if contested and self.loose[rivals].any():
                self.tighten(np.flatnonzero(rivals & self.loose))
                continue
            if limit is not None and (-self.values[top], self.places[top]) > (-limit.value, limit.place):
                break
            self.pick(top)
        return [int(self.places[pick]) for pick in self.picks]

    def pick(self, top: int) -> None:
        """Choose a point; the values of the points that it is nearest to become approximate."""
        self.picks.append(top)
        distances = self.between[top]
        self.loose |= (distances < self.values + self.slack) & (self.values != 0)
        np.minimum(self.values, distances, out=self.values)
        self.values[top] = -np.inf  # so that it is not chosen again
        self.loose[top] = False

    def tighten(self, members: np.ndarray) -> None:
        """Replace approximate values by the reference's."""
        picks = np.array(self.picks)
        for member in members:
            close = picks[self.between[picks, member] <= self.values[member] + 2 * self.slack]
            distances = self.points.distances(np.full(len(close), self.places[member]), self.places[close])
            self.values[member] = min(self.before[member], distances.min(initial=np.inf))
            self.loose[member] = False
