"""Automatic metrics of responses: what a metric is, and every metric. All scores are times 100.

    __init__    the classes of metrics, and the registry of all metrics
    bleu, distinct, rouge, cider, bertscore    the paper's metrics
    scoring     responses -> the document that scripts/evaluate.py writes

The paper names its metrics but not how it computes them. The **paper protocol** follows the group's sister project
(Efficient-Empathy): lower-cased NLTK tokens for everything. CIDEr and BERTScore are in neither code; their form is
inferred from the paper's scale. The **standard protocol** is each library's default, whose signature lets others
compare.

Every other module of this folder is a metric. Adding a metric is adding a file here, with no other edit
(docs/extending.md). The file defines a subclass of one of these classes, and an instance of it named ``METRIC``:

    SampleMetric     the corpus score is the mean of the samples' scores (ROUGE, CIDEr)
    CountedMetric    the corpus score follows from sums of the samples' counts (BLEU)
    Metric           anything else; it also defines how the bootstrap scores a draw (Distinct)

Snakemake imports every metric, so a metric imports packages that load slowly inside its functions. No list names the
added metrics: adding one changes no file that another metric's scores depend on.
"""

from __future__ import annotations

import argparse
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

#: The protocols by which responses are scored.
PROTOCOLS = ("paper", "standard")
#: The tables that can show metrics.
EVERY_TABLE = ("table1", "table2", "table3", "table4")
#: The two forms of a text: see ``Metric.takes``.
FORMS = ("text", "tokens")
#: The paper's metrics in the order of its Table 1. Added metrics follow them in tables, by name.
PAPER = ("bleu", "distinct", "rouge", "cider", "bertscore")
#: The modules of this folder that are not metrics.
NOT_METRICS = {"scoring"}
#: A metric's name and those of its scores are parts of paths.
NAME = re.compile(r"[a-z][A-Za-z0-9_]*")

#: Scores draws of a corpus's samples: from how often each draw holds each sample, (draws, samples), to the values of
#: each score times 100, (draws,).
Scorer = Callable[["np.ndarray"], dict[str, "np.ndarray"]]


# What a metric is


@dataclass(frozen=True)
class Corpus:
    """Predictions and their references, row by row, in the form that a metric takes; at least one row."""

    predictions: list[str]
    references: list[str]
    protocol: str


class Metric(ABC):
    """A metric: one or several scores that are computed together.

    Attributes:
        name: the metric's name in files and flags; it is the name of its module.
        title: its name in sentences.
        headings: the key of each score in files, and the heading of its column in tables.
        tables: the tables that have columns of it.
        takes: ``text``: tokens joined by blanks in the paper protocol, the unchanged text in the standard one;
            ``tokens``: tokens joined by blanks in both.
        needs_model: whether a model computes it. Such a metric has a rule of its own.
    """

    name: str
    title: str
    headings: dict[str, str]
    tables: tuple[str, ...] = ("table1",)
    takes: str = "text"
    needs_model: bool = False

    @abstractmethod
    def corpus_scores(self, corpus: Corpus) -> dict[str, float]:
        """The scores of a whole corpus, by the keys of ``headings``, times 100."""

    @abstractmethod
    def scorer(self, corpus: Corpus) -> Scorer:
        """The function that scores draws of the corpus's samples, for the bootstrap."""

    @abstractmethod
    def signature(self, protocol: str) -> str:
        """How the scores were computed: library, version, settings."""

    def add_flags(self, flags: argparse.ArgumentParser) -> None:  # noqa: B027
        """Add the flags of ``scripts/evaluate.py`` that belong to this metric; most have none."""

    def from_flags(self, args: argparse.Namespace) -> Metric:
        """The metric with the settings of its flags; most have none."""
        return self


class SampleMetric(Metric):
    """A metric whose corpus score is the mean of its samples' scores."""

    @abstractmethod
    def sample_scores(self, corpus: Corpus) -> dict[str, list[float]]:
        """The values of each score, one a sample, times 100."""

    def summary(self, rows: dict[str, list[float]]) -> dict[str, Any]:
        """The corpus scores from the samples' scores."""
        return {name: mean(values) for name, values in rows.items()}

    def corpus_scores(self, corpus: Corpus) -> dict[str, float]:
        """The means over the samples."""
        return self.summary(self.sample_scores(corpus))

    def scorer(self, corpus: Corpus) -> Scorer:
        """Takes the means over the drawn samples."""
        return mean_scorer(self.sample_scores(corpus))


class CountedMetric(Metric):
    """A metric whose corpus score follows from sums of its samples' counts."""

    @abstractmethod
    def counts(self, corpus: Corpus) -> list[list[int]]:
        """Every sample's counts, (samples, counts)."""

    @abstractmethod
    def scores_of_sums(self, sums: list[float], protocol: str) -> dict[str, float]:
        """The scores from each count's sum over a corpus, by the keys of ``headings``, times 100."""

    def corpus_scores(self, corpus: Corpus) -> dict[str, float]:
        """The scores from the sums over all samples."""
        return self.scores_of_sums([sum(column) for column in zip(*self.counts(corpus))], corpus.protocol)

    def scorer(self, corpus: Corpus) -> Scorer:
        """Computes the scores from the sums over the drawn samples."""
        import numpy as np

        table = np.array(self.counts(corpus), dtype=np.float64)

        def score(counts: np.ndarray) -> dict[str, np.ndarray]:
            sums = (counts @ table).tolist()  # sums of whole numbers, and so exact
            rows = [self.scores_of_sums(row, corpus.protocol) for row in sums]
            values = {}
            for name in self.headings:
                values[name] = np.array([row[name] for row in rows])
            return values

        return score


def mean(values: Iterable[float]) -> float:
    """The mean, summed exactly, so that the order of the rows does not matter."""
    values = list(values)
    return math.fsum(values) / len(values)


def mean_scorer(rows: dict[str, Any]) -> Scorer:
    """The function that scores draws by means over the samples.

    Args:
        rows: the values of each score, one a sample.
    """
    import numpy as np

    table = np.column_stack(list(rows.values()))

    def score(counts: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(rows, (counts @ table / len(table)).T))

    return score


# Every metric


def modules() -> list[str]:
    """The names of the metrics' modules: the paper's metrics in its order, then the others by name."""
    names = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return [*PAPER, *sorted(names.difference(PAPER, NOT_METRICS))]


def load() -> dict[str, Metric]:
    """Every metric by its name.

    Raises:
        UserError: a metric's declaration is faulty; names its file.
    """
    metrics: dict[str, Metric] = {}
    for name in modules():
        metric = getattr(import_module(f"{__name__}.{name}"), "METRIC", None)
        fault = fault_of(metric, name, list(metrics.values()))
        if fault is not None:
            problem = f"{Path(__file__).parent / name}.py is not a metric: {fault}"
            raise UserError(problem, "correct the class whose instance is METRIC (docs/extending.md)")
        metrics[name] = metric
    return metrics


def fault_of(metric: object, module: str, others: list[Metric]) -> str | None:
    """What is wrong with a metric's declaration; None for a sound one."""
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
    for other in others:
        taken = [score for score in metric.headings if score in other.headings]
        if taken:
            return f"{other.title} has a score {taken[0]!r} already"
    return None


#: Every metric by its name, in the order of their columns.
METRICS = load()
#: Every score's key in files, with the heading of its column, in the order of the columns.
HEADINGS: dict[str, str] = {}
for _metric in METRICS.values():
    HEADINGS |= _metric.headings
#: The paper's metrics that need no model. One job computes them all, since starting a job takes longer than a metric;
#: one file, {protocol}.json, holds their scores.
TOGETHER = tuple(name for name in PAPER if not METRICS[name].needs_model)
#: The added metrics. Each has a job and a file of its own, {protocol}-{metric}.json, so adding one remakes no other.
ADDED = tuple(name for name in METRICS if name not in PAPER)


def scores(names: Sequence[str], table: str | None = None) -> tuple[str, ...]:
    """The keys of some metrics' scores, in their order; only those that a table shows, if one is given."""
    chosen = [METRICS[name] for name in names if table is None or table in METRICS[name].tables]
    return tuple(score for metric in chosen for score in metric.headings)


def metric_of(score: str) -> Metric:
    """The metric that a score belongs to.

    Raises:
        UserError: no metric has such a score.
    """
    for metric in METRICS.values():
        if score in metric.headings:
            return metric
    raise UserError(f"no metric has a score {score!r}", f"use one of: {', '.join(HEADINGS)}")


def file_name(metric: Metric, protocol: str) -> str:
    """The name of the file that holds a metric's scores, in a system's folder of metrics."""
    return f"{protocol}.json" if metric.name in TOGETHER else f"{protocol}-{metric.name}.json"


def code(names: Sequence[str]) -> list[str]:
    """The modules of some metrics, as ``code_graph`` names the code that a rule depends on."""
    package = __name__.partition(".")[2]
    return [f"{package}.{name}" for name in names]
