"""Files that a run keeps: models with manifests, finished rows and chunks, archives; and damage after writing."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from synth_empathy.baselines import authors_code
from synth_empathy.core import archive, model_folder, records, resumable

from ..checks import place, same
from ..mutations import (
    ARRAYS,
    VALUES,
    Part,
    array,
    damaged,
    documents,
    encoded,
    json_file,
    json_lines,
    one_of,
    plain,
    saved,
)
from . import valid
from .registry import Reader
from .selecting import vectors


def written_then_damaged(folder: Path, how: dict) -> None:
    """Rows that changed after a step wrote them are refused, unless they are still the same."""
    path = folder / "rows.jsonl"
    records.write_jsonl(path, valid.SAMPLES)
    replace(path, how["content"])
    same("rows", valid.SAMPLES, records.read_jsonl(path, records.SAMPLE))


def replace(path: Path, content: object) -> None:
    """Replace the content of a file, as a bad disk would, but not its seal."""
    path.unlink(missing_ok=True)
    place(path, content)


# Models

WEIGHTS = {
    "model.safetensors": b"\x08\0\0\0\0\0\0\0{}      weights",
    "config.json": b'{"model_type": "llama"}',
    "1_Pooling/config.json": b"{}",
}
DESCRIBED = {
    name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in WEIGHTS.items()
}
MANIFEST = json_file({"kind": "fetched", "name": "m", "repository": "a/b", "revision": "0" * 40, "files": DESCRIBED})
MODEL = {"model/manifest.json": MANIFEST} | {f"model/{name}": plain(content) for name, content in WEIGHTS.items()}


def open_model(folder: Path, how: dict) -> None:
    """An opened model is the one that its manifest describes, to the last byte."""
    manifest = model_folder.open_model(folder / "model")
    model_folder.fingerprint(folder / "model")
    found = {name: hashlib.sha256((folder / "model" / name).read_bytes()).hexdigest() for name in manifest["files"]}
    same("hashes", {name: file["sha256"] for name, file in manifest["files"].items()}, found)
    same("a model has files", True, bool(found))


# Finished rows and chunks

DECIDES = {"model": "m", "versions": {"torch": "2"}}
FINISHED = [
    {"id": f"r{n}", "text": f"what was written {n} .", "tokens": 5, "finish": "stop", "logprobs": [-0.1, -2.5,
    -3.0 - n]} for n in range(3)
]  # fmt: skip
ASKED = {row["id"]: hashlib.sha256(row["id"].encode()).hexdigest() for row in FINISHED}


def finished_rows(root: Path) -> resumable.FinishedRows:
    """The finished rows of one job."""
    return resumable.FinishedRows(root, "generate", decides=DECIDES, part="part", asked=ASKED)


def state_file() -> bytes:
    """The state file of a job that has finished all its rows."""
    with tempfile.TemporaryDirectory() as folder:
        with finished_rows(Path(folder)) as finished:
            for row in FINISHED:
                finished.add(dict(row))
        return finished.path.read_bytes()


def lines_changed() -> st.SearchStrategy:
    """The state file's rows with other keys and values, if its lines are JSON."""
    content = state_file()
    try:
        rows = [json.loads(line) for line in content.splitlines()]
    except ValueError:
        return plain(content).damaged
    lines = documents(rows, VALUES).map(lambda texts: encoded("".join(f"{text}\n" for text in texts)))
    return st.one_of(damaged(lines), plain(content).damaged)


def resume_rows(folder: Path, how: dict) -> None:
    """Rows that are used again are the kept ones; the rest are made again, and then all exist."""
    with finished_rows(folder) as finished:
        path = finished.path
    replace(path, how["content"])
    with finished_rows(folder) as finished:
        same("rows taken over", [], [row for row in finished.rows.values() if row not in FINISHED])
        for row in FINISHED:
            if row["id"] not in finished.rows:
                finished.add(dict(row))
    with finished_rows(folder) as finished:
        same("rows after they are made again", {row["id"]: row for row in FINISHED}, finished.rows)


CHUNK = vectors(3)
CHUNKS = st.one_of(damaged(ARRAYS.map(lambda how: array(CHUNK, *how))), plain(saved(CHUNK)).damaged)


def resume_chunks(folder: Path, how: dict) -> None:
    """A chunk that is used again is the kept one."""
    chunks = resumable.FinishedChunks(folder, "embed", DECIDES, 3)
    chunks.save(0, CHUNK)
    replace(chunks.path(0), how["content"])
    if resumable.FinishedChunks(folder, "embed", DECIDES, 3).has(0):
        found = chunks.load(0)
        same("an array", "ndarray", type(found).__name__)
        same("chunk taken over", (CHUNK.dtype, CHUNK.tolist()), (found.dtype, found.tolist()))


# Archives and repositories

ARCHIVED = {
    "responses/b/ed/seed0/test.jsonl": b"{}\n",
    "synthetic/prompt2/parse_summary.json": b"{}\n",
    "human/judgements.jsonl": b"\n",
}
NAMES = (
    "synthetic/a$(touch\tPWNED)b/parse_summary.json", "a b", "a\nb", "../x", "/etc/passwd", "a/../b", "", ".", "a//b",
    "./a", "a/", "A/x", "a/X", "-rf", "~",
    "a;b", "a\\b", "é", "a\0b", "x" * 5000, "archive.json", "responses", "responses/b/ed/seed0", "{prompt}", "a'b",
    "*",
)  # fmt: skip
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in ARCHIVED.items()}
INDEX = {"format": 1, "run": "paper", "files": HASHES}
INDEXED = json_file(INDEX)
NAMED = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(
    lambda names: INDEX | {"files": HASHES | dict.fromkeys(names, "0" * 64)}
)
INDEXES = Part(INDEXED.valid, st.one_of(INDEXED.damaged, NAMED.map(json.dumps).map(encoded)))


def read_index(folder: Path, how: dict) -> None:
    """Every name is safe in a shell's command and in a path, and differs from the others in more than case."""
    files = archive.read_index(folder)
    bad = [
        name
        for name in files
        if not re.fullmatch(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*", name) or {".", ".."} & set(name.split("/"))
    ]
    same("names that are no plain paths", [], bad)
    same("names without their case", len(files), len({name.lower() for name in files}))


def take(folder: Path, how: dict) -> None:
    """A file that is taken has the hash in the index, and is at the requested path."""
    target = folder / "taken" / "file"
    archive.take(folder, how["name"], target)
    index = json.loads((folder / archive.INDEX).read_text(encoding="utf-8"))
    same("hash", index["files"][how["name"]], hashlib.sha256(target.read_bytes()).hexdigest())


COMMIT = "cd4e5d2" + "0" * 33
COMMITS = one_of("cd4e5d2", COMMIT, "ref", "\0", "x" * 50)


def check_head(folder: Path, how: dict) -> None:
    """A repository is at the requested commit, by its whole hash."""
    found = authors_code.check_head(folder / "code", how["commit"])
    same("a commit's hash", True, bool(re.fullmatch(r"[0-9a-f]{40}", found)) and found.startswith(how["commit"]))


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def check_data(folder: Path, how: dict) -> None:
    """A file that exists and is not a pointer of git-lfs."""
    entry = {"data": str(folder / "data"), "needs": {"vectors/glove*.txt": "GloVe"}}
    authors_code.check_data("seek", entry)
    path = folder / "data" / "vectors" / "glove.txt"
    same("content", True, path.is_dir() or not path.read_bytes().startswith(authors_code.LFS))


READERS = [
    Reader("records, damaged after writing", written_then_damaged, how={"content": json_lines(valid.SAMPLES)}),
    Reader("models.open_model", open_model, MODEL),
    Reader("resumable.FinishedRows", resume_rows, how={"content": Part(state_file(), lines_changed())}),
    Reader("resumable.FinishedChunks", resume_chunks, how={"content": Part(saved(CHUNK), CHUNKS)}),
    Reader("archive.read_index", read_index, {archive.INDEX: INDEXES}, scripted=False),
    Reader(
        "archive.take",
        take,
        {archive.INDEX: INDEXES} | {name: plain(content) for name, content in ARCHIVED.items()},
        {"name": one_of(next(iter(ARCHIVED)), *NAMES)},
    ),
    Reader("baselines.check_head", check_head, {"code/.git/HEAD": plain(f"{COMMIT}\n".encode())}, {"commit": COMMITS}),
    Reader(
        "baselines.check_data",
        check_data,
        {"data/vectors/glove.txt": Part(b"the 0.1\n", damaged(st.sampled_from([LFS, b"x\n"])))},
        scripted=False,
    ),
]
