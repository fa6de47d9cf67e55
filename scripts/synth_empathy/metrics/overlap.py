"""Scores of shared words: BLEU, Distinct, ROUGE, CIDEr; all times 100.

Every function takes texts row by row, ``predictions[i]`` to ``references[i]``, at least one row; where it does not
tokenize by itself, tokens stand between blanks. Libraries that are slow to import are imported where they are used.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable
from typing import Any, Protocol

BLEU_ORDERS = (1, 2, 3, 4)
ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
PUNCTUATION_TO_BLANKS = str.maketrans(string.punctuation, " " * len(string.punctuation))


class Tokenizer(Protocol):
    """What rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""


class ArticleFreeTokenizer:
    """The paper protocol's ROUGE tokens, over the metric's own: ASCII punctuation is blank, then no a, an or the."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text; "do n't" gives do, n, t."""
        return [word for word in text.translate(PUNCTUATION_TO_BLANKS).split() if word not in ("a", "an", "the")]


def mean(values: Iterable[float]) -> float:
    """The mean, summed exactly, so that the order of the rows does not matter."""
    values = list(values)
    return math.fsum(values) / len(values)


def bleu(predictions: list[str], references: list[str], **settings: Any) -> tuple[dict[str, float], str]:
    """Corpus BLEU-1..4 by sacreBLEU, and its signature (which does not name the order).

    Args:
        settings: of ``sacrebleu.metrics.BLEU``; none means its defaults.
    """
    from sacrebleu.metrics import BLEU

    scores = {}
    for order in BLEU_ORDERS:
        # force: tokenized text is what ED's references are; the library's warning about it would say nothing new.
        metric = BLEU(max_ngram_order=order, force=True, **settings)
        scores[f"bleu{order}"] = metric.corpus_score(predictions, [references]).score
    return scores, f"{metric.get_signature()}; bleuN with max_ngram_order N"


def distinct(predictions: list[str]) -> dict[str, float]:
    """Distinct-1 and -2 over the whole corpus (Li et al., 2016); 0 where there is no n-gram at all."""
    scores = {}
    for order in (1, 2):
        ngrams = [ngram for words in map(str.split, predictions) for ngram in zip(*(words[start:] for start in range(order)))]
        scores[f"dist{order}"] = 100 * len(set(ngrams)) / len(ngrams) if ngrams else 0.0
    return scores


def rouge(predictions: list[str], references: list[str], tokenizer: Tokenizer | None = None) -> dict[str, float]:
    """ROUGE-1, -2 and -L by rouge-score, without stemming: the mean of the rows' F1, as ``rouge_rows`` gives them."""
    return {kind: mean(values) for kind, values in rouge_rows(predictions, references, tokenizer).items()}


def rouge_rows(predictions: list[str], references: list[str], tokenizer: Tokenizer | None = None) -> dict[str, list[float]]:
    """The F1 of each row's ROUGE-1, -2 and -L, times 100.

    Args:
        tokenizer: ``None`` means the library's own (lower case, runs of a-z and 0-9).
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE_TYPES), use_stemmer=False, tokenizer=tokenizer)
    rows = [scorer.score(reference, prediction) for prediction, reference in zip(predictions, references, strict=True)]
    return {kind: [100 * row[kind].fmeasure for row in rows] for kind in ROUGE_TYPES}


def cider(predictions: list[str], references: list[str]) -> dict[str, float]:
    """CIDEr of the COCO caption evaluation: the mean over the rows, as ``cider_rows`` gives them."""
    return {"cider": mean(cider_rows(predictions, references))}


def cider_rows(predictions: list[str], references: list[str]) -> list[float]:
    """Each row's CIDEr (n-grams 1..4, IDF from all references), times 100.

    The library's scale is 0 to 10, so a perfect corpus has 1000 here. A corpus of one row, or whose references are
    all empty, has no IDF to weigh by: 0.
    """
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    if not any(reference.split() for reference in references):
        return [0.0] * len(references)
    scorer = CiderScorer()
    for prediction, reference in zip(predictions, references, strict=True):
        scorer += (prediction, [reference])
    _, rows = scorer.compute_score()
    return [100 * value for value in rows.tolist()]
