"""Every metric. A module of this folder is one, but for those of ``NOT_METRICS``; adding a metric needs no other edit.

Nothing lists the added metrics, so that adding one changes no file that another metric's scores depend on.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from ...core.errors import UserError
from .base import EVERY_TABLE, FORMS, Metric

#: The paper's metrics in the order of its Table 1. The others follow them in tables, by name.
PAPER = ("bleu", "distinct", "rouge", "cider", "bertscore")
#: The modules of this folder that are not metrics.
NOT_METRICS = {"base", "registry", "scoring", "texts"}
#: A metric's name and those of its scores are parts of paths.
NAME = re.compile(r"[a-z][A-Za-z0-9_]*")


def modules() -> list[str]:
    """The names of the metrics' modules: the paper's metrics in its order, then the others by name."""
    found = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return [*PAPER, *sorted(found.difference(PAPER, NOT_METRICS))]


def load() -> dict[str, Metric]:
    """Every metric by its name.

    Raises:
        UserError: a metric's names are not as they must be; names its file.
    """
    found: dict[str, Metric] = {}
    for name in modules():
        metric = getattr(import_module(f"{__package__}.{name}"), "METRIC", None)
        fault = fault_of(metric, name, list(found.values()))
        if fault is not None:
            problem = f"{Path(__file__).parent / name}.py is not a metric: {fault}"
            raise UserError(problem, "correct the class whose instance is METRIC (docs/extending.md)")
        found[name] = metric
    return found


def fault_of(metric: object, module: str, others: list[Metric]) -> str | None:
    """What is wrong with a metric's names; None where nothing is."""
    if not isinstance(metric, Metric):
        return "it has no METRIC that is an instance of a subclass of Metric"
    lacking = [name for name in ("name", "title", "headings") if not getattr(metric, name, None)]
    if lacking:
        return f"it has no {lacking[0]}"
    if metric.name != module:
        return f"its name is {metric.name!r}, its file's is {module!r}"
    bad = [name for name in (metric.name, *metric.headings) if not NAME.fullmatch(name)]
    if bad:
        return f"the name {bad[0]!r} is not made of letters, digits and _, beginning with a small letter"
    unknown = sorted(set(metric.tables).difference(EVERY_TABLE))
    if unknown:
        return f"there is no {unknown[0]!r} among the tables {', '.join(EVERY_TABLE)}"
    if metric.takes not in FORMS:
        return f"it takes {metric.takes!r}, which is neither of {' and '.join(FORMS)}"
    taken = [(name, other) for other in others for name in metric.headings if name in other.headings]
    return f"{taken[0][1].title} has a score {taken[0][0]!r} already" if taken else None


#: Every metric by its name, in the order of their columns.
METRICS = load()
#: Every score's key in files, with the heading of its column, in the order of the columns.
HEADINGS = {score: heading for metric in METRICS.values() for score, heading in metric.headings.items()}
#: The paper's metrics that need no model. One job scores them all, since a job's start takes longer than a metric; their
#: scores stand in one file, {protocol}.json.
TOGETHER = tuple(name for name in PAPER if not METRICS[name].needs_model)
#: The added metrics. Each has a job and a file of its own, {protocol}-{metric}.json: adding one makes no other again.
ADDED = tuple(name for name in METRICS if name not in PAPER)


def scores(names: tuple[str, ...] | list[str], table: str | None = None) -> tuple[str, ...]:
    """The scores of some metrics, in their order; only those that a table has columns of, where one is given."""
    chosen = [METRICS[name] for name in names if table is None or table in METRICS[name].tables]
    return tuple(score for metric in chosen for score in metric.headings)


def metric_of(score: str) -> Metric:
    """The metric that a score is of.

    Raises:
        UserError: there is no such score.
    """
    for metric in METRICS.values():
        if score in metric.headings:
            return metric
    raise UserError(f"no metric has a score {score!r}", f"use one of: {', '.join(HEADINGS)}")


def file_name(metric: Metric, protocol: str) -> str:
    """The name of the file that holds a metric's scores, in a system's folder of metrics."""
    return f"{protocol}.json" if metric.name in TOGETHER else f"{protocol}-{metric.name}.json"


def code(names: tuple[str, ...] | list[str]) -> list[str]:
    """The modules of some metrics, as a rule names the code that it depends on (``code_graph``)."""
    package = __package__.partition(".")[2]
    return [f"{package}.{name}" for name in names]
