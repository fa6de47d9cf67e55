"""A language model's marks for synthetic samples (paper, section 3.4 and Figures 4 and 5): 1 to 3 by each criterion.

Mode ``probabilities`` reads how likely the model is to answer "1", "2" or "3", so that every sample has a score; mode
``sampling`` lets it write, as the released code does, and takes what is a mark and nothing else.
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
from ..data.prompts import MARKS, turn_lines
from ..inference.engines import Request

MODES = ("probabilities", "sampling")
FULL = MARKS[-1]
#: How far above 0 a log-probability may lie: what rounds it in bfloat16 is below that.
ROUNDING = 0.01
#: What an output must be to be a mark: nothing stands before or behind it but "Score:" and blanks.
MARK = re.compile(r"\s*(?:score\s*:\s*)?([123])\s*", flags=re.IGNORECASE)


def draw(samples: Sequence[Record], keep: int | None, seed: int) -> list[Record]:
    """A seeded draw of ``keep`` samples in their order; all of them when there are no more, or when it is None.

    A sample's place in the draw follows from its id and the seed alone: of a selection, those are judged that the draw
    before selection holds too, and as many others as are wanting.

    Raises:
        UserError: no samples, or one without a text to judge.
    """
    samples = list(samples)
    if not samples:
        raise UserError(
            "there is no sample to judge",
            "generate or select some first (docs/files.md says which step makes the file)",
        )
    for sample in samples:
        if not sample["response"].strip() or not any(turn.strip() for turn in sample["history"]):
            raise UserError(
                f"sample {sample['id']!r} has no text to judge",
                "make the samples again, or give a file in the documented format (docs/files.md)",
            )
    return seeds.keep_lowest(
        samples, len(samples) if keep is None else keep, lambda sample: seeds.row_seed(seed, sample["id"], "judge")
    )


def check_rubrics(rubrics: Sequence[Record]) -> None:
    """Refuse two rubrics of one name: their marks could not be told apart."""
    [(name, number)] = Counter(rubric["name"] for rubric in rubrics).most_common(1)
    if number > 1:
        raise UserError(
            f"{number} rubrics call themselves {name!r}",
            "give each criterion once (judge: criteria in the configuration)",
        )


def request_id(sample: Record, rubric: Record) -> str:
    """The id of the request for one sample's mark by one criterion."""
    return f"{sample['id']}/{rubric['name']}"


def requests(samples: Sequence[Record], rubrics: Sequence[Record], seed: int) -> list[Request]:
    """One request a sample and criterion: the rubric with the dialogue so far and the response, as one user turn."""
    found = []
    for sample in samples:
        for rubric in rubrics:
            asked = rubric["template"].format(context=turn_lines(sample["history"]), response=sample["response"])
            name = request_id(sample, rubric)
            found.append(Request(name, [{"role": "user", "content": asked}], seeds.row_seed(seed, name, "judge")))
    return found


def tempered(logprobs: Sequence[float], temperature: float) -> list[float]:
    """Probabilities of the marks at a temperature: p^(1/temperature), renormalised; they sum to 1.

    Args:
        logprobs: natural logarithms of each mark's probability among all tokens.
        temperature: above 0. Sampling at it draws each mark with these odds.

    Raises:
        UserError: the model gives no mark a probability, or one that is no number or more than 1.
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
    """The mean mark, 1 to 3."""
    return sum(int(mark) * probability for mark, probability in zip(MARKS, probabilities))


def read_mark(row: Record, temperature: float) -> Record:
    """A criterion's entry from an ``engine_types.Answer``: the expected mark, the likeliest one (the lower of equals), and how likely each is.

    ``mass`` is what the model gave to the three marks together, before they were renormalised: near 1 where it took the
    question as it was meant.
    """
    probabilities = tempered(row["logprobs"], temperature)
    return {
        "score": round(expected(probabilities), 6),
        "mark": 1 + probabilities.index(max(probabilities)),
        "probabilities": {mark: round(probability, 6) for mark, probability in zip(MARKS, probabilities)},
        "mass": round(sum(map(math.exp, row["logprobs"])), 6),
        "output": None,
    }


def parsed_mark(row: Record) -> int | None:
    """The mark that an ``engine_types.Completion`` is; None where it is anything else, or was cut short."""
    found = MARK.fullmatch(row["text"])
    return int(found[1]) if found and row["finish"] == "stop" else None


def drawn_mark(row: Record) -> Record:
    """A criterion's entry from an ``engine_types.Completion``; score and mark are null where it is no mark."""
    mark = parsed_mark(row)
    return {"score": mark, "mark": mark, "probabilities": None, "mass": None, "output": row["text"]}


def full_share(entry: Record) -> float:
    """How far an entry is full marks: the probability of a 3, or 1 where a 3 was drawn."""
    return entry["probabilities"][FULL] if entry["probabilities"] else float(entry["mark"] == int(FULL))


def summarise(judged: Sequence[Record], rubrics: Sequence[Record]) -> Record:
    """Means and shares of full marks, by criterion and over those samples that every criterion has scored.

    Args:
        judged: ``records.JUDGED``, at least one.

    Raises:
        UserError: a criterion scored no sample, or no sample was scored by all of them.
    """
    criteria = {}
    for rubric in rubrics:
        entries = [record["criteria"][rubric["name"]] for record in judged]
        scored = [entry for entry in entries if entry["score"] is not None]
        if not scored:
            raise UserError(
                f"no output of the judge on {rubric['name']} is a mark; the first is {entries[0]['output']!r}",
                NO_MARKS,
            )
        criteria[rubric["name"]] = {
            "title": rubric["title"],
            "scored": len(scored),
            "set_aside": len(entries) - len(scored),
            **shares(scored),
        }
    whole = [
        list(record["criteria"].values())
        for record in judged
        if all(entry["score"] is not None for entry in record["criteria"].values())
    ]
    if not whole:
        raise UserError(f"none of {len(judged)} samples has a mark by every criterion", NO_MARKS)
    return {"scored": len(whole), "criteria": criteria, "all": together(whole)}


NO_MARKS = "let the marks' probabilities decide (judge: mode: probabilities in the configuration), or judge with a larger model"


def shares(scored: Sequence[Record]) -> Record:
    """What one criterion's entries come to."""
    by_mark = {
        mark: fmean(
            entry["probabilities"][mark] if entry["probabilities"] else entry["mark"] == int(mark) for entry in scored
        )
        for mark in MARKS
    }
    masses = [entry["mass"] for entry in scored if entry["mass"] is not None]
    return {
        **spread([entry["score"] for entry in scored]),
        "full_share": round(by_mark[FULL], 6),
        "full_share_by_mark": round(fmean(entry["mark"] == int(FULL) for entry in scored), 6),
        "shares": {mark: round(share, 6) for mark, share in by_mark.items()},
        "mass": round(fmean(masses), 6) if masses else None,
    }


def together(whole: Sequence[Sequence[Record]]) -> Record:
    """What samples with every criterion's entry come to; full marks are those by all criteria at once, which are independent draws."""
    return {
        **spread([fmean(entry["score"] for entry in entries) for entries in whole]),
        "full_share": round(fmean(math.prod(map(full_share, entries)) for entries in whole), 6),
        "full_share_by_mark": round(
            fmean(all(entry["mark"] == int(FULL) for entry in entries) for entries in whole), 6
        ),
    }


def spread(scores: Sequence[float]) -> Record:
    """Mean and standard deviation (n-1; null of one)."""
    return {"mean": round(fmean(scores), 6), "sd": round(stdev(scores), 6) if len(scores) > 1 else None}
