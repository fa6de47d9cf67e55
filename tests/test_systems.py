"""The grammar of systems: what is printed is parsed again, constraints take just that, words stand in one place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy import systems
from synth_empathy.core.errors import UserError
from synth_empathy.selection import diversity
from synth_empathy.systems import BEST, DRAW, THRESHOLD, Quality, Selected, System, TrainingSet

AMOUNTS = st.from_regex("[0-9]{1,2}([.][0-9]{1,3})?|100", fullmatch=True)
PARTS = st.from_regex(systems.PART, fullmatch=True)
QUALITIES = st.one_of(
    st.builds(Quality, st.sampled_from([THRESHOLD, DRAW]), AMOUNTS),
    st.builds(Quality, st.just(BEST), st.from_regex(systems.SIZE, fullmatch=True), PARTS),
)
SELECTED = st.builds(Selected, PARTS, QUALITIES, st.sampled_from(list(diversity.SELECTIONS)))
DATA_SETS = st.one_of(st.from_regex(systems.DATASET, fullmatch=True), st.just("dataset"))
TRAINING_SETS = st.one_of(
    st.sampled_from(
        [TrainingSet(name) for name in ("none", "authors-code", "published", "dataset", "ed", "my_data2")]
    ),
    st.builds(TrainingSet, DATA_SETS, SELECTED),
)


@given(TRAINING_SETS)
def test_what_is_printed_is_parsed_again_and_taken_by_the_constraints(training_set):
    name = str(training_set)
    assert TrainingSet.parse(name) == training_set
    if training_set.source != systems.THE_DATASET:
        assert re.fullmatch(systems.TRAINING_SET, name)
        assert bool(re.fullmatch(systems.trained_on(), name)) == training_set.trained
    assert bool(re.fullmatch(systems.trained_on("ed"), name)) == (training_set.source == "ed")
    assert systems.with_dataset(name, "my_data") == name.replace(
        "dataset", "my_data", training_set.source == "dataset"
    )
    assert bool(re.fullmatch(systems.OTHERS, name)) == (training_set.catalogue is not None)


@given(SELECTED)
def test_a_stage_names_its_selection(selected):
    assert Selected.at(selected.prompt, selected.stage) == selected
    assert re.fullmatch(systems.STAGE, selected.stage)
    assert re.fullmatch(systems.QUALITY, str(selected.quality))
    assert bool(re.fullmatch(systems.UNDRAWN, str(selected.quality))) == (not selected.quality.drawn)


@given(st.one_of(st.from_regex(systems.TRAINING_SET, fullmatch=True), st.from_regex(f"ed{systems.NAME}"), st.text()))
def test_a_name_is_parsed_as_it_is_or_refused_with_a_sentence(name):
    try:
        assert str(TrainingSet.parse(name)) == name
    except UserError as error:
        assert error.problem and error.hint


@given(st.from_regex(systems.TRAINING_SET, fullmatch=True))
def test_constraints_take_only_what_is_parsed(name):
    assert str(TrainingSet.parse(name)) == name


def test_a_training_set_is_taken_apart():
    selected = TrainingSet.parse("ed+prompt2-dk57.5-kcenter").selected
    assert (selected.prompt, selected.quality.dk, selected.selection) == ("prompt2", 57.5, "kcenter")
    assert selected.samples(3) == "selected/prompt2/dk57.5/kcenter/seed3.jsonl"
    assert selected.counts(0) == "selected/prompt2/dk57.5/kcenter/seed0.counts.json"
    assert selected.quality.samples("prompt2", 3) == "selected/prompt2/dk57.5/quality.jsonl"
    drawn = TrainingSet.parse("ed+prompt2-draw60-none").selected
    assert drawn.quality.dk is None and drawn.quality.samples("prompt2", 3) == "selected/prompt2/draw60/seed3.jsonl"
    best = TrainingSet.parse("ed+prompt2-top500-length-random").selected
    assert (best.quality.size, best.quality.scorer, best.selection) == (500, "length", "random")
    assert best.stage == "top500-length-random"
    assert systems.samples_at("p", best.stage, 1) == "selected/p/top500-length/random/seed1.jsonl"
    assert systems.samples_at("p", "before", 1) == "synthetic/p/samples.jsonl"
    assert [systems.prompt_of(inputs) for inputs in ("test", "synthetic-p")] == [None, "p"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "e-d",
            "'e-d' is no training set: neither none, authors-code, published, a data set's name nor {dataset",
        ),
        ("models", "'models' is no training set"),
        ("published+prompt2-dk60-kcenter", "is no training set"),
        ("ed+prompt2", "is no training set"),
        ("ed+-dk60-kcenter", "is no training set"),
        ("ed+prompt2-dk60-kcentre", "there is no 'kcentre' (did you mean 'kcenter'?)"),
        ("ed+prompt2-dk60-", "there is no '' (valid: kcenter, random, none"),
        ("ed+prompt2-dk-kcenter", "there is no quality selection 'dk'"),
        ("ed+prompt2-dk60-similarity-kcenter", "there is no quality selection 'dk60-similarity'"),
        ("ed+prompt2-top60-kcenter", "there is no quality selection 'top60'"),
        ("ed+prompt2-top0-length-kcenter", "the number of samples is 0; it must be a whole number of at least 1"),
        ("ed+prompt2-top1.5-length-kcenter", "the number of samples is 1.5"),
        ("ed+prompt2-dk101-kcenter", "the DK threshold 101 is out of range; it must be at least 0 and at most 100"),
    ],
)
def test_a_name_that_is_none_is_refused_and_says_which_part(name, words):
    with pytest.raises(UserError) as caught:
        TrainingSet.parse(name)
    assert words in caught.value.problem


def test_systems_in_words():
    words = {
        "ed+prompt2-dk55-kcenter": "b, prompt2, DK 55",
        "ed+prompt2-dk55-none": "b, prompt2, DK 55, no diversity selection",
        "ed+prompt2-draw55-random": "b, prompt2, as many as DK 55, drawn, random instead of k-center",
        "ed+prompt2-top18789-length-kcenter": "b, prompt2, the 18,789 best by length",
        "ed": "b, ed",
    }
    for name, expected in words.items():
        system = System("b", TrainingSet.parse(name))
        assert (str(system), system.in_words()) == (f"b/{name}", expected)


def test_what_the_configuration_lacks_is_named():
    known = {"prompts": {"prompt1": "", "prompt2": ""}, "scorers": {"length": {}}}
    assert list(Selected.at("prompt2", "top5-length-none").faults(known)) == []
    assert list(Selected.at("prompt2", "top5-similarity-none").faults(known)) == []
    assert list(Selected.at("promt2", "top5-lenght-none").faults(known)) == [
        "there is no prompt 'promt2' (did you mean 'prompt2'?)",
        "there is no scorer 'lenght' (did you mean 'length'?)",
    ]


def test_seeds():
    both = [1, 2]
    once = [1]
    for name, greedy, drawing in (
        ("ed", both, both),
        ("none", once, both),
        ("authors-code", once, once),
        ("published", once, once),
    ):
        assert systems.seeds_of(name, [1, 2], greedy=True) == greedy
        assert systems.seeds_of(name, [1, 2], greedy=False) == drawing


#: How code would write the grammar's words beside it, and the modules where they may stand.
WORDS = {
    r"kcenter\|random|random\|none|dk\|draw|none\|authors|authors\|published|before\|[({]": [],
    r"""(?:startswith|removeprefix|partition)\(f?["'](?:dk|draw|top|ed|synthetic)""": [],
    r"""[=!]= ["'](?:none|authors|published|before|dk|draw|top|test)["']""": [],
    r"""["'](?:kcenter|random)["']""": ["scripts/synth_empathy/selection/diversity.py"],
    r"""= ["'](?:dk|top|authors|before)["']|["']synthetic-""": ["scripts/synth_empathy/systems.py"],
}


@pytest.mark.parametrize("pattern", WORDS)
def test_each_word_of_the_grammar_stands_in_one_module(repository, pattern):
    code = [*repository.glob("scripts/**/*.py"), *repository.glob("rules/*.smk"), repository / "Snakefile"]
    texts = {str(path.relative_to(repository)): path.read_text(encoding="utf-8") for path in code}
    found = {name for name, text in texts.items() if re.search(pattern, text)}
    assert found == set(WORDS[pattern])
