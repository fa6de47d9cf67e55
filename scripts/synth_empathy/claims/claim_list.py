"""The list of the paper's quantitative claims (resources/paper/claims.yaml): read, checked, and taken apart."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from ..core import yaml_files
from ..core.errors import UserError, nearest
from ..core.paths import ROOT
from ..core.records import Record
from ..schema import json_schemas
from .kinds import KINDS, LISTS, QUANTITIES, Operands
from .paper_numbers import Paper
from .quantities import parts_of

CLAIMS = ROOT / "resources" / "paper" / "claims.yaml"
SCHEMA = ROOT / "resources" / "paper" / "claims.schema.yaml"
RESTORE = "correct it, or restore it from the repository (git checkout)"
CORRECT = "correct it (resources/paper/claims.schema.yaml says what it must hold, docs/claims.md what it means)"
#: Bytes that every file system takes in the name of a file.
LONGEST = 255
#: The most parts that ``each`` may make of one claim.
MOST_PARTS = 1000


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
    document = yaml_files.load(path, RESTORE)
    faults = list(schema_faults(document)) or list(reference_faults(document))
    if faults:
        raise UserError(f"{path.name} is not valid:\n  - " + "\n  - ".join(faults), CORRECT)
    return Claims(document["systems"], document["conditions"], document["costs"], document["claims"])


def schema_faults(document: Any) -> Iterator[str]:
    """Unknown and missing fields, and values of the wrong type. A claim is named by its id if it has one."""
    for error in json_schemas.errors(document, SCHEMA):
        path = list(error.absolute_path)
        sentence = json_schemas.explain(error)
        if path[:1] == ["claims"] and len(path) > 1:
            claim = document["claims"][path[1]]
            number = f"number {path[1] + 1}"
            name = claim.get("id", number) if isinstance(claim, dict) else number
            sentence = sentence.replace(f"claims: {path[1]}", f"claim {name}", 1)
        yield sentence


def reference_faults(document: Record) -> Iterator[str]:
    """Repeated ids, and kinds, operands, quantities, conditions and costs that do not exist."""
    counts = Counter(claim["id"] for claim in document["claims"])
    yield from (f"claim {name}: {count} claims have this id" for name, count in counts.items() if count > 1)
    for name, condition in document["conditions"].items():
        if not is_pattern(condition["files"]):
            pattern = yaml_files.shown(condition["files"])
            yield f"conditions: {name}: files: {pattern} is not a pattern of files below results/{{run}}"
    for claim in document["claims"]:
        place = f"claim {claim['id']}"
        if claim["cost"] not in document["costs"]:
            yield f"{place}: cost: there is no {claim['cost']!r}{nearest(claim['cost'], document['costs'])}"
        for name in claim.get("needs", []):
            if name not in document["conditions"]:
                yield f"{place}: needs: there is no condition {name!r}{nearest(name, document['conditions'])}"
        yield from (f"{place}: test: {fault}" for fault in test_faults(claim["test"], document["systems"]))


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern of files that stays below a folder, and that pathlib and every file system take."""
    path = PurePosixPath(text[:LONGEST])
    bad = [part for part in path.parts if part == ".." or ("**" in part and part != "**")]
    return bool(path.parts) and not path.is_absolute() and not bad and len(text.encode()) <= LONGEST


def test_faults(test: Record, systems: dict[str, Record]) -> Iterator[str]:
    """The faults of a claim's test."""
    kind = test["kind"]
    if kind not in KINDS:
        yield f"kind: there is no {kind!r}{nearest(kind, KINDS)}"
        return
    faults = list(operand_faults(test)) or list(list_faults(test))
    if faults:
        yield from faults
        return
    yield from value_faults(test)
    yield from list(brace_faults(test)) or quantity_faults(test, systems)


def operand_faults(test: Record) -> Iterator[str]:
    """Operands that the test's kind needs and the test lacks, and operands that the kind does not have."""
    kind = test["kind"]
    operands = KINDS[kind][0]
    keys = [key for key in test if key not in ("kind", "each", "holds_if")]
    yield from (f"the kind {kind} needs {name!r}" for name in operands if name not in keys)
    yield from (f"the kind {kind} has no {key!r}{nearest(key, operands)}" for key in keys if key not in operands)


def list_faults(test: Record) -> Iterator[str]:
    """A single quantity in place of a list, or a list in place of a single quantity."""
    kind = test["kind"]
    for key in ("of", "others"):
        needs_list = (kind, key) in LISTS
        if key in test and isinstance(test[key], list) != needs_list:
            yield f"{key}: the kind {kind} takes {'a list' if needs_list else 'a single quantity'}"


def value_faults(test: Record) -> Iterator[str]:
    """Values of operands that do not fit together."""
    operands = KINDS[test["kind"]][0]
    if "values" in operands and len(test["values"]) != len(test["of"]):
        yield f"values: {len(test['values'])} for {len(test['of'])} quantities"
    if "at" in operands and test["at"] not in test["over"]:
        yield f"at: {test['at']!r} is not in over"
    if test["kind"] == "shares_near" and sum(test["values"]) <= 0:
        yield "values: shares need a sum above 0"


def brace_faults(test: Record) -> Iterator[str]:
    """Braces in quantities that hold anything but a name that ``each`` or ``over`` gives."""
    names = {*test.get("each", {}), "x"}
    for quantity in quantities_of(test):
        try:
            fields = [part[1:] for part in Formatter().parse(quantity) if part[1] is not None]
        except ValueError as error:
            yield f"a quantity has braces that do not pair: {error}"
            continue
        unknown = [name for name, form, conversion in fields if name not in names or form or conversion]
        yield from (f"a quantity has a name in braces that neither each nor over gives: {name!r}" for name in unknown)


def quantity_faults(test: Record, systems: dict[str, Record]) -> Iterator[str]:
    """Quantities that do not exist, and a number of parts that is too large or too small."""
    number = math.prod(len(values) for values in test.get("each", {}).values())
    if number > MOST_PARTS:
        yield f"each: it makes {number} parts; {MOST_PARTS} are the most"
        return
    if test.get("holds_if", 1) > number:
        yield f"holds_if: {test['holds_if']} of {number} parts cannot hold"
    quantities = set(itertools.chain.from_iterable(map(quantities_of, instances(test, systems))))
    for quantity in quantities:
        try:
            parts_of(quantity.replace("{x}", "0"))
        except UserError as error:
            yield error.problem


def instances(test: Record, systems: dict[str, Record]) -> Iterator[Operands]:
    """The test once for each combination in ``each``, with names in braces replaced and systems spelled out."""
    each = test.get("each", {})
    for values in itertools.product(*each.values()):
        names = dict(zip(each, values)) | {"x": "{x}"}
        yield {key: filled(value, names, systems) if key in QUANTITIES else value for key, value in test.items()}


def filled(value: str | list[str], names: dict[str, Any], systems: dict[str, Record]) -> str | list[str]:
    """A quantity, or a list of them, with {names} replaced, and a cell's system as base and training set."""
    if isinstance(value, list):
        return [filled(item, names, systems) for item in value]
    words = value.format(**names).split()
    if len(words) > 1 and words[0] == "cell" and words[1] in systems:
        words[1] = f"{systems[words[1]]['base']}/{systems[words[1]]['training_set']}"
    return " ".join(words)


def quantities_of(test: Operands) -> Iterator[str]:
    """The quantities of one instance of a test; a series keeps its {x}."""
    for key in QUANTITIES:
        value = test.get(key, [])
        yield from value if isinstance(value, list) else [value]


def part_labels(test: Record) -> list[str]:
    """What tells the parts of a claim apart: their values in ``each``."""
    return [" ".join(map(str, values)) or "all" for values in itertools.product(*test.get("each", {}).values())]
