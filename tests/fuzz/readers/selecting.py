"""From responses to training sets: embeddings with their texts, similarities, selections, novelty."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synth_empathy.core import json_files, provenance, records
from synth_empathy.data import prompts
from synth_empathy.evaluation import novelty
from synth_empathy.selection import diversity, embedding, quality

from ..checks import same
from ..mutations import Part, json_file, json_lines, npy, one_of, plain
from . import valid
from .contracts import objects
from .registry import Reader, run


def vectors(rows: int) -> np.ndarray:
    """Unit vectors."""
    found = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def texts(*wanted: str) -> list[dict]:
    """Texts with their rows, as embed_texts.py writes them."""
    return [{"row": row, "text": text} for row, text in enumerate(sorted(set(wanted)))]


def embedded(wanted: list[str], folder: str = "") -> dict[str, Part]:
    """Texts and their embeddings as files of a folder."""
    rows = texts(*wanted)
    return {f"{folder}texts.jsonl": json_lines(rows), f"{folder}embeddings.npy": npy(vectors(len(rows)))}


def rows_of(path: Path) -> list[dict]:
    """A file's objects."""
    return objects(path.read_text(encoding="utf-8"))


def load_embeddings(folder: Path, how: dict) -> None:
    """A matrix with the expected number of rows, readable to its end, and finite in the rows that are used."""
    matrix = embedding.load_embeddings(folder / "embeddings.npy", rows=how["rows"])
    same("rows", how["rows"] or len(matrix), len(matrix))
    same("numbers", matrix.size, np.asarray(matrix).size)


def similarities(folder: Path, how: dict) -> None:
    """Each response has a similarity, which is a cosine x 100."""
    responses = records.read_jsonl(folder / "responses.jsonl", records.RESPONSE)
    texts = embedding.read_texts(folder / "texts.jsonl")
    matrix = embedding.load_embeddings(folder / "embeddings.npy", rows=len(texts))
    row_of = embedding.row_of(texts)
    predictions = embedding.rows_for(row_of, [row["prediction"] for row in responses])
    references = embedding.rows_for(row_of, [row["reference"] for row in responses])
    scores = embedding.similarities(matrix, predictions, references)
    same("similarities", len(responses), len(scores))
    same("similarities out of range", [], [score for score in scores if not abs(score) <= 100.001])


def select_quality(folder: Path, how: dict) -> None:
    """A sample is kept exactly if its similarity is above the threshold."""
    made = folder / "made.jsonl"
    flags = ["--threshold", how["threshold"], "--rule", how["rule"], "--output", made]
    flags += ["--samples", folder / "samples.jsonl", "--similarity", folder / "similarity.jsonl"]
    run("select_quality", *flags)
    similarity = {row["id"]: row["similarity"] for row in rows_of(folder / "similarity.jsonl")}
    came = [row["id"] for row in rows_of(folder / "samples.jsonl")]
    same("similarities out of range", [], [value for value in similarity.values() if not -100.001 <= value <= 100.001])
    threshold, released = float(how["threshold"]), how["rule"] == "released"
    above = [one for one in came if (int(similarity[one]) >= threshold if released else similarity[one] > threshold)]
    same("samples above the threshold", above, [row["id"] for row in rows_of(made)])


def select_top(folder: Path, how: dict) -> None:
    """The samples with the best scores, in their order; by default the manifest matches the scores."""
    made, scores = folder / "made.jsonl", folder / "scores.jsonl"
    if not (folder / "scores.manifest.json").exists() and scores.is_file():
        json_files.write_json(folder / "scores.manifest.json", manifest(scores.read_bytes()))
    flags = ["--scores", scores, "--scorer", "length", "--size", how["size"], "--output", made]
    run("select_top", "--samples", folder / "samples.jsonl", *flags)
    came = [row["id"] for row in rows_of(folder / "samples.jsonl")]
    score = {row["id"]: row["score"] for row in rows_of(scores)}
    ranked = sorted(came, key=lambda one: (-score[one], one))[: int(how["size"])]
    same("the best samples", [one for one in came if one in ranked], [row["id"] for row in rows_of(made)])


def manifest(scores: bytes) -> dict:
    """A user's manifest of a file of scores."""
    return {"made_by": "a program", "output": {"sha256": provenance.sha256_bytes(scores)}}


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Restore torch's threads: a script sets those of its own process."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def select_diverse(folder: Path, how: dict) -> None:
    """As many samples as the ratio gives, each once and unchanged."""
    made = folder / "made.jsonl"
    flags = [f"--{name}={how[name]}" for name in ("method", "ratio", "seed", "rule", "distance")]
    files = [f"--{Path(name).stem}={folder / name}" for name in ("samples.jsonl", "texts.jsonl", "embeddings.npy")]
    with threads_kept():
        run("select_diverse", *files, *flags, "--output", made)
    came, went = rows_of(folder / "samples.jsonl"), rows_of(made)
    everything = diversity.SELECTIONS[how["method"]].keeps_all
    size = len(came) if everything else math.floor(float(how["ratio"]) * len(came) + 1e-9)
    same("samples selected", size, len({row["id"] for row in went}))
    same("ranks", list(range(size)), [row["rank"] for row in went])
    invented = [row["id"] for row in went if without_rank(row) not in came]
    same("samples that were not given", [], invented)


def without_rank(row: dict) -> dict:
    """A selected sample as it was before the selection."""
    return {name: value for name, value in row.items() if name != "rank"}


def select_rows(folder: Path, how: dict) -> None:
    """As many row numbers as the ratio gives, each once."""
    made = folder / "made.json"
    with threads_kept():
        flags = ["--embeddings", folder / "embeddings.npy", "--ratio", how["ratio"], "--distance", how["distance"]]
        run("select_diverse", *flags, "--output", made)
    rows = len(np.load(folder / "embeddings.npy"))
    chosen = json_files.read_json(made)
    same("rows", math.floor(float(how["ratio"]) * rows + 1e-9), len(set(chosen)))
    same("rows that are none", [], [row for row in chosen if not 0 <= row < rows])


def mix(folder: Path, how: dict) -> None:
    """ED's samples, then the synthetic ones."""
    made = folder / "made.jsonl"
    flags = ["--data", folder / "ed.jsonl", "--synthetic", folder / "synthetic.jsonl", "--output", made]
    run("mix_training_set", *flags)
    came = [row["id"] for name in ("ed.jsonl", "synthetic.jsonl") for row in rows_of(folder / name)]
    same("samples", came, [row["id"] for row in records.read_jsonl(made, records.SAMPLE)])


def draw(folder: Path, how: dict) -> None:
    """As many samples as another file has, each of them from the input."""
    made, files = folder / "made.jsonl", [folder / name for name in ("samples.jsonl", "kept.jsonl")]
    flags = ["--samples", files[0], "--as-many-as", files[1], "--seed", how["seed"], "--output", made]
    run("draw_samples", *flags)
    came, went = rows_of(files[0]), rows_of(made)
    same("samples drawn", len(rows_of(files[1])), len({row["id"] for row in went}))
    same("samples that were not given", [], [row for row in went if row not in came])


def compare_novelty(folder: Path, how: dict) -> None:
    """A record for each selected sample, with its seed and its nearest neighbours."""
    selected = novelty.load_samples(folder / "selected.jsonl", folder, records.SAMPLE)
    train = novelty.load_samples(folder / "train.jsonl", folder / "train", records.ED_SAMPLE)
    novelty.check_dimensions(synthetic=selected, train=train, test=train)
    splits = novelty.Splits(selected, train, train)
    report, made = novelty.leakage_report(splits, novelty.find(splits), near_duplicate=95.0)
    same("samples", selected.ids(), [row["id"] for row in made])
    same("samples in the report", len(selected), report["nearest_ed_test"]["selected"]["samples"])
    json_files.write_json(folder / "report.json", report)
    records.write_jsonl(folder / "records.jsonl", made)


SAMPLES = json_lines(valid.SAMPLES)
RESPONSES = json_lines(valid.RESPONSES)
ANSWERED = [text for row in valid.RESPONSES for text in (row["prediction"], row["reference"])]
WHOLE = [prompts.flat_sample(sample) for sample in valid.SAMPLES]
WHOLE_ED = [prompts.flat_sample(sample) for sample in valid.ED_SAMPLES]
RATIOS = one_of("0.9", "1", "0", "nan", "inf", "-1", "1e-9", "1.5", "x", "1e999")
DISTANCE = one_of(*diversity.DISTANCES)
SELECTION = {
    "method": one_of(*diversity.SELECTIONS), "ratio": RATIOS, "seed": one_of("0", "-1", str(2**64), "9" * 5000),
    "rule": one_of(*diversity.RULES), "distance": DISTANCE,
}  # fmt: skip
SCORES = json_lines([{"id": sample["id"], "score": place / 2} for place, sample in enumerate(valid.SAMPLES)])
SIZES = one_of("1", "2", "0", "-1", "1.5", "x", "9" * 5000)
THRESHOLDS = one_of("60", "nan", "inf", "-inf", "-1", "1e999", "62.5", "x", "")
PAIR = {"samples.jsonl": SAMPLES, "similarity.jsonl": json_lines(valid.SIMILARITIES)}
COMPARED = {
    "selected.jsonl": SAMPLES,
    **embedded(WHOLE),
    "train.jsonl": json_lines(valid.ED_SAMPLES),
    **embedded(WHOLE_ED, "train/"),
}
READERS = [
    Reader(
        "embedding.load_embeddings", load_embeddings, {"embeddings.npy": npy(vectors(3))}, {"rows": one_of(3, None)}
    ),
    Reader("embedding.similarities", similarities, {"responses.jsonl": RESPONSES, **embedded(ANSWERED)}),
    Reader(
        "select_quality.py", select_quality, PAIR, {"threshold": THRESHOLDS, "rule": one_of(*quality.QUALITY_RULES)}
    ),
    Reader("select_top.py", select_top, {"samples.jsonl": SAMPLES, "scores.jsonl": SCORES}, {"size": SIZES}),
    Reader(
        "select_top.py on a manifest",
        select_top,
        {
            "samples.jsonl": plain(SAMPLES.valid),
            "scores.jsonl": plain(SCORES.valid),
            "scores.manifest.json": json_file(manifest(SCORES.valid)),
        },
        {"size": one_of("2")},
    ),
    Reader("select_diverse.py", select_diverse, {"samples.jsonl": SAMPLES, **embedded(WHOLE)}, SELECTION),
    Reader(
        "select_diverse.py on rows",
        select_rows,
        {"embeddings.npy": npy(vectors(4))},
        {"ratio": RATIOS, "distance": DISTANCE},
    ),
    Reader("mix_training_set.py", mix, {"ed.jsonl": json_lines(valid.ED_SAMPLES), "synthetic.jsonl": SAMPLES}),
    Reader(
        "draw_samples.py",
        draw,
        {"samples.jsonl": SAMPLES, "kept.jsonl": json_lines(valid.SAMPLES[:2])},
        {"seed": SELECTION["seed"]},
    ),
    Reader("novelty", compare_novelty, COMPARED),
]
