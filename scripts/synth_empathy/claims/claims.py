"""The paper's quantitative claims (resources/paper/claims.yaml), each held against what a run's results hold now."""

from __future__ import annotations

import argparse
import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from ..core import yaml_files
from ..core.errors import UserError, nearest
from ..core.escaping import markdown_cell, markdown_code, markdown_row, markdown_text, terminal_text
from ..core.paths import ROOT
from ..core.records import Record
from ..reporting.paper_values import other_data
from ..schema import json_schemas
from .evidence import Numbers, Paper, Results, parts_of
from .kinds import KINDS, LISTS, QUANTITIES, Operands, Outcome, Scale, both, shortened

CLAIMS = ROOT / "resources" / "paper" / "claims.yaml"
SCHEMA = ROOT / "resources" / "paper" / "claims.schema.yaml"

#: What is said of a claim held against a run, and of the same claim held against the paper's own numbers.
VERDICTS = {True: "holds", False: "does not hold", None: "not tested"}
OWN = {True: "holds", False: "does not hold", None: "cannot be told"}
MEND = "correct it (resources/paper/claims.schema.yaml says what it must hold, docs/claims.md what it means)"


@dataclass(frozen=True)
class Claims:
    """The checked content of claims.yaml."""

    systems: dict[str, dict[str, str]]
    conditions: dict[str, Record]
    costs: dict[str, Record]
    claims: list[Record]

    def paper(self, folder: Path = CLAIMS.parent) -> Paper:
        """The paper's own numbers."""
        return Paper(folder, self.systems)


def load(path: Path = CLAIMS) -> Claims:
    """Read and check the claims.

    Raises:
        UserError: lists every fault with the claim that it is in.
    """
    document = yaml_files.load(path, "correct it, or restore it from the repository (git checkout)")
    faults = list(schema_faults(document)) or list(reference_faults(document))
    if faults:
        raise UserError(f"{path.name} is not valid:\n  - " + "\n  - ".join(faults), MEND)
    return Claims(document["systems"], document["conditions"], document["costs"], document["claims"])


def schema_faults(document: Any) -> Iterator[str]:
    """Unknown and missing fields, and values of the wrong type; a claim is called by its id rather than its number."""
    for error in json_schemas.errors(document, SCHEMA):
        path = list(error.absolute_path)
        sentence = json_schemas.explain(error)
        if path[:1] == ["claims"] and len(path) > 1:
            claim = document["claims"][path[1]]
            name = claim.get("id", f"number {path[1] + 1}") if isinstance(claim, dict) else f"number {path[1] + 1}"
            sentence = sentence.replace(f"claims: {path[1]}", f"claim {name}", 1)
        yield sentence


def reference_faults(document: Record) -> Iterator[str]:
    """Ids that repeat; kinds, operands, quantities, conditions and costs that are none."""
    counts = Counter(claim["id"] for claim in document["claims"])
    yield from (f"claim {name}: its id stands {count} times" for name, count in counts.items() if count > 1)
    for name, condition in document["conditions"].items():
        if not is_pattern(condition["files"]):
            files = yaml_files.shown(condition["files"])
            yield f"conditions: {name}: files: {files} is no pattern of files below results/{{run}}"
    for claim in document["claims"]:
        place = f"claim {claim['id']}"
        if claim["cost"] not in document["costs"]:
            yield f"{place}: cost: there is no {claim['cost']!r}{nearest(claim['cost'], document['costs'])}"
        for name in claim.get("needs", []):
            if name not in document["conditions"]:
                yield f"{place}: needs: there is no condition {name!r}{nearest(name, document['conditions'])}"
        yield from (f"{place}: test: {fault}" for fault in test_faults(claim["test"], document["systems"]))


#: Bytes that a name in a folder may have everywhere.
LONGEST = 255


def is_pattern(files: str) -> bool:
    """Whether a pattern stays below a folder and is one that pathlib, and every file system, takes."""
    path = PurePosixPath(files[:LONGEST])
    bad = [part for part in path.parts if part == ".." or ("**" in part and part != "**")]
    return bool(path.parts) and not path.is_absolute() and not bad and len(files.encode()) <= LONGEST


#: Instances that ``each`` may make of one claim.
MOST_PARTS = 1000


def test_faults(test: Record, systems: dict[str, Record]) -> Iterator[str]:
    """What is wrong with what a claim tests."""
    if test["kind"] not in KINDS:
        yield f"kind: there is no {test['kind']!r}{nearest(test['kind'], KINDS)}"
        return
    operands = KINDS[test["kind"]][0]
    given = [key for key in test if key not in ("kind", "each", "holds_if")]
    lacking = [name for name in operands if name not in given]
    unknown = [key for key in given if key not in operands]
    yield from (f"the kind {test['kind']} needs {name!r}" for name in lacking)
    yield from (f"the kind {test['kind']} has no {key!r}{nearest(key, operands)}" for key in unknown)
    if lacking or unknown:
        return
    for key in set(operands) & {"of", "others"}:
        if isinstance(test[key], list) != ((test["kind"], key) in LISTS):
            yield f"{key}: the kind {test['kind']} takes {'a list' if (test['kind'], key) in LISTS else 'a single quantity'}"
            return
    if "values" in operands and len(test["values"]) != len(test["of"]):
        yield f"values: {len(test['values'])} for {len(test['of'])} quantities"
    if "at" in operands and test["at"] not in test["over"]:
        yield f"at: {test['at']!r} is not in over"
    if test["kind"] == "shares_near" and sum(test["values"]) <= 0:
        yield "values: shares need a sum above 0"
    faults = list(brace_faults(test))
    yield from faults or quantity_faults(test, systems)


def brace_faults(test: Record) -> Iterator[str]:
    """Braces in quantities that hold anything but a name that ``each`` or ``over`` gives."""
    known = {*test.get("each", {}), "x"}
    for quantity in quantities_of(test):
        try:
            fields = [part[1:] for part in Formatter().parse(quantity) if part[1] is not None]
        except ValueError as error:
            yield f"a quantity has braces that do not pair: {error}"
            continue
        unknown = [name for name, form, conversion in fields if name not in known or form or conversion]
        yield from (f"a quantity has a name in braces that neither each nor over gives: {name!r}" for name in unknown)


def quantity_faults(test: Record, systems: dict[str, Record]) -> Iterator[str]:
    """Quantities that are none, and more parts than there are or may be."""
    number = math.prod(len(values) for values in test.get("each", {}).values())
    if number > MOST_PARTS:
        yield f"each: it makes {number} parts; {MOST_PARTS} are the most"
        return
    if test.get("holds_if", 1) > number:
        yield f"holds_if: {test['holds_if']} of {number} parts cannot hold"
    parts = instances(test, systems)
    for quantity in {quantity for part in parts for quantity in quantities_of(part)}:
        try:
            parts_of(quantity.replace("{x}", "0"))
        except UserError as error:
            yield error.problem


def instances(test: Record, systems: dict[str, Record]) -> Iterator[Operands]:
    """The test once for every combination in ``each``, with names in braces filled in and systems spelt out."""
    each = test.get("each", {})
    for values in itertools.product(*each.values()):
        names = dict(zip(each, values)) | {"x": "{x}"}
        yield {key: filled(value, names, systems) if key in QUANTITIES else value for key, value in test.items()}


def filled(value: str | list[str], names: dict[str, Any], systems: dict[str, Record]) -> str | list[str]:
    """A quantity, or a list of them, with {names} filled in, and a cell's system as base and training set."""
    if isinstance(value, list):
        return [filled(item, names, systems) for item in value]
    words = value.format(**names).split()
    if len(words) > 1 and words[0] == "cell" and words[1] in systems:
        words[1] = f"{systems[words[1]]['base']}/{systems[words[1]]['training_set']}"
    return " ".join(words)


def quantities_of(test: Operands) -> Iterator[str]:
    """The quantities that one instance of a test asks for; a series with its {x}."""
    for key in QUANTITIES:
        value = test.get(key, [])
        yield from value if isinstance(value, list) else [value]


def decide(claim: Record, claims: Claims, numbers: Numbers, paper: Paper) -> tuple[Outcome, list[Record]]:
    """Whether a claim holds in the given numbers, and each of its parts."""
    tolerance = claim["tolerance"]
    scale = Scale(numbers, paper, tolerance["value"], tolerance.get("relative", False))
    compute = KINDS[claim["test"]["kind"]][1]
    outcomes = [compute(test, scale) for test in instances(claim["test"], claims.systems)]
    labels = part_labels(claim["test"])
    parts = [{"of": label, "holds": outcome.holds, "said": outcome.said} for label, outcome in zip(labels, outcomes)]
    if len(outcomes) == 1:
        return outcomes[0], parts
    labelled = [
        outcome if outcome.holds is None else Outcome(outcome.holds, f"{label}: {outcome.said}")
        for label, outcome in zip(labels, outcomes)
    ]
    return counted(labelled, claim["test"].get("holds_if", len(outcomes))), parts


def part_labels(test: Record) -> list[str]:
    """What tells the parts of a claim apart: their values in ``each``."""
    return [" ".join(map(str, values)) or "all" for values in itertools.product(*test.get("each", {}).values())]


def counted(outcomes: list[Outcome], needed: int) -> Outcome:
    """Whether enough parts hold: all of them unless the claim asks for fewer."""
    if needed == len(outcomes):
        whole = both(outcomes)
        of_them = sum(outcome.holds is whole.holds for outcome in outcomes)
        return Outcome(whole.holds, f"{of_them} of {len(outcomes)} parts: {whole.said}")
    held = sum(outcome.holds is True for outcome in outcomes)
    open_ = [outcome.said for outcome in outcomes if outcome.holds is None]
    if held >= needed or held + len(open_) < needed:
        return Outcome(held >= needed, f"{held} of {len(outcomes)} parts hold, {needed} are needed")
    return Outcome(None, f"{held} of {len(outcomes)} parts hold, {needed} are needed: {shortened(open_)}")


def own_verdict(claim: Record, claims: Claims, paper: Paper) -> str:
    """What the paper's own numbers say of a claim."""
    return OWN[decide(claim, claims, paper, paper)[0].holds]


def unmet(claim: Record, claims: Claims, results: Results) -> str | None:
    """Why the run cannot test a claim: it was made by other means than the paper's, or does not say; else None."""
    other = other_data(results.dataset)
    if other:
        return other
    for name in claim.get("needs", []):
        condition = claims.conditions[name]
        if results.lacks(condition["files"]):
            return f"there is no {condition['files']}, which would say {condition['question']}"
        missing = results.unlike(condition["files"], condition["hold"])
        if missing:
            return f"{condition['reason']} ({missing.reason})"
    return None


def check_all(claims: Claims, results: Results) -> list[Record]:
    """Every claim with its verdict on a run's results, in the file's order; targets are this run's."""
    paper, run = claims.paper(), results.folder.resolve().name
    checked = []
    for claim in claims.claims:
        reason = unmet(claim, claims, results)
        outcome, parts = (Outcome(None, reason), []) if reason else decide(claim, claims, results, paper)
        checked.append(
            {
                "id": claim["id"],
                "verdict": VERDICTS[outcome.holds],
                "found": outcome.said,
                "place": claim["place"],
                "quote": claim["quote"],
                "target": claim["target"].replace("results/paper/", f"results/{run}/"),
                "tolerance": claim["tolerance"],
                "cost": claims.costs[claim["cost"]],
                "note": claim.get("note"),
                "in_the_papers_own_numbers": claim["in_the_papers_own_numbers"],
                "parts": [part | {"holds": VERDICTS[part["holds"]]} for part in parts],
            }
        )
    return checked


def counts_of(checked: list[Record]) -> dict[str, int]:
    """How many claims have each verdict."""
    found = Counter(claim["verdict"] for claim in checked)
    return {verdict: found[verdict] for verdict in VERDICTS.values()}


def summary(checked: list[Record]) -> str:
    """The counts as a sentence."""
    return f"{len(checked)} claims: " + ", ".join(
        f"{count} {verdict}" for verdict, count in counts_of(checked).items()
    )


def as_markdown(run: str, note: str | None, checked: list[Record], other: str | None = None) -> str:
    """The report to read: a line a claim, and what is not tested with the target that would build it.

    Args:
        other: why no target would build it, where the run's data set is not the paper's.
    """
    lines = [f"# The paper's claims, tested on results/{markdown_text(run)}", ""]
    lines += [f"> {markdown_text(note)}", ""] if note else []
    lines += [f"{summary(checked)}.", ""]
    lines += ["| claim | the paper says | in its own numbers | here | found, or missing |", "|---|---|---|---|---|"]
    for claim in checked:
        said = f'{claim["place"]}: "{claim["quote"]}"'
        own, verdict = claim["in_the_papers_own_numbers"], f"**{claim['verdict']}**"
        before = [markdown_cell(text) for text in (claim["id"], said, own)]
        lines.append(markdown_row([*before, verdict, markdown_cell(claim["found"])]))
    targets = [] if other else missing_targets(checked)
    lines += ["", *targets, *contradictions(checked)]
    return "\n".join(lines) + "\n"


def missing_targets(checked: list[Record]) -> list[str]:
    """For the claims that are not tested: the targets to build, and what each costs."""
    by_target: dict[str, list[Record]] = {}
    for claim in checked:
        if claim["verdict"] == VERDICTS[None]:
            by_target.setdefault(claim["target"], []).append(claim)
    if not by_target:
        return []
    lines = ["## Not tested: what to build", ""]
    for target, found in by_target.items():
        cost = found[0]["cost"]
        names = markdown_text(", ".join(claim["id"] for claim in found))
        lines.append(f"- {markdown_code(target)}: {names}. Needs {said_cost(cost)}")
    return [*lines, ""]


def said_cost(cost: Record) -> str:
    """Hardware and time in words, as Markdown."""
    hours = [
        f"{cost['gpu_hours']:g} GPU-hours" if cost["gpu_hours"] else "",
        f"{cost['hours']:g} h one after the other" if cost["hours"] else "",
    ]
    source = f"by {markdown_code(cost['command'])}" if cost["command"] else ""
    words = [markdown_text(cost["hardware"]), *filter(None, hours), source, markdown_text(cost["note"] or "")]
    return "; ".join(filter(None, words)) + "."


def contradictions(checked: list[Record]) -> list[str]:
    """What the paper's own numbers do not bear out, and other remarks on single claims, as Markdown."""
    notes = [f"- {markdown_text(claim['id'] + ': ' + claim['note'])}" for claim in checked if claim["note"]]
    return ["## Remarks", "", *notes, ""] if notes else []


def is_report(document: Any) -> bool:
    """Whether a JSON document is what check_claims.py writes, as far as ``print_verdicts`` and ``refuse`` read it."""
    found = document.get("claims") if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(claim, dict) for claim in found):
        return False
    texts = all(isinstance(claim.get(key), str) for claim in found for key in ("id", "verdict", "found"))
    return texts and all(claim["verdict"] in VERDICTS.values() for claim in found)


#: Columns of the printed verdicts, and where their text begins.
WIDTH = 100
INDENT = 2 + max(map(len, VERDICTS.values()))


def print_verdicts(checked: list[Record]) -> None:
    """A paragraph a claim, its verdict in a column of its own, then the counts; no line is longer than ``WIDTH``."""
    for claim in checked:
        said = terminal_text(f"{claim['verdict']:{INDENT}}{claim['id']}: {claim['found']}")
        print(textwrap.fill(said, WIDTH, subsequent_indent=" " * INDENT, break_on_hyphens=False))
    print(summary(checked))


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of every script that tells verdicts."""
    verdicts = [verdict.replace(" ", "-") for verdict in VERDICTS.values() if verdict != "holds"]
    flags.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=verdicts,
        help="exit with status 1 where a claim has this verdict; may be repeated",
    )


def refuse(checked: list[Record], verdicts: list[str]) -> None:
    """Fail, where somebody asked for it, because of claims with one of the verdicts.

    Raises:
        UserError: names the claims.
    """
    found = [claim["id"] for claim in checked if claim["verdict"].replace(" ", "-") in verdicts]
    if found:
        hint = "look at them in claims.md; without --fail-on (claims: fail: false in the configuration) no verdict fails a run"
        raise UserError(f"{len(found)} of {len(checked)} claims: {' or '.join(verdicts)}: {', '.join(found)}", hint)
