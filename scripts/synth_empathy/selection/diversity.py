"""Diversity selections: which of the samples that passed the quality selection are kept (paper, section 3.3).

``SELECTIONS`` lists them by name. A new one is a function with ``@selection`` above it, and nothing else: paths,
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

#: A selection's name stands between dashes in paths, and has none.
NAME = "[a-z0-9][a-z0-9._]*"

#: Whether k-center's first point counts among the chosen, and what "far" means to it.
RULES = ("seeded", "released")
DISTANCES = ("euclidean", "cosine")


def every_pair_once(points: float, chosen: float) -> float:
    """Distances that a greedy selection computes: each chosen point's to those that are left."""
    return chosen * (points - chosen / 2)


@dataclass(frozen=True)
class Selection:
    """A diversity selection.

    Attributes:
        name: its name in paths and in the configuration, without a dash.
        choose: ``choose(embeddings, scores, size, seed)`` returns the rows to keep, in the order of choice.
            ``embeddings`` has a row a point. ``scores`` has each point's quality score, the higher the better, or is
            None. Keyword-only arguments are options: those of ``options`` and ``rows`` (see ``select_rows``).
        title: what tables say of it after the quality selection; empty for the paper's own.
        keeps_all: it keeps every point, whatever the ratio.
        uses_embeddings: False for one that never looks at them. It is given an array without columns.
        uses_scores: it cannot do without scores.
        distances: how many distances it computes, by the numbers of points and of chosen points, for ``make plan``.
            The default is k-center's number, and 0 where the embeddings are not used.
    """

    name: str
    choose: Callable[..., Sequence[int]]
    title: str
    keeps_all: bool = False
    uses_embeddings: bool = True
    uses_scores: bool = False
    distances: Callable[[float, float], float] = every_pair_once

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
        """Distances that it computes to choose so many of so many points."""
        return self.distances(points, chosen) if self.uses_embeddings else 0.0


#: Every selection by its name.
SELECTIONS: dict[str, Selection] = {}


def selection(name: str, title: str, **more: object) -> Callable:
    """Register the function below as a selection; ``more`` as in ``Selection``."""

    def enter(choose: Callable[..., Sequence[int]]) -> Callable[..., Sequence[int]]:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"{name!r} is no name of a selection: lower case, digits, dots and underscores, no dash")
        if name in SELECTIONS:
            raise ValueError(f"there is a selection {name!r} already")
        SELECTIONS[name] = Selection(name, choose, title, **more)
        return choose

    return enter


# The selections


@selection(K_CENTER, title="")
def k_center(
    embeddings: np.ndarray,
    scores: np.ndarray | None,
    size: int,
    seed: int,
    *,
    rows: np.ndarray | None = None,
    metric: str = "euclidean",
    rule: str = "seeded",
    device: str = "cpu",
) -> list[int]:
    """The paper's: k-center greedy."""
    return k_center_greedy(embeddings, size, seed, rows=rows, metric=metric, rule=rule, device=device)


@selection(RANDOM, title="random instead of k-center", uses_embeddings=False)
def draw(embeddings: np.ndarray, scores: np.ndarray | None, size: int, seed: int) -> list[int]:
    """A draw of the same size."""
    return random_rows(len(embeddings), size, seed)


@selection(EVERYTHING, title="no diversity selection", keeps_all=True, uses_embeddings=False)
def everything(embeddings: np.ndarray, scores: np.ndarray | None, size: int, seed: int) -> list[int]:
    """Every row."""
    return list(range(size))


# How they work


def size_of(ratio: float, rows: int) -> int:
    """How many rows a ratio keeps: floor(ratio x rows), as decided; rounding errors of the product do not count.

    Raises:
        UserError: the ratio is outside (0, 1], or nothing is left.
    """
    if not 0 < ratio <= 1:
        hint = "correct selection: ratio in the configuration (the paper's code has 0.9)"
        raise UserError(f"the ratio {ratio} is not above 0 and at most 1", hint)
    size = int(np.floor(ratio * rows + 1e-9))
    if size == 0:
        hint = "lower the DK threshold, so that more samples pass the quality rule"
        raise UserError(f"a ratio of {ratio} of {rows} rows keeps none", hint)
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
    from . import kcenter  # imports torch

    points = kcenter.ScaledPoints(embeddings, rows, metric, device)
    extra = 1 if rule == "released" and size > 0 else 0
    if not 0 <= size <= len(points) - extra:
        hint = "give a ratio above 0 and at most 1; below 1 where the first point is left out"
        raise UserError(f"{size} rows cannot be chosen of {len(points)}", hint)
    if size == 0:
        return []
    walk = kcenter.FarthestFirst(points).choose(size + extra, first_row(len(points), seed))
    return list(cli.progress(walk, size + extra, "k-center: samples chosen"))[extra:]


def random_rows(rows: int, size: int, seed: int) -> list[int]:
    """A seeded draw without replacement: our control for k-center, of the same size."""
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
    """Places kept by a diversity selection, in the order they were chosen.

    Args:
        embeddings: shape (rows, dimensions); may be memory-mapped.
        method: a name of ``SELECTIONS``.
        ratio: the share to keep; a selection that keeps all ignores it.
        rows: which rows of the embeddings are the points; all when None. A selection with an option ``rows`` is given
            the whole matrix and these; any other one a copy of the points' own rows.
        scores: each point's quality score, the higher the better.
        options: each is handed to a selection that takes it.

    Raises:
        UserError: the selection needs scores and there are none; its choice has another size, repeats a place, or
            names one that does not exist.
    """
    chosen_by = SELECTIONS[method]
    count = len(embeddings) if rows is None else len(rows)
    if chosen_by.uses_scores and scores is None:
        raise UserError(f"the selection {method} needs quality scores", "give a file of scores: --scores FILE")
    options = {name: value for name, value in options.items() if name in chosen_by.options}
    if "rows" in chosen_by.options:
        options["rows"] = rows
    elif not chosen_by.uses_embeddings:
        embeddings = np.empty((count, 0), dtype=np.float32)
    elif rows is not None:
        embeddings = embeddings[rows]
    size = count if chosen_by.keeps_all else size_of(ratio, count)
    chosen = [int(row) for row in chosen_by.choose(embeddings, scores, size, seed, **options)]
    check_choice(method, chosen, size, count)
    return chosen


def check_choice(method: str, chosen: list[int], size: int, count: int) -> None:
    """Refuse a choice that is not ``size`` different places of ``count``."""
    strange = [row for row in chosen if not 0 <= row < count]
    if strange:
        problem = f"it chose row {strange[0]}, and the rows are 0 to {count - 1}"
    elif len(chosen) != size or len(set(chosen)) != size:
        problem = f"it chose {len(set(chosen))} different rows in {len(chosen)}, and {size} were asked for"
    else:
        return
    raise UserError(f"the selection {method} is at fault: {problem}", "correct its function in diversity.py")
