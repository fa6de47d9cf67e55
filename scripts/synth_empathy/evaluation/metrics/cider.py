"""CIDEr of the COCO caption evaluation, by pycocoevalcap (Vedantam et al., 2015)."""

from __future__ import annotations

from importlib.metadata import version

from . import EVERY_TABLE, Corpus, SampleMetric


class CIDEr(SampleMetric):
    """CIDEr over n-grams of 1 to 4 tokens, IDF from all references.

    The library's scale is 0 to 10, so a perfect corpus scores 1000 here. A corpus of one row, or with empty references
    only, has no IDF and scores 0.

    The draws of a bootstrap use the IDF of all references. An IDF of each draw would be a property of the draw, not of
    the systems.
    """

    name = "cider"
    title = "CIDEr"
    headings = {"cider": "CIDEr"}
    tables = EVERY_TABLE
    takes = "tokens"

    def sample_scores(self, corpus: Corpus) -> dict[str, list[float]]:
        """Every sample's CIDEr."""
        from pycocoevalcap.cider.cider_scorer import CiderScorer

        if not any(reference.split() for reference in corpus.references):
            return {"cider": [0.0] * len(corpus.references)}
        scorer = CiderScorer()
        for prediction, reference in zip(corpus.predictions, corpus.references, strict=True):
            scorer += (prediction, [reference])
        _, rows = scorer.compute_score()
        return {"cider": [100 * value for value in rows.tolist()]}

    def signature(self, protocol: str) -> str:
        """The library, its version and settings."""
        library = f"pycocoevalcap {version('pycocoevalcap')} Cider"
        return f"{library}, n 4, sigma 6, IDF of the references, of the tokens"


METRIC = CIDEr()
