"""Files that are checked against a JSON Schema beside them: the paper's claims, and the assumptions of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ..core import yaml_files
from . import wording

#: Keywords that limit a number, and their words.
LIMITS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def errors(document: Any, schema: Path) -> list[ValidationError]:
    """Where a document is not as its schema has it, in order of place."""
    validator = Draft202012Validator(yaml_files.load(schema))
    return sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.absolute_path)))


def explain(error: ValidationError) -> str:
    """One error as a sentence that names the place and what would be right."""
    place = ": ".join(map(str, error.absolute_path)) or "top level"
    return f"{place}: {fault(error)}"


def fault(error: ValidationError) -> str:
    """What is wrong, without the place."""
    found = yaml_files.shown(error.instance, 200)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return "; ".join(wording.unknown_key(key, known) for key in unknown)
    if error.validator == "enum":
        return wording.not_one_of(found, error.instance, error.validator_value)
    if error.validator == "required":
        lacking = [key for key in error.validator_value if key not in error.instance]
        return wording.missing_key(lacking[0])
    if error.validator in LIMITS:
        limits = {words: error.schema[key] for key, words in LIMITS.items() if key in error.schema}
        return wording.out_of_range(found, limits)
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return wording.wrong_type(found, kinds)
    if error.validator == "pattern":
        right = error.schema.get("description")
        return f"{found} is not {right}" if right else f"{found} does not have the form {error.validator_value}"
    return yaml_files.shortened(error.message)
