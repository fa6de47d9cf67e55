"""Seeds and draws that depend on a row alone: not on its shard, its batch, or earlier rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def row_seed(seed: int, row_id: str, purpose: str) -> int:
    """A 63-bit seed for one row, from (global seed, row id, purpose).

    Args:
        seed: the run's global seed.
        row_id: the row's stable id; in generation it contains the pass.
        purpose: what is drawn ("generate", "turns", ...): draws for several purposes are independent.
    """
    digest = hashlib.sha256(f"{seed}\x1f{row_id}\x1f{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def keep_by_hash(rows: Iterable[T], size: int | None, key: Callable[[T], str]) -> list[T]:
    """The ``size`` rows whose ids have the lowest hashes, in their given order; all rows if ``size`` is None.

    Hashes of ids replace a draw: the subset is the same on every machine and for every seed, and a smaller subset is
    part of a larger one.
    """
    rows = list(rows)
    if size is None or size >= len(rows):
        return rows
    return keep_lowest(rows, size, lambda row: hashlib.sha256(key(row).encode()).digest())


def keep_lowest(rows: list[T], size: int, rank: Callable[[T], Any]) -> list[T]:
    """The ``size`` rows of lowest rank, in their given order; of equal ranks, the first rows."""
    order = sorted(range(len(rows)), key=lambda place: rank(rows[place]))
    return [rows[place] for place in sorted(order[:size])]
