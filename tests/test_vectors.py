"""Vectors and their file: scaled to length 1, looked up by text, and refused if they are not valid embeddings."""

import numpy as np
import pytest

from synth_empathy.core.errors import UserError
from synth_empathy.selection import embedding


def test_normalised_rows_have_length_one():
    vectors = np.array([[3.0, 4.0], [0.0, -2.0], [1e-20, 0.0]], dtype=np.float32)
    scaled = embedding.normalised(vectors, ["a", "b", "c"])
    assert scaled.dtype == np.float32
    assert scaled == pytest.approx(np.array([[0.6, 0.8], [0, -1], [1, 0]]))


@pytest.mark.parametrize("bad", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [-float("inf"), float("inf")]])
def test_zero_and_not_finite_rows_are_refused(bad):
    with pytest.raises(
        UserError, match="2 of 4 embeddings are zero or not finite; the first is of 'second text'"
    ) as caught:
        embedding.normalised(np.array([[1.0, 0.0], bad, [0.0, 1.0], bad]), ["first", "second text", "third", "fourth"])
    assert "float16" in caught.value.hint


def test_distinct_texts_are_sorted():
    assert embedding.distinct(["b", "a", "b", "é", "Z", "a"]) == ["Z", "a", "b", "é"]
    assert embedding.distinct(["x", "y"]) == embedding.distinct(["y", "x", "y"])


def test_rows_are_found_by_text():
    rows = embedding.row_of([{"row": 1, "text": "a"}, {"row": 0, "text": "b"}])
    assert embedding.rows_for(rows, ["b", "a", "a"]) == [0, 1, 1]
    with pytest.raises(UserError, match="2 texts have no embedding; the first is 'c'"):
        embedding.rows_for(rows, ["a", "c", "d"])


def test_loaded_embeddings_are_the_saved_ones(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.save(tmp_path / "e.npy", matrix)
    assert (embedding.load_embeddings(tmp_path / "e.npy", rows=4) == matrix).all()
    assert (embedding.load_embeddings(tmp_path / "e.npy") == matrix).all()


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (np.zeros((5, 2), dtype=np.float32), "has 5 rows for 4 texts"),
        (np.zeros(4), r"holds float64 of shape \(4,\), not a matrix"),
        (np.zeros((4, 2, 1)), "not a matrix of floating numbers"),
        (np.zeros((4, 2), dtype=np.int64), "holds int64 of shape"),
        (np.zeros((4, 2), dtype=">f4"), "holds >f4 of shape"),
        (np.zeros((4, 0)), r"holds float64 of shape \(4, 0\)"),
        (np.array([[{}, 1]] * 4, dtype=object), "is no .npy array"),
    ],
)
def test_arrays_that_are_not_embeddings_are_refused(tmp_path, matrix, reason):
    np.save(tmp_path / "e.npy", matrix, allow_pickle=True)
    with pytest.raises(UserError, match=reason) as caught:
        embedding.load_embeddings(tmp_path / "e.npy", rows=4)
    assert str(tmp_path / "e.npy") in caught.value.problem
    assert "embed_texts.py" in caught.value.hint


def whole(path):
    np.save(path, np.zeros((4, 2)))
    return path.read_bytes()


@pytest.mark.parametrize("cut", [0, 5, 60, -1])
def test_torn_files_are_refused(tmp_path, cut):
    (tmp_path / "e.npy").write_bytes(whole(tmp_path / "e.npy")[:cut])
    with pytest.raises(UserError, match="is no .npy array"):
        embedding.load_embeddings(tmp_path / "e.npy", rows=4)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="gone.npy does not exist"):
        embedding.load_embeddings(tmp_path / "gone.npy")
    (tmp_path / "text.npy").write_text("not an array")
    with pytest.raises(UserError, match="text.npy is no .npy array"):
        embedding.load_embeddings(tmp_path / "text.npy")
