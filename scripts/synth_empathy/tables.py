"""The paper's tables from metrics: our value, the paper's where a text we have holds it, and the difference."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .errors import UserError
from .records import Record, read_json

#: The metrics of Table 1 in its order, by their key in a metrics file, with the heading of their column.
METRICS = {
    "bleu1": "B-1",
    "bleu2": "B-2",
    "bleu3": "B-3",
    "bleu4": "B-4",
    "dist1": "Dist-1",
    "dist2": "Dist-2",
    "rouge1": "R-1",
    "rouge2": "R-2",
    "rougeL": "R-L",
    "cider": "CIDEr",
    "bert_p": "BERT-P",
    "bert_r": "BERT-R",
    "bert_f1": "BERT-F1",
}
UNKNOWN = "not available"
COLUMNS = ["system", "title", "metric", "ours", "paper", "difference", "samples", "seeds", "protocol"]


@dataclass(frozen=True)
class Row:
    """One system of a table: the means of its metrics over the seeds, and the paper's row beside them."""

    system: str
    title: str
    samples: int
    seeds: int
    protocol: str
    ours: dict[str, float]
    paper: dict[str, float]


def read_paper_table(path: Path) -> dict[str, dict[str, float]]:
    """The paper's numbers by system and metric; a number that no text we have holds is absent."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist", "give a table of resources/paper/") from None
    return {line["system"]: {metric: float(line[metric]) for metric in METRICS if line.get(metric)} for line in lines}


def read_row(system: str, title: str, paper_row: str | None, paths: list[Path], paper: dict[str, dict[str, float]]) -> Row:
    """A system's row from its metrics files, one a seed, or two where BERTScore stands in a file of its own.

    Raises:
        UserError: the paper has no such row, or the files disagree on protocol, number of samples or responses.
    """
    if paper_row is not None and paper_row not in paper:
        raise UserError(f"the paper's table has no row {paper_row!r}", f"use one of: {'; '.join(paper)}")
    metrics = merged(system, [read_json(path) for path in paths])
    made = {(m["protocol"], m["samples"]) for m in metrics}
    if len(made) > 1:
        raise UserError(f"the metrics of {system} differ in protocol or number of samples: {sorted(made)}", "delete them and run again")
    protocol, samples = made.pop()
    return Row(system, title, samples, len(metrics), protocol, mean_values(metrics), paper.get(paper_row or "", {}))


def merged(system: str, metrics: list[Record]) -> list[Record]:
    """One record a seed: the files of BERTScore alone, in their order, with the others in theirs."""
    alone = [m for m in metrics if "by_sample" in m]
    others = [m for m in metrics if "by_sample" not in m]
    if not alone:
        return others
    if [(m["protocol"], m["responses_sha256"]) for m in alone] != [(m["protocol"], m["responses_sha256"]) for m in others]:
        raise UserError(f"the metrics of {system} and its BERTScore are not of the same responses, seed by seed", "delete them and run again")
    return [bertscore | other for bertscore, other in zip(alone, others)]


def mean_values(metrics: list[Record]) -> dict[str, float]:
    """Each metric's mean over the seeds; BERTScore by another model than the paper's stands under that model's name."""
    names = [metric for metric in METRICS if all(metric in m for m in metrics)]
    values = {metric: fmean(m[metric] for m in metrics) for metric in names}
    others = [m.get("bertscore_other") for m in metrics]
    if all(others) and len({(other["model"], other["layer"]) for other in others}) == 1:
        other = others[0]
        for part in ("p", "r", "f1"):
            values[f"bert_{part} by {other['model']}, layer {other['layer']}"] = fmean(m["bertscore_other"][part] for m in metrics)
    return values


def cells(row: Row) -> list[tuple[str, str, str, str]]:
    """(metric, ours, paper, difference) of a row's metrics, as texts of two decimals or ``UNKNOWN``."""
    result = []
    for metric in [*METRICS, *(name for name in row.ours if name not in METRICS)]:
        ours, paper = row.ours.get(metric), row.paper.get(metric)
        both = ours is not None and paper is not None
        result.append((metric, number(ours), number(paper), number(ours - paper, "+.2f") if both else UNKNOWN))
    return result


def number(value: float | None, form: str = ".2f") -> str:
    """A value as the table prints it."""
    return UNKNOWN if value is None else format(value, form)


def as_csv(rows: list[Row]) -> str:
    """One line a system and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for cell in cells(row):
            writer.writerow([row.system, row.title, *cell, row.samples, row.seeds, row.protocol])
    return text.getvalue()


def as_markdown(title: str, rows: list[Row], note: str | None) -> str:
    """Three lines a system: ours, the paper's, the difference; then what was measured, and on how much."""
    lines = [f"# {title}", ""]
    lines += [f"> {note}", ""] if note else []
    lines += ["| system | | " + " | ".join(METRICS.values()) + " |", "|---|---|" + "---:|" * len(METRICS)]
    for row in rows:
        table = {metric: values for metric, *values in cells(row)}
        for place, name in enumerate(("ours", "paper", "difference")):
            head = row.title if place == 0 else ""
            lines.append(f"| {head} | {name} | " + " | ".join(table[metric][place] for metric in METRICS) + " |")
    lines += ["", *footnotes(rows)]
    return "\n".join(lines) + "\n"


def footnotes(rows: list[Row]) -> list[str]:
    """Number of test samples and seeds, protocol, and BERTScore by another model."""
    lines = [f'All values are times 100. "{UNKNOWN}": the number stands in no text of the paper that we have, or the metric was not computed.']
    for row in rows:
        other = [f"{name} {value:.2f}" for name, value in row.ours.items() if name not in METRICS]
        measured = f"{row.samples} test samples, {row.seeds} seed{'s' * (row.seeds > 1)}, {row.protocol} protocol"
        lines.append(f"- {row.title}: {'; '.join([measured, *other])}")
    return lines
