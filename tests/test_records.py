"""Files as contracts: what is written is read back, outputs appear whole or not at all, bad lines are named."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy import records
from synth_empathy.errors import UserError

#: Characters that some readers take for line ends, and others that JSON escapes.
AWKWARD = "\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\0\"\\'{}\ufeff\U0001f600é"
TEXT = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=12)
SAMPLE = st.fixed_dictionaries({"id": TEXT, "history": st.lists(TEXT, max_size=4), "response": TEXT})
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT, lambda x: st.lists(x) | st.dictionaries(TEXT, x)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SAMPLE, max_size=6, unique_by=lambda sample: sample["id"]))
def test_jsonl_round_trip(tmp_path_factory, samples):
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    assert records.write_jsonl(path, iter(samples)) == len(samples)
    assert records.read_jsonl(path, records.SAMPLE) == samples
    assert path.read_bytes().count(b"\n") == len(samples)


@settings(max_examples=80, deadline=None)
@given(NESTED)
def test_json_round_trip(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    records.write_json(path, value)
    assert records.read_json(path) == value


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\r", "\r\n"])
def test_line_separators_within_a_string_end_no_record(tmp_path, separator):
    sample = {"id": f"a{separator}b", "history": [f"{separator}x"], "response": f"y{separator}"}
    records.write_jsonl(tmp_path / "s.jsonl", [sample, sample | {"id": "c"}])
    assert records.read_jsonl(tmp_path / "s.jsonl", records.SAMPLE) == [sample, sample | {"id": "c"}]


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    records.write_text(tmp_path / "t", "é\n")
    records.write_jsonl(tmp_path / "l", [{"a": "é"}])
    assert (tmp_path / "t").read_bytes() == "é\n".encode()
    assert (tmp_path / "l").read_bytes() == '{"a": "é"}\n'.encode()


# Whole or not at all


def everything_in(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_atomic_path_replaces_at_the_end_only(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with records.atomic_path(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert partial.parent == target.parent  # a rename within one file system
    assert everything_in(tmp_path) == {"file": "new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_partial(tmp_path, failure):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(failure), records.atomic_path(target) as partial:
        partial.write_text("half")
        raise failure
    assert everything_in(tmp_path) == {"file": "old"}


def test_a_bad_record_leaves_no_file(tmp_path):
    def rows():
        yield {"id": "a"}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        records.write_jsonl(tmp_path / "file", rows())
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write_jsonl(tmp_path / "file", [{"x": 1.0}, {"x": float("nan")}])
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write_json(tmp_path / "file", float("inf"))
    assert everything_in(tmp_path) == {}


def test_folders_are_made(tmp_path):
    records.write_text(tmp_path / "a" / "b" / "c", "x")
    assert (tmp_path / "a" / "b" / "c").read_text() == "x"


# Bad input

GOOD = {"id": "a", "history": ["x"], "response": "y"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ('["a"]', "not a JSON object"),
        ("3", "not a JSON object"),
        ({"id": "b", "history": ["x"]}, "the field 'response' is missing .found: id, history."),
        ({}, "the field 'id' is missing .found: none."),
        (GOOD | {"id": 3}, "the field 'id' is int, not str"),
        (GOOD | {"id": None}, "the field 'id' is NoneType, not str"),
        (GOOD | {"id": "b", "history": "x"}, "the field 'history' is str, not a list of strings"),
        (GOOD | {"id": "b", "history": ["x", 1]}, "the field 'history' is list, not a list of strings"),
        (GOOD, "id 'a' stands on line 1 already"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "samples.jsonl"
    lines = [GOOD, GOOD | {"id": "c"}, line]
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    with pytest.raises(UserError, match=f"line 3: {reason}") as caught:
        records.read_jsonl(path, records.SAMPLE)
    assert str(path) in caught.value.problem
    assert caught.value.hint == records.REMAKE


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_refused(tmp_path, constant):
    """A NaN would pass for a float, and be below every threshold without a word."""
    path = tmp_path / "similarity.jsonl"
    path.write_text('{"id": "a", "similarity": ' + constant + "}\n")
    with pytest.raises(UserError, match=f"line 1: not JSON .{constant} is not a JSON number"):
        records.read_jsonl(path, records.SIMILARITY)


def test_missing_and_undecodable_files_are_named(tmp_path):
    (tmp_path / "latin").write_bytes(b'{"id": "caf\xe9"}\n')
    for read in (records.read_json, lambda path: records.read_jsonl(path, {"id": str})):
        with pytest.raises(UserError, match=r"gone does not exist"):
            read(tmp_path / "gone")
        with pytest.raises(UserError, match=r"latin is not"):
            read(tmp_path / "latin")
    (tmp_path / "half").write_text('{"a": ')
    with pytest.raises(UserError, match="half is not a JSON document"):
        records.read_json(tmp_path / "half")


@pytest.mark.parametrize(
    ("value", "kind", "is_one"),
    [
        (1, int, True),
        (True, int, False),
        (True, float, False),
        (True, bool, True),
        (1, bool, False),
        (1, float, True),
        (1.5, float, True),
        (1.0, int, False),
        ("1", int, False),
        ([], list, True),
        ([], list[str], True),
        (["a"], list[str], True),
        ([["a"]], list[str], False),
        ({}, list[str], False),
    ],
)
def test_types(value, kind, is_one):
    assert records.is_a(value, kind) is is_one


def test_files_without_a_unique_field(tmp_path):
    rows = [{"row": 0, "text": "a"}, {"row": 0, "text": "b"}]
    records.write_jsonl(tmp_path / "t", rows)
    assert records.read_jsonl(tmp_path / "t", records.TEXT, unique=None) == rows
    with pytest.raises(UserError, match="line 2: row 0 stands on line 1"):
        records.read_jsonl(tmp_path / "t", records.TEXT, unique="row")
