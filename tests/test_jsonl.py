"""Dialogues of one's own as JSON Lines: what is read, how it is split, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy.core.errors import UserError
from synth_empathy.core.records import DATA_SAMPLE, read_jsonl
from synth_empathy.data.readers import jsonl, reader_of

GOOD = {"history": ["I lost my keys."], "response": "Where?"}
WORDS = st.text(alphabet="abc ,\"'é\n", min_size=1, max_size=8).filter(str.strip)


def written(path, rows):
    """A file of records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def prepared(path, **keys):
    """The splits of a file or folder, as the reader prepares them."""
    source = "folder" if path.is_dir() else "file"
    return reader_of({"reader": "jsonl", source: str(path), **keys}).prepare(path)


def everything(path, **keys):
    """All samples, with everything for training but the little that must be for the test."""
    return [sample for split in prepared(path, **keys).values() for sample in split.samples]


@st.composite
def conversations(draw):
    """Records of some conversations, each named, in any order."""
    rows = []
    for number in range(draw(st.integers(2, 12))):
        turns = draw(st.lists(WORDS, min_size=2, max_size=6))
        for place in range(1, len(turns), 2):
            rows.append({"conversation": f"c{number}", "history": turns[:place], "response": turns[place]})
            rows[-1]["id"] = f"{number}-{place}"
    return draw(st.permutations(rows))


@settings(deadline=None)
@given(conversations(), conversations(), st.floats(0, 0.4), st.floats(0, 0.4))
def test_rows_that_are_added_move_no_other_row(rows, more, valid, test):
    shares = jsonl.Split(valid=valid, test=test)
    before = {row["id"]: jsonl.split_of(row["conversation"], shares) for row in rows}
    after = {row["id"]: jsonl.split_of(row["conversation"], shares) for row in [*more, *rows]}
    assert before.items() <= after.items()
    homes = {}
    for row in rows:
        homes.setdefault(row["conversation"], set()).add(before[row["id"]])
    assert all(len(splits) == 1 for splits in homes.values())


def test_the_shares_are_those_asked_for():
    shares = jsonl.Split(valid=0.2, test=0.3)
    found = [jsonl.split_of(f"conversation {number}", shares) for number in range(20_000)]
    counts = {split: found.count(split) / len(found) for split in ("train", "valid", "test")}
    assert counts == {
        "train": pytest.approx(0.5, abs=0.02),
        "valid": pytest.approx(0.2, abs=0.02),
        "test": pytest.approx(0.3, abs=0.02),
    }
    only = [jsonl.split_of(f"conversation {number}", jsonl.Split(valid=0, test=0)) for number in range(100)]
    assert set(only) == {"train"}
    fewer = jsonl.Split(valid=0, test=0.3)  # the test split does not depend on the validation's share
    assert [split == "test" for split in found] == [
        jsonl.split_of(f"conversation {number}", fewer) == "test" for number in range(20_000)
    ]


@settings(deadline=None, max_examples=40)
@given(rows=conversations())
def test_text_stays_as_written_and_every_record_is_a_sample(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    for split in ("train", "test"):
        written(
            folder / f"{split}.jsonl",
            [row | {"id": f"{split}{row['id']}", "conversation": f"{split}{row['conversation']}"} for row in rows],
        )
    written(folder / "valid.jsonl", [])
    splits = prepared(folder)
    assert not splits["valid"].samples
    for split in ("train", "test"):
        assert [(row["history"], row["response"]) for row in splits[split].samples] == [
            (row["history"], row["response"]) for row in rows
        ]
        assert [row["turn"] for row in splits[split].samples] == [len(row["history"]) // 2 for row in rows]
        assert [row["id"] for row in splits[split].samples] == [f"{split}/{split}{row['id']}" for row in rows]
        assert splits[split].report["samples"] == len(rows)
        assert splits[split].report["conversations"] == len({row["conversation"] for row in rows})


def test_without_names_the_first_utterance_is_the_conversation(tmp_path):
    rows = [
        {"history": [f"I am {number}.", "Oh.", "Yes."][: 2 * turn + 1], "response": "Really?"}
        for number in range(30)
        for turn in (0, 1)
    ]
    samples = everything(written(tmp_path / "a.jsonl", rows), split={"valid": 0.2, "test": 0.3})
    assert len({sample["conv_id"] for sample in samples}) == 30 and len({sample["id"] for sample in samples}) == 60
    shuffled = everything(written(tmp_path / "b.jsonl", rows[::-1]), split={"valid": 0.2, "test": 0.3})
    assert sorted(sample["id"] for sample in samples) == sorted(sample["id"] for sample in shuffled)


def test_emotion_and_situation_are_kept_and_null_counts_as_left_out(tmp_path):
    rows = [GOOD | {"emotion": "sad", "situation": "keys", "conversation": 1, "id": 7, "tags": [1]}]
    rows.append(
        {"history": ["My cat sings."], "response": "How nice!", "emotion": None, "id": None, "conversation": None}
    )
    folder = tmp_path / "data"
    for split, chosen in (("train", rows[:1]), ("valid", []), ("test", rows[1:])):
        written(folder / f"{split}.jsonl", chosen)
    splits = prepared(folder)
    [first], [second] = splits["train"].samples, splits["test"].samples
    assert first == {"id": "train/7", "conv_id": "1", "turn": 0, "emotion": "sad", "situation": "keys"} | GOOD
    assert "emotion" not in second and second["id"].startswith("test/")


def test_like_ed_prepares_text_and_drops_nothing(tmp_path):
    row = {"history": ['I\'m "SAD", bad. you?'], "response": "Don't_comma_ be."}
    [sample] = [
        one
        for one in everything(written(tmp_path / "x.jsonl", [row, *others()]), preparation="like_ed")
        if "sad" in one["history"][0]
    ]
    assert sample["history"] == ["i am sad , bad . you ?"]
    assert sample["response"] == "do not_comma_ be ."  # the mark is ED's, and other data's text


def others():
    """Records of enough conversations for each split to have some."""
    return [{"history": [f"It is {number}."], "response": "I see."} for number in range(80)]


#: What is wrong with a line, and what is said of it after file and line.
BAD = {
    "no JSON": ("{", "not JSON"),
    "no object": ("[]", "not a JSON object"),
    "no history": (json.dumps({"response": "x"}), "the field 'history' is missing (found: response)"),
    "no response": (json.dumps({"history": ["x"]}), "the field 'response' is missing"),
    "history of one text": (json.dumps(GOOD | {"history": "x"}), "the field 'history' is str, not a list of strings"),
    "no utterance": (json.dumps(GOOD | {"history": []}), "the history has 0 utterances"),
    "the listener last": (json.dumps(GOOD | {"history": ["a", "b"]}), "the history has 2 utterances"),
    "empty utterance": (
        json.dumps(GOOD | {"history": ["a", " ", "c"]}),
        "an utterance of the history, or the response, is",
    ),
    "empty response": (json.dumps(GOOD | {"response": ""}), "an utterance of the history, or the response, is empty"),
    "emotion as a number": (
        json.dumps(GOOD | {"emotion": 3}),
        "the field 'emotion' is 3; it must be text, or left out",
    ),
    "id of another kind": (
        json.dumps(GOOD | {"id": 1.5}),
        "the field 'id' is 1.5; it must be text, or a whole number",
    ),
    "conversation as truth": (json.dumps(GOOD | {"conversation": True}), "the field 'conversation' is True"),
    "half a character": ('{"history": ["\\ud800"], "response": "x"}', "not JSON ('\\ud800' is half a character"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_named_by_file_line_and_reason(tmp_path, name):
    line, reason = BAD[name]
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n" + line + "\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        prepared(path)
    assert caught.value.problem.startswith(f"{path}, line 3: {reason}")
    assert "docs/data.md" in caught.value.hint


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([GOOD, GOOD], "line 2: the same history and response stand in {path}, line 1 already"),
        (
            [GOOD | {"id": "a"}, GOOD | {"id": "a", "response": "x"}],
            "line 2: the id 'a' stands in {path}, line 1 already",
        ),
        ([GOOD], "{path} gives no sample for the split"),
    ],
)
def test_records_that_contradict_one_another_are_refused(tmp_path, rows, reason):
    path = written(tmp_path / "mine.jsonl", rows)
    with pytest.raises(UserError) as caught:
        prepared(path)
    assert reason.format(path=path) in caught.value.problem


def test_a_conversation_in_two_splits_of_a_folder_is_refused(tmp_path):
    for split, answer in (("train", "a"), ("valid", "b"), ("test", "c")):
        written(tmp_path / f"data/{split}.jsonl", [GOOD | {"response": answer}])
    with pytest.raises(UserError, match="valid.jsonl, line 1: its conversation is in the split train, too") as caught:
        prepared(tmp_path / "data")
    assert "keep each conversation in one split" in caught.value.hint


def test_by_the_command_line_all_splits_are_written_or_none(step, tmp_path):
    path = written(tmp_path / "mine.jsonl", others())
    flags = ["--reader", "jsonl", "--raw", path, "--output", tmp_path / "out"]
    done = step("prepare_data.py", *flags, "--keep-train", 5, "--settings", '{"split": {"test": 0.5}}')
    assert done.returncode == 0, done.stderr
    assert len(read_jsonl(tmp_path / "out/train.jsonl", DATA_SAMPLE)) == 5
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert sum(report[split]["samples"] for split in report) == 80 and report["train"]["kept"] == 5
    assert report["test"]["samples"] > 20

    bad = written(tmp_path / "bad.jsonl", [*others(), {"history": []}])
    done = step("prepare_data.py", "--reader", "jsonl", "--raw", bad, "--output", tmp_path / "none")
    assert done.returncode == 1 and f"{bad}, line 81: " in done.stderr and not (tmp_path / "none").exists()
    for settings_, words in (
        ("[]", "is no JSON object"),
        ("{", "is no JSON object"),
        ('{"splt": 1}', "did you mean 'split'"),
    ):
        done = step("prepare_data.py", *flags, "--settings", settings_)
        assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr


def test_the_plan_counts_what_is_prepared(tmp_path):
    path = written(tmp_path / "mine.jsonl", others())
    reader = reader_of({"reader": "jsonl", "file": str(path)})
    assert reader.count() == {split: len(one.samples) for split, one in reader.prepare(Path(path)).items()}
