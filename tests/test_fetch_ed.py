"""ED out of its archive: given as a file, or downloaded, and checked either way."""

import hashlib
import tarfile

import pytest

FILES = {f"{split}.csv": f"{split}'s rows".encode() for split in ("train", "valid", "test")}


@pytest.fixture
def archive(tmp_path):
    """An archive laid out as ED's, with a file that is not wanted."""
    folder = tmp_path / "empatheticdialogues"
    folder.mkdir()
    for name, text in (FILES | {"README": b"not wanted"}).items():
        (folder / name).write_bytes(text)
    path = tmp_path / "ed.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "empatheticdialogues")
    return path


@pytest.mark.parametrize("given", ["archive", "url"])
def test_the_three_files_come_out_of_the_checked_archive_and_nothing_else(given, archive, tmp_path, step):
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    where = ["--archive", archive] if given == "archive" else ["--url", archive.as_uri()]
    done = step("fetch_ed.py", *where, "--sha256", sha256, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    left = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name.endswith(".csv")}
    assert left == FILES
    assert {path.name for path in (tmp_path / "out").iterdir()} - FILES.keys() <= {"empatheticdialogues.tar.gz"}


def test_an_archive_without_one_of_the_files_is_refused(tmp_path, step):
    (tmp_path / "train.csv").write_text("rows")
    with tarfile.open(tmp_path / "ed.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "train.csv", "empatheticdialogues/train.csv")
    sha256 = hashlib.sha256((tmp_path / "ed.tar.gz").read_bytes()).hexdigest()
    done = step("fetch_ed.py", "--archive", tmp_path / "ed.tar.gz", "--sha256", sha256, "--output", tmp_path / "out")
    assert done.returncode == 1 and "holds no valid.csv, test.csv" in done.stderr
    assert not (tmp_path / "out").exists()
