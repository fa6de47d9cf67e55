"""BLEU-1 to BLEU-4 by sacreBLEU (Papineni et al., 2002)."""

from __future__ import annotations

from typing import Any

from . import EVERY_TABLE, Corpus, CountedMetric

ORDERS = (1, 2, 3, 4)
#: Each protocol's arguments of ``sacrebleu.metrics.BLEU``; an empty dict means its defaults.
SETTINGS: dict[str, dict[str, str]] = {"paper": {"tokenize": "none", "smooth_method": "none"}, "standard": {}}


class BLEU(CountedMetric):
    """Corpus BLEU-1..4.

    The paper's group computes BLEU by NLTK's ``corpus_bleu`` with smoothing method1, epsilon 1e-12. sacreBLEU without
    smoothing gives the same values except in two cases. If no n-gram matches in the whole corpus, which happens only
    in a tiny one, BLEU-n is 0 here and in NLTK a number below 0.1 that depends on epsilon alone. And NLTK counts one
    n-gram in a prediction of fewer than n tokens; on the published outputs this moves BLEU-4 by 0.0001.
    """

    name = "bleu"
    title = "BLEU"
    headings = {f"bleu{order}": f"B-{order}" for order in ORDERS}
    tables = EVERY_TABLE

    def counts(self, corpus: Corpus) -> list[list[int]]:
        """Each sample's two lengths, then its matching n-grams and its n-grams by order."""
        # sacreBLEU requires effective_order for scoring single sentences; only the counts are used here.
        metric = sacrebleu_metric(corpus.protocol, effective_order=True)
        pairs = zip(corpus.predictions, corpus.references, strict=True)
        rows = [metric.sentence_score(prediction, [reference]) for prediction, reference in pairs]
        return [[row.sys_len, row.ref_len, *row.counts, *row.totals] for row in rows]

    def scores_of_sums(self, sums: list[float], protocol: str) -> dict[str, float]:
        """sacreBLEU's BLEU of each order from the summed counts."""
        metric = sacrebleu_metric(protocol)
        smoothing = {"smooth_method": metric.smooth_method, "smooth_value": metric.smooth_value}
        lengths = {"sys_len": int(sums[0]), "ref_len": int(sums[1])}
        scores = {}
        for order in ORDERS:
            matched, total = sums[2 : 2 + order], sums[6 : 6 + order]
            result = metric.compute_bleu(matched, total, **lengths, **smoothing, max_ngram_order=order)
            scores[f"bleu{order}"] = result.score
        return scores

    def signature(self, protocol: str) -> str:
        """sacreBLEU's signature, which does not name the order."""
        metric = sacrebleu_metric(protocol)
        metric.corpus_score(["a"], [["a"]])  # the signature names the number of references, known after scoring
        tokens = ", of the tokens" if protocol == "paper" else ""
        return f"{metric.get_signature()}; bleuN with max_ngram_order N{tokens}"


def sacrebleu_metric(protocol: str, **settings: Any) -> Any:
    """sacreBLEU's BLEU by a protocol."""
    import sacrebleu.metrics

    # force: ED's references are tokenized; this silences the library's warning about tokenized text.
    return sacrebleu.metrics.BLEU(force=True, **SETTINGS[protocol], **settings)


METRIC = BLEU()
