"""The verdict on each claim: holds, does not hold, or not tested, by a run's results or by the paper's own numbers."""

from __future__ import annotations

from ..core.records import Record
from ..reporting.paper_values import other_data
from .claim_list import Claims, instances, part_labels
from .kinds import KINDS, Outcome, Scale, all_hold, shortened
from .paper_numbers import Paper
from .quantities import Numbers
from .run_results import Results

#: The verdict on a claim by a run's results, and by the paper's own numbers.
VERDICTS = {True: "holds", False: "does not hold", None: "not tested"}
OWN = {True: "holds", False: "does not hold", None: "cannot be told"}


def check_all(claims: Claims, results: Results) -> list[Record]:
    """Each claim with its verdict by a run's results, in the file's order; targets are this run's."""
    paper = claims.paper()
    return [check(claim, claims, results, paper) for claim in claims.claims]


def check(claim: Record, claims: Claims, results: Results, paper: Paper) -> Record:
    """One claim with its verdict, as ``claims.json`` holds it."""
    run = results.folder.resolve().name
    reason = untestable(claim, claims, results)
    outcome, parts = (Outcome(None, reason), []) if reason else decide(claim, claims, results, paper)
    return {
        "id": claim["id"],
        "verdict": VERDICTS[outcome.holds],
        "found": outcome.finding,
        "place": claim["place"],
        "quote": claim["quote"],
        "target": claim["target"].replace("results/paper/", f"results/{run}/"),
        "tolerance": claim["tolerance"],
        "cost": claims.costs[claim["cost"]],
        "note": claim.get("note"),
        "in_the_papers_own_numbers": claim["in_the_papers_own_numbers"],
        "parts": [part | {"holds": VERDICTS[part["holds"]]} for part in parts],
    }


def untestable(claim: Record, claims: Claims, results: Results) -> str | None:
    """Why a run cannot test a claim: it was made by other means than the paper's, or does not say; None if it can."""
    other = other_data(results.dataset)
    if other:
        return other
    for name in claim.get("needs", []):
        condition = claims.conditions[name]
        if results.has_none_of(condition["files"]):
            return f"there is no {condition['files']}, which would say {condition['question']}"
        fault = results.unmet_condition(condition["files"], condition["hold"])
        if fault:
            return f"{condition['reason']} ({fault})"
    return None


def decide(claim: Record, claims: Claims, numbers: Numbers, paper: Paper) -> tuple[Outcome, list[Record]]:
    """Whether a claim holds by some numbers, and the same of each of its parts."""
    tolerance = claim["tolerance"]
    scale = Scale(numbers, paper, tolerance["value"], tolerance.get("relative", False))
    compute = KINDS[claim["test"]["kind"]][1]
    outcomes = [compute(test, scale) for test in instances(claim["test"], claims.systems)]
    labels = part_labels(claim["test"])
    parts = [{"of": label, "holds": part.holds, "said": part.finding} for label, part in zip(labels, outcomes)]
    if len(outcomes) == 1:
        return outcomes[0], parts
    labelled = [part if part.holds is None else part.about(label) for label, part in zip(labels, outcomes)]
    return combined(labelled, claim["test"].get("holds_if", len(outcomes))), parts


def combined(outcomes: list[Outcome], needed: int) -> Outcome:
    """Whether enough parts hold: all of them unless the claim needs fewer."""
    if needed == len(outcomes):
        whole = all_hold(outcomes)
        count = sum(outcome.holds is whole.holds for outcome in outcomes)
        return Outcome(whole.holds, f"{count} of {len(outcomes)} parts: {whole.finding}")
    held = sum(outcome.holds is True for outcome in outcomes)
    unknown = [outcome.finding for outcome in outcomes if outcome.holds is None]
    counts = f"{held} of {len(outcomes)} parts hold, {needed} are needed"
    if held >= needed or held + len(unknown) < needed:
        return Outcome(held >= needed, counts)
    return Outcome(None, f"{counts}: {shortened(unknown)}")


def own_verdict(claim: Record, claims: Claims, paper: Paper) -> str:
    """The verdict on a claim by the paper's own numbers."""
    return OWN[decide(claim, claims, paper, paper)[0].holds]
