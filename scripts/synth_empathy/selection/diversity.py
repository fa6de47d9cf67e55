"""Diversity selections: which of the samples that passed the quality selection are kept (paper, section 3.3).

``SELECTIONS`` lists them by name. To add one, write a function with ``@selection`` above it, and nothing else: paths,
tables, the judge, the plan and the command line take the name from here (docs/extending.md has an example).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import cli
from ..core.errors import UserError

#: The paper's own selection, the control of the same size, and the paper's ablation.
K_CENTER, RANDOM, EVERYTHING = "kcenter", "random", "none"

#: A selection's name. It contains no dash, because dashes separate names in paths.
NAME = "[a-z0-9][a-z0-9._]*"

#: Whether k-center's first point is one of the chosen (``seeded``), and its distances.
RULES = ("seeded", "released")
DISTANCES = ("euclidean", "cosine")


def greedy_distances(points: float, chosen: float) -> float:
    """How many distances a greedy selection computes: from each chosen point to the points not chosen yet."""
    return chosen * (points - chosen / 2)


@dataclass(frozen=True)
class Selection:
    """A diversity selection.

    Attributes:
        name: its name in paths and in the configuration, without a dash.
        choose: ``choose(embeddings, scores, size, seed)`` returns the rows to keep, in the order of choice.
            ``embeddings`` has one row per point. ``scores`` has each point's quality score, the higher the better, or
            is None. Keyword-only arguments are options: those of ``options`` and ``rows`` (see ``select_rows``).
        title: its words in tables, after the quality selection's; empty for the paper's own.
        keeps_all: it keeps every point at any ratio.
        uses_embeddings: False if it ignores them; it then receives an array without columns.
        uses_scores: it needs scores.
        distances: how many distances it computes for a number of points and of chosen points, for ``make plan``. The
            default is k-center's number. A selection that ignores embeddings computes none.
    """

    name: str
    choose: Callable[..., Sequence[int]]
    title: str
    keeps_all: bool = False
    uses_embeddings: bool = True
    uses_scores: bool = False
    distances: Callable[[float, float], float] = greedy_distances

    @property
    def options(self) -> set[str]:
        """The options that ``choose`` takes: its keyword-only arguments."""
        arguments = inspect.signature(self.choose).parameters.values()
        return {argument.name for argument in arguments if argument.kind is argument.KEYWORD_ONLY}

    @property
    def summary(self) -> str:
        """The first line of its docstring, for the command line's help."""
        return (inspect.getdoc(self.choose) or "").partition("\n")[0].rstrip(".")

    def compared(self, points: float, chosen: float) -> float:
        """How many distances it computes to choose ``chosen`` of ``points`` points."""
        return self.distances(points, chosen) if self.uses_embeddings else 0.0


#: Every selection by its name.
SELECTIONS: dict[str, Selection] = {}


def selection(name: str, title: str, **more: object) -> Callable:
    """Register the function below as a selection.

    Args:
        more: further attributes of ``Selection``.
    """

    def register(choose: Callable[..., Sequence[int]]) -> Callable[..., Sequence[int]]:
        if not re.fullmatch(NAME, name):
            form = "lower-case letters, digits, dots and underscores, without a dash"
            raise ValueError(f"{name!r} is not a selection's name: {form}")
        if name in SELECTIONS:
            raise ValueError(f"the selection {name!r} exists already")
        SELECTIONS[name] = Selection(name, choose, title, **more)
        return choose

    return register


# The selections


@selection(K_CENTER, title="")
def k_center(
    embeddings: np.ndarray,
    scores: np.ndarray | None,
    size: int,
    seed: int,
    *,
    rows: np.ndarray | None = None,
    distance: str = "euclidean",
    rule: str = "seeded",
    device: str = "cpu",
) -> list[int]:
    """The paper's: k-center greedy."""
    return k_center_greedy(embeddings, size, seed, rows=rows, distance=distance, rule=rule, device=device)


@selection(RANDOM, title="random instead of k-center", uses_embeddings=False)
def draw(embeddings: np.ndarray, scores: np.ndarray | None, size: int, seed: int) -> list[int]:
    """A draw of the same size."""
    return random_rows(len(embeddings), size, seed)


@selection(EVERYTHING, title="no diversity selection", keeps_all=True, uses_embeddings=False)
def everything(embeddings: np.ndarray, scores: np.ndarray | None, size: int, seed: int) -> list[int]:
    """Every row."""
    return list(range(size))


# How the selections work


def size_of(ratio: float, rows: int) -> int:
    """How many rows a ratio keeps: floor(ratio x rows), without the rounding error of the product.

    Raises:
        UserError: the ratio is outside (0, 1], or the size is 0.
    """
    if not 0 < ratio <= 1:
        hint = "correct selection: ratio in the configuration (the authors' code has 0.9)"
        raise UserError(f"the ratio {ratio} is not above 0 and at most 1", hint)
    size = int(np.floor(ratio * rows + 1e-9))
    if size == 0:
        hint = "lower the DK threshold, so that more samples pass the quality selection"
        raise UserError(f"a ratio of {ratio} of {rows} rows keeps none", hint)
    return size


def first_row(rows: int, seed: int) -> int:
    """The row that k-center greedy starts from: a seeded draw."""
    return int(np.random.default_rng(seed).integers(rows))


def k_center_greedy(
    embeddings: np.ndarray,
    size: int,
    seed: int,
    *,
    rows: np.ndarray | None = None,
    distance: str = "euclidean",
    rule: str = "seeded",
    device: str = "cpu",
) -> list[int]:
    """Points in the order of farthest-first traversal (paper, section 3.3; Sener and Savarese 2017).

    The first point is a seeded draw. Each next point is the one farthest from those chosen, of equally far points the
    first. No point is chosen twice, even if all distances are 0. The order is the float64 reference's (``kcenter``).

    Args:
        embeddings: shape (rows, dimensions), finite; may be memory-mapped.
        size: how many points to choose, 0 to all of them.
        rows: which rows of the embeddings are the points; all when None. The result is indices of this array.
        distance: ``euclidean``, as in the authors' code, or ``cosine``.
        rule: ``seeded``: the first point is one of the chosen. ``released``: it is left out, as in the authors' code.
            That code draws it without a seed; for each of its draws there is a seed here that draws the same point.
        device: ``cpu`` or ``cuda``; the order is the same.

    Raises:
        UserError: the size is out of range, or an embedding is not finite, or is zero with ``cosine``.
    """
    from . import kcenter  # imports torch

    points = kcenter.ScaledPoints(embeddings, rows, distance, device)
    extra = 1 if rule == "released" and size > 0 else 0
    if not 0 <= size <= len(points) - extra:
        hint = "give a ratio above 0 and at most 1, and below 1 with the rule released"
        raise UserError(f"{size} rows cannot be chosen from {len(points)}", hint)
    if size == 0:
        return []
    walk = kcenter.FarthestFirst(points).choose(size + extra, first_row(len(points), seed))
    return list(cli.progress(walk, size + extra, "k-center: samples chosen"))[extra:]


def random_rows(rows: int, size: int, seed: int) -> list[int]:
    """A seeded draw without replacement: the control for k-center, of the same size."""
    return sorted(np.random.default_rng(seed).choice(rows, size=size, replace=False).tolist())


def select_rows(
    embeddings: np.ndarray,
    method: str,
    ratio: float,
    seed: int,
    *,
    rows: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    **options: object,
) -> list[int]:
    """Points selected by a diversity selection, in the order of choice.

    Args:
        embeddings: shape (rows, dimensions); may be memory-mapped.
        method: a name in ``SELECTIONS``.
        ratio: the share to keep; a selection that keeps all ignores it.
        rows: which rows of the embeddings are the points; all when None. The result is indices of this array. A
            selection with an option ``rows`` receives the whole matrix and ``rows``; another one receives a copy of
            these rows.
        scores: each point's quality score, the higher the better.
        options: values of options. A selection receives those that it has.

    Raises:
        UserError: the selection needs scores and there are none; or its choice has another size, repeats a point, or
            contains one that does not exist.
    """
    chosen_method = SELECTIONS[method]
    count = len(embeddings) if rows is None else len(rows)
    if chosen_method.uses_scores and scores is None:
        raise UserError(f"the selection {method} needs quality scores", "give a file of scores: --scores FILE")
    options = {name: value for name, value in options.items() if name in chosen_method.options}
    if "rows" in chosen_method.options:
        options["rows"] = rows
    elif not chosen_method.uses_embeddings:
        embeddings = np.empty((count, 0), dtype=np.float32)
    elif rows is not None:
        embeddings = embeddings[rows]
    size = count if chosen_method.keeps_all else size_of(ratio, count)
    chosen = [int(row) for row in chosen_method.choose(embeddings, scores, size, seed, **options)]
    check_choice(method, chosen, size, count)
    return chosen


def check_choice(method: str, chosen: list[int], size: int, count: int) -> None:
    """Refuse a choice that is not ``size`` different points of ``count``.

    Raises:
        UserError: names the selection and its mistake.
    """
    unknown = [row for row in chosen if not 0 <= row < count]
    if unknown:
        problem = f"it chose row {unknown[0]}, but the rows are 0 to {count - 1}"
    elif len(chosen) != size or len(set(chosen)) != size:
        problem = f"it returned {len(chosen)} rows, of which {len(set(chosen))} are different, instead of {size}"
    else:
        return
    raise UserError(f"the selection {method} is wrong: {problem}", "correct its function in diversity.py")
