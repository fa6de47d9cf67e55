"""The configuration, checked before anything runs: keys, types, ranges, and that every name refers to something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .. import systems
from ..core import yaml_files
from ..core.archive import INDEX, JUDGEMENTS, read_index
from ..core.errors import UserError, nearest
from ..core.paths import ROOT
from ..core.records import is_file, read_json
from ..data.prompts import load_prompt, load_rubric
from ..reporting import paper_values
from ..reporting.tables import COLUMNS, rows_of
from ..schema.setting_faults import Fault, faults_of
from ..selection import diversity
from ..selection.quality import manifest_of
from ..systems import Quality, Selected, TrainingSet
from ..training import recipes
from .settings_model import Configuration

Settings = dict[str, Any]
T = TypeVar("T")


MEND = "correct config.yaml or the overlay given with --configfile (docs/configuration.md says what each key may hold)"


def check_files(paths: Iterable[str | Path]) -> None:
    """Refuse configuration files with faults that are gone once they are read and merged, such as keys that repeat.

    Raises:
        UserError: names the file and the line.
    """
    for path in map(Path, paths):
        if path.suffix == ".json":
            read_json(path)
        elif path.is_file():  # a pipe gives its text only once, and has given it
            yaml_files.load(path, MEND)


def check(settings: Settings) -> None:
    """Refuse a configuration that cannot be meant.

    Raises:
        UserError: lists every fault with its place, and the nearest valid name or the range.
    """
    faults = list(value_faults(settings)) or list(map(str, form_faults(settings))) or list(reference_faults(settings))
    if faults:
        raise UserError("the configuration is not valid:\n  - " + "\n  - ".join(faults), MEND)


def value_faults(value: Any, place: tuple[str, ...] = ()) -> Iterator[str]:
    """What may stand nowhere: numbers that are not finite or too large, dates, control characters, keys of other kinds."""
    where = ": ".join(place) or "top level"
    if len(place) > yaml_files.DEEPEST:
        yield f"{': '.join(place[:3])}: it goes deeper than {yaml_files.DEEPEST} levels"
    elif isinstance(value, dict):
        for key, item in value.items():
            fault = (
                yaml_files.fault_of(key)
                if isinstance(key, str)
                else "it is no text; put it in quotes if a name is meant"
            )
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


def form_faults(settings: Any) -> list[Fault]:
    """Unknown keys, missing keys, wrong types and impossible values, in order of place."""
    return faults_of(Configuration, settings)


def reference_faults(settings: Settings) -> Iterator[str]:
    """Names that refer to nothing, and values that contradict one another."""
    yield from model_faults(settings)
    yield from system_faults(settings)
    yield from table_faults(settings)
    yield from figure_faults(settings)
    yield from recipe_faults(settings)
    yield from file_faults(settings)
    yield from scorer_faults(settings)
    turns = settings["turns"]
    if turns["min_history"] > turns["max_history"]:
        yield f"turns: min_history {turns['min_history']} is above max_history {turns['max_history']}"


def model_faults(settings: Settings) -> Iterator[str]:
    """Models that the catalogue lacks, and catalogue entries without a source."""
    ours = {name: one for name, one in settings["systems"].items() if one["training_set"] not in systems.CATALOGUES}
    used = {
        "generation: model": settings["generation"]["model"],
        "discriminator: base": settings["discriminator"]["base"],
        "scoring: model": settings["scoring"]["model"],
        "judge: model": settings["judge"]["model"],
        **{f"systems: {name}: base": system["base"] for name, system in ours.items()},
        **{f"training: bases: {base}": base for base in settings["training"]["bases"]},
    }
    bertscore = settings["evaluation"]["bertscore"]
    if bertscore["model"] is not None:
        used["evaluation: bertscore: model"] = bertscore["model"]
        entry = settings["models"].get(bertscore["model"], {})
        if bertscore["layer"] is None and entry.get("repository") not in (None, "FacebookAI/roberta-large"):
            yield f"evaluation: bertscore: layer: {bertscore['model']} needs one; only roberta-large has a known layer (17)"
    for place, model in used.items():
        if model not in settings["models"]:
            yield f"{place}: there is no model {model!r}{nearest(model, settings['models'])}"
    for name, model in settings["models"].items():
        packaged = [key for key in ("package", "version", "path", "sha256") if key in model]
        if ("revision" in model) == bool(packaged) or len(packaged) not in (0, 4):
            yield f"models: {name}: give either a revision (from the hub) or package, version, path and sha256 (from a package)"


def system_faults(settings: Settings) -> Iterator[str]:
    """Systems, and the discriminator, that cannot be trained; a baseline of the comparisons that is none."""
    trained = {f"systems: {name}": system for name, system in settings["systems"].items()}
    trained["discriminator"] = settings["discriminator"]
    for place, system in trained.items():
        training_set, fault = parsed(TrainingSet.parse, system["training_set"])
        if fault:
            yield f"{place}: training_set: {fault}"
            continue
        if training_set.catalogue:
            yield from other_faults(settings, place, system)
            continue
        bases = settings["training"]["bases"]
        if training_set.trained and system["base"] not in bases:
            yield f"{place}: training: bases names no recipe for {system['base']!r}{nearest(system['base'], bases)}"
        if training_set.selected:
            yield from (f"{place}: training_set: {fault}" for fault in training_set.selected.faults(settings))
    unselected = [systems.UNTRAINED, systems.DATASET]
    if settings["discriminator"]["training_set"] not in unselected:
        reason = "it selects the synthetic samples and so cannot be trained on them"
        yield f"discriminator: training_set: {reason}; use {systems.DATASET}"
    baseline = settings["comparison"]["baseline"]
    if baseline not in unselected:
        yield f"comparison: baseline: {baseline!r} is not one of {', '.join(unselected)}"


def parsed(parse: Callable[..., T], *names: str) -> tuple[T | None, str | None]:
    """What a name of systems.py stands for, or what is wrong with it."""
    try:
        return parse(*names), None
    except UserError as error:
        return None, error.problem


def table_faults(settings: Settings) -> Iterator[str]:
    """Rows of tables that name no system, no prompt or no base with a recipe, and rows that stand twice."""
    chosen = settings["tables"]
    for name in chosen["table1"]["systems"]:
        if name not in settings["systems"]:
            yield f"tables: table1: systems: there is no system {name!r}{nearest(name, settings['systems'])}"
            return
    prompts = [("table2: series", series["prompt"]) for series in chosen["table2"]["series"]]
    bases = [("table2: series", series["base"]) for series in chosen["table2"]["series"]]
    for table in ("table3", "table4"):
        prompts.append((table, chosen[table]["prompt"]))
        bases += [(table, base) for base in chosen[table]["bases"]]
    for place, prompt in prompts:
        if prompt not in settings["prompts"]:
            yield f"tables: {place}: there is no prompt {prompt!r}{nearest(prompt, settings['prompts'])}"
    for place, base in bases:
        if base not in settings["training"]["bases"]:
            yield f"tables: {place}: training: bases names no recipe for {base!r}{nearest(base, settings['training']['bases'])}"
    unknown = list(selection_faults(settings))
    yield from unknown
    if not unknown:
        yield from repeated_rows(settings)


def selection_faults(settings: Settings) -> Iterator[str]:
    """Selections of the tables that there are not."""
    chosen = settings["tables"]
    named = [("table2: selection", chosen["table2"]["selection"])]
    named += [("table4: selections", selection) for selection in chosen["table4"]["selections"]]
    known = diversity.SELECTIONS
    for place, selection in named:
        if selection not in known:
            yield f"tables: {place}: there is no diversity selection {selection!r}{nearest(selection, known)}"
    for name in chosen["table3"]["qualities"]:
        quality, fault = parsed(Quality.parse, name)
        found = [fault] if fault else quality.faults(settings)
        yield from (f"tables: table3: qualities: {fault}" for fault in found)


def repeated_rows(settings: Settings) -> Iterator[str]:
    """Systems that stand in a table twice."""
    for table in COLUMNS:
        names = [row.system for row in rows_of(settings, table)]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield f"tables: {table}: {twice} stands in it twice; each row needs its own base or training set"


def other_faults(settings: Settings, place: str, system: Settings) -> Iterator[str]:
    """A system that is not ours and whose outputs come from nowhere."""
    catalogue = systems.CATALOGUES[system["training_set"]]
    if system["base"] not in settings[catalogue]:
        known = nearest(system["base"], settings[catalogue]) if settings[catalogue] else " (it is empty)"
        yield f"{place}: base: the training set {system['training_set']} needs a key of {catalogue}, and {system['base']!r} is none{known}"


def figure_faults(settings: Settings) -> Iterator[str]:
    """A figure of a prompt or threshold that there is not."""
    shown = settings["figures"]["figure5"]
    if shown["prompt"] not in settings["prompts"]:
        yield f"figures: figure5: prompt: there is no prompt {shown['prompt']!r}{nearest(shown['prompt'], settings['prompts'])}"
    selected, fault = parsed(Selected.at, shown["prompt"], shown["stage"])
    found = [fault] if fault else selected.quality.faults(settings)
    yield from (f"figures: figure5: stage: {fault}" for fault in found)


def scorer_faults(settings: Settings) -> Iterator[str]:
    """Scorers under the name of the built-in one, or whose files are not there."""
    for name, scorer in settings["scorers"].items():
        if name == systems.SIMILARITY:
            yield f"scorers: {name}: the pipeline's own scorer has this name; choose another"
        for path in (scorer["file"], manifest_of(scorer["file"])):
            if not settings["archive"] and not is_file(ROOT / path):  # an archive has what was made with it
                yield f"scorers: {name}: there is no file {yaml_files.shortened(str(path))}"


def file_faults(settings: Settings) -> Iterator[str]:
    """Data files that are not there, prompts and rubrics under another name than their own, rows that the paper's table lacks."""
    criteria = settings["judge"]["criteria"]
    named = {f"prompts: {name}": path for name, path in settings["prompts"].items()}
    named |= {f"judge: criteria: {name}": path for name, path in criteria.items()}
    if settings["generation"]["demonstration"]:
        named["generation: demonstration"] = settings["generation"]["demonstration"]
    if not settings["archive"]:  # else responses come from it
        named |= {f"published: {name}: file": system["file"] for name, system in settings["published"].items()}
        named |= {
            f"baselines: {name}: results": baseline["results"]
            for name, baseline in settings["baselines"].items()
            if baseline["results"]
        }
    if settings["archive"] and not is_file(Path(settings["archive"], INDEX)):
        yield f"archive: {settings['archive']} is not an archive: it has no {INDEX} (docs/archive.md says how one is made)"
    there = settings["archive"] and is_file(Path(settings["archive"], INDEX))
    archived = there and JUDGEMENTS in read_index(Path(settings["archive"]))
    if settings["human"]["judgements"] and not archived:
        named["human: judgements"] = settings["human"]["judgements"]
    for place, path in named.items():
        if not is_file(ROOT / path):
            yield f"{place}: there is no file {yaml_files.shortened(path)}"
    for name, path in settings["prompts"].items():
        if is_file(ROOT / path) and load_prompt(ROOT / path)["name"] != name:
            yield f"prompts: {name}: {path} calls itself {load_prompt(ROOT / path)['name']!r}; ids and paths need one name"
    for name, path in criteria.items():
        if is_file(ROOT / path) and load_rubric(ROOT / path)["name"] != name:
            yield f"judge: criteria: {name}: {path} calls itself {load_rubric(ROOT / path)['name']!r}; a criterion needs one name"
    known = paper_values.read_table(paper_values.PAPER / "table1.csv")
    for name, system in settings["systems"].items():
        if system["paper_row"] is not None and system["paper_row"] not in known:
            yield f"systems: {name}: paper_row: the paper's Table 1 has no row {system['paper_row']!r}{nearest(system['paper_row'], known)}"


def recipe_faults(settings: Settings) -> Iterator[str]:
    """Base models with a recipe that is not there, LoRA recipes without LoRA's own settings, and GPUs that a recipe cannot use."""
    known = settings["training"]["recipes"]
    for base, recipe in settings["training"]["bases"].items():
        if recipe not in known:
            yield f"training: bases: {base}: there is no recipe {recipe!r}{nearest(recipe, known)}"
    for name, recipe in known.items():
        place = f"training: recipes: {name}"
        yield from (f"{place}: {fault}" for fault in lora_faults(recipe))
        for fault in recipes.process_faults(recipe["method"], recipe["gradient_accumulation"], max(1, recipe["gpus"])):
            yield f"{place}: gpus: {fault}"


def lora_faults(recipe: Settings) -> Iterator[str]:
    """LoRA's settings that another recipe has, and those that a LoRA recipe lacks."""
    if recipe["method"] == "lora":
        lacking = [key for key, stated in recipes.LORA.items() if stated and key not in recipe]
        yield from (f"the key {key!r} is missing, which a recipe of method lora needs" for key in lacking)
    else:
        given = [key for key in recipes.LORA if key in recipe]
        yield from (f"{key} belongs to method lora alone, and not to {recipe['method']}" for key in given)
