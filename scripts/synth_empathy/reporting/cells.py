"""One cell of a table: our value of a system's metric over the seeds, the paper's value, and the difference.

A cell is a small JSON file and a target of its own, so one value costs only the jobs that it needs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..core.errors import UserError
from ..core.json_files import read_json, write_json
from ..core.records import COUNT, METRIC, Fields, Record, fault_of
from ..evaluation import metrics

#: Every score of a metric by its key in a metrics file, with the heading of its column.
METRICS = metrics.HEADINGS
#: Table 2's column "Data". Which of the two counts the paper prints is unknown, so both are compared with its number.
COUNTS = {"samples_quality": "after quality", "samples_selected": "after diversity"}
HEADINGS = METRICS | COUNTS

#: The scores that share one file; those of BERTScore; and those of added metrics, each in its metric's file.
OVERLAP, BERTSCORE, ADDED = map(metrics.scores, (metrics.TOGETHER, ["bertscore"], metrics.ADDED))
#: The reason of a cell that was not made.
NOT_MADE = "the cell was not made"
AGAIN = "delete it and make it again, with its name as the target"
REMAKE = "delete it and run the step that makes it again (docs/files.md says which)"
#: The kinds of a cell's fields: those with a value in every cell, those that may be null, and those of ``instead``.
FIELDS: Fields = dict.fromkeys(("table", "base", "training_set", "metric", "title"), str)
FIELDS |= {"by_seed": dict, "empty_predictions": COUNT}
OPTIONAL: Fields = dict.fromkeys(("value", "sd", "paper", "difference"), METRIC)
OPTIONAL |= {"why_null": str, "protocol": str, "test_samples": COUNT, "instead": dict}
INSTEAD: Fields = {"model": str, "layer": COUNT, "value": METRIC}
#: The kinds of the fields of a metrics file or of a selection's counts, and of two nested fields.
DOCUMENT: Fields = {"protocol": str, "samples": COUNT, "empty_predictions": dict, "bertscore_other": dict}
DOCUMENT |= dict.fromkeys(METRICS, METRIC) | dict.fromkeys(COUNTS, COUNT)
EMPTY: Fields = {"count": COUNT}
OTHER: Fields = {"model": str, "layer": COUNT} | dict.fromkeys(("p", "r", "f1"), METRIC)


@dataclass(frozen=True)
class Cell:
    """A cell's file: see docs/files.md.

    Attributes:
        value: the mean over the seeds, times 100 as the paper prints metrics; None if it was not computed.
        why_null: why there is no value; None if there is one.
        sd: the seeds' standard deviation (n - 1); None with one seed.
        paper: the paper's value; None if no text that we have holds it.
        test_samples: the number of samples that the metric is computed on; None for counts.
        empty_predictions: how many of them have an empty prediction, over all seeds; they are scored like the others.
        instead: BERTScore by another model than the paper's: model, layer, value.
    """

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
    protocol: str | None
    test_samples: int | None
    empty_predictions: int
    instead: Record | None

    @property
    def missing(self) -> bool:
        """Whether the cell was not made, and only the paper's value can be known."""
        return self.why_null == NOT_MADE


def missing_cell(place: dict[str, str], paper: float | None) -> Cell:
    """The stand-in for a cell that was not made; it has the paper's value all the same.

    Args:
        place: table, base, training_set, metric, title.
    """
    absent = dict.fromkeys(("value", "sd", "difference", "protocol", "test_samples", "instead"))
    return Cell(**place, **absent, why_null=NOT_MADE, by_seed={}, paper=paper, empty_predictions=0)


def read_document(path: Path) -> Record:
    """Read a metrics file, or the counts of a selection.

    Raises:
        UserError: the file is missing, or a value is not of its field's kind.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a metrics file: it is not a JSON object", REMAKE)
    fault = first_fault(document, DOCUMENT)
    for name, kinds in (("empty_predictions", EMPTY), ("bertscore_other", OTHER)):
        if name in document and fault is None:
            inner = document[name]
            lacking = [key for key in kinds if key not in inner]
            fault = f"{name} has no {lacking[0]}" if lacking else first_fault(inner, kinds)
    if fault is not None:
        raise UserError(f"{path} is not a metrics file: {fault}", REMAKE)
    return document


def first_fault(record: Record, kinds: Fields) -> str | None:
    """The fault of the first present field that is not of its kind; None if there is none."""
    faults = {name: fault_of(record[name], kind) for name, kind in kinds.items() if name in record}
    return next((f"{name} is {fault}" for name, fault in faults.items() if fault), None)


def make_cell(place: dict[str, str], documents: dict[str, Record], paper: float | None, left_out: str | None) -> Cell:
    """A cell from the documents that hold its metric, one a seed.

    Args:
        place: table, base, training_set, metric, title.
        documents: by seed; a metrics file or the counts of a selection. Empty only if ``left_out`` says why.

    Raises:
        UserError: the documents differ in protocol or number of samples, or lack the metric.
    """
    common = {
        "paper": paper,
        "protocol": common_value(documents, "protocol", place),
        "test_samples": common_value(documents, "samples", place),
        "empty_predictions": sum(map(empty_predictions, documents.values())),
    }
    other_model = any("bertscore_other" in document for document in documents.values())
    if left_out is not None or (place["metric"] in BERTSCORE and other_model):
        why = left_out or "BERTScore by another model than roberta-large is not the paper's"
        other = substitute_bertscore(place["metric"], documents)
        return Cell(**place, value=None, why_null=why, by_seed={}, sd=None, difference=None, instead=other, **common)
    by_seed = {seed: float(value_of(document, place, seed)) for seed, document in documents.items()}
    value = fmean(by_seed.values())
    ours = {
        "value": value,
        "why_null": None,
        "by_seed": by_seed,
        "sd": stdev(by_seed.values()) if len(by_seed) > 1 else None,
        "difference": None if paper is None else value - paper,
        "instead": None,
    }
    return Cell(**place, **ours, **common)


def empty_predictions(document: Record) -> int:
    """How many empty predictions a document counts."""
    return document.get("empty_predictions", {}).get("count", 0)


def common_value(documents: dict[str, Record], key: str, place: dict[str, str]) -> Any:
    """The value that all documents have for a key; None if none of them has the key."""
    values = {document.get(key) for document in documents.values()}
    if len(values) > 1:
        system = f"{place['base']}/{place['training_set']}"
        problem = f"the metrics of {system} differ in {key} between seeds: {sorted(map(str, values))}"
        raise UserError(problem, "delete them and run again")
    return values.pop() if values else None


def value_of(document: Record, place: dict[str, str], seed: str) -> float:
    """A document's value of the cell's metric."""
    if place["metric"] not in document:
        system = f"{place['base']}/{place['training_set']}"
        problem = f"the metrics of {system}, seed {seed}, have no {place['metric']!r}"
        raise UserError(problem, "delete them and run again: other code made them")
    return document[place["metric"]]


def substitute_bertscore(metric: str, documents: dict[str, Record]) -> Record | None:
    """BERTScore's mean over the seeds by another model than the paper's; None unless one model computed all."""
    others = [document.get("bertscore_other") for document in documents.values()]
    if not others or not all(others) or len({(other["model"], other["layer"]) for other in others}) > 1:
        return None
    values = [other[metric.removeprefix("bert_")] for other in others]
    return {"model": others[0]["model"], "layer": others[0]["layer"], "value": fmean(values)}


def write_cell(path: Path, cell: Cell) -> None:
    """Write a cell's file."""
    write_json(path, asdict(cell))


def read_cell(path: Path) -> Cell:
    """Read a cell's file.

    Raises:
        UserError: the file is missing, or is not a cell's.
    """
    content = read_json(path)
    names = [field.name for field in fields(Cell)]
    if not isinstance(content, dict) or sorted(content) != sorted(names):
        raise UserError(f"{path} is not a cell: it needs {', '.join(names)}", AGAIN)
    fault = cell_fault(content)
    if fault:
        raise UserError(f"{path} is not a cell: {fault}", AGAIN)
    return Cell(**content)


def cell_fault(content: Record) -> str | None:
    """What is wrong with the values of a cell's fields; None if they are sound."""
    required_or_set = {name: value for name, value in content.items() if name in FIELDS or value is not None}
    fault = first_fault(required_or_set, FIELDS | OPTIONAL)
    if fault:
        return fault
    if any(fault_of(value, METRIC) for value in content["by_seed"].values()):
        return "by_seed holds something other than numbers"
    other = content["instead"]
    if other is not None and any(fault_of(other.get(name), kind) for name, kind in INSTEAD.items()):
        return f"instead needs {', '.join(INSTEAD)}"
    if content["value"] is None and content["why_null"] is None:
        return "it has neither a value nor a reason for having none"
    return None
