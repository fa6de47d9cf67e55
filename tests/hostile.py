"""Values that nobody means, in place of single values of a document: a reader of files must refuse or take them."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: Values that a configuration, a list of claims or a results file may hold by mistake or malice.
VALUES = [
    # numbers
    float("nan"), float("inf"), -float("inf"), 1e308, 1e-320, -1, 0, 0.5, 2.0, 2**31, 10**400, -(10**5000), True,
    # texts
    "", " ", "x" * 5000, "nan", "1e999", "\0", "\x1b[31m", "a\nb", "\ud800",
    "{context.__class__}", "{0}", "{a:>999999999}", "..", "/", "**x", "$(touch x)",
    # other types
    None, datetime.date(2024, 1, 1), b"bytes", (1, 2), [], [[]], [None],
    {}, {"": ""}, {1: 2}, {"a": float("nan")},
]  # fmt: skip


def places(document: Any, place: tuple = ()) -> Iterator[tuple]:
    """The place of each value in a document, as keys and indices; containers count, and so do the values in them."""
    if place:
        yield place
    items = []
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield from places(value, (*place, key))


def with_value(document: Any, place: tuple, value: Any) -> Any:
    """A copy of a document with another value in one place."""
    whole = copy.deepcopy(document)
    container = whole
    for key in place[:-1]:
        container = container[key]
    container[place[-1]] = value
    return whole


def damaged(document: Any) -> st.SearchStrategy:
    """Documents with one value replaced."""
    return st.builds(with_value, st.just(document), st.sampled_from(list(places(document))), st.sampled_from(VALUES))
