"""Numbers in flags: one out of range, or no number at all, is refused by the flag's name before a step reads."""

import re
import runpy
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core import cli

MODEL_STEPS = ("generate.py", "respond.py", "judge.py")
#: Flag, refused value, and the words of its range, for every script that has the flag.
REFUSED = [
    *((script, flag, value, words) for script in MODEL_STEPS for flag, value, words in [
        ("--temperature", "nan", "a number at least 0 and at most 2"),
        ("--temperature", "-0.1", "a number at least 0 and at most 2"),
        ("--temperature", "3", "a number at least 0 and at most 2"),
        ("--top-p", "2", "a number above 0 and at most 1"),
        ("--top-p", "0", "a number above 0 and at most 1"),
        ("--gpus", "-1", "a whole number of at least 0"),
        ("--max-tokens", "0", "a whole number of at least 1"),
        ("--seed", "-1", "a whole number of at least 0"),
        ("--seed", "4294967296", "a whole number of at least 0 and at most 4294967295"),
    ]),
    ("generate.py", "--samples-per-seed", "0", "a whole number of at least 1"),
    ("generate.py", "--shards", "0", "a whole number of at least 1"),
    ("generate.py", "--shard", "-1", "a whole number of at least 0"),
    ("generate.py", "--keep", "0", "a whole number of at least 1"),
    ("judge.py", "--keep", "²", "a whole number of at least 1"),
    ("draw_samples.py", "--seed", "-1", "a whole number of at least 0"),
    ("compare_systems.py", "--seed", "1.5", "a whole number of at least 0"),
    ("compare_systems.py", "--draws", "9" * 5000, "a whole number of at least 1"),
    ("embed_texts.py", "--gpus", "-1", "a whole number of at least 0"),
    ("embed_texts.py", "--threads", "0", "a whole number of at least 1"),
    ("evaluate.py", "--gpus", "-1", "a whole number of at least 0"),
    ("evaluate.py", "--bertscore-layer", "0", "a whole number of at least 1"),
    ("parse_rounds.py", "--max-words", "0", "a whole number of at least 1"),
    ("read_outputs.py", "--unaligned", "nan", "a number at least 0 and at most 1"),
    ("report_novelty.py", "--near-duplicate", "inf", "a number above 0 and below 100"),
    ("report_novelty.py", "--seed", "-1", "a whole number of at least 0"),
    ("sample_turns.py", "--min-history", "-1", "a whole number of at least 0"),
    ("sample_turns.py", "--seed", "1e3", "a whole number of at least 0"),
    ("select_diverse.py", "--ratio", "inf", "a number above 0 and at most 1"),
    ("select_diverse.py", "--ratio", "nan", "a number above 0 and at most 1"),
    ("select_diverse.py", "--threads", "0", "a whole number of at least 1"),
    ("select_quality.py", "--threshold", "nan", "a number at least 0 and at most 100"),
    ("select_quality.py", "--threshold", "5000", "a number at least 0 and at most 100"),
    ("train_model.py", "--learning-rate", "nan", "a number above 0 and at most 1"),
    ("train_model.py", "--learning-rate", "1e999", "a number above 0 and at most 1"),
    ("train_model.py", "--epochs", "inf", "a number above 0 and at most 1e+06"),
    ("train_model.py", "--warmup-ratio", "1", "a number at least 0 and below 1"),
    ("train_model.py", "--adam-beta2", "nan", "a number above 0 and below 1"),
    ("train_model.py", "--lora-dropout", "-1", "a number at least 0 and below 1"),
    ("train_model.py", "--batch-size", "0", "a whole number of at least 1"),
    ("train_model.py", "--save-steps", "0", "a whole number of at least 1"),
]  # fmt: skip


@pytest.fixture
def refusal(repository, monkeypatch, capsys):
    """What a script says of flags that it refuses before it does anything."""

    def run(script, *words):
        monkeypatch.syspath_prepend(str(repository / "scripts"))
        monkeypatch.setattr(sys, "argv", [script, *words])
        main = runpy.run_path(str(repository / "scripts" / script), run_name="flags")["main"]
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(("script", "flag", "value", "words"), REFUSED)
def test_a_number_out_of_range_is_refused_by_the_flags_name(refusal, script, flag, value, words):
    assert f"error: argument {flag}: {value!r} is not {words}\n" in refusal(script, f"{flag}={value}")


def test_a_shard_that_is_none_of_them_is_refused(refusal):
    given_ = ["--seeds", "s", "--prompt", "p", "--model", "m", "--state", "s", "--output", "o"]
    assert "--shard 5 does not exist: there are 2 shards, counted from 0" in refusal(
        "generate.py", *given_, "--shard", "5", "--shards", "2"
    )


def test_more_history_at_least_than_at_most_is_refused(refusal):
    said = refusal("sample_turns.py", "--dialogues", "d", "--output", "o", "--min-history", "3", "--max-history", "2")
    assert "--min-history 3 is above --max-history 2" in said


def test_a_schedule_of_no_name_is_refused(refusal):
    assert "argument --scheduler: invalid choice: 'cosin'" in refusal("train_model.py", "--scheduler", "cosin")


def test_no_flag_takes_just_any_number(repository):
    """float takes nan, int takes -1: every flag says its range."""
    for path in (repository / "scripts").rglob("*.py"):
        assert not re.search(r"type=(float|int)\b", path.read_text(encoding="utf-8")), path


@given(st.text(max_size=6) | st.floats().map(str) | st.integers().map(str))
def test_a_flags_type_gives_a_number_of_its_range_or_says_which_it_is(text):
    for kind, low, high in (
        (cli.probability, 0, 1),
        (cli.percent, 0, 100),
        (cli.count, 1, cli.MOST),
        (cli.seed, 0, cli.LARGEST_SEED),
    ):
        try:
            value = kind(text)
        except cli.argparse.ArgumentTypeError as error:
            assert str(error).startswith(f"{text!r} is not a ")
        else:
            assert low <= value <= high and value == float(text)
