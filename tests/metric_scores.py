"""Scores of texts by registered metrics, for tests that hold them against something else."""

from synth_empathy.evaluation.metrics import METRICS, TOGETHER, Corpus
from synth_empathy.evaluation.metrics.scoring import Texts


def scores_of(name, predictions, references, protocol="paper"):
    """A metric's scores of texts that are in its form already."""
    return METRICS[name].corpus_scores(Corpus(list(predictions), list(references), protocol))


def protocol_scores(protocol, predictions, references):
    """The scores of every metric of the paper's that needs no model, by a protocol."""
    texts = Texts(list(predictions), list(references), protocol)
    chosen = [METRICS[name] for name in TOGETHER]
    scores = {}
    for metric in chosen:
        scores |= metric.corpus_scores(texts.corpus(metric))
    return scores
