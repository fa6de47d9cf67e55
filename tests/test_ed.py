"""ED's preparation and its tokens: against the files of the line of research, and small conversations made by hand."""

import csv
import json
import os
import re
import runpy
import string
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy.claims import claim_list
from synth_empathy.core.errors import UserError
from synth_empathy.data import tokenization
from synth_empathy.data.readers import empathetic_dialogues

SPLITS = ("train", "valid", "test")
READER = ("--reader", "empathetic_dialogues")
HEADER = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags"


def read(path):
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").split("\n")[:-1]]


def prepare(step_or_run, raw, output, *flags):
    done = step_or_run("prepare_data.py", *READER, "--raw", raw, "--output", output, *flags)
    assert done.returncode == 0, done.stderr
    return {split: read(output / f"{split}.jsonl") for split in SPLITS}, json.loads(
        (output / "report.json").read_text()
    )


@pytest.fixture(scope="session")
def real(shared, repository, tmp_path_factory):
    """All of ED, prepared once by the command line: samples by split, and the report."""

    def run(script, *flags):
        return subprocess.run(
            [sys.executable, str(repository / "scripts" / script), *map(str, flags)],
            capture_output=True,
            text=True,
            timeout=600,
        )

    return prepare(run, shared / "ed" / "empatheticdialogues", tmp_path_factory.mktemp("ed") / "prepared")


# The whole of ED


def test_counts_are_those_of_the_preprocessed_files(real):
    samples, report = real
    assert {split: len(rows) for split, rows in samples.items()} == {"train": 40_250, "valid": 5_734, "test": 5_255}
    assert {split: (report[split]["samples"], report[split]["kept"]) for split in SPLITS} == {
        split: (len(rows),) * 2 for split, rows in samples.items()
    }


def test_it_is_known_as_ed_by_its_content_however_its_files_are_written(real, shared, tmp_path):
    """The hashes that the paper's claims ask for; a ninth field changes nothing, a word does."""
    hold = claim_list.load().conditions["real-ed"]["hold"]
    assert {f"{split}: content_sha256": real[1][split]["content_sha256"] for split in SPLITS} == hold
    header, first, *rest = (
        (shared / "ed" / "empatheticdialogues" / "valid.csv").read_text(encoding="utf-8").split("\n")
    )
    assert len(first.split(",")) == 8
    for line, same in ((first + ",candidates", True), (first.replace(" ", " not ", 1), False)):
        (tmp_path / "valid.csv").write_text("\n".join([header, line, *rest]), encoding="utf-8")
        assert (
            empathetic_dialogues.prepare_split(tmp_path / "valid.csv", "valid").report["content_sha256"]
            == hold["valid: content_sha256"]
        ) == same


def test_valid_split_is_the_preprocessed_one(real, shared):
    ours, theirs = real[0]["valid"], read(shared / "ed" / "reference" / "valid.jsonl")
    assert len(ours) == len(theirs)
    contexts = [" </s> ".join(sample["history"]) for sample in ours]
    prepared = pd.DataFrame(ours).assign(context=contexts)
    reference = pd.DataFrame(theirs)
    labels = ["conv_id", "turn", "emotion"]
    everything = ["context", "response", *labels]
    same = (prepared[everything] == reference[everything]).all(axis="columns")
    assert same.mean() >= 0.999
    assert prepared[labels].equals(reference[labels])


def test_test_responses_are_those_of_a_published_system(real, shared):
    references = [row["reference"] for row in read(shared / "predictions" / "kemp.jsonl")]
    assert [row["response"] for row in real[0]["test"]] == references


def account(samples, report):
    """Every conversation is merged, dropped, without a listener turn, or there; and none is two of these."""
    kept = {row["conv_id"] for row in samples}
    merged, dropped = set(report["merged_into_neighbour"]), set(report["dialogues_dropped"])
    assert not kept & merged and not kept & dropped and not merged & dropped
    assert (
        report["conversations"] == len(kept) + len(merged) + len(dropped) + report["dialogues_without_a_listener_turn"]
    )
    assert set(report["merged_into_neighbour"].values()) <= kept | dropped
    turns = (
        report["unanswered_turns_dropped"]
        + 2 * len(samples)
        + 2 * sum(one["samples"] for one in report["dialogues_dropped"].values())
    )
    assert report["utterances"] == turns
    assert report["samples"] == len(samples)


@pytest.mark.parametrize("split", SPLITS)
def test_every_conversation_and_utterance_is_accounted_for(real, shared, split):
    samples, report = real[0][split], real[1][split]
    account(samples, report)
    lines = (shared / "ed" / "empatheticdialogues" / f"{split}.csv").read_text(encoding="utf-8").splitlines()[1:]
    ids = [line.split(",", 1)[0] for line in lines]
    assert (report["utterances"], report["conversations"]) == (len(ids), len(set(ids)))
    assert {row["conv_id"] for row in samples} <= set(ids)
    assert all(one["reason"] for one in report["dialogues_dropped"].values())


@pytest.mark.parametrize("split", SPLITS)
def test_form_of_the_samples(real, split):
    samples = real[0][split]
    assert len({row["id"] for row in samples}) == len(samples)
    for row in samples:
        assert row["id"] == f"{split}/{row['conv_id']}/{row['turn']}"
        assert len(row["history"]) == 2 * row["turn"] + 1
        text = "".join([*row["history"], row["response"]])
        assert text == text.lower()
        assert '"' not in text
        assert "_comma_" not in text
    by_conversation = Counter(row["conv_id"] for row in samples)
    assert [row["turn"] for row in samples] == [turn for count in by_conversation.values() for turn in range(count)]


def test_all_emotions_are_there(real):
    assert sorted(real[0]) == sorted(SPLITS)
    for rows in real[0].values():
        assert pd.DataFrame(rows)["emotion"].nunique() == 32


# The shipped sample


@pytest.fixture
def sample_folder(repository):
    return repository / "resources" / "sample" / "empatheticdialogues"


def test_shipped_sample_is_in_eds_form(sample_folder):
    emotions = {}
    for split in SPLITS:
        text = (sample_folder / f"{split}.csv").read_text(encoding="utf-8")
        rows = [line.split(",") for line in text.splitlines()]
        assert text.splitlines()[0] == HEADER
        assert {len(row) for row in rows} == {8}
        emotions[split] = {row[2] for row in rows[1:]}
    assert len(emotions["train"]) == 32
    assert emotions["valid"] | emotions["test"] <= emotions["train"]


def test_shipped_sample_is_prepared(sample_folder, tmp_path, step):
    samples, report = prepare(step, sample_folder, tmp_path / "out")
    for split in SPLITS:
        account(samples[split], report[split])
        rows = len((sample_folder / f"{split}.csv").read_text(encoding="utf-8").splitlines()) - 1
        assert report[split]["utterances"] == rows
    # It shows each case of the preparation at least once.
    assert report["train"]["merged_into_neighbour"]
    assert report["train"]["unanswered_turns_dropped"] > 0
    assert len({row["emotion"] for row in samples["train"]}) == 32


def test_smaller_numbers_keep_a_part_in_order(sample_folder, tmp_path, step):
    whole, _ = prepare(step, sample_folder, tmp_path / "whole")
    keep = {"train": 20, "valid": 3, "test": 10_000}
    part, report = prepare(
        step,
        sample_folder,
        tmp_path / "part",
        *(word for split in SPLITS for word in (f"--keep-{split}", keep[split])),
    )
    less, _ = prepare(step, sample_folder, tmp_path / "less", "--keep-train", 10)
    for split in SPLITS:
        assert part[split] == [row for row in whole[split] if row in part[split]]
        assert len(part[split]) == report[split]["kept"] == min(keep[split], len(whole[split]))
        assert report[split]["samples"] == len(whole[split])
    assert len(less["train"]) == 10
    assert {row["id"] for row in less["train"]} < {row["id"] for row in part["train"]}
    assert (tmp_path / "less" / "test.jsonl").read_bytes() == (tmp_path / "whole" / "test.jsonl").read_bytes()


# By hand


def raw(*conversations):
    """ED's CSV of (id, situation, turns)."""
    lines = [HEADER]
    for conv_id, situation, turns in conversations:
        lines += [f"{conv_id},{i + 1},sad,{situation},{i % 2},{turn},," for i, turn in enumerate(turns)]
    return "\n".join(lines) + "\n"


LAST = ("last", "the last one", ["x", "y"])


def prepared(tmp_path, *conversations, split="valid"):
    path = tmp_path / f"{split}.csv"
    path.write_text(raw(*conversations), encoding="utf-8")
    done = empathetic_dialogues.prepare_split(path, split)
    account(done.samples, done.report)
    return done


def test_one_sample_a_listener_turn(tmp_path):
    done = prepared(tmp_path, ("c1", "s1", ["a", "b", "c", "d"]), LAST)
    assert done.samples == [
        {"id": "valid/c1/0", "conv_id": "c1", "turn": 0, "emotion": "sad", "history": ["a"], "response": "b"},
        {
            "id": "valid/c1/1",
            "conv_id": "c1",
            "turn": 1,
            "emotion": "sad",
            "history": ["a", "b", "c"],
            "response": "d",
        },
    ]
    assert done.report["dialogues_dropped"] == {
        "last": {"samples": 1, "reason": "the last dialogue of a split is dropped, as in the MoEL/EmpDG preprocessing"}
    }


def test_a_last_turn_that_nobody_answers_is_dropped(tmp_path):
    done = prepared(tmp_path, ("c1", "s1", ["a", "b", "c"]), ("c2", "s2", ["alone"]), ("c3", "s3", ["p", "q"]), LAST)
    assert [(row["history"], row["response"]) for row in done.samples] == [(["a"], "b"), (["p"], "q")]
    assert (done.report["unanswered_turns_dropped"], done.report["dialogues_without_a_listener_turn"]) == (2, 1)


def test_neighbours_with_one_situation_merge(tmp_path):
    done = prepared(
        tmp_path,
        ("c1", "same", ["a", "b", "cut"]),
        ("c2", "same", ["c", "d"]),
        ("c3", "same", ["e", "f"]),
        ("c4", "other", ["p", "q"]),
        LAST,
    )
    assert [(row["id"], row["history"], row["response"]) for row in done.samples] == [
        ("valid/c1/0", ["a"], "b"),
        ("valid/c1/1", ["a", "b", "c"], "d"),
        ("valid/c1/2", ["a", "b", "c", "d", "e"], "f"),
        ("valid/c4/0", ["p"], "q"),
    ]
    assert done.report["merged_into_neighbour"] == {"c2": "c1", "c3": "c1"}


def test_one_situation_apart_does_not_merge(tmp_path):
    done = prepared(
        tmp_path, ("c1", "same", ["a", "b"]), ("c2", "other", ["c", "d"]), ("c3", "same", ["e", "f"]), LAST
    )
    assert [row["history"] for row in done.samples] == [["a"], ["c"], ["e"]]
    assert done.report["merged_into_neighbour"] == {}


def test_dialogues_without_an_answer_do_not_stand_between_neighbours(tmp_path):
    """Dropping comes before merging, as in the MoEL/EmpDG preprocessing."""
    done = prepared(tmp_path, ("c1", "same", ["a", "b"]), ("c2", "other", ["alone"]), ("c3", "same", ["e", "f"]), LAST)
    assert [row["id"] for row in done.samples] == ["valid/c1/0", "valid/c1/1"]


def test_the_last_dialogue_is_dropped_with_what_merged_into_it(tmp_path):
    done = prepared(tmp_path, ("c1", "s1", ["a", "b"]), ("c2", "same", ["c", "d"]), ("c3", "same", ["e", "f"]))
    assert [row["id"] for row in done.samples] == ["valid/c1/0"]
    assert {name: one["samples"] for name, one in done.report["dialogues_dropped"].items()} == {"c2": 2}


def test_the_unexplained_dialogue_is_dropped_from_train_only(tmp_path):
    name = "hit:12424_conv:24848"
    conversations = [("c1", "s1", ["a", "b"]), (name, "s2", ["c", "d"]), LAST]
    assert {row["conv_id"] for row in prepared(tmp_path, *conversations, split="train").samples} == {"c1"}
    assert {row["conv_id"] for row in prepared(tmp_path, *conversations, split="test").samples} == {"c1", name}


def test_stray_quotes_and_candidates_merge_no_rows(tmp_path):
    lines = [
        HEADER,
        'c1,1,sad,"my day,0,"he said_comma_ hi,5|5|5_2|2|2,<tag>',
        'c1,2,sad,"my day,1,oh "really,,,first|second_comma_ or third"',
        "z,1,sad,s,0,x,,",
        "z,2,sad,s,1,y,,",
    ]
    for end in ("\n", "\r\n"):
        (tmp_path / "test.csv").write_bytes(end.join(lines).encode())
        (row,) = empathetic_dialogues.prepare_split(tmp_path / "test.csv", "test").samples
        assert (row["history"], row["response"]) == (["he said , hi"], "oh really")
    assert [len(row) for row in csv.reader(lines)] == [
        8,
        6,
        7,
        8,
        8,
    ]  # what a CSV reader with quoting would make of it


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AAB"), st.integers(1, 6)), min_size=1, max_size=9))
def test_the_account_closes_whatever_the_conversations(tmp_path_factory, shapes):
    path = tmp_path_factory.getbasetemp() / "valid.csv"
    conversations = []
    for number, (situation, length) in enumerate(shapes):
        turns = [f"t{number}x{turn}" for turn in range(length)]
        conversations.append((f"c{number}", situation, turns))
    path.write_text(raw(*conversations))
    try:
        done = empathetic_dialogues.prepare_split(path, "valid")
    except UserError as error:
        assert "gives no sample" in error.problem
        return
    assert done.samples
    account(done.samples, done.report)
    assert all(len(row["history"]) == 2 * row["turn"] + 1 for row in done.samples)


# Text


@pytest.mark.parametrize(
    ("utterance", "expected"),
    [
        ("I can't_comma_ I'm sorry!", "i can not , i am sorry !"),  # the tokenizer parts "cannot" again
        ("You shouldn't go.", "you should n't go ."),
        ('He said "no".', "he said no ."),
        ("It's bad. Isn't it?", "it is bad . is not it ?"),
        ("that is bad.you ok", "that is bad.you ok"),
        ("Mr. Smith left. He won't be back.", "mr. smith left . he will not be back ."),
        ("'cause I said so", "'cause i said so"),
        ("She'd say it'd rain", "she 'd say it 'd rain"),
        ("visit's", "visit is"),  # a replacement of substrings, as in the preprocessing: "it's" within "visit's"
        ("ok :)   then", "ok : ) then"),
        ("one_pipe_two", "one|two"),
        ("", ""),
    ],
)
def test_normalised_text(utterance, expected):
    assert tokenization.normalise(utterance) == expected


def test_contractions_are_those_of_the_preprocessing_in_its_order(shared):
    facts = (shared / "paper" / "facts.md").read_text(encoding="utf-8")
    listed = re.search(r"not words\): (.*?);\n", facts, re.DOTALL).group(1)
    assert list(tokenization.CONTRACTIONS.items()) == [tuple(pair.strip().split("/")) for pair in listed.split(",")]
    for short, long in tokenization.CONTRACTIONS.items():
        assert tokenization.normalise(f"x {short.upper()} y") == f"x {long} y".replace("cannot", "can not")


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.sampled_from(string.ascii_letters + "'\".,!? ") | st.characters(exclude_categories=["Cs"]), max_size=30)
)
def test_normalised_text_has_its_form(utterance):
    text = tokenization.normalise(utterance)
    assert '"' not in text
    assert text == " ".join(text.split(" ")).strip(" ")
    assert text == text.lower()
    assert text == tokenization.normalise(utterance.replace('"', ""))


def test_a_leading_apostrophe_is_split_by_todays_tokenizer_only():
    assert tokenization.ed_words("'cause i said 'so") == ["'cause", "i", "said", "'so"]
    assert tokenization.metric_words("'Cause i said 'so") == ["'", "cause", "i", "said", "'", "so"]


def test_metric_words_are_nltks():
    """Sentence by sentence, by NLTK's own function; the sentences are split here by hand."""
    from nltk.tokenize import word_tokenize

    sentences = [
        "i don't know.",
        "mr. smith said 'hello' to dr. who!",
        "it costs 3.50, i think...",
        "she's gone (why?).",
    ]
    for sentence in sentences:
        assert tokenization.metric_words(sentence.upper()) == word_tokenize(sentence, preserve_line=True)
    assert tokenization.metric_words(" ".join(sentences)) == [
        word for sentence in sentences for word in word_tokenize(sentence, preserve_line=True)
    ]


@pytest.mark.parametrize("split", [tokenization.ed_words, tokenization.metric_words])
def test_an_inner_full_stop_is_split_off(split):
    assert split("that is bad. you are ok.") == ["that", "is", "bad", ".", "you", "are", "ok", "."]
    assert split("dr. who came.") == ["dr.", "who", "came", "."]


# Bad input

GOOD = raw(("c1", "s1", ["a", "b"]), ("c2", "s2", ["c", "d"])).encode()
ROWS = GOOD.split(b"\n")


def replaced(number, line):
    """The good file with another line, counted from 1."""
    return b"\n".join([*ROWS[: number - 1], line, *ROWS[number:]])


BAD = {
    "missing column": (
        GOOD.replace(b"utterance,selfeval", b"text,selfeval"),
        "train.csv: the header lacks the column utterance",
    ),
    "two missing columns": (
        GOOD.replace(b"conv_id,utterance_idx", b"a,b"),
        "the header lacks the column conv_id, utterance_idx",
    ),
    "empty file": (b"", "train.csv: the header lacks the column conv_id"),
    "too few fields": (replaced(3, b"c1,2,sad,s1,1,b"), "train.csv, line 3: 6 fields, the header has 8"),
    "too many fields": (replaced(4, b"c2,1,sad,s2,0,c,,,x,y"), "train.csv, line 4: 10 fields, the header has 8"),
    "bytes that are not UTF-8": (replaced(3, b"c1,2,sad,s1,1,caf\xe9,,"), "train.csv, line 3: byte 0xe9 is not UTF-8"),
    "header only": (HEADER.encode() + b"\n", "train.csv has a header and no rows"),
    "missing file": (None, "train.csv does not exist"),
    "utterance numbers out of order": (
        replaced(3, b"c1,3,sad,s1,1,b,,"),
        "train.csv, line 3: utterance 3 of c1 follows 1 others",
    ),
    "conversation that begins with its second utterance": (
        replaced(4, b"c2,2,sad,s2,0,c,,"),
        "train.csv, line 4: utterance 2 of c2 follows 0 others",
    ),
    "utterance number in words": (replaced(2, b"c1,one,sad,s1,0,a,,"), "train.csv, line 2: utterance_idx 'one'"),
    "conversation in two places": (
        GOOD + b"c1,1,sad,s1,0,e,,\nc1,2,sad,s1,1,f,,\n",
        "train.csv: the rows of conversation c1 do not stand together",
    ),
}


def bad_folder(folder, content, split="train"):
    folder.mkdir()
    for name in SPLITS:
        (folder / f"{name}.csv").write_bytes(GOOD)
    (folder / f"{split}.csv").unlink()
    if content is not None:
        (folder / f"{split}.csv").write_bytes(content)
    return folder


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(tmp_path, name):
    content, problem = BAD[name]
    with pytest.raises(UserError) as caught:
        empathetic_dialogues.prepare_split(bad_folder(tmp_path / "raw", content) / "train.csv", "train")
    assert problem in caught.value.problem
    assert caught.value.hint == empathetic_dialogues.USE_ED


@pytest.mark.parametrize("name", BAD)
def test_bad_files_end_the_step_before_it_writes(tmp_path, repository, monkeypatch, capsys, name):
    """The whole script, in this process; even when the bad file is the last one read."""
    content, problem = BAD[name]
    raw_folder = bad_folder(tmp_path / "raw", content, split="test")
    monkeypatch.setattr(
        "sys.argv", ["prepare_data.py", *READER, "--raw", str(raw_folder), "--output", str(tmp_path / "out")]
    )
    monkeypatch.setattr("os.environ", dict(os.environ))
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(repository / "scripts" / "prepare_data.py"), run_name="__main__")
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert problem.replace("train.csv", "test.csv") in said
    assert "What to do: " in said
    assert not (tmp_path / "out").exists()


def test_a_bad_file_by_the_command_line(tmp_path, step):
    content, problem = BAD["bytes that are not UTF-8"]
    done = step(
        "prepare_data.py", *READER, "--raw", bad_folder(tmp_path / "raw", content), "--output", tmp_path / "out"
    )
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'raw'}/{problem}\n  What to do: {empathetic_dialogues.USE_ED}\n"
    assert not (tmp_path / "out").exists()


def test_the_good_file_is_good(tmp_path, step):
    samples, _ = prepare(step, bad_folder(tmp_path / "raw", GOOD), tmp_path / "out")
    assert [len(samples[split]) for split in SPLITS] == [1, 1, 1]
