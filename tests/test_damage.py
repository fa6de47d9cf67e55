"""A step that reads a file notices damage between two steps: it refuses the file and writes no output."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from synth_empathy.core import code_graph, files, provenance, records

ROWS = 12


def write(path, rows):
    records.write_jsonl(path, rows)
    return path


@pytest.fixture
def made(tmp_path):
    """A folder with small files in the form in which steps write them."""
    rng = np.random.default_rng(0)
    samples = [{"id": f"s{row:02}", "history": [f"text {row}"], "response": f"answer {row}"} for row in range(ROWS)]
    texts = [f"Speaker: text {row}\nListener: answer {row}" for row in range(ROWS)]
    write(tmp_path / "samples.jsonl", samples)
    write(tmp_path / "texts.jsonl", [{"row": row, "text": text} for row, text in enumerate(texts)])
    write(
        tmp_path / "similarity.jsonl",
        [{"id": sample["id"], "similarity": 55.0 + row} for row, sample in enumerate(samples)],
    )
    vectors = rng.normal(size=(ROWS, 8))
    with files.sealed_path(tmp_path / "embeddings.npy") as partial, open(partial, "wb") as file:
        np.save(file, (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32))
    return tmp_path


def flags_of(folder):
    """The steps that read these files, by name."""
    selecting = ["--samples", folder / "samples.jsonl", "--texts", folder / "texts.jsonl"]
    selecting += ["--embeddings", folder / "embeddings.npy"]
    passing = ["--samples", folder / "samples.jsonl", "--similarity", folder / "similarity.jsonl", "--threshold", 60]
    return {
        "select_diverse.py": [*selecting, "--output", folder / "out.jsonl"],
        "select_quality.py": [*passing, "--output", folder / "out.jsonl"],
        "mix_training_set.py": ["--data", folder / "samples.jsonl", "--output", folder / "out.jsonl"],
    }


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def flip_a_bit(folder):
    content = bytearray((folder / "embeddings.npy").read_bytes())
    content[-5] ^= 1
    (folder / "embeddings.npy").write_bytes(content)


def zero_a_half(folder):
    content = (folder / "embeddings.npy").read_bytes()
    half = len(content) // 2
    (folder / "embeddings.npy").write_bytes(content[:half] + bytes(len(content) - half))


def reverse_texts(folder):
    (folder / "texts.jsonl").write_bytes(b"".join(reversed(lines_of(folder / "texts.jsonl"))))


def cut_samples(folder):
    (folder / "samples.jsonl").write_bytes(b"".join(lines_of(folder / "samples.jsonl")[:-3]))


def change_a_similarity(folder):
    path = folder / "similarity.jsonl"
    path.write_bytes(path.read_bytes().replace(b"55.0", b"99.0"))


@pytest.mark.parametrize(
    ("script", "damage", "file"),
    [
        ("select_diverse.py", flip_a_bit, "embeddings.npy"),
        ("select_diverse.py", zero_a_half, "embeddings.npy"),
        ("select_diverse.py", reverse_texts, "texts.jsonl"),
        ("select_diverse.py", cut_samples, "samples.jsonl"),
        ("select_quality.py", change_a_similarity, "similarity.jsonl"),
        ("select_quality.py", cut_samples, "samples.jsonl"),
        ("mix_training_set.py", cut_samples, "samples.jsonl"),
    ],
)
def test_a_damaged_file_is_refused(step, made, script, damage, file):
    damage(made)
    done = step(script, *flags_of(made)[script])
    assert (
        done.returncode == 1
        and f"{made / file} has changed since it was written" in done.stderr
        and "What to do: " in done.stderr
    )
    assert "Traceback" not in done.stderr and not (made / "out.jsonl").exists()


@pytest.mark.parametrize("script", ["select_diverse.py", "select_quality.py", "mix_training_set.py"])
def test_an_undamaged_file_is_read_with_and_without_its_seal(step, made, script):
    done = step(script, *flags_of(made)[script])
    assert done.returncode == 0, done.stderr
    sealed = (made / "out.jsonl").read_bytes()
    assert files.seal_of(made / "out.jsonl").read_text().splitlines()[0].endswith("  out.jsonl")
    assert files.code_in_seal(made / "out.jsonl") == provenance.code(code_graph.SCRIPTS / script)
    for path in made.glob(".*.sha256"):
        path.unlink()
    done = step(script, *flags_of(made)[script])
    assert done.returncode == 0 and (made / "out.jsonl").read_bytes() == sealed


def given(folder, name, content):
    """A user's own file: it has no seal, so that only its contents can be checked."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    files.seal_of(path).unlink(missing_ok=True)


@pytest.mark.parametrize("similarity", [5000, -101, 1e300, 10**400])
def test_a_similarity_out_of_range_is_refused(step, made, similarity):
    given(made, "similarity.jsonl", [{"id": f"s{row:02}", "similarity": similarity} for row in range(ROWS)])
    done = step("select_quality.py", *flags_of(made)["select_quality.py"])
    assert (
        done.returncode == 1
        and "similarity.jsonl, line 1: the field 'similarity' is" in done.stderr
        and "not from -100 to 100" in done.stderr
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (list(reversed(range(ROWS))), "line 1: row 11 is in the place of row 0"),
        ([0] * ROWS, "line 2: row 0 is in the place of row 1"),
        ([*range(ROWS - 1), ROWS], "line 12: row 12 is in the place of row 11"),
        ([*range(ROWS - 1), -1], "line 12: the field 'row' is -1, not from 0"),
    ],
)
def test_rows_in_wrong_places_are_refused(step, made, rows, said):
    texts = [json.loads(line)["text"] for line in lines_of(made / "texts.jsonl")]
    given(made, "texts.jsonl", [{"row": row, "text": text} for row, text in zip(rows, texts)])
    done = step("select_diverse.py", *flags_of(made)["select_diverse.py"])
    assert done.returncode == 1 and said in done.stderr


# Weights


def responding(model, folder):
    flags = ["--inputs", folder / "inputs.jsonl", "--model", model, "--max-tokens", 4, "--state", folder / "state"]
    return [*flags, "--output", folder / "out.jsonl"]


def test_damaged_weights_are_refused_and_their_rows_are_never_taken(step, tiny_model, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    write(
        tmp_path / "inputs.jsonl", [{"id": f"s{row}", "history": [f"text {row}"], "response": "x"} for row in range(3)]
    )
    done = step("respond.py", *responding(model, tmp_path))
    assert done.returncode == 0 and "hashing" in done.stdout, done.stderr
    right = (tmp_path / "out.jsonl").read_bytes()

    weights = model / "model.safetensors"
    whole = weights.read_bytes()
    damaged = bytearray(whole)
    for place in range(40):
        damaged[-1 - 64 * place] ^= 0x40
    weights.write_bytes(damaged)
    shutil.rmtree(tmp_path / "state")
    done = step("respond.py", *responding(model, tmp_path))
    assert done.returncode == 1 and f"{weights} is damaged: its SHA-256 is not the one" in done.stderr
    assert not list(tmp_path.glob("state/*/*.jsonl"))

    weights.write_bytes(whole)
    done = step("respond.py", *responding(model, tmp_path))
    assert done.returncode == 0 and (tmp_path / "out.jsonl").read_bytes() == right
    again = step("respond.py", *responding(model, tmp_path))
    assert "3 rows, 3 finished before" in again.stdout and "hashing" not in again.stdout


#: Runs a step's script, and ends it like a kill when it begins to write the file that KILLED_AT names.
KILLED_AT = """
import os, runpy, sys
from synth_empathy.core import records
write = records.write_jsonl
def write_or_die(path, rows, **more):
    if path.name == os.environ["KILLED_AT"]:
        os._exit(9)
    return write(path, rows, **more)
records.write_jsonl = write_or_die
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_prepared_splits_are_of_one_run(step, repository, tmp_path):
    """After a kill between two splits, no split of an earlier run is left with one of this run."""
    raw = repository / "resources/sample/empatheticdialogues"
    done = step("prepare_data.py", "--reader", "empathetic_dialogues", "--raw", raw, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    words = [sys.executable, "-c", KILLED_AT, repository / "scripts/prepare_data.py", "--raw", raw]
    words += ["--reader", "empathetic_dialogues"]
    words += ["--keep-train", 1, "--output", tmp_path]
    killed = subprocess.run(
        list(map(str, words)), env={"PYTHONPATH": str(repository / "scripts"), "KILLED_AT": "valid.jsonl"}
    )
    assert killed.returncode == 9
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"train.jsonl"}
