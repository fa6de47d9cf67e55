"""Checks slurm/partitions.yaml, which the Slurm executor reads, before the executor fails at it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core import yaml_files
from ..core.errors import UserError

PARTITIONS = "slurm/partitions.yaml"
HINT = "correct it there; docs/cluster.md, section 3, names the limits"
#: Keys that the executor takes out before it reads the limits.
CLUSTER_KEYS = ("slurm_cluster", "cluster", "clusters")
#: The longest text of a duration, such as 365-00:00:00: the executor's pattern slows down quickly with the length.
LONGEST_DURATION = 40


def check_partitions(path: Path, make_limits: Callable[..., Any]) -> None:
    """Refuse a file of partitions that the executor could not read.

    Args:
        make_limits: the executor's own class of limits, which takes them by name and fails for others.

    Raises:
        UserError: names the partition and the limit at fault.
    """
    content = yaml_files.load(path, "correct it; spaces indent, not tabs")
    partitions = content.get("partitions") if isinstance(content, dict) else None
    if not isinstance(partitions, dict) or not partitions:
        hint = "list them under `partitions:`, as in `  cpu: {max_runtime: 1440}`"
        raise UserError(f"{path} names no partitions", hint)
    for name, limits in partitions.items():
        if not re.fullmatch(r"[^\s,|]+", name):
            raise UserError(f"{path}: {name!r} is no partition's name", "name it as `sinfo -o %R` does")
        if not isinstance(limits, dict):
            hint = f"write `{name}: {{}}` for none, or give it a max_runtime"
            raise UserError(f"{path}: the partition {name!r} has no limits", hint)
        check_values(path, name, limits)
        check_names(path, name, limits, make_limits)


def check_names(path: Path, name: str, limits: dict[str, Any], make_limits: Callable[..., Any]) -> None:
    """Refuse limits that the executor does not know."""
    try:
        make_limits(**{key: value for key, value in limits.items() if key not in CLUSTER_KEYS})
    except Exception as error:  # the executor names no type of error
        fault = re.sub(r"^\S*__init__\(\) got an", "an", str(error)).replace("keyword argument", "limit")
        raise UserError(f"{path}: the partition {name!r} has {fault}", HINT) from None


def check_values(path: Path, name: str, limits: dict[str, Any]) -> None:
    """Refuse values that the executor accepts, but cannot compare with a job's."""
    for limit, value in limits.items():
        fault = f"{path}: the partition {name!r} has the {limit} {yaml_files.shown(value)}"
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        duration = limit == "max_runtime" and isinstance(value, str) and len(value) <= LONGEST_DURATION
        if limit.startswith("max_") and not number and not duration:
            raise UserError(f"{fault}, which is no number of at least 0", HINT)
        names = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if limit.startswith("available_") and not names:
            raise UserError(f"{fault}, which is no list of names", HINT)
