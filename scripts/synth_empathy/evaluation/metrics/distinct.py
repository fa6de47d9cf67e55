"""Distinct-1 and Distinct-2: the share of distinct n-grams among the predictions' n-grams (Li et al., 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import Corpus, Metric, Scorer

if TYPE_CHECKING:
    import numpy as np

ORDERS = (1, 2)


class Distinct(Metric):
    """Distinct-1 and -2 over the whole corpus; 0 without any n-gram."""

    name = "distinct"
    title = "Distinct"
    headings = {f"dist{order}": f"Dist-{order}" for order in ORDERS}
    takes = "tokens"

    def corpus_scores(self, corpus: Corpus) -> dict[str, float]:
        """Distinct n-grams over all n-grams."""
        scores = {}
        for order in ORDERS:
            occurrences = [ngram for text in corpus.predictions for ngram in ngrams(text, order)]
            scores[f"dist{order}"] = 100 * len(set(occurrences)) / len(occurrences) if occurrences else 0.0
        return scores

    def scorer(self, corpus: Corpus) -> Scorer:
        """Divides a draw's distinct n-grams by all of its n-grams."""
        import numpy as np

        occurrences = {f"dist{order}": ngram_occurrences(corpus.predictions, order) for order in ORDERS}

        def score(counts: np.ndarray) -> dict[str, np.ndarray]:
            values = {}
            for name, (samples, starts) in occurrences.items():
                if not len(starts):
                    values[name] = np.zeros(len(counts))
                    continue
                occurring = counts[:, samples]
                distinct = np.logical_or.reduceat(occurring > 0, starts, axis=1).sum(axis=1)
                values[name] = 100 * distinct / np.maximum(occurring.sum(axis=1), 1)
            return values

        return score

    def signature(self, protocol: str) -> str:
        """The formula; the tokens have a signature of their own."""
        return "distinct n-grams over all n-grams of the corpus, of the tokens"


def ngrams(text: str, order: int) -> zip[tuple[str, ...]]:
    """The n-grams of a text whose tokens are joined by blanks."""
    words = text.split()
    return zip(*(words[start:] for start in range(order)))


def ngram_occurrences(predictions: list[str], order: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each n-gram occurs in a corpus.

    Returns:
        The sample of every occurrence, grouped by n-gram, (occurrences,); and the start of each n-gram's group,
        (distinct n-grams,).
    """
    import numpy as np

    samples_of: dict[tuple[str, ...], list[int]] = {}
    for sample, text in enumerate(predictions):
        for ngram in ngrams(text, order):
            samples_of.setdefault(ngram, []).append(sample)
    starts = np.cumsum([0, *map(len, samples_of.values())])[:-1]
    return np.array([sample for samples in samples_of.values() for sample in samples], dtype=np.intp), starts


METRIC = Distinct()
