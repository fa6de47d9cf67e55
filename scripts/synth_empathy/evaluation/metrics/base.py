"""What a metric is: its names, its scores, its signature, and how a bootstrap draws it.

A metric is a subclass of one of two classes, and an instance of it named ``METRIC`` in a module of this folder:

    SampleMetric     the corpus score is the mean of the samples' scores (ROUGE, CIDEr)
    CountedMetric    the corpus score follows from sums of the samples' counts (BLEU)

One that is neither subclasses ``Metric`` and draws for itself (Distinct). Snakemake imports every metric: a module
imports packages that are slow to load inside its functions.
"""

from __future__ import annotations

import argparse
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: The protocols by which responses are scored.
PROTOCOLS = ("paper", "standard")
#: Every table that metrics can stand in.
EVERY_TABLE = ("table1", "table2", "table3", "table4")
#: The two forms of a text: see ``Metric.takes``.
FORMS = ("text", "tokens")

#: Scores of draws: how often each sample was drawn, (draws, samples) -> for each score its value times 100, (draws,).
Scorer = Callable[["np.ndarray"], dict[str, "np.ndarray"]]


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
        takes: ``text``: tokens joined by blanks in the paper protocol, the text as it stands in the standard one;
            ``tokens``: tokens joined by blanks in both.
        needs_model: whether a model computes it, so that it has a rule of its own.
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
        """What scores draws of the corpus's samples, for the bootstrap."""

    @abstractmethod
    def signature(self, protocol: str) -> str:
        """How the scores came about: library, version, settings."""

    def add_flags(self, flags: argparse.ArgumentParser) -> None:  # noqa: B027
        """Add the flags of ``scripts/evaluate.py`` that belong to this metric; most have none."""

    def from_flags(self, args: argparse.Namespace) -> Metric:
        """The metric as the flags set it up; most have nothing to set."""
        return self


class SampleMetric(Metric):
    """A metric whose corpus score is the mean of its samples' scores."""

    @abstractmethod
    def sample_scores(self, corpus: Corpus) -> dict[str, list[float]]:
        """For each score its value of every sample, times 100."""

    def summary(self, rows: dict[str, list[float]]) -> dict[str, Any]:
        """The corpus scores from the samples' scores."""
        return {name: mean(values) for name, values in rows.items()}

    def corpus_scores(self, corpus: Corpus) -> dict[str, float]:
        """The means over the samples."""
        return self.summary(self.sample_scores(corpus))

    def scorer(self, corpus: Corpus) -> Scorer:
        """The means over the drawn samples."""
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
        """The scores from the sums over the drawn samples."""
        import numpy as np

        table = np.array(self.counts(corpus), dtype=np.float64)

        def score(counts: np.ndarray) -> dict[str, np.ndarray]:
            sums = (counts @ table).tolist()  # of whole numbers: exact
            rows = [self.scores_of_sums(row, corpus.protocol) for row in sums]
            return {name: np.array([row[name] for row in rows]) for name in self.headings}

        return score


def mean(values: Iterable[float]) -> float:
    """The mean, summed exactly, so that the order of the rows does not matter."""
    values = list(values)
    return math.fsum(values) / len(values)


def mean_scorer(rows: dict[str, Any]) -> Scorer:
    """What scores draws by scores that are means over the samples.

    Args:
        rows: for each score its value of every sample.
    """
    import numpy as np

    table = np.column_stack(list(rows.values()))

    def score(counts: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(rows, (counts @ table / len(table)).T))

    return score
