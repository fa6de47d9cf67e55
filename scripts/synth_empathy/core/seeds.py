"""Seeds and draws that depend on a row and nothing else: not on its shard, its batch or what ran before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def row_seed(seed: int, row_id: str, purpose: str) -> int:
    """A 63-bit seed for one row, from (global seed, row id, purpose).

    Args:
        seed: the run's global seed.
        row_id: the row's stable id; for generation it holds the pass.
        purpose: what is drawn ("generate", "turns", ...), so that two draws for a row are independent.
    """
    digest = hashlib.sha256(f"{seed}\x1f{row_id}\x1f{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def keep_by_hash(rows: Iterable[T], size: int | None, key: Callable[[T], str]) -> list[T]:
    """The ``size`` rows whose ids have the lowest hash, in their given order; all of them when ``size`` is None.

    A hash of the id rather than a draw: the subset is the same everywhere and for every seed, and a smaller one is
    part of a larger one.
    """
    rows = list(rows)
    if size is None or size >= len(rows):
        return rows
    return keep_lowest(rows, size, lambda row: hashlib.sha256(key(row).encode()).digest())


def keep_lowest(rows: list[T], size: int, rank: Callable[[T], Any]) -> list[T]:
    """The ``size`` rows of lowest rank, in their given order."""
    order = sorted(range(len(rows)), key=lambda i: rank(rows[i]))
    keep = set(order[:size])
    return [row for i, row in enumerate(rows) if i in keep]
