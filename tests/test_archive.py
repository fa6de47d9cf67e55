"""An archive of a run: only the files that went in come out, checked."""

import json
import re
import string
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core import archive
from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_file

#: A text in the form of a SHA-256.
HASH = "0" * 64
NAMES = ["responses/b/ed/seed0/test.jsonl", "selected/prompt2/dk60/kcenter/seed0.counts.json"]


@pytest.fixture
def packed(tmp_path):
    run = tmp_path / "results/paper"
    for name in NAMES:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(f"content of {name}\n")
    archive.pack("paper", {name: run / name for name in NAMES}, tmp_path / "kept")
    return tmp_path / "kept"


def test_files_come_out_unchanged(packed, tmp_path):
    index = json.loads((packed / "archive.json").read_text())
    assert list(index["files"]) == NAMES and index["run"] == "paper" and index["format"] == 1
    for name in NAMES:
        archive.take(packed, name, tmp_path / "out" / name)
        assert (tmp_path / "out" / name).read_text() == f"content of {name}\n"


def test_a_missing_file_is_named_with_the_similar_ones(packed, tmp_path):
    with pytest.raises(
        UserError,
        match="has no responses/c/ed/seed0/test.jsonl .*of that kind it has: responses/b/ed/seed0/test.jsonl",
    ) as caught:
        archive.take(packed, "responses/c/ed/seed0/test.jsonl", tmp_path / "out")
    assert "tables: partial: true" in caught.value.hint and not (tmp_path / "out").exists()


def test_a_file_that_changed_is_refused(packed, tmp_path):
    (packed / NAMES[0]).write_text("other\n")
    with pytest.raises(UserError, match="its SHA-256 differs"):
        archive.take(packed, NAMES[0], tmp_path / "out")


@pytest.mark.parametrize("folder", [False, True])
def test_a_path_that_is_not_a_file_is_refused(packed, tmp_path, folder):
    (packed / NAMES[0]).unlink()
    if folder:
        (packed / NAMES[0]).mkdir()
    with pytest.raises(UserError, match=f"has no file {NAMES[0]}, which its index names"):
        archive.take(packed, NAMES[0], tmp_path / "out")


@pytest.mark.parametrize("place", [NAMES[0], "responses/b", "responses"])
def test_a_link_is_refused_even_to_the_same_content(packed, tmp_path, place):
    (packed / place).rename(tmp_path / "elsewhere")
    (packed / place).symlink_to(tmp_path / "elsewhere")
    for read in (archive.read_index, lambda folder: archive.take(folder, NAMES[0], tmp_path / "out")):
        with pytest.raises(UserError, match=f"{place} is a symbolic link"):
            read(packed)
    with pytest.raises(UserError, match=f"holds '{place}', which is not a file of this archive"):
        repack(tmp_path, NAMES)
    assert not (tmp_path / "out").exists() and (packed / "archive.json").is_file()


def test_the_archive_itself_may_be_a_link(packed, tmp_path):
    (tmp_path / "link").symlink_to(packed)
    archive.take(tmp_path / "link", NAMES[0], tmp_path / "out")
    assert (tmp_path / "out").read_text() == f"content of {NAMES[0]}\n"


@pytest.mark.parametrize(
    "index",
    [
        [], 1, None, {"format": 1}, {"format": 2, "files": {}}, {"format": True, "files": {}},
        {"format": "1", "files": {}},
        {"format": 1, "files": []}, {"format": 1, "files": {"a": 1}}, {"format": 1, "files": {"a": None}},
        {"format": 1, "files": {"a": "0"}}, {"format": 1, "files": {"a": HASH + "\n"}},
        {"format": 1, "files": {"a": "g" * 64}},
        {"format": 1, "files": {"../../etc/passwd": HASH}}, {"format": 1, "files": {"/etc/x": HASH}},
    ],
)  # fmt: skip
def test_an_index_of_another_form_or_that_leads_elsewhere_is_refused(packed, tmp_path, index):
    (packed / "archive.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="is not an archive's index"):
        archive.take(packed, NAMES[0], tmp_path / "out")
    with pytest.raises(UserError, match="is not an archive: it has no archive.json"):
        archive.take(tmp_path, NAMES[0], tmp_path / "out")


def test_a_missing_file_cannot_be_packed(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*gone.jsonl"):
        archive.pack("paper", {"gone.jsonl": tmp_path / "gone.jsonl"}, tmp_path / "kept")
    assert not (tmp_path / "kept/archive.json").exists()


def read(tmp_path, *names):
    """Read an index with these names."""
    (tmp_path / "archive.json").write_text(json.dumps({"format": 1, "run": "x", "files": dict.fromkeys(names, HASH)}))
    return archive.read_index(tmp_path)


#: Characters of a name, and strings that contain others.
ALPHABET = string.ascii_letters + string.digits + "._+/-"
PARTS = st.text(st.sampled_from(ALPHABET.replace("/", "")), min_size=1, max_size=12)
PLAIN = PARTS.filter(lambda part: part[0] not in "-.")
GOOD = st.lists(PLAIN, min_size=1, max_size=5).map("/".join)
OTHER_CHARACTERS = st.text(st.characters(exclude_characters=ALPHABET), min_size=1, max_size=3)


@given(name=GOOD.filter(lambda name: name.casefold() != "archive.json"))
def test_a_plain_name_is_accepted(tmp_path_factory, name):
    assert list(read(tmp_path_factory.mktemp("archive"), name)) == [name]


@given(before=st.text(st.sampled_from(ALPHABET)), others=OTHER_CHARACTERS, after=st.text(st.sampled_from(ALPHABET)))
def test_a_name_with_any_other_character_is_refused_in_plain_ascii(tmp_path_factory, before, others, after):
    with pytest.raises(UserError, match="the name .* has characters other than ASCII letters") as caught:
        read(tmp_path_factory.mktemp("archive"), before + others + after)
    said = str(caught.value)
    assert ascii(before + others + after) in said and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)


@given(name=st.text(st.sampled_from(ALPHABET), max_size=30))
def test_an_accepted_name_stays_below_the_archives_folder(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("archive")
    try:
        read(folder, name)
    except UserError:
        return
    path = PurePosixPath(name)
    assert str(path) == name and not path.is_absolute() and not {"..", "."} & set(path.parts)
    assert (folder / name).resolve() == folder.resolve() / name and not any(part[0] == "-" for part in path.parts)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([""], "the name '' is empty"),
        (["/etc/x"], "'/etc/x' is absolute"),
        (["a//b"], "has an empty part"),
        (["a/"], "has an empty part"),
        (["./a"], "has an empty part, . or .."),
        (["a/../b"], "has an empty part, . or .."),
        (["-rf"], "begins with a dash"),
        (["a/-o"], "begins with a dash"),
        (["a\n"], r"the name 'a\\n' has characters other"),
        (["a/.b.7.partial"], "unfinished file"),
        (["Archive.json"], "the index's own"),
        (["a" * 201], "is too long"),
        (["/".join("ab" * 340)], "is too long"),
        (["Ed/a", "ed/A"], "the names 'Ed/a' and 'ed/A' are one file"),
        (["a/b/c", "A/B"], "the name 'A/B' is a file and the folder of 'a/b/c'"),
    ],
)
def test_an_invalid_name_is_refused_and_shown(tmp_path, names, fault):
    with pytest.raises(UserError, match=fault) as caught:
        read(tmp_path, *names)
    assert caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"an archive cannot hold .*{fault}"):
        archive.pack("paper", dict.fromkeys(names, tmp_path / "file"), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def repack(tmp_path, names):
    """Pack some of the fixture's files again, into the same folder."""
    return archive.pack("paper", {name: tmp_path / "results/paper" / name for name in names}, tmp_path / "kept")


def held(folder):
    """Every file and folder below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("indexed", [True, False])
def test_packing_again_removes_the_files_of_before(packed, tmp_path, indexed):
    """Snakemake deletes the index first, so it cannot be what distinguishes old files from a user's."""
    for partial in (".archive.json.77.partial", "responses/b/ed/seed0/.test.jsonl.12.partial", "gone/.x.partial"):
        (packed / partial).parent.mkdir(exist_ok=True)
        (packed / partial).write_text("half")
    if not indexed:
        (packed / "archive.json").unlink()
    repack(tmp_path, NAMES[:1])
    folders = ["responses", "responses/b", "responses/b/ed", "responses/b/ed/seed0"]
    assert held(packed) == ["archive.json", *folders, NAMES[0]]
    assert list(archive.read_index(packed)) == NAMES[:1]


def test_files_of_an_earlier_index_are_removed_even_if_of_another_kind(packed, tmp_path):
    (packed / "other.txt").write_text("x")
    index = json.loads((packed / "archive.json").read_text())
    index["files"]["other.txt"] = HASH
    (packed / "archive.json").write_text(json.dumps(index))
    repack(tmp_path, NAMES)
    assert not (packed / "other.txt").exists() and list(archive.read_index(packed)) == NAMES


def test_a_file_that_no_packing_made_is_refused_and_nothing_is_lost(packed, tmp_path):
    (packed / "notes\x1b.txt").write_text("mine")
    before = held(packed)
    with pytest.raises(UserError, match=r"holds 'notes\\x1b.txt', which is not a file of this archive"):
        repack(tmp_path, NAMES[:1])
    assert held(packed) == before
    (packed / "notes\x1b.txt").unlink()
    with pytest.raises(UserError, match="is in the archive's own folder"):
        archive.pack("paper", {NAMES[0]: packed / NAMES[0]}, packed)
    assert (packed / NAMES[0]).is_file()


def test_an_archive_runs_nothing_on_the_reviewers_machine(checkout, tmp_path):
    """Its names become targets of the workflow; a name with a command in it ends the run before the plan."""
    name = "synthetic/a$(touch\tPWNED)b/parse_summary.json"
    folder = tmp_path / "given"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("{}")
    files = {name: sha256_file(folder / name)}
    (folder / "archive.json").write_text(json.dumps({"format": 1, "run": "paper", "files": files}))
    (checkout.folder / "partial.yaml").write_text("tables: {partial: true}\n")
    overlay = ["--configfile", "partial.yaml", "--config", f"archive={folder}", "run=review", "--", "reviewer"]
    for words in (["-n"], ["--cores", "2"]):
        done = checkout.snakemake(*words, *overlay)
        said = done.stdout + done.stderr
        assert done.returncode == 1 and ascii(name) in said and "What to do" in said and "Traceback" not in said, said
    assert not [*checkout.folder.rglob("PWNED"), *tmp_path.rglob("PWNED")]
