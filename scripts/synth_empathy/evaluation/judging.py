"""A language model scores synthetic samples from 1 to 3 by each criterion (paper, section 3.4, Figures 4 and 5).

In mode ``probabilities`` the probabilities of "1", "2" and "3" as the answer are read, so every sample has a score. In
mode ``sampling`` the model writes an answer, as in the released code, and only an answer that is a score counts.

In the files, ``score`` is a criterion's mean score by the probabilities, or the score that was drawn; ``mark`` is the
most likely one, or the one that was drawn.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, stdev

from ..core import seeds
from ..core.errors import UserError
from ..core.records import Record
from ..data.prompts import SCORES, turn_lines
from ..inference.engines import Request

MODES = ("probabilities", "sampling")
FULL = SCORES[-1]
#: How far above 0 a log-probability may be; rounding in bfloat16 stays below it.
ROUNDING = 0.01
#: An output that is a score: nothing precedes or follows it except "Score:" and blanks.
SCORE_TEXT = re.compile(r"\s*(?:score\s*:\s*)?([123])\s*", flags=re.IGNORECASE)
NO_SCORES = (
    "use the probabilities of the scores (judge: mode: probabilities in the configuration),"
    " or judge with a larger model"
)


def draw(samples: Sequence[Record], keep: int | None, seed: int) -> list[Record]:
    """A seeded draw of ``keep`` samples in their order; all samples if there are no more, or if ``keep`` is None.

    A sample's rank in the draw follows from its id and the seed alone. So the draw of a selection holds the samples
    that the draw before selection has in common with it, then others up to the size.

    Raises:
        UserError: there is no sample, or one has no text to judge.
    """
    samples = list(samples)
    if not samples:
        hint = "generate or select some first (docs/files.md says which step makes the file)"
        raise UserError("there is no sample to judge", hint)
    for sample in samples:
        if not sample["response"].strip() or not any(turn.strip() for turn in sample["history"]):
            hint = "make the samples again, or give a file in the documented format (docs/files.md)"
            raise UserError(f"sample {sample['id']!r} has no text to judge", hint)
    size = len(samples) if keep is None else keep
    return seeds.keep_lowest(samples, size, lambda sample: seeds.row_seed(seed, sample["id"], "judge"))


def check_rubrics(rubrics: Sequence[Record]) -> None:
    """Refuse two rubrics of one name, whose scores could not be told apart."""
    [(name, number)] = Counter(rubric["name"] for rubric in rubrics).most_common(1)
    if number > 1:
        hint = "give each criterion once (judge: criteria in the configuration)"
        raise UserError(f"{number} rubrics are named {name!r}", hint)


def request_id(sample: Record, rubric: Record) -> str:
    """The id of the request for one sample's score by one criterion."""
    return f"{sample['id']}/{rubric['name']}"


def requests(samples: Sequence[Record], rubrics: Sequence[Record], seed: int) -> list[Request]:
    """One request a sample and criterion: one user turn with the rubric, the dialogue so far and the response."""
    made = []
    for sample in samples:
        for rubric in rubrics:
            prompt = rubric["template"].format(context=turn_lines(sample["history"]), response=sample["response"])
            name = request_id(sample, rubric)
            made.append(Request(name, [{"role": "user", "content": prompt}], seeds.row_seed(seed, name, "judge")))
    return made


def tempered(logprobs: Sequence[float], temperature: float) -> list[float]:
    """The probabilities of the scores at a temperature: p^(1/temperature), renormalised to a sum of 1.

    Args:
        logprobs: the natural logarithm of each score's probability among all tokens.
        temperature: above 0. Sampling at this temperature draws the scores with these probabilities.

    Raises:
        UserError: no score has a probability, or a probability is not a number or above 1.
    """
    top = max(logprobs)
    hint = "check its weights and its dtype (models in the configuration)"
    if any(map(math.isnan, logprobs)) or math.isinf(top):
        raise UserError(f"the judge's log-probabilities {list(logprobs)} are not finite", hint)
    if top > ROUNDING:
        problem = f"the judge's log-probabilities {list(logprobs)} are above 0: no probability is more than 1"
        raise UserError(problem, hint)
    powers = [math.exp((value - top) / temperature) for value in logprobs]
    return [power / sum(powers) for power in powers]


def expected(probabilities: Sequence[float]) -> float:
    """The mean score, 1 to 3."""
    return sum(int(score) * probability for score, probability in zip(SCORES, probabilities))


def entry_of_answer(row: Record, temperature: float) -> Record:
    """A criterion's entry from an ``engines.Answer``.

    Returns:
        The mean score; the most likely one (the lower of equals); the probabilities; and ``mass``, the sum of the
        model's three probabilities before renormalisation. It is near 1 if the model takes the question as intended.
    """
    probabilities = tempered(row["logprobs"], temperature)
    return {
        "score": round(expected(probabilities), 6),
        "mark": 1 + probabilities.index(max(probabilities)),
        "probabilities": {score: round(probability, 6) for score, probability in zip(SCORES, probabilities)},
        "mass": round(sum(map(math.exp, row["logprobs"])), 6),
        "output": None,
    }


def parse_score(row: Record) -> int | None:
    """The score in an ``engines.Completion``; None if it is not a score, or was cut off."""
    match = SCORE_TEXT.fullmatch(row["text"])
    return int(match[1]) if match and row["finish"] == "stop" else None


def entry_of_completion(row: Record) -> Record:
    """A criterion's entry from an ``engines.Completion``; score and mark are null if it is not a score."""
    score = parse_score(row)
    return {"score": score, "mark": score, "probabilities": None, "mass": None, "output": row["text"]}


def has_score(entry: Record) -> bool:
    """Whether an entry has a score."""
    return entry["score"] is not None


def has_full_marks(entry: Record) -> bool:
    """Whether the most likely score, or the one that was drawn, is a 3."""
    return entry["mark"] == int(FULL)


def score_share(entry: Record, score: str) -> float:
    """The probability of a score; in mode ``sampling`` 1 if it was drawn, else 0."""
    return entry["probabilities"][score] if entry["probabilities"] else float(entry["mark"] == int(score))


def full_share(entry: Record) -> float:
    """The probability of full marks, a 3; in mode ``sampling`` 1 if it was drawn, else 0."""
    return score_share(entry, FULL)


def summarise(judged: Sequence[Record], rubrics: Sequence[Record]) -> Record:
    """Means and shares of full marks, by criterion, and over the samples with a score by every criterion.

    Args:
        judged: ``records.JUDGED``, at least one.

    Raises:
        UserError: a criterion scored no sample, or no sample was scored by all of them.
    """
    criteria = {}
    for rubric in rubrics:
        entries = [record["criteria"][rubric["name"]] for record in judged]
        scored = list(filter(has_score, entries))
        if not scored:
            first = f"the first is {entries[0]['output']!r}"
            raise UserError(f"no output of the judge on {rubric['name']} is a score; {first}", NO_SCORES)
        counts = {"scored": len(scored), "set_aside": len(entries) - len(scored)}
        criteria[rubric["name"]] = {"title": rubric["title"], **counts, **criterion_summary(scored)}
    by_sample = [list(record["criteria"].values()) for record in judged]
    whole = [entries for entries in by_sample if all(map(has_score, entries))]
    if not whole:
        raise UserError(f"none of {len(judged)} samples has a score by every criterion", NO_SCORES)
    return {"scored": len(whole), "criteria": criteria, "all": summary_of_all(whole)}


def criterion_summary(scored: Sequence[Record]) -> Record:
    """The summary of one criterion's entries."""
    shares = {}
    for score in SCORES:
        shares[score] = round(fmean(score_share(entry, score) for entry in scored), 6)
    masses = [entry["mass"] for entry in scored if entry["mass"] is not None]
    return {
        **mean_sd([entry["score"] for entry in scored]),
        "full_share": shares[FULL],
        "full_share_by_mark": round(fmean(map(has_full_marks, scored)), 6),
        "shares": shares,
        "mass": round(fmean(masses), 6) if masses else None,
    }


def summary_of_all(whole: Sequence[Sequence[Record]]) -> Record:
    """The summary over all criteria, of samples with a score by each.

    Full marks are those by all criteria at once; the criteria's scores are drawn independently.
    """
    means, full, full_by_mark = [], [], []
    for entries in whole:
        means.append(fmean(entry["score"] for entry in entries))
        full.append(math.prod(map(full_share, entries)))
        full_by_mark.append(all(map(has_full_marks, entries)))
    return {
        **mean_sd(means),
        "full_share": round(fmean(full), 6),
        "full_share_by_mark": round(fmean(full_by_mark), 6),
    }


def mean_sd(scores: Sequence[float]) -> Record:
    """Mean and standard deviation (n - 1); the latter is null for a single score."""
    return {"mean": round(fmean(scores), 6), "sd": round(stdev(scores), 6) if len(scores) > 1 else None}
