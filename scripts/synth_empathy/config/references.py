"""What the configuration names, held against what there is: data sets, models, systems, rows of tables, files.

Each function yields faults as sentences that begin with the place, such as ``tables: table1: systems``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .. import systems
from ..core import yaml_files
from ..core.archive import INDEX, JUDGEMENTS, read_index
from ..core.errors import UserError, nearest
from ..core.files import is_file
from ..core.paths import ROOT
from ..data.prompts import load_prompt, load_rubric
from ..data.readers import reader_of
from ..reporting import paper_values
from ..reporting.tables import COLUMNS, rows_of
from ..selection import diversity
from ..selection.quality import manifest_of
from ..systems import Quality, Selected, TrainingSet
from ..training import recipes

Settings = dict[str, Any]
T = TypeVar("T")


def reference_faults(settings: Settings) -> Iterator[str]:
    """Names that refer to nothing, and values that contradict one another."""
    yield from dataset_faults(settings)
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


def dataset_faults(settings: Settings) -> Iterator[str]:
    """A data set without an entry, a name that has another meaning, and an entry that contradicts itself."""
    name, entries = settings["dataset"], settings["datasets"]
    if name not in entries:
        yield f"dataset: there is no data set {name!r}{nearest(name, entries)}; describe it under datasets"
    for reserved in sorted(entries.keys() & set(systems.RESERVED)):
        yield f"datasets: {reserved}: this name has another meaning in the results; choose another"
    if systems.ED in entries and entries[systems.ED]["reader"] != paper_values.READER:
        reader = paper_values.READER
        yield f"datasets: ed: this name is EmpatheticDialogues', whose reader is {reader}; choose another name"
    archive = archived_dataset(settings)
    if archive not in (None, name):
        yield f"archive: it is of the data set {archive}, and this run's is {name}; set dataset: {archive}"
    if name in entries and not settings["archive"]:  # an archive has what was made of the data
        yield from (f"datasets: {name}: {fault}" for fault in reader_of(entries[name]).faults())


def archived_dataset(settings: Settings) -> str | None:
    """The data set of the archive that the configuration names; None without one."""
    places = [name.split("/") for name in archived(settings) if name.endswith("/test_ids.json")]
    return places[0][0] if places else None


def model_faults(settings: Settings) -> Iterator[str]:
    """Models that are not in the catalogue, and entries of the catalogue without a source."""
    yield from (
        f"{place}: there is no model {model!r}{nearest(model, settings['models'])}"
        for place, model in models_used(settings).items()
        if model not in settings["models"]
    )
    yield from bertscore_faults(settings)
    for name, model in settings["models"].items():
        packaged = [key for key in ("package", "version", "path", "sha256") if key in model]
        if ("revision" in model) == bool(packaged) or len(packaged) not in (0, 4):
            sources = "a revision (from the hub) or package, version, path and sha256 (from a package)"
            yield f"models: {name}: give either {sources}"


def models_used(settings: Settings) -> dict[str, str]:
    """The models that the configuration names, by the place where it does."""
    ours = {name: one for name, one in settings["systems"].items() if one["training_set"] not in systems.CATALOGUES}
    bertscore = settings["evaluation"]["bertscore"]["model"]
    return {
        "generation: model": settings["generation"]["model"],
        "discriminator: base": settings["discriminator"]["base"],
        "scoring: model": settings["scoring"]["model"],
        "judge: model": settings["judge"]["model"],
        **{f"systems: {name}: base": system["base"] for name, system in ours.items()},
        **{f"training: bases: {base}": base for base in settings["training"]["bases"]},
        **({"evaluation: bertscore: model": bertscore} if bertscore is not None else {}),
    }


def bertscore_faults(settings: Settings) -> Iterator[str]:
    """A model of BERTScore whose layer is not known."""
    chosen = settings["evaluation"]["bertscore"]
    repository = settings["models"].get(chosen["model"], {}).get("repository")
    if chosen["layer"] is None and repository not in (None, "FacebookAI/roberta-large"):
        place = "evaluation: bertscore: layer"
        yield f"{place}: {chosen['model']} needs one; only roberta-large has a known layer (17)"


def system_faults(settings: Settings) -> Iterator[str]:
    """Systems that cannot be trained, the discriminator included, and an unknown baseline of the comparisons."""
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
        if training_set.trained and training_set.source not in (systems.THE_DATASET, settings["dataset"]):
            yield f"{place}: training_set: {other_dataset(settings, training_set.source)}"
            continue
        bases = settings["training"]["bases"]
        if training_set.trained and system["base"] not in bases:
            yield f"{place}: training: bases names no recipe for {system['base']!r}{nearest(system['base'], bases)}"
        if training_set.selected:
            yield from (f"{place}: training_set: {fault}" for fault in training_set.selected.faults(settings))
    unselected = [systems.UNTRAINED, systems.THE_DATASET]
    dataset = settings["dataset"]
    if settings["discriminator"]["training_set"] not in (*unselected, dataset):
        reason = "it selects the synthetic samples and so cannot be trained on them"
        yield f"discriminator: training_set: {reason}; use {systems.THE_DATASET}"
    baseline = settings["comparison"]["baseline"]
    if baseline not in (*unselected, dataset):
        yield f"comparison: baseline: {baseline!r} is not one of {', '.join(unselected)}"


def other_dataset(settings: Settings, name: str) -> str:
    """Why a training set of another data set than the run's is refused."""
    dataset, word = settings["dataset"], systems.THE_DATASET
    hint = nearest(name, [systems.UNTRAINED, *systems.CATALOGUES, word, dataset])
    return f"{name!r} is not this run's data set, {dataset}; write {word}, which stands for it{hint}"


def parsed(parse: Callable[..., T], *names: str) -> tuple[T | None, str | None]:
    """What a name means in the grammar of systems.py, or what is wrong with it."""
    try:
        return parse(*names), None
    except UserError as error:
        return None, error.problem


def table_faults(settings: Settings) -> Iterator[str]:
    """Rows of tables that name an unknown system, prompt or base model, and rows that repeat."""
    chosen = settings["tables"]
    known_bases = settings["training"]["bases"]
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
        if base not in known_bases:
            yield f"tables: {place}: training: bases names no recipe for {base!r}{nearest(base, known_bases)}"
    unknown = list(selection_faults(settings))
    yield from unknown
    if not unknown:
        yield from repeated_rows(settings)


def selection_faults(settings: Settings) -> Iterator[str]:
    """Unknown selections of the tables."""
    chosen = settings["tables"]
    named = [("table2: selection", chosen["table2"]["selection"])]
    named += [("table4: selections", selection) for selection in chosen["table4"]["selections"]]
    known = diversity.SELECTIONS
    for place, selection in named:
        if selection not in known:
            yield f"tables: {place}: there is no diversity selection {selection!r}{nearest(selection, known)}"
    for name in chosen["table3"]["qualities"]:
        quality, fault = parsed(Quality.parse, name)
        faults = [fault] if fault else quality.faults(settings)
        yield from (f"tables: table3: qualities: {fault}" for fault in faults)


def repeated_rows(settings: Settings) -> Iterator[str]:
    """Systems that are in a table twice."""
    for table in COLUMNS:
        names = [row.system for row in rows_of(settings, table)]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield f"tables: {table}: {twice} stands in it twice; each row needs its own base or training set"


def other_faults(settings: Settings, place: str, system: Settings) -> Iterator[str]:
    """A system that is not ours and that no entry says the outputs of."""
    training_set, base = system["training_set"], system["base"]
    catalogue = systems.CATALOGUES[training_set]
    if base not in settings[catalogue]:
        known = nearest(base, settings[catalogue]) if settings[catalogue] else " (it is empty)"
        needed = f"the training set {training_set} needs a key of {catalogue}"
        yield f"{place}: base: {needed}, and {base!r} is none{known}"


def figure_faults(settings: Settings) -> Iterator[str]:
    """A figure of an unknown prompt or stage."""
    prompt, stage = settings["figures"]["figure5"]["prompt"], settings["figures"]["figure5"]["stage"]
    if prompt not in settings["prompts"]:
        hint = nearest(prompt, settings["prompts"])
        yield f"figures: figure5: prompt: there is no prompt {prompt!r}{hint}"
    selected, fault = parsed(Selected.at, prompt, stage)
    faults = [fault] if fault else selected.quality.faults(settings)
    yield from (f"figures: figure5: stage: {fault}" for fault in faults)


def scorer_faults(settings: Settings) -> Iterator[str]:
    """Scorers with the name of the built-in one, or without their files."""
    for name, scorer in settings["scorers"].items():
        if name == systems.SIMILARITY:
            yield f"scorers: {name}: the pipeline's own scorer has this name; choose another"
        for path in (scorer["file"], manifest_of(scorer["file"])):
            if not settings["archive"] and not is_file(ROOT / path):  # an archive has what was made with it
                yield f"scorers: {name}: there is no file {yaml_files.shortened(str(path))}"


def file_faults(settings: Settings) -> Iterator[str]:
    """Files that do not exist, prompts and rubrics with another name than their key, and unknown rows of the paper."""
    if settings["archive"] and not is_file(Path(settings["archive"], INDEX)):
        problem = f"{settings['archive']} is not an archive: it has no {INDEX}"
        yield f"archive: {problem} (docs/archive.md says how one is made)"
    for place, path in files_named(settings).items():
        if not is_file(ROOT / path):
            yield f"{place}: there is no file {yaml_files.shortened(path)}"
    for name, path in settings["prompts"].items():
        if is_file(ROOT / path) and load_prompt(ROOT / path)["name"] != name:
            own = load_prompt(ROOT / path)["name"]
            yield f"prompts: {name}: {path} calls itself {own!r}; ids and paths need one name"
    for name, path in settings["judge"]["criteria"].items():
        if is_file(ROOT / path) and load_rubric(ROOT / path)["name"] != name:
            own = load_rubric(ROOT / path)["name"]
            yield f"judge: criteria: {name}: {path} calls itself {own!r}; a criterion needs one name"
    known = paper_values.read_table(paper_values.PAPER / "table1.csv")
    for name, system in settings["systems"].items():
        row = system["paper_row"]
        if row is not None and row not in known:
            yield f"systems: {name}: paper_row: the paper's Table 1 has no row {row!r}{nearest(row, known)}"


def files_named(settings: Settings) -> dict[str, str]:
    """The files that a run reads, by the place in the configuration that names them."""
    named = {f"prompts: {name}": path for name, path in settings["prompts"].items()}
    named |= {f"judge: criteria: {name}": path for name, path in settings["judge"]["criteria"].items()}
    if settings["generation"]["demonstration"]:
        named["generation: demonstration"] = settings["generation"]["demonstration"]
    if not settings["archive"]:  # otherwise responses come from it
        named |= {f"published: {name}: file": system["file"] for name, system in settings["published"].items()}
        results = {name: baseline["results"] for name, baseline in settings["baselines"].items()}
        named |= {f"baselines: {name}: results": path for name, path in results.items() if path}
    if settings["human"]["judgements"] and JUDGEMENTS not in archived(settings):
        named["human: judgements"] = settings["human"]["judgements"]
    return named


def archived(settings: Settings) -> dict[str, str]:
    """The files of the archive that the configuration names, with their SHA-256; none without an archive."""
    if not settings["archive"] or not is_file(Path(settings["archive"], INDEX)):
        return {}
    return read_index(Path(settings["archive"]))


def recipe_faults(settings: Settings) -> Iterator[str]:
    """Base models with an unknown recipe, settings of LoRA that a recipe lacks or must not have, and unusable GPUs."""
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
    """LoRA's settings that a recipe of another method has, and those that a LoRA recipe lacks."""
    if recipe["method"] == "lora":
        lacking = [key for key, stated in recipes.LORA.items() if stated and key not in recipe]
        yield from (f"the key {key!r} is missing, which a recipe of method lora needs" for key in lacking)
    else:
        present = [key for key in recipes.LORA if key in recipe]
        yield from (f"{key} belongs to method lora alone, and not to {recipe['method']}" for key in present)
