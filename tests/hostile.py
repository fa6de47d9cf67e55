"""Values that nobody means, put in the place of single values of a document: what a reader of files has to refuse or take."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: What a configuration, a list of claims or a file of results may hold by mistake or malice.
VALUES = [
    float("nan"), float("inf"), -float("inf"), 1e308, 1e-320, -1, 0, 0.5, 2.0, 2**31, 10**400, -(10**5000), True, None, "", " ", "x" * 5000, "nan", "1e999",
    "\0", "\x1b[31m", "a\nb", "\ud800", "{context.__class__}", "{0}", "{a:>999999999}", "..", "/", "**x", "$(touch x)", datetime.date(2024, 1, 1), [], {},
    [[]], {"": ""}, {1: 2}, {"a": float("nan")}, [None], (1, 2), b"bytes",
]  # fmt: skip


def places(document: Any, place: tuple = ()) -> Iterator[tuple]:
    """Where values stand in a document, as keys and indices; inner ones, too."""
    if place:
        yield place
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*place, key))


def with_value(document: Any, place: tuple, value: Any) -> Any:
    """A copy of a document with another value in one place."""
    whole = copy.deepcopy(document)
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return whole


def damaged(document: Any) -> st.SearchStrategy:
    """Documents with one value replaced."""
    return st.builds(with_value, st.just(document), st.sampled_from(list(places(document))), st.sampled_from(VALUES))
