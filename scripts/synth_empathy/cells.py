"""One cell of one of the paper's tables: our value, the paper's, and what the value rests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError
from .records import REMAKE, read_json


@dataclass(frozen=True)
class Cell:
    """One cell; ``value`` is the mean over the seeds, times 100, or None with a sentence that says why."""

    table: str
    base: str
    training_set: str
    metric: str
    title: str
    value: float | None
    why_null: str | None
    by_seed: dict[str, float]
    sd: float | None
    paper: float | None
    difference: float | None
    protocol: str
    test_samples: int
    instead: dict[str, Any] | None


def read_cell(path: Path) -> Cell:
    """Read a cell.

    Raises:
        UserError: the file is missing or is no cell.
    """
    content = read_json(path)
    fields = Cell.__dataclass_fields__
    lacking = [name for name in fields if not isinstance(content, dict) or name not in content]
    if lacking:
        raise UserError(f"{path} is no cell of a table: it lacks {', '.join(lacking)}", REMAKE)
    return Cell(**{name: content[name] for name in fields})
