"""YAML files, read strictly: each fault is refused with its file and line, and all else is read as by PyYAML."""

import re
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy.core import yaml_files
from synth_empathy.core.errors import UserError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
FAULTS = {
    "key twice": ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is on line 1 already"),
    "key twice deep down": ("a:\n  b:\n  - c: 1\n    d: 2\n    c: 1\n", 5, "the key 'c' is on line 3 already"),
    "key twice on a line": ("{a: 1, a: 1}", 1, "the key 'a' is on line 1 already"),
    "key twice in other quotes": ("a: 1\n'a': 2\n", 2, "the key 'a' is on line 1 already"),
    "NaN": ("a: 1\nb: .nan\n", 2, "nan is not a finite number"),
    "infinity": ("a: -.inf\n", 1, "-inf is not a finite number"),
    "a number that overflows": ("a: 1.0e+999\n", 1, "inf is not a finite number"),
    "a whole number that no step holds": (
        "a: 9223372036854775808\n",
        1,
        "out of range; it must be at most 9223372036854775807",
    ),
    "a whole number that Python does not read": (f"a: {'9' * 5000}\n", 1, "not a valid whole number"),
    "a date": ("a:\n  b: 2024-01-01\n", 2, "'2024-01-01' is read as a date; put it in quotes"),
    "a time that is none": ("a: 2024-99-99\n", 1, "is read as a date"),
    "a date as a key": ("2024-01-01: a\n", 1, "the key '2024-01-01' is not a text; put it in quotes"),
    "a number as a key": ("a: 1\n1: a\n", 2, "the key '1' is not a text"),
    "a truth value as a key": ("no: a\n", 1, "the key 'no' is not a text"),
    "a list as a key": ("? [a]\n: b\n", 1, "the key that is a sequence is not a text"),
    "an alias to what holds it": ("a: &x\n- *x\n", 2, "'x' contains itself"),
    "aliases that explode": (LAUGHS, 5, "its aliases stand for more than 100,000 values"),
    "deep lists": ("[" * 100000, 1, "it goes deeper than 50 levels"),
    "deep mappings": ("\n".join(" " * n + "a:" for n in range(500)), 50, "it goes deeper than 50 levels"),
    "half a surrogate pair": ('a: "\\ud800"\n', 1, "has the character U+D800"),
    "an escaped NUL": ('a: "\\0"\n', 1, "has the character U+0000"),
    "an escape of terminals": ('a: "\\e[31m"\n', 1, "has the character U+001B"),
    "a NUL": ("a: 1\nb: \0\n", 2, "not YAML (it has the character U+0000)"),
    "a tag of Python": (
        "a: !!python/object/apply:os.system [ls]\n",
        1,
        "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not known",
    ),
    "a set": ("a: !!set {b}\n", 1, "the tag 'tag:yaml.org,2002:set' is not known"),
    "a truth value that is none": ("a: !!bool b\n", 1, "'b' is not a valid truth value"),
    "tabs": ("a:\n\tb: 1\n", 2, "not YAML ("),
    "a quote that does not end": ("a: 'b\n", 2, "not YAML ("),
    "two documents": ("a: 1\n---\na: 1\n", 2, "not YAML ("),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_with_its_line_and_what_to_do(tmp_path, name):
    text, line, problem = FAULTS[name]
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        yaml_files.load(path, "do this")
    assert caught.value.problem.startswith(f"{path}, line {line}: ") and problem in caught.value.problem
    assert caught.value.hint == "do this" and len(caught.value.problem) < 500
    assert time.monotonic() - start < 20  # 10^10 values, or a stack of 100,000 frames, would take longer


def test_bytes_that_are_not_text_are_named(tmp_path):
    (tmp_path / "file.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(UserError, match=r"file.yaml, line 2: not YAML \(the byte 0xe9 is not UTF-8\)"):
        yaml_files.load(tmp_path / "file.yaml")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "cannot be read: Is a directory"),
        ("gone.yaml", "does not exist"),
        ("x" * 300, "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_a_path_that_is_not_a_file_is_named(tmp_path, name, problem):
    with pytest.raises(UserError, match=problem):
        yaml_files.load(tmp_path / name)


def test_a_document_that_is_not_a_mapping_is_named(tmp_path):
    (tmp_path / "file.yaml").write_text("- a\n")
    with pytest.raises(UserError, match="file.yaml is not a mapping"):
        yaml_files.load_mapping(tmp_path / "file.yaml")


def test_ordinary_anchors_and_merges_are_accepted(tmp_path):
    text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nagain: *base\n"
    (tmp_path / "file.yaml").write_text(text)
    assert yaml_files.load(tmp_path / "file.yaml") == yaml.safe_load(text)


def test_our_own_files_read_as_before(repository):
    paths = [
        path
        for folder in ("config", "slurm", "containers", "resources")
        for path in (repository / folder).rglob("*.yaml")
    ]
    for path in [repository / "config.yaml", *paths]:
        assert yaml_files.load(path) == yaml.safe_load(path.read_text(encoding="utf-8")), path
    assert len(paths) > 10


def test_no_other_module_reads_yaml(repository):
    """There is one reader, so that every file is read with the same strictness."""
    reading = re.compile(r"(?m)^(import|from) yaml\b")
    found = {
        path.name
        for path in (repository / "scripts").rglob("*.py")
        if reading.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"yaml_files.py"}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1-:# ", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("yaml")


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_plain_values_are_read_as_written(folder, value):
    (folder / "file.yaml").write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    assert yaml_files.load(folder / "file.yaml") == value


PIECES = [
    "a",
    ": ",
    "- ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&x ",
    "*x",
    "<<",
    "!!int ",
    "!!bool ",
    "!!float ",
    "!x ",
    "'",
    '"',
    "|",
    ">",
    "?",
    "%",
    "#",
    "\\ud800",
    "1",
    ".nan",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join).map(str.encode) | st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_content_is_a_value_or_an_error_for_the_user(folder, content):
    (folder / "file.yaml").write_bytes(content)
    try:
        value = yaml_files.load(folder / "file.yaml")
    except UserError as error:
        assert error.problem.startswith(f"{folder / 'file.yaml'}, line ") and error.hint
    else:
        assert value == yaml.safe_load(content.decode("utf-8"))


@pytest.mark.parametrize(("text", "number"), [("010", 8), ("1:30:00", 5400), ("0x1f", 31), ("0b11", 3)])
def test_a_number_that_yaml_and_people_read_differently_is_refused(tmp_path, text, number):
    (tmp_path / "f.yaml").write_text(f"a: {text}\n")
    with pytest.raises(UserError, match=f"line 1: '{text}' is read as the number {number}; write the number"):
        yaml_files.load(tmp_path / "f.yaml")


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("-3", -3), ("0", 0), ("1_000", 1000), ("1.5", 1.5)])
def test_plain_numbers_are_accepted(tmp_path, text, number):
    (tmp_path / "f.yaml").write_text(f"a: {text}\n")
    assert yaml_files.load(tmp_path / "f.yaml") == {"a": number}
