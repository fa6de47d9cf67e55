"""An archive of a run: what goes in comes out, checked, and nothing else."""

import json

import pytest

from synth_empathy import archive
from synth_empathy.errors import UserError

NAMES = ["responses/b/ed/seed0/test.jsonl", "selected/prompt2/dk60/kcenter/seed0.counts.json"]


@pytest.fixture
def packed(tmp_path):
    run = tmp_path / "results/paper"
    for name in NAMES:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(f"content of {name}\n")
    archive.pack("paper", {name: run / name for name in NAMES}, tmp_path / "kept")
    return tmp_path / "kept"


def test_files_come_out_as_they_went_in(packed, tmp_path):
    index = json.loads((packed / "archive.json").read_text())
    assert list(index["files"]) == NAMES and index["run"] == "paper" and index["format"] == 1
    for name in NAMES:
        archive.take(packed, name, tmp_path / "out" / name)
        assert (tmp_path / "out" / name).read_text() == f"content of {name}\n"


def test_a_file_that_is_not_there_is_named_with_what_is(packed, tmp_path):
    with pytest.raises(UserError, match="has no responses/c/ed/seed0/test.jsonl .*of that kind it has: responses/b/ed/seed0/test.jsonl") as caught:
        archive.take(packed, "responses/c/ed/seed0/test.jsonl", tmp_path / "out")
    assert "tables: partial: true" in caught.value.hint and not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [lambda path: path.write_text("other\n"), lambda path: path.unlink()])
def test_a_file_that_changed_is_refused(packed, tmp_path, change):
    change(packed / NAMES[0])
    with pytest.raises(UserError, match="its SHA-256 differs"):
        archive.take(packed, NAMES[0], tmp_path / "out")


@pytest.mark.parametrize(
    "index", ["[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"../../etc/passwd": "0"}}', '{"format": 1, "files": {"/etc/x": "0"}}']
)
def test_an_index_of_another_form_or_that_leads_elsewhere_is_refused(packed, tmp_path, index):
    (packed / "archive.json").write_text(index)
    with pytest.raises(UserError, match="is not an archive's index"):
        archive.take(packed, NAMES[0], tmp_path / "out")
    with pytest.raises(UserError, match="is not an archive: it has no archive.json"):
        archive.take(tmp_path, NAMES[0], tmp_path / "out")


def test_what_is_not_made_is_not_packed(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*gone.jsonl"):
        archive.pack("paper", {"gone.jsonl": tmp_path / "gone.jsonl"}, tmp_path / "kept")
    assert not (tmp_path / "kept/archive.json").exists()
