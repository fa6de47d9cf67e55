"""The configuration, checked before anything runs: keys, types, ranges, and that every name refers to something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import systems
from ..core import yaml_files
from ..core.errors import UserError
from ..core.json_files import read_json
from ..data.readers import READERS, reader_class
from ..schema.setting_faults import UNKNOWN, Fault, faults_of
from .references import reference_faults
from .settings_model import Configuration

Settings = dict[str, Any]

#: What the error says of the section `ed`, which was replaced in November 2026.
EARLIER_ED = (
    "the section 'ed' is now an entry of datasets: write its keys under `datasets: {ed: {...}}`, such as "
    '`datasets: {ed: {folder: DIR}}`, or on the command line --config \'datasets={"ed": {"folder": "DIR"}}\''
)
MEND = "correct config.yaml or the overlay given with --configfile (docs/configuration.md says what each key may hold)"


def check_files(paths: Iterable[str | Path]) -> None:
    """Refuse configuration files with faults that reading and merging hide, such as keys that repeat.

    Raises:
        UserError: names the file and the line.
    """
    for path in map(Path, paths):
        if path.suffix == ".json":
            read_json(path)
        elif path.is_file():  # not a pipe, whose text Snakemake has read already
            yaml_files.load(path, MEND)


def check(settings: Settings) -> None:
    """Refuse a configuration that is not valid.

    Raises:
        UserError: lists every fault with its place, and the nearest valid name or the range.
    """
    faults = list(value_faults(settings))
    faults = faults or list(map(str, form_faults(settings)))
    faults = faults or list(reference_faults(settings))  # they need settings of the right form
    if faults:
        raise UserError("the configuration is not valid:\n  - " + "\n  - ".join(faults), MEND)


def value_faults(value: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Values that no key may hold: numbers that are not finite or too large, dates, control characters, other keys."""
    where = ": ".join(place) or "top level"
    if len(place) > yaml_files.DEEPEST:
        yield f"{': '.join(place[:3])}: it goes deeper than {yaml_files.DEEPEST} levels"
    elif isinstance(value, dict):
        for key, item in value.items():
            fault = key_fault(key)
            if fault:
                yield f"{where}: the key {yaml_files.shown(key)}: {fault}"
            else:
                yield from value_faults(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from value_faults(item, (*place, str(number)))
    else:
        fault = yaml_files.fault_of(value)
        if fault:
            yield f"{where}: {fault}"


def key_fault(key: Any) -> str | None:
    """What is wrong with a key; None if nothing is."""
    if not isinstance(key, str):
        return "it is no text; put it in quotes if a name is meant"
    return yaml_files.fault_of(key)


def form_faults(settings: Any) -> list[Fault]:
    """Unknown keys, missing keys, wrong types and impossible values, in order of place; those of data sets last."""
    faults = [with_replacement(fault) for fault in faults_of(Configuration, settings)]
    entries = settings.get("datasets") if isinstance(settings, dict) else None
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        faults += entry_faults(name, entry)
    return faults


def entry_faults(name: str, entry: Any) -> list[Fault]:
    """The same of a data set's entry, by its reader; none if the reader is not known, which is a fault already."""
    if not isinstance(entry, dict) or entry.get("reader") not in READERS:
        return []
    faults = faults_of(reader_class(entry["reader"]), entry)
    return [replace(fault, place=("datasets", name, *fault.place)) for fault in faults]


def with_replacement(fault: Fault) -> Fault:
    """A fault; for a key of an earlier version it says what to write now."""
    if fault.kind == UNKNOWN and not fault.place and fault.words.startswith("unknown key 'ed'"):
        return replace(fault, words=EARLIER_ED)
    return fault


def name_dataset(settings: Settings) -> None:
    """Put the name of the run's data set where a checked configuration writes the word `dataset` in training sets."""
    places = [(system, "training_set") for system in settings["systems"].values()]
    places += [(settings["discriminator"], "training_set"), (settings["comparison"], "baseline")]
    for section, key in places:
        section[key] = systems.with_dataset(section[key], settings["dataset"])
