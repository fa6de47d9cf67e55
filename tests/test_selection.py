"""Quality and diversity selection against naive references."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from references import naive_k_center
from synth_empathy import systems
from synth_empathy.core.errors import UserError
from synth_empathy.selection import diversity, embedding, quality

# Sizes and methods


@pytest.mark.parametrize(
    ("ratio", "rows", "size"),
    [
        (0.9, 10, 9),
        (0.7, 10, 7),
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.9, 11, 9),
        (0.9, 19, 17),
        (1, 7, 7),
        (0.5, 3, 1),
        (0.9, 181_125, 163_012),
    ],
)
def test_size_is_the_floor_of_the_true_product(ratio, rows, size):
    assert diversity.size_of(ratio, rows) == size


@given(st.integers(1, 100), st.integers(1, 300_000))
def test_size_is_the_floor_of_the_exact_fraction(percent, rows):
    if percent * rows >= 100:
        assert diversity.size_of(percent / 100, rows) == percent * rows // 100
    else:
        with pytest.raises(UserError, match="keeps none"):
            diversity.size_of(percent / 100, rows)


@pytest.mark.parametrize("ratio", [0, -0.1, 1.0001, 90, float("nan"), float("inf")])
def test_ratios_out_of_range_are_refused(ratio):
    with pytest.raises(UserError, match="is not above 0 and at most 1"):
        diversity.size_of(ratio, 100)


def test_each_method_selects_as_its_reference():
    points = np.random.default_rng(1).normal(size=(20, 3))
    assert diversity.select_rows(points, "none", 0.5, 0) == list(range(20))
    assert diversity.select_rows(points, "kcenter", 0.5, 3) == naive_k_center(points, 10, 3)
    drawn = diversity.select_rows(points, "random", 0.5, 3)
    assert len(set(drawn)) == len(drawn) == 10
    assert drawn == sorted(drawn) == diversity.select_rows(points * 7, "random", 0.5, 3)
    assert set(drawn) <= set(range(20))
    assert len({tuple(diversity.select_rows(points, "random", 0.5, seed)) for seed in range(10)}) == 10


def test_random_rows_are_drawn_evenly():
    counts = np.bincount([row for seed in range(2000) for row in diversity.random_rows(10, 3, seed)], minlength=10)
    assert counts.sum() == 6000
    assert (abs(counts - 600) < 100).all()


def test_a_selection_receives_what_it_uses(monkeypatch):
    points, rows = np.arange(12.0).reshape(6, 2), np.array([4, 0, 2])
    received = {}

    def choose(embeddings, scores, size, seed, *, distance="none"):
        received.update(embeddings=embeddings, scores=scores, size=size, seed=seed, distance=distance)
        return np.arange(size)[::-1]

    for uses, expected in ((True, points[rows]), (False, np.empty((3, 0)))):
        monkeypatch.setitem(diversity.SELECTIONS, "own", diversity.Selection("own", choose, "", uses_embeddings=uses))
        options = {"rows": rows, "scores": np.array([1.0, 2, 3]), "distance": "cosine", "rule": "seeded"}
        assert diversity.select_rows(points, "own", 0.67, 5, **options) == [1, 0]
        assert received["embeddings"].tolist() == expected.tolist() and received["scores"].tolist() == [1, 2, 3]
        assert (received["size"], received["seed"], received["distance"]) == (2, 5, "cosine")


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ([0, 0], "it returned 2 rows, of which 1 are different, instead of 2"),
        ([0], "it returned 1 rows, of which 1 are different, instead of 2"),
        ([0, 3], "it chose row 3, but the rows are 0 to 2"),
        ([0, -1], "it chose row -1"),
    ],
)
def test_an_invalid_choice_is_refused(monkeypatch, chosen, problem):
    own = diversity.Selection("own", lambda *_: chosen, "")
    monkeypatch.setitem(diversity.SELECTIONS, "own", own)
    with pytest.raises(UserError, match=f"the selection own is wrong: {problem}"):
        diversity.select_rows(np.eye(3), "own", 0.67, 0)


def test_a_selections_name_fits_into_paths_and_is_unique():
    with pytest.raises(ValueError, match="the selection 'kcenter' exists already"):
        diversity.selection("kcenter", title="")(list)
    with pytest.raises(ValueError, match="'k-center' is not a selection's name"):
        diversity.selection("k-center", title="")(list)
    for name, entry in diversity.SELECTIONS.items():
        assert re.fullmatch(systems.PART, name) and entry.summary


# A random draw in place of the quality selection


def test_a_draw_is_seeded_nested_even_and_in_order():
    samples = [{"id": f"s{n}"} for n in range(50)]
    drawn = quality.draw_samples(samples, 10, 3)
    assert len(drawn) == 10 and drawn == [sample for sample in samples if sample in drawn]
    larger = quality.draw_samples(samples[::-1], 20, 3)
    assert all(sample in larger for sample in drawn)
    assert quality.draw_samples(samples, 10, 4) != drawn and quality.draw_samples(samples, 50, 4) == samples
    counts = {sample["id"]: 0 for sample in samples}
    for seed in range(1000):
        for sample in quality.draw_samples(samples, 10, seed):
            counts[sample["id"]] += 1
    assert all(130 < count < 270 for count in counts.values())  # 200 each, 12.6 as standard deviation
    with pytest.raises(UserError, match="51 samples cannot be drawn from 50"):
        quality.draw_samples(samples, 51, 0)


# Quality


@pytest.mark.parametrize(
    ("similarity", "greater", "released"),
    [
        (59.99, False, False),
        (60.0, False, True),
        (60.5, True, True),
        (60.0000001, True, True),
        (61.0, True, True),
        (0.0, False, False),
        (-3.5, False, False),
        (100.0, True, True),
    ],
)
def test_quality_rules_at_the_threshold(similarity, greater, released):
    assert quality.passes_quality(similarity, 60, "greater") is greater
    assert quality.passes_quality(similarity, 60, "released") is released


def test_released_rule_truncates_the_similarity():
    assert not quality.passes_quality(60.9, 60.5, "released")
    assert quality.passes_quality(60.9, 60.5, "greater")


@given(st.lists(st.floats(-100, 100), max_size=20), st.integers(0, 100))
def test_samples_that_pass_are_kept_in_order(similarities, threshold):
    scored = [{"id": str(i), "similarity": s} for i, s in enumerate(similarities)]
    expected = [record for record in scored if record["similarity"] - threshold > 0]
    if expected:
        assert quality.select_quality(scored, threshold, "greater") == expected
    else:
        with pytest.raises(UserError, match=f"no sample of {len(scored)} passes the DK threshold {threshold}"):
            quality.select_quality(scored, threshold, "greater")


def test_an_empty_selection_names_the_highest_similarity():
    scored = [{"id": str(i), "similarity": s} for i, s in enumerate([12.0, 43.217, 40.0])]
    with pytest.raises(UserError, match=r"DK threshold 60; the highest similarity is 43\.22") as caught:
        quality.select_quality(scored, 60.0, "greater")
    assert "lower the threshold" in caught.value.hint


# Similarity


def naive_dot(left, right):
    return math.fsum(float(a) * float(b) for a, b in zip(left, right))


def naive_cosine(left, right):
    return 100 * naive_dot(left, right) / math.sqrt(naive_dot(left, left)) / math.sqrt(naive_dot(right, right))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pairs", [1, 7, 1000])
def test_similarity_is_the_naive_cosine(dtype, pairs, monkeypatch):
    monkeypatch.setattr(embedding, "PAIRS", pairs)
    generator = np.random.default_rng(5)
    matrix = (generator.normal(size=(70, 12)) * generator.uniform(0.1, 40, size=(70, 1))).astype(dtype)
    left, right = (generator.integers(70, size=50).tolist() for _ in range(2))
    scores = embedding.similarities(matrix, left, right)
    assert scores.dtype == np.float64
    assert scores == pytest.approx([naive_cosine(matrix[a], matrix[b]) for a, b in zip(left, right)], abs=1e-9)


def test_similarity_at_known_angles():
    matrix = np.array([[1, 0], [5, 0], [0, 3], [-1, 0], [2, 2]], dtype=np.float32)
    scores = embedding.similarities(matrix, [0, 0, 0, 4], [1, 2, 3, 0])
    assert scores == pytest.approx([100, 0, -100, 100 / math.sqrt(2)])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0])
def test_embeddings_that_are_zero_or_not_finite_have_no_similarity(bad, monkeypatch):
    monkeypatch.setattr(embedding, "PAIRS", 2)
    matrix = np.ones((6, 2), dtype=np.float32)
    matrix[3] = bad
    with pytest.raises(UserError, match="1 of 6 similarities are not finite; the first is that of pair 4") as caught:
        embedding.similarities(matrix, list(range(6)), [0] * 6)
    assert "embed_texts.py" in caught.value.hint


# By the command line


def test_select_diverse_without_samples_writes_row_numbers(tmp_path, step):
    points = np.random.default_rng(8).normal(size=(30, 5)).astype(np.float32)
    np.save(tmp_path / "e.npy", points)
    flags = ["--embeddings", tmp_path / "e.npy", "--ratio", 0.5, "--seed", 4]
    done = step("select_diverse.py", *flags, "--output", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "rows.json").read_text()) == naive_k_center(points, 15, 4)
    assert "15 of 30 rows selected by kcenter" in done.stdout


def test_select_diverse_selects_from_the_rows_of_the_samples_only(tmp_path, step):
    """The file of texts also holds the responses, and the samples' rows may be anywhere in it."""
    samples = [{"id": f"s{i}", "history": [f"h{i}"], "response": f"r{i}"} for i in range(6)]
    texts = [f"Speaker: h{i}\nListener: r{i}" for i in range(6)]
    everything = ["zzz", *reversed(texts), "other"]
    points = np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32)
    points[[0, 7]] = 1000  # the farthest rows, but of no sample
    np.save(tmp_path / "e.npy", points)
    files = {"samples": samples, "texts": [{"row": row, "text": text} for row, text in enumerate(everything)]}
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--samples", tmp_path / "samples.jsonl", "--texts", tmp_path / "texts.jsonl"]
    flags += ["--embeddings", tmp_path / "e.npy"]
    done = step("select_diverse.py", *flags, "--ratio", 0.67, "--seed", 1, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    expected = naive_k_center([points[everything.index(text)] for text in texts], 4, 1)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [samples[row] | {"rank": rank} for rank, row in enumerate(expected)]
