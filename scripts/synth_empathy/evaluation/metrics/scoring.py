"""Responses -> the document that ``scripts/evaluate.py`` writes: scores, how they came about, of how many samples."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import UserError
from ...core.provenance import sha256_file
from ...core.records import Record, read_jsonl
from .base import Metric, SampleMetric
from .texts import Texts, token_signature

FORMAT = (
    'each line is {"prediction": "...", "reference": "..."}, with an optional "id" that is a string or a whole number'
)


def read_responses(path: Path) -> list[Record]:
    """Read the file to score: one object a line with ``prediction`` and ``reference``, and perhaps an ``id``.

    ``records.RESPONSE`` asks for a string id; files made elsewhere have numbers, or none.

    Raises:
        UserError: no such file, no line in it, or a bad one; names file, line and reason.
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
        protocol: one of ``base.PROTOCOLS``.
        metrics: what to score by; one that needs a model has it.
        by_sample: also give every sample's scores; then there is one metric, a ``SampleMetric``.

    Returns:
        The document that ``scripts/evaluate.py`` writes: the scores (times 100, not rounded) at the top level, and
        beside them what they were computed from and with. With ``by_sample`` that key has the rows' ids and scores, in
        the file's order.

    Raises:
        UserError: as ``read_responses``, or a metric's model cannot be loaded.
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


def check_test_set(path: Path, ids: list[str], subset: bool) -> None:
    """Refuse responses that are not to the test samples, one to each, in their order.

    Args:
        subset: samples may be lacking, as where another system's published outputs could not be matched with ours.

    Raises:
        UserError: names the first sample that is lacking, is none of them, or stands in another place.
    """
    given = names(read_responses(path))
    known = set(given)
    expected = [name for name in ids if name in known] if subset else ids
    if given == expected:
        return
    strange = [name for name in given if name not in set(ids)]
    lacking = [name for name in expected if name not in known]
    if strange:
        many = f"{len(strange):,} of its responses are to none of the {len(ids):,} test samples"
        fault = f"{many}; the first is {strange[0]!r}"
    elif lacking:
        many = f"it has no response to {len(lacking):,} of the {len(ids):,} test samples"
        fault = f"{many}; the first is {lacking[0]!r}"
    else:
        place = next(place for place, pair in enumerate(zip(given, expected)) if pair[0] != pair[1])
        stands = f"on line {place + 1} stands {given[place]!r}, not {expected[place]!r}"
        fault = f"its responses are in another order than the test samples: {stands}"
    hint = "make the responses again from this run's test samples (ed/test.jsonl), or bring them into their order"
    raise UserError(f"{path}: {fault}", hint)


def texts_of(responses: list[Record]) -> tuple[list[str], list[str]]:
    """Predictions and references, row by row."""
    return [response["prediction"] for response in responses], [response["reference"] for response in responses]


def names(responses: list[Record]) -> list[str | int]:
    """Each row's id; ``line N`` stands for a row without one."""
    return [response.get("id", f"line {number}") for number, response in enumerate(responses, start=1)]


def empty_predictions(responses: list[Record]) -> Record:
    """How many predictions have nothing but white space, and which.

    They are scored as they stand: dropping them would reward a model for keeping silent where it does badly.
    """
    ids = [name for name, response in zip(names(responses), responses) if not response["prediction"].strip()]
    return {"count": len(ids), "ids": ids}
