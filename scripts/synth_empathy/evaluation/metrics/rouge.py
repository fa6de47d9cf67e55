"""ROUGE-1, ROUGE-2 and ROUGE-L by rouge-score (Lin, 2004)."""

from __future__ import annotations

import string
from importlib.metadata import version
from typing import Protocol

from . import EVERY_TABLE, Corpus, SampleMetric

PUNCTUATION_TO_BLANKS = str.maketrans(string.punctuation, " " * len(string.punctuation))


class Tokenizer(Protocol):
    """The interface that rouge-score requires of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""


class ArticleFreeTokenizer:
    """The paper protocol's ROUGE tokens: the metric's tokens, split at ASCII punctuation, without a, an and the."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text; "do n't" gives do, n, t."""
        return [word for word in text.translate(PUNCTUATION_TO_BLANKS).split() if word not in ("a", "an", "the")]


#: Each protocol's tokenizer; None means the library's own (lower case, runs of a-z and 0-9).
TOKENIZERS: dict[str, Tokenizer | None] = {"paper": ArticleFreeTokenizer(), "standard": None}
#: The protocols' settings as signatures state them.
SETTINGS = {
    "paper": "mean F1, no stemming, of the tokens with ASCII punctuation as blanks and without a, an, the",
    "standard": "mean F1, default tokenizer, use_stemmer=False",
}


class ROUGE(SampleMetric):
    """The F1 of ROUGE-1, -2 and -L, without stemming."""

    name = "rouge"
    title = "ROUGE"
    headings = {"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"}
    tables = EVERY_TABLE

    def sample_scores(self, corpus: Corpus) -> dict[str, list[float]]:
        """Every sample's F1."""
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(self.headings), use_stemmer=False, tokenizer=TOKENIZERS[corpus.protocol])
        pairs = zip(corpus.predictions, corpus.references, strict=True)
        rows = [scorer.score(reference, prediction) for prediction, reference in pairs]
        scores = {}
        for kind in self.headings:
            scores[kind] = [100 * row[kind].fmeasure for row in rows]
        return scores

    def signature(self, protocol: str) -> str:
        """The library, its version, and the protocol's settings."""
        return f"rouge-score {version('rouge-score')}, {SETTINGS[protocol]}"


METRIC = ROUGE()
