"""Scores of texts by registered metrics, for tests that hold them against something else."""

from synth_empathy.evaluation.metrics import registry
from synth_empathy.evaluation.metrics.base import Corpus
from synth_empathy.evaluation.metrics.texts import Texts


def scores_of(name, predictions, references, protocol="paper"):
    """A metric's scores of texts that are in its form already."""
    return registry.METRICS[name].corpus_scores(Corpus(list(predictions), list(references), protocol))


def protocol_scores(protocol, predictions, references):
    """The scores of every metric of the paper's that needs no model, by a protocol."""
    texts = Texts(list(predictions), list(references), protocol)
    chosen = [registry.METRICS[name] for name in registry.TOGETHER]
    return {score: value for metric in chosen for score, value in metric.corpus_scores(texts.corpus(metric)).items()}
