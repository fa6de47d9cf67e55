"""The configuration as shipped is valid; each fault that a user may make is refused with its place and a hint."""

import copy
import datetime
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st

import hostile
from synth_empathy.config import settings, settings_reference
from synth_empathy.config.settings_model import Configuration
from synth_empathy.core.errors import UserError
from synth_empathy.data.readers import Keep, Reader
from synth_empathy.data.readers.jsonl import Split
from synth_empathy.reporting.tables import rows_of
from synth_empathy.schema.declared import Declared, key_names
from synth_empathy.schema.setting_types import Section


def merged(base, overlay):
    """As Snakemake merges configuration files: dictionaries by key, everything else replaced."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return overlay
    return {
        key: merged(base[key], overlay[key]) if key in base and key in overlay else overlay.get(key, base.get(key))
        for key in [*base, *overlay]
    }


@pytest.fixture(scope="module")
def shipped(repository):
    return yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def demo(repository, shipped):
    return merged(shipped, yaml.safe_load((repository / "config" / "demo.yaml").read_text(encoding="utf-8")))


def test_the_merge_used_here_is_snakemakes(repository, shipped, demo):
    from snakemake.utils import update_config

    theirs = copy.deepcopy(shipped)
    update_config(theirs, yaml.safe_load((repository / "config" / "demo.yaml").read_text(encoding="utf-8")))
    assert theirs == demo
    assert demo["tables"]["table1"]["systems"] == ["demo-ours", "demo-ft", "demo-zero-shot"]
    assert {"smollm2-135m", "llama3-70b-instruct"} <= set(demo["models"])


def test_what_is_shipped_is_valid(shipped, demo):
    """``check`` says nothing, and would say something of the same with a fault in it."""
    for whole in (shipped, demo):
        assert settings.check(copy.deepcopy(whole)) is None
        with pytest.raises(UserError):
            settings.check(whole | {"sead": 1})


def test_a_system_may_be_a_baseline_or_published_outputs(repository, shipped):
    systems = {"seek": SEEK, "kemp": SEEK | {"base": "kemp", "training_set": "published", "paper_row": None}}
    published = {"kemp": {"title": "KEMP", "file": "README.md", "source": "x"}}
    assert settings.check(shipped | {"systems": shipped["systems"] | systems, "published": published}) is None


def test_only_a_baseline_whose_training_writes_its_results_has_no_checkpoint(shipped):
    assert shipped["baselines"]["case"]["generate"] is None and shipped["baselines"]["case"]["checkpoint"] is None
    nameless = merged(shipped, {"baselines": {"case": {"generate": "main.py --test"}}})
    with pytest.raises(
        UserError,
        match="baselines: case: checkpoint: None is of the wrong type; it must be text, since `generate` runs",
    ):
        settings.check(nameless)


def overlays(repository):
    """The overlays that are shipped, each with those that it is put over."""
    demo = "config/demo.yaml"
    vllm, own = "config/vllm-cpu.yaml", "config/own-data.yaml"
    assert {f"config/{path.name}" for path in (repository / "config").glob("*.yaml")} == {demo, vllm, own}
    return [[], [demo], [demo, vllm], [demo, "tests/small.yaml"], [demo, own]]


def test_each_shipped_overlay_is_valid(repository, shipped):
    for names in overlays(repository):
        whole = shipped
        for name in names:
            whole = merged(whole, yaml.safe_load((repository / name).read_text(encoding="utf-8")))
        assert settings.form_faults(whole) == [], names
        if "config/own-data.yaml" in names:  # make demo DATA=FILE names the file
            whole = merged(whole, {"datasets": {"mine": {"file": "README.md"}}})
        assert settings.check(whole) is None


def keys_used(value, section):
    """Each section with the keys that a configuration has in it."""
    for key, inner in value.items():
        yield section, key
        declared = Declared.of_field(section.model_fields[key])
        values = [inner]
        while declared.inner:
            values = [one for some in values for one in (some.values() if declared.kind is dict else some)]
            declared = Declared.of(declared.inner[-1])
        for one in values if declared.is_section else []:
            yield from keys_used(one, declared.kind)


def every_section(section):
    """A class of settings and all that come from it."""
    derived = section.__subclasses__()
    return [section, *(below for one in derived for below in every_section(one))]


def test_the_model_and_the_shipped_configuration_have_the_same_keys(shipped, demo):
    """Nothing has to be looked up in the model that config.yaml and the demo do not show.

    `published` and `scorers` are empty in both; readers have further keys.
    """
    whole = demo | {"published": {"kemp": {"title": "KEMP", "file": "kemp.jsonl", "source": "its authors"}}}
    whole |= {"scorers": {"length": {"file": "length.jsonl", "higher_is_better": True}}}
    whole |= {"datasets": {"ed": {"reader": "empathetic_dialogues"}}}
    used = set(keys_used(whole, Configuration))
    sections = {section for section, _ in used}
    assert used == {(section, key) for section in sections for key in section.model_fields}
    readers = {Reader, Keep, Split, *Reader.__subclasses__()}
    assert sections == {one for one in every_section(Section) if not one.__subclasses__()} - readers
    assert key_names(Configuration) == {key for _, key in used}


def test_every_key_says_what_it_is_for():
    for section in Section.__subclasses__():
        assert section.__doc__ and section.__doc__.endswith("."), section
        for key, field in section.model_fields.items():
            assert field.description and not field.description.endswith("."), (section, key)


#: A place in the configuration, its value there, and parts of the message. ``DELETE`` takes the key away.
DELETE = object()
SEEK = {"title": "SEEK", "base": "seek", "training_set": "authors-code", "paper_row": "SEEK"}
FAULTS = {
    "typo in a key": (
        "generation/temprature",
        0.8,
        ["generation: unknown key 'temprature'", "did you mean 'temperature'?"],
    ),
    "typo in a top-level key": ("sytems", {}, ["top level: unknown key 'sytems'", "did you mean 'systems'?"]),
    "typo deep down": (
        "training/recipes/lora/learning_rat",
        1e-4,
        ["training: recipes: lora: unknown key 'learning_rat'", "'learning_rate'"],
    ),
    "key that resembles none": (
        "turns/zzz",
        1,
        ["turns: unknown key 'zzz'", "valid: mode, min_history, max_history, normalise"],
    ),
    "missing key": ("turns/mode", DELETE, ["turns: the key 'mode' is missing"]),
    "missing section": ("scoring", DELETE, ["top level: the key 'scoring' is missing"]),
    "missing recipe key": (
        "training/recipes/full/epochs",
        DELETE,
        ["training: recipes: full: the key 'epochs' is missing"],
    ),
    "ratio 0": ("selection/ratio", 0, ["selection: ratio: 0 is out of range", "above 0 and at most 1"]),
    "ratio 1.5": ("selection/ratio", 1.5, ["selection: ratio: 1.5 is out of range", "above 0 and at most 1"]),
    "ratio that is no number": ("selection/ratio", float("nan"), ["selection: ratio: nan is not a finite number"]),
    "temperature without end": (
        "generation/temperature",
        float("inf"),
        ["generation: temperature: inf is not a finite number"],
    ),
    "learning rate that is no number": (
        "training/recipes/lora/learning_rate",
        float("nan"),
        ["training: recipes: lora: learning_rate: nan"],
    ),
    "threshold that is no number": (
        "tables/table2/thresholds",
        [50, float("nan")],
        ["tables: table2: thresholds: 1: nan is not a finite number"],
    ),
    "number that is none somewhere deep": (
        "systems/ours",
        {"title": {"a": [1, {"b": -float("inf")}]}},
        ["systems: ours: title: a: 1: b: -inf is no"],
    ),
    "huge number": (
        "generation/samples_per_seed",
        10**5000,
        ["generation: samples_per_seed: a whole number of more than 63 bits is out of range"],
    ),
    "whole number with a fraction": (
        "generation/samples_per_seed",
        2.0,
        ["generation: samples_per_seed: 2.0 is of the wrong type; it must be a whole number"],
    ),
    "more than can be counted": (
        "generation/samples_per_seed",
        2**31,
        ["generation: samples_per_seed: 2147483648 is out of range", "at most 2147483647"],
    ),
    "seed that NumPy does not take": (
        "seeds",
        [2**32],
        ["seeds: 0: 4294967296 is out of range", "at most 4294967295"],
    ),
    "date": ("note", datetime.date(2024, 1, 1), ["note: 2024-01-01 is a date; put it in quotes if a text is meant"]),
    "key that is no text": (
        "prompts",
        {1: "resources/prompts/prompt1.yaml"},
        ["prompts: the key 1: it is no text; put it in quotes"],
    ),
    "date as a key": (
        "training/bases",
        {datetime.date(2024, 1, 1): "lora"},
        ["training: bases: the key datetime.date(2024, 1, 1): it is no text"],
    ),
    "half a character": ("note", "a\ud800", ["note: 'a\\ud800' has the character U+D800, which no text file has"]),
    "terminal escape": (
        "systems/ours/title",
        "\x1b[31m",
        ["systems: ours: title: '\\x1b[31m' has the character U+001B"],
    ),
    "name that no file system takes": (
        "generation/demonstration",
        "x" * 5000,
        ["generation: demonstration: there is no file xxx"],
    ),
    "ratio in words": (
        "selection/ratio",
        "0.9",
        ["selection: ratio: '0.9' is of the wrong type; it must be a number"],
    ),
    "negative seed": ("seed", -1, ["seed: -1 is out of range", "at least 0"]),
    "negative seed in the list": ("seeds", [0, -3], ["seeds: 1: -3 is out of range", "at least 0"]),
    "no seeds": ("seeds", [], ["seeds: [] is too short; it must hold at least 1"]),
    "seeds as a number": ("seeds", 3, ["seeds: 3 is of the wrong type; it must be a list"]),
    "seed as a truth value": ("seed", True, ["seed: True is of the wrong type; it must be a whole number"]),
    "section as a list": ("turns", [1], ["turns: [1] is of the wrong type; it must be a mapping"]),
    "fraction of a count": (
        "generation/samples_per_seed",
        1.5,
        ["generation: samples_per_seed: 1.5 is of the wrong type; it must be a whole number"],
    ),
    "no samples": (
        "generation/samples_per_seed",
        0,
        ["generation: samples_per_seed: 0 is out of range", "at least 1"],
    ),
    "too few draws": ("comparison/draws", 99, ["comparison: draws: 99 is out of range", "at least 100"]),
    "baseline that a comparison has not": (
        "comparison/baseline",
        "ED",
        ["comparison: baseline: 'ED' is not one of none, dataset"],
    ),
    "keep none": ("datasets/ed/keep/test", 0, ["datasets: ed: keep: test: 0 is out of range", "at least 1"]),
    "data set that is not there": ("dataset", "eds", ["dataset: there is no data set 'eds' (did you mean 'ed'?)"]),
    "section of an earlier version": (
        "ed",
        {"folder": "x"},
        ["the section 'ed' is now an entry of datasets", "`datasets: {ed: {folder: DIR}}`"],
    ),
    "reader that is not there": (
        "datasets/mine",
        {"reader": "jsonlines", "file": "README.md"},
        ["datasets: mine: reader: 'jsonlines' is not one of empathetic_dialogues, jsonl (did you mean 'jsonl'?)"],
    ),
    "data set without a reader": ("datasets/mine", {}, ["datasets: mine: the key 'reader' is missing"]),
    "key of another reader": (
        "datasets/mine",
        {"reader": "jsonl", "file": "README.md", "url": "x"},
        ["datasets: mine: unknown key 'url'"],
    ),
    "share of another type": (
        "datasets/mine",
        {"reader": "jsonl", "file": "README.md", "split": {"test": 2}},
        ["datasets: mine: split: test: 2 is out of range; it must be at least 0 and at most 1"],
    ),
    "name of a data set that is a folder": (
        "datasets/models",
        {"reader": "jsonl", "file": "README.md"},
        ["datasets: models: this name has another meaning in the results"],
    ),
    "name of a data set with a dash": (
        "datasets/my-data",
        {"reader": "jsonl", "file": "README.md"},
        ["datasets: the key 'my-data' does not have the form"],
    ),
    "ED by another reader": (
        "datasets/ed",
        {"reader": "jsonl", "file": "README.md"},
        ["datasets: ed: this name is EmpatheticDialogues'"],
    ),
    "ED from nowhere": (
        "datasets/ed",
        {"reader": "empathetic_dialogues", "url": "https://example.org"},
        ["datasets: ed: give either a folder, or sha256 and an archive or its url"],
    ),
    "training set of another data set": (
        "systems/ours/training_set",
        "edd+prompt2-dk60-kcenter",
        ["systems: ours: training_set: 'edd' is not this run's data set, ed; write dataset", "did you mean 'ed'?"],
    ),
    "top_p of 0": ("responding/top_p", 0, ["responding: top_p: 0 is out of range", "above 0 and at most 1"]),
    "unknown engine": (
        "generation/engine",
        "transformer",
        ["generation: engine: 'transformer' is not one of transformers, vllm", "'transformers'"],
    ),
    "unknown mode": (
        "turns/mode",
        "match",
        ["turns: mode: 'match' is not one of matched, released", "did you mean 'matched'?"],
    ),
    "unknown quality rule": (
        "selection/quality_rule",
        "paper",
        ["selection: quality_rule: 'paper' is not one of greater, released"],
    ),
    "unknown diversity rule": (
        "selection/diversity_rule",
        "random",
        ["selection: diversity_rule: 'random' is not one of seeded, released"],
    ),
    "float16": (
        "models/gte-qwen2-7b-instruct/dtype",
        "float16",
        ["models: gte-qwen2-7b-instruct: dtype: 'float16' is not one of", "'bfloat16'"],
    ),
    "short revision": (
        "models/roberta-large/revision",
        "722cf37",
        ["models: roberta-large: revision: '722cf37' does not have the form"],
    ),
    "training set of no form": (
        "systems/ours/training_set",
        "ed+prompt2-60-kcenter",
        ["systems: ours: training_set", "there is no quality selection '60'"],
    ),
    "selection that does not exist": (
        "systems/ours/training_set",
        "ed+prompt2-dk60-kmeans",
        ["systems: ours: training_set", "there is no 'kmeans' (valid: kcenter, random, none)"],
    ),
    "threshold over 100": (
        "systems/ours/training_set",
        "ed+prompt2-dk101-kcenter",
        ["systems: ours: training_set", "DK threshold 101 is out of range", "0 and at most 100"],
    ),
    "threshold just over 100": (
        "systems/ours/training_set",
        "ed+prompt2-dk100.5-none",
        ["DK threshold 100.5 is out of range"],
    ),
    "unknown prompt": (
        "systems/ours/training_set",
        "ed+prompt3-dk60-kcenter",
        ["systems: ours: training_set: there is no prompt 'prompt3'", "did you mean 'prompt"],
    ),
    "unknown generator": (
        "generation/model",
        "llama3-70b",
        ["generation: model: there is no model 'llama3-70b'", "did you mean 'llama3-70b-instruct'?"],
    ),
    "unknown embedding model": (
        "scoring/model",
        "gte-qwen2",
        ["scoring: model: there is no model 'gte-qwen2'", "did you mean 'gte-qwen2-7b-instruct'?"],
    ),
    "unknown discriminator": (
        "discriminator/base",
        "lama3-8b-instruct",
        ["discriminator: base: there is no model", "did you mean 'llama3-8b-instruct'?"],
    ),
    "unknown base of a system": (
        "systems/llama3-8b/base",
        "llama3-8b-instrukt",
        ["systems: llama3-8b: base: there is no model", "'llama3-8b-instruct'"],
    ),
    "unknown BERTScore model": (
        "evaluation/bertscore/model",
        "roberta",
        ["evaluation: bertscore: model: there is no model 'roberta'", "'roberta-large'"],
    ),
    "baseline that is none": (
        "systems/ours",
        SEEK | {"base": "seak"},
        ["systems: ours: base: the training set authors-code needs a key of baselines", "'seek'"],
    ),
    "published outputs that are none": (
        "systems/ours",
        SEEK | {"training_set": "published"},
        ["systems: ours: base: the training set published needs a key of published, and 'seek' is none (it is empty)"],
    ),
    "model as a baseline": (
        "systems/ours/training_set",
        "authors-code",
        ["systems: ours: base: the training set authors-code needs a key of baselines"],
    ),
    "baseline as a model": (
        "systems/ours",
        SEEK | {"training_set": "ed"},
        ["systems: ours: base: there is no model 'seek'"],
    ),
    "discriminator by somebody else": (
        "discriminator/training_set",
        "authors-code",
        ["discriminator: training_set", "use dataset"],
    ),
    "branch for a commit": (
        "baselines/seek/commit",
        "main",
        ["baselines: seek: commit: 'main' does not have the form"],
    ),
    "results that are not there": (
        "baselines/case/results",
        "no/results.txt",
        ["baselines: case: results: there is no file no/results.txt"],
    ),
    "published outputs that are not there": (
        "published/kemp",
        {"title": "KEMP", "file": "no/kemp.jsonl", "source": "x"},
        ["published: kemp: file: there is no file no/kemp.jsonl"],
    ),
    "share over one": ("outputs/unaligned", 2, ["outputs: unaligned: 2 is out of range"]),
    "unknown system in a table": (
        "tables/table1/systems",
        ["ours", "qwen1.5-7b"],
        ["tables: table1: systems: there is no system 'qwen1.5-7b'", "'qwen1.5-7b-ft'"],
    ),
    "a table of nothing": (
        "tables/table1/systems",
        [],
        ["tables: table1: systems: [] is too short; it must hold at least 1"],
    ),
    "figure of an unknown prompt": (
        "figures/figure5/prompt",
        "prompt7",
        ["figures: figure5: prompt: there is no prompt 'prompt7'"],
    ),
    "figure of an unknown stage": (
        "figures/figure5/stage",
        "before",
        ["figures: figure5: stage: 'before' has no diversity selection"],
    ),
    "selection of Table 2 that there is not": (
        "tables/table2/selection",
        "kcentre",
        ["table2: selection: there is no diversity selection", "'kcenter'"],
    ),
    "selection of Table 4 that there is not": (
        "tables/table4/selections",
        ["all"],
        ["table4: selections: there is no diversity selection 'all'"],
    ),
    "ours twice in Table 4": ("tables/table4/selections", ["kcenter"], ["tables: table4: ", "stands in it twice"]),
    "quality that there is not": (
        "tables/table3/qualities",
        ["top5"],
        ["tables: table3: qualities: there is no quality selection 'top5'"],
    ),
    "scorer that there is not": (
        "systems/ours/training_set",
        "ed+prompt2-top5-length-none",
        ["training_set: there is no scorer 'length'"],
    ),
    "scorer under the name of the pipeline's": (
        "scorers/similarity",
        {"file": "config.yaml", "higher_is_better": True},
        ["has this name; choose another"],
    ),
    "scorer with a dash": ("scorers/my-own", {"file": "config.yaml", "higher_is_better": True}, ["scorers"]),
    "figure over DK 100": (
        "figures/figure5/stage",
        "dk101-kcenter",
        ["figures: figure5: stage: the DK threshold 101 is out of range"],
    ),
    "judgements that are not there": (
        "human/judgements",
        "gone.jsonl",
        ["human: judgements: there is no file gone.jsonl"],
    ),
    "unknown count": (
        "human/count",
        "judgement",
        ["human: count: 'judgement' is not one of judgements, majority", "did you mean 'judgements'?"],
    ),
    "no baselines": ("human/baselines", [], ["human: baselines: [] is too short; it must hold at least 1"]),
    "unknown recipe": (
        "training/bases/qwen1.5-7b-chat",
        "ful",
        ["training: bases: qwen1.5-7b-chat: there is no recipe 'ful'", "did you mean 'full'?"],
    ),
    "recipe of an unknown model": (
        "training/bases/qwen2-7b-chat",
        "full",
        ["training: bases: qwen2-7b-chat: there is no model", "'qwen1.5-7b-chat'"],
    ),
    "system without a recipe": (
        "systems/mixtral-8x7b/training_set",
        "ed",
        ["systems: mixtral-8x7b: training: bases names no recipe for 'mixtral-8x7b-instruct'"],
    ),
    "discriminator on synthetic samples": (
        "discriminator/training_set",
        "ed+prompt2-dk60-kcenter",
        ["discriminator: training_set", "cannot be trained on them", "use dataset"],
    ),
    "LoRA without its rank": (
        "training/recipes/lora/lora_r",
        DELETE,
        ["training: recipes: lora: the key 'lora_r' is missing, which a recipe of"],
    ),
    "full fine-tuning with a rank": (
        "training/recipes/full/lora_r",
        8,
        ["training: recipes: full: lora_r belongs to method lora alone, and not to full"],
    ),
    "GPUs that do not share an update's steps": (
        "training/recipes/full/gpus",
        3,
        ["training: recipes: full: gpus: gradient_accumulation 8", "3 does not"],
    ),
    "LoRA over two GPUs": ("training/recipes/lora/gpus", 2, ["training: recipes: lora: gpus: LoRA trains on one GPU"]),
    "unknown judge": (
        "judge/model",
        "llama3-70b",
        ["judge: model: there is no model 'llama3-70b'", "did you mean 'llama3-70b-instruct'?"],
    ),
    "unknown mode of the judge": (
        "judge/mode",
        "sample",
        ["judge: mode: 'sample' is not one of probabilities, sampling", "did you mean 'sampling'?"],
    ),
    "judge at temperature 0": (
        "judge/temperature",
        0,
        ["judge: temperature: 0 is out of range", "above 0 and at most 2"],
    ),
    "judge without criteria": ("judge/criteria", {}, ["judge: criteria: {} is too short; it must hold at least 1"]),
    "rubric that is not there": (
        "judge/criteria/humour",
        "resources/judge/humour.yaml",
        ["judge: criteria: humour: there is no file resources/judge/humour.yaml"],
    ),
    "rubric of another name": (
        "judge/criteria/humour",
        "resources/judge/empathy.yaml",
        ["judge: criteria: humour: resources/judge/empathy.yaml calls itself 'empathy'"],
    ),
    "history bounds crossed": ("turns/min_history", 4, ["turns: min_history 4 is above max_history 3"]),
    "model without a source": (
        "models/roberta-large/revision",
        DELETE,
        ["models: roberta-large: give either a revision", "or package"],
    ),
    "model with half a package": (
        "models/roberta-large/package",
        "x",
        ["models: roberta-large: give either a revision"],
    ),
    "failing on claims in words": (
        "claims/fail",
        "does-not-hold",
        ["claims: fail: 'does-not-hold' is of the wrong type; it must be true or false"],
    ),
    "name with a slash": ("run", "a/b", ["run: 'a/b' does not have the form"]),
}


def changed(base, place, value):
    """A copy with another value at a place; keys are parted by slashes, since model names hold dots."""
    whole = copy.deepcopy(base)
    *path, last = place.split("/")
    part = whole
    for key in path:
        part = part[key]
    if value is DELETE:
        assert last in part
        del part[last]
    else:
        part[last] = value
    return whole


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_a_hint(shipped, name):
    place, value, fragments = FAULTS[name]
    with pytest.raises(UserError) as caught:
        settings.check(changed(shipped, place, value))
    for fragment in fragments:
        assert fragment in caught.value.problem
    places = {fault.split(":")[0] for fault in caught.value.problem.split("\n  - ")[1:]}
    assert places in ({place.split("/")[0]}, {"top level"})  # and nothing else is blamed
    assert "docs/configuration.md" in caught.value.hint


def test_all_faults_are_said_at_once(shipped):
    faulty = changed(changed(shipped, "selection/ratio", 2), "generation/temprature", 1)
    with pytest.raises(UserError) as caught:
        settings.check(faulty)
    assert caught.value.problem.count("\n  - ") == 2
    assert "selection: ratio" in caught.value.problem
    assert "temprature" in caught.value.problem


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("systems/ours/training_set", "ed+prompt1-dk100-random"),
        ("systems/ours/training_set", "ed+prompt1-dk0-none"),
        ("systems/ours/training_set", "ed+prompt2-dk57.5-none"),
        ("selection/ratio", 1),
        ("evaluation/bertscore/model", None),
        ("discriminator/training_set", "none"),
        ("seeds", [0, 1, 2]),
        ("turns/min_history", 3),
    ],
)
def test_what_is_meant_is_accepted(shipped, place, value):
    assert settings.check(changed(shipped, place, value)) is None


def test_scorers_of_the_configuration(shipped, tmp_path):
    scores = tmp_path / "length.jsonl"
    given = {"length": {"file": str(scores), "higher_is_better": True}}
    document = changed(shipped, "scorers", given)
    document["systems"]["ours"]["training_set"] = "ed+prompt2-top1000-length-kcenter"
    document["tables"]["table3"]["qualities"] = ["top1000-similarity", "top1000-length"]
    with pytest.raises(UserError) as caught:
        settings.check(document)
    assert caught.value.problem.count("scorers: length: there is no file") == 2
    for path in (scores, tmp_path / "length.manifest.json"):
        path.touch()
    assert settings.check(document) is None


# Values that nobody means


@given(st.data())
@run_with(max_examples=150, deadline=None)
def test_a_configuration_with_any_value_anywhere_is_taken_or_refused_with_a_sentence(shipped, data):
    document = data.draw(hostile.damaged(shipped))
    try:
        settings.check(document)
    except UserError as error:
        assert (
            error.problem.startswith(("the configuration is not valid:\n  - ", "resources/"))
            or "archive" in error.problem
        )
        assert error.hint


def test_a_document_without_end_is_refused(shipped):
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UserError, match="note: 0: 0: it goes deeper than 50 levels"):
        settings.check(shipped | {"note": deep})


def test_files_are_checked_as_written_before_they_are_merged(tmp_path):
    (tmp_path / "overlay.yaml").write_text("selection:\n  ratio: 0.5\n  ratio: 0.9\n")
    with pytest.raises(UserError, match="overlay.yaml, line 3: the key 'ratio' is on line 2 already") as caught:
        settings.check_files(["config.yaml", tmp_path / "overlay.yaml"])
    assert caught.value.hint == settings.MEND
    (tmp_path / "overlay.json").write_text('{"selection": {"ratio": 0.5},\n\t"seed": 1}')  # tabs are JSON, and no YAML
    settings.check_files([tmp_path / "overlay.json", tmp_path / "gone.yaml"])


@pytest.mark.parametrize(
    ("overlay", "words", "said"),
    [
        ("run: a\nseed: 1\nseed: 2\n", [], "overlay.yaml, line 3: the key 'seed' is on line 2 already"),
        ("run: a\nnote: 2024-01-01\n", [], "overlay.yaml, line 2: '2024-01-01' is read as a date"),
        (
            "run: a\n",
            ["--config", "selection={quality_rule: greater}", "seed=nan"],
            "seed: nan is not a finite number",
        ),
    ],
)
def test_snakemake_ends_with_the_sentence(repository, tmp_path, overlay, words, said):
    (tmp_path / "overlay.yaml").write_text(overlay)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-n",
        "--configfile",
        tmp_path / "overlay.yaml",
        *words,
        "--",
        "table1",
    ]
    done = subprocess.run([*map(str, command)], cwd=repository, capture_output=True, text=True, timeout=600)
    told = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in told
    assert said in told and "What to do: correct config.yaml or the overlay" in told


#: What no value may hold, and where: in text, in a path, in front.
CONTROLS = ["\x00", "\x1b", "\x7f", "\x85", "\ud800"]
PATHS = [
    "models_dir",
    "archive",
    "environments/core",
    "datasets/ed/folder",
    "prompts/prompt1",
    "generation/demonstration",
]
PATHS += [
    "human/judgements",
    "baselines/seek/data",
    "baselines/seek/environment",
    "baselines/seek/results",
    "judge/criteria/empathy",
]
TEXTS = [
    "note",
    "judge/note",
    "zero_shot/system",
    "dialogue/system",
    "systems/ours/title",
    "datasets/ed/url",
    "baselines/seek/train",
]
NAMES = ["run", "systems/ours/base", "baselines/seek/image", "evaluation/bertscore/model"]


@pytest.fixture
def faults_at(shipped):
    """What is said of the form of a value in a place of the shipped configuration."""

    def faults(place, value):
        said = map(str, settings.form_faults(changed(shipped, place, value)))
        return [fault for fault in said if fault.startswith(place.replace("/", ": "))]

    return faults


@pytest.mark.parametrize("place", [*PATHS, *TEXTS, *NAMES])
def test_no_value_moves_a_terminal_and_no_path_a_command_line(faults_at, place):
    signs = [
        *CONTROLS,
        *(["\n", "{a}", "<results>"] if place in PATHS else []),
        *(["\n", " "] if place in NAMES else []),
    ]
    for sign in signs:
        for value in (f"a{sign}", f"a{sign}b", f"{sign}b"):
            [said] = faults_at(place, value)
            assert said.isprintable(), said
    if place in PATHS or place.endswith("title"):
        assert faults_at(place, "-o")
    if place not in NAMES:
        assert not faults_at(place, "a folder's $(name); `x` | & * ~ # \" é")


def test_a_folder_of_images_is_plain_since_snakemake_does_not_quote_it(faults_at):
    for value in ("a b", "$(x)", "`x`", "a;b", "-x", "~", "a\n", "", "a'b"):
        assert faults_at("image_folder", value), value
    for value in ("/shared/sif-1.0", "containers/sif", None):
        assert not faults_at("image_folder", value)


def test_every_pattern_takes_the_end_for_the_end(repository):
    """``$`` lets a line end follow, and so a value that a path or a flag ends in."""
    for path in repository.glob("resources/**/*.yaml"):
        for pattern in patterns_in(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert pattern.startswith("^") and pattern.endswith("\\Z"), (path, pattern)


def patterns_in(part):
    """Every pattern of a schema."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for value in part.values():
            yield from patterns_in(value)


def test_the_reference_page_is_made_of_the_model(repository):
    assert (repository / "docs" / "configuration.md").read_text(encoding="utf-8") == settings_reference.page()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "datasets: mine: give either a folder with a file for each split, or one file"),
        ({"file": "README.md", "folder": "docs"}, "datasets: mine: give either a folder with a file for each split"),
        ({"file": "no.jsonl"}, "datasets: mine: there is no file no.jsonl"),
        ({"folder": "docs"}, "datasets: mine: there is no file docs/train.jsonl"),
        (
            {"file": "README.md", "split": {"valid": 0.5, "test": 0.5}},
            "datasets: mine: split: valid 0.5 and test 0.5 leave nothing for training",
        ),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused_where_a_run_uses_it(shipped, entry, told):
    entries = {"datasets": {"mine": {"reader": "jsonl", **entry}}}
    with pytest.raises(UserError) as caught:
        settings.check(merged(shipped, entries | {"dataset": "mine"}))
    assert told in caught.value.problem
    assert settings.check(merged(shipped, entries)) is None


def test_rows_follow_the_runs_data_set(shipped):
    """The configuration writes ``dataset``, or the data set's own name; tables and rules have the name."""
    mine = {"dataset": "mine", "datasets": {"mine": {"reader": "jsonl", "file": "README.md"}}}
    whole = copy.deepcopy(merged(shipped, mine))
    assert settings.check(whole) is None
    assert [row.training_set for row in rows_of(whole, "table1")][0] == "mine+prompt2-dk60-kcenter"
    settings.name_dataset(whole)
    assert whole["systems"]["ours"]["training_set"] == "mine+prompt2-dk60-kcenter"
    assert whole["discriminator"]["training_set"] == whole["comparison"]["baseline"] == "mine"
    assert settings.check(whole) is None
    for table in ("table1", "table2", "table3", "table4"):
        assert {row.paper_row for row in rows_of(whole, table)} == {None}
        assert "mine+" in rows_of(whole, table)[0].training_set
        assert rows_of(shipped, table)[0].training_set.startswith("ed+") and rows_of(shipped, table)[0].paper_row
    with pytest.raises(UserError, match="'mine' is not this run's data set, ed; write dataset"):
        settings.check(whole | {"dataset": "ed"})


def test_an_archive_of_another_data_set_is_refused(shipped, tmp_path):
    (tmp_path / "archive.json").write_text(
        '{"format": 1, "run": "x", "files": {"mine/test_ids.json": "%s"}}' % ("0" * 64)
    )
    with pytest.raises(
        UserError, match="archive: it is of the data set mine, and this run's is ed; set dataset: mine"
    ):
        settings.check(shipped | {"archive": str(tmp_path)})


def test_a_check_imports_no_slow_package(repository):
    """Every call of Snakemake checks the configuration, a dry-run included."""
    program = (
        "import sys; from pathlib import Path; from synth_empathy.config import settings\n"
        "import yaml; settings.check(yaml.safe_load(Path('config.yaml').read_text(encoding='utf-8')))\n"
        "print(sorted({'nltk', 'scipy', 'torch', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=repository, env={"PYTHONPATH": "scripts"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
