"""Files: written records are read back, outputs appear whole or not at all, and errors name faulty lines."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy.core import files, json_files, records
from synth_empathy.core.errors import UserError

#: Characters that some readers take for line ends, and others that JSON escapes.
AWKWARD = "\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\0\"\\'{}\ufeff\U0001f600é"
TEXT = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=12)
SAMPLE = st.fixed_dictionaries({"id": TEXT, "history": st.lists(TEXT, max_size=4), "response": TEXT})
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda x: st.lists(x) | st.dictionaries(TEXT, x),
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
    json_files.write_json(path, value)
    assert json_files.read_json(path) == value


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\r", "\r\n"])
def test_line_separators_within_a_string_end_no_record(tmp_path, separator):
    sample = {"id": f"a{separator}b", "history": [f"{separator}x"], "response": f"y{separator}"}
    records.write_jsonl(tmp_path / "s.jsonl", [sample, sample | {"id": "c"}])
    assert records.read_jsonl(tmp_path / "s.jsonl", records.SAMPLE) == [sample, sample | {"id": "c"}]


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    files.write_text(tmp_path / "t", "é\n")
    records.write_jsonl(tmp_path / "l", [{"a": "é"}])
    assert (tmp_path / "t").read_bytes() == "é\n".encode()
    assert (tmp_path / "l").read_bytes() == '{"a": "é"}\n'.encode()


# Whole or not at all


def everything_in(folder):
    """Every file but the seals."""
    return {path.name: path.read_text() for path in folder.iterdir() if path.suffix != ".sha256"}


def test_atomic_path_replaces_at_the_end_only(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with files.atomic_path(target) as partial:
        partial.write_text("new")
        assert target.read_text() == "old"
        assert partial.parent == target.parent  # a rename within one file system
    assert everything_in(tmp_path) == {"file": "new"}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_partial(tmp_path, failure):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(failure), files.atomic_path(target) as partial:
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
        json_files.write_json(tmp_path / "file", float("inf"))
    assert everything_in(tmp_path) == {}


def test_folders_are_made(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "c", "x")
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
        (GOOD, "id 'a' is on line 1 already"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "samples.jsonl"
    lines = [GOOD, GOOD | {"id": "c"}, line]
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    with pytest.raises(UserError, match=f"line 3: {reason}") as caught:
        records.read_jsonl(path, records.SAMPLE)
    assert str(path) in caught.value.problem
    assert caught.value.hint == files.REMAKE


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(tmp_path, constant):
    """A NaN would pass for a float, and silently be below every threshold."""
    path = tmp_path / "similarity.jsonl"
    path.write_text('{"id": "a", "similarity": ' + constant + "}\n")
    with pytest.raises(UserError, match=f"line 1: not JSON .{constant} is not a JSON number"):
        records.read_jsonl(path, records.SIMILARITY)


def test_missing_and_undecodable_files_are_named(tmp_path):
    (tmp_path / "latin").write_bytes(b'{"id": "caf\xe9"}\n')
    for read in (json_files.read_json, lambda path: records.read_jsonl(path, {"id": str})):
        with pytest.raises(UserError, match=r"gone does not exist"):
            read(tmp_path / "gone")
        with pytest.raises(UserError, match=r"latin, line 1: it is not UTF-8"):
            read(tmp_path / "latin")
    (tmp_path / "half").write_text('{"a": ')
    with pytest.raises(UserError, match="half is not a JSON document"):
        json_files.read_json(tmp_path / "half")


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
    with pytest.raises(UserError, match="line 2: row 0 is on line 1"):
        records.read_jsonl(tmp_path / "t", records.TEXT, unique="row")


# Strict JSON

NOT_JSON = {
    "1e999": "1e999 is too large for a number",
    '{"a": 1, "a": 2}': "an object has the key 'a' twice",
    "[" * 100_000: "nested deeper than 100 levels",
    "[" * 101 + "]" * 101: "nested deeper than 100 levels",
    '["\\ud83d"]': r"'\\ud83d' is half a character",
    '{"\\uDC00": 1}': r"'\\udc00' is half a character",
    "9" * 5000: "",
}


@pytest.mark.parametrize("text", NOT_JSON)
def test_ambiguous_or_unwritable_json_is_refused_with_its_line(tmp_path, text):
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(UserError, match=f"f.json is not a JSON document: .*{NOT_JSON[text]}"):
        json_files.read_json(tmp_path / "f.json")
    (tmp_path / "f.jsonl").write_text('{"id": "a", "x": 1}\n{"id": "b", "x": ' + text + "}\n")
    with pytest.raises(UserError, match="f.jsonl, line 2: not JSON"):
        records.read_jsonl(tmp_path / "f.jsonl", {"id": str})


def test_whole_characters_beyond_the_first_plane_are_read(tmp_path):
    (tmp_path / "f.json").write_text('["\\ud83d\\ude00", "\\\\ud83d", 1e308, -0.0]')
    assert json_files.read_json(tmp_path / "f.json") == ["\U0001f600", "\\ud83d", 1e308, 0.0]


@pytest.mark.parametrize(
    "write", [json_files.write_json, lambda path, value: records.write_jsonl(path, [{"x": value}]), files.write_text]
)
def test_half_a_character_is_not_written(tmp_path, write):
    with pytest.raises(UserError, match=r"f cannot be written: '\\ud800' in its text is not a valid character"):
        write(tmp_path / "f", "a\ud800b")
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize(
    ("value", "kind", "fault"),
    [
        (-1, records.COUNT, "-1, not from 0"),
        (2**63, records.COUNT, "not from 0"),
        (True, records.COUNT, "bool, not int"),
        (0.5, records.COUNT, "float, not int"),
        (100.5, records.COSINE, "100.5, not from -100 to 100"),
        (-5000, records.COSINE, "-5000, not from -100 to 100"),
        (10**400, records.COSINE, "not from -100 to 100"),
        ("ended", records.FINISH, "'ended', not one of stop, length"),
        (3, records.FINISH, "int, not str"),
        (0, records.COUNT, None),
        (100, records.COSINE, None),
        (-99.5, records.COSINE, None),
        ("stop", records.FINISH, None),
    ],
)
def test_ranges(value, kind, fault):
    found = records.fault_of(value, kind)
    assert found is None if fault is None else fault in found and len(found) < 120


def test_a_folder_in_place_of_a_file_is_an_error_for_the_user(tmp_path):
    for read in (json_files.read_json, lambda path: records.read_jsonl(path, {"id": str})):
        with pytest.raises(UserError, match="it is a folder, and a file is needed"):
            read(tmp_path)
        with pytest.raises(UserError, match="cannot be read"):
            read("a\0b")


# Seals


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_change_of_a_sealed_file_is_noticed(tmp_path_factory, content, data):
    path = tmp_path_factory.getbasetemp() / "sealed"
    with files.sealed_path(path) as partial:
        partial.write_bytes(content)
    assert files.read_bytes(path) == content
    files.check_seal(path)
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed if data.draw(st.booleans()) else content[:-1])
    for check in (files.read_bytes, files.check_seal):
        with pytest.raises(UserError, match="sealed has changed since it was written") as caught:
            check(path)
        assert "remove" in caught.value.hint


def test_sha256sum_reads_a_seal(tmp_path):
    json_files.write_json(tmp_path / "f.json", {"a": 1})
    command = ["sha256sum", "--check", "--strict", files.seal_of("f.json").name]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "f.json").write_text("{}")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


def test_a_seal_names_the_code_that_made_its_file_and_sha256sum_still_reads_it(tmp_path):
    code = {"step.py": "0" * 64, "synth_empathy/evaluation/metrics/__init__.py": "f" * 64}
    json_files.write_json(tmp_path / "f.json", {"a": 1}, code=code)
    assert files.code_in_seal(tmp_path / "f.json") == code and json_files.read_json(tmp_path / "f.json") == {"a": 1}
    command = ["sha256sum", "--check", "--strict", files.seal_of("f.json").name]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    json_files.write_json(tmp_path / "f.json", {"a": 1})
    assert files.code_in_seal(tmp_path / "f.json") == files.code_in_seal(tmp_path / "none.json") == {}


def test_a_file_written_again_has_a_new_seal(tmp_path):
    for value in (1, 2):
        json_files.write_json(tmp_path / "f.json", value)
        assert json_files.read_json(tmp_path / "f.json") == value


def test_a_failure_keeps_the_old_file_and_its_seal(tmp_path):
    json_files.write_json(tmp_path / "f.json", 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        json_files.write_json(tmp_path / "f.json", float("nan"))
    assert json_files.read_json(tmp_path / "f.json") == 1 and files.seal_of(tmp_path / "f.json").exists()


# What a kill leaves

WRITER = """
import sys, time
from synth_empathy.core.files import atomic_path
with atomic_path(sys.argv[1]) as partial:
    partial.write_text("half")
    print("writing", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def writer(repository, path, seconds):
    """A process that has begun to write a file, and takes some seconds."""
    words = [sys.executable, "-c", WRITER, str(path), str(seconds)]
    environment = {"PYTHONPATH": str(repository / "scripts")}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def test_writers_of_one_file_do_not_remove_each_others(repository, tmp_path):
    """Each writes the file many times; the file is whole at every moment, and no writer fails."""
    loop = "for n in range(150): write_text(sys.argv[1], sys.argv[2] * 2000)"
    program = f"import sys; from synth_empathy.core.files import write_text\n{loop}"
    words = [sys.executable, "-c", program, str(tmp_path / "f")]
    writers = [subprocess.Popen([*words, sign], env={"PYTHONPATH": str(repository / "scripts")}) for sign in "abc"]
    while any(process.poll() is None for process in writers):
        if (tmp_path / "f").exists():
            text = (tmp_path / "f").read_text()
            assert text == text[0] * 2000
    assert [process.returncode for process in writers] == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_the_file_of_a_killed_writer_is_removed_and_that_of_a_living_one_is_not(repository, tmp_path):
    (tmp_path / ".f.json.0123abcd.partial").write_text("of another file")
    alive, dead = writer(repository, tmp_path / "f", 60), writer(repository, tmp_path / "f", 60)
    dead.kill()
    dead.wait()
    assert len(list(tmp_path.glob(".f.????????.partial"))) == 2
    files.write_text(tmp_path / "f", "new")
    left = {path.name for path in tmp_path.iterdir()}
    alive.kill()
    alive.wait()
    assert len(left) == 3 and {"f", ".f.json.0123abcd.partial"} < left
    files.write_text(tmp_path / "f", "newer")
    assert {path.name for path in tmp_path.iterdir()} == {"f", ".f.json.0123abcd.partial"}
