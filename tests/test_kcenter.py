"""K-center greedy against naive references, on few points, and on enough points that it works in blocks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from references import naive_k_center, plain_k_center
from synth_empathy.core.errors import UserError
from synth_empathy.selection import diversity, kcenter
from synth_empathy.selection.embedding import load_embeddings

SEEDS = st.integers(0, 2**32)
#: Small whole coordinates: distances are exact, ties and equal points abound.
GRID = arrays.arrays(np.int64, st.tuples(st.integers(1, 14), st.integers(1, 3)), elements=st.integers(-2, 2))
SMALL = settings(max_examples=150, deadline=None)


@SMALL
@given(GRID, SEEDS, st.data())
def test_k_center_is_the_naive_one_on_grids(points, seed, data):
    size = data.draw(st.integers(1, len(points)))
    assert diversity.k_center_greedy(points, size, seed) == naive_k_center(points, size, seed)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_k_center_is_the_naive_one_on_random_points(seed, dtype):
    generator = np.random.default_rng(100 + seed)
    points = generator.normal(size=(90, 7)).astype(dtype)
    points[60:] = points[generator.integers(60, size=30)]  # duplicates among them
    assert diversity.k_center_greedy(points, 90, seed) == naive_k_center(points, 90, seed)


def test_k_center_computes_in_float64():
    """In float32 the first two points are equally far from the third, so that the lower row would be chosen."""
    points = np.array([[1.0, 0], [1.0, 0], [0, 0]])
    points[0, 0] = 1 + 1e-9
    points[1, 0] = 1 + 2e-9
    seed = next(seed for seed in range(100) if diversity.first_row(3, seed) == 2)
    assert diversity.k_center_greedy(points, 2, seed) == [2, 1]


@SMALL
@given(GRID, SEEDS)
def test_k_center_chooses_each_row_once(points, seed):
    for embeddings in (points, points * 0, points.astype(np.float32) / 3):
        assert sorted(diversity.k_center_greedy(embeddings, len(points), seed)) == list(range(len(points)))


@SMALL
@given(GRID, SEEDS)
def test_equal_points_come_last_in_order_of_their_rows(points, seed):
    first = int(np.random.default_rng(seed).integers(len(points)))
    others = [row for row in range(len(points)) if row != first]
    assert diversity.k_center_greedy(np.ones_like(points), len(points), seed) == [first, *others]


@SMALL
@given(arrays.arrays(np.float64, (12, 3), elements=st.floats(-1, 1)), SEEDS)
def test_each_next_row_is_nearer(points, seed):
    """No row is farther from the rows before it than an earlier one was, and no row that is left out is farther."""
    order = diversity.k_center_greedy(points, 8, seed)

    def distance(row, others):
        return min(math.dist(points[row], points[other]) for other in others)

    gaps = [distance(order[place], order[:place]) for place in range(1, len(order))]
    assert all(later <= earlier + 1e-12 for earlier, later in zip(gaps, gaps[1:]))
    for row in set(range(12)) - set(order):
        assert distance(row, order) <= gaps[-1] + 1e-12


@SMALL
@given(GRID, SEEDS)
def test_a_smaller_choice_opens_a_larger_one(points, seed):
    whole = diversity.k_center_greedy(points, len(points), seed)
    for size in range(len(points) + 1):
        assert diversity.k_center_greedy(points, size, seed) == whole[:size]


@pytest.mark.parametrize("seed", range(20))
def test_first_row_is_drawn_and_included(seed):
    points = np.random.default_rng(0).normal(size=(17, 4))
    expected = int(np.random.default_rng(seed).integers(17))
    assert diversity.k_center_greedy(points, 5, seed)[0] == expected
    assert diversity.k_center_greedy(points, 1, seed) == [expected]


def test_one_point():
    assert diversity.k_center_greedy(np.zeros((1, 3)), 1, 9) == [0]
    assert diversity.k_center_greedy(np.zeros((1, 3)), 0, 9) == []


def test_points_are_not_changed():
    points = np.arange(12.0).reshape(6, 2)
    diversity.k_center_greedy(points, 6, 0)
    assert (points == np.arange(12.0).reshape(6, 2)).all()


@pytest.mark.parametrize(("rows", "size"), [(3, 4), (0, 1), (3, -1)])
def test_impossible_sizes_are_refused(rows, size):
    with pytest.raises(UserError, match=f"{size} rows cannot be chosen from {rows}"):
        diversity.k_center_greedy(np.zeros((rows, 2)), size, 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_embeddings_that_are_not_finite_are_refused(bad):
    points = np.ones((5, 2), dtype=np.float32)
    points[[3, 4], 1] = bad
    with pytest.raises(UserError, match="2 embeddings are not finite; the first is row 3"):
        diversity.k_center_greedy(points, 2, 0)


# With blocks, against one plain pass per chosen point in float64


def unit(points):
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def clusters(generator, rows=900, dimensions=48):
    centres = generator.normal(size=(15, dimensions))
    return centres[generator.integers(15, size=rows)] + 0.2 * generator.normal(size=(rows, dimensions))


def with_duplicates(generator, rows=900, dimensions=24):
    points = generator.normal(size=(rows, dimensions))
    points[rows // 2 :] = points[generator.integers(rows // 2, size=rows - rows // 2)]
    return points


#: name: points of a generator. float32 cannot distinguish the points of the last four; float64 must decide.
CLOUDS = {
    "unit": lambda g: unit(g.normal(size=(900, 64))),
    "clusters": clusters,
    "long": lambda g: 1e5 * g.normal(size=(700, 20)),
    "short": lambda g: 1e-6 * g.normal(size=(700, 20)),
    "one far outlier": lambda g: np.concatenate([g.normal(size=(500, 16)), np.full((1, 16), 1e4)]),
    "duplicates": with_duplicates,
    "zeros among them": lambda g: np.concatenate([np.zeros((40, 12)), g.normal(size=(500, 12)), np.zeros((40, 12))]),
    "whole numbers, all ties": lambda g: g.integers(0, 2, size=(500, 8)).astype(float),
    "axes, all equally far": lambda g: np.eye(400)[g.permutation(400)],
    "nearly equal": lambda g: np.ones((500, 16)) + 1e-6 * g.normal(size=(500, 16)),
    "nearly equal axes": lambda g: np.eye(400) * (1 + 1e-8 * g.normal(size=(400, 1))),
}


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize(("dtype", "block"), [(np.float32, 1), (np.float32, 32), (np.float32, 256), (np.float64, 256)])
def test_blocks_keep_the_order_of_the_float64_reference(name, dtype, block):
    points = CLOUDS[name](np.random.default_rng(4)).astype(dtype)
    size = int(0.9 * len(points)) if block > 1 else 40
    walk = kcenter.FarthestFirst(kcenter.ScaledPoints(points, None, "euclidean", "cpu"), block)
    assert list(walk.choose(size, diversity.first_row(len(points), 2))) == plain_k_center(points, size, 2)


@pytest.mark.parametrize("name", ["unit", "duplicates", "zeros among them"])
def test_every_point_can_be_chosen(name):
    points = CLOUDS[name](np.random.default_rng(6)).astype(np.float32)
    assert diversity.k_center_greedy(points, len(points), 1) == plain_k_center(points, len(points), 1)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.tuples(st.integers(2, 400), st.integers(1, 40)), st.sampled_from([1e-3, 0.3, 1, 20]), st.data())
def test_any_cloud_any_block(seed, shape, offset, data):
    generator = np.random.default_rng(seed)
    points = unit(generator.normal(size=shape)) + offset * generator.normal(size=(1, shape[1]))
    points, rows = points.astype(np.float32), len(points)
    walk = kcenter.FarthestFirst(kcenter.ScaledPoints(points, None, "euclidean", "cpu"), data.draw(st.integers(1, 80)))
    assert list(walk.choose(rows, diversity.first_row(rows, seed))) == plain_k_center(points, rows, seed)


@pytest.mark.parametrize("dimensions", [3, 384, 3584])
def test_scores_stay_within_the_stated_error(dimensions):
    points = unit(np.random.default_rng(1).normal(size=(300, dimensions))).astype(np.float32)
    cloud = kcenter.ScaledPoints(points, None, "euclidean", "cpu")
    vectors = cloud.float32(torch.arange(300))
    scores = torch.addmm(-cloud.half, vectors, vectors.T).numpy()
    exact = points.astype(np.float64)
    truth = exact @ exact.T - (exact**2).sum(axis=1) / 2
    assert 0 < abs(scores - truth).max() < kcenter.score_error(dimensions)


def test_tensorfloat32_is_disabled():
    """Environments may enable it; its error on a GPU is a hundred times what the margins allow."""
    torch.backends.cuda.matmul.allow_tf32 = True
    diversity.k_center_greedy(np.eye(3), 1, 0)
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("dimensions", [1, 2, 384, 3584])
def test_a_piece_and_its_scores_stay_small(dimensions):
    points = kcenter.ScaledPoints(np.ones((3000, dimensions), dtype=np.float32), None, "euclidean", "cpu")
    assert points.piece <= 3000
    assert 4 * points.piece * kcenter.BLOCK <= 2 * kcenter.PIECE


def test_pieces_of_any_size_give_the_same(monkeypatch):
    points = clusters(np.random.default_rng(3)).astype(np.float32)
    whole = diversity.k_center_greedy(points, 800, 0)
    for rows, screen, exact in [(1, 3, 1), (17, 1, 100_000_000), (10_000, 64, 1000)]:
        for name, value in {"PIECE": 1, "PIECE_ROWS": rows, "SCREEN": screen, "EXACT_PIECE": exact}.items():
            monkeypatch.setattr(kcenter, name, value)
        assert diversity.k_center_greedy(points, 800, 0) == whole


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_chosen_rows_of_a_memory_mapped_file(tmp_path, dtype):
    points = clusters(np.random.default_rng(5)).astype(dtype)
    np.save(tmp_path / "e.npy", points)
    mapped = load_embeddings(tmp_path / "e.npy")
    assert isinstance(mapped, np.memmap)
    rows = np.random.default_rng(0).permutation(900)[:500]
    assert diversity.k_center_greedy(mapped, 450, 0, rows=rows) == plain_k_center(points[rows], 450, 0)


def test_a_row_may_stand_for_several_points():
    """Two samples with one text share a row of the embeddings."""
    points = np.random.default_rng(2).normal(size=(50, 6)).astype(np.float32)
    rows = np.random.default_rng(3).integers(50, size=120)
    assert diversity.k_center_greedy(points, 120, 0, rows=rows) == plain_k_center(points[rows], 120, 0)


@pytest.mark.parametrize("scale", [1.0, 250.0])
def test_cosine_is_euclidean_between_directions(scale):
    generator = np.random.default_rng(8)
    points = (scale * clusters(generator) * generator.uniform(0.1, 9, size=(900, 1))).astype(np.float32)
    order = diversity.k_center_greedy(points, 800, 5, distance="cosine")
    assert order == plain_k_center(unit(points.astype(np.float64)), 800, 5)
    assert order != diversity.k_center_greedy(points, 800, 5)


def test_zero_vectors_have_no_cosine():
    points = np.ones((5, 2), dtype=np.float32)
    points[[1, 4]] = 0
    with pytest.raises(UserError, match="2 embeddings are zero and have no cosine; the first is row 1"):
        diversity.k_center_greedy(points, 2, 0, distance="cosine")
    assert diversity.k_center_greedy(points, 2, 0) == plain_k_center(points, 2, 0)


def test_a_bad_row_is_named_by_its_number_in_the_file():
    points = np.ones((9, 2), dtype=np.float32)
    points[7] = np.nan
    assert diversity.k_center_greedy(points, 3, 0, rows=np.array([0, 3, 8])) == [2, 0, 1]
    with pytest.raises(UserError, match="1 embeddings are not finite; the first is row 7"):
        diversity.k_center_greedy(points, 1, 0, rows=np.array([8, 7]))


@pytest.mark.parametrize("size", [0, 1, 30, 89])
def test_released_rule_leaves_the_first_point_out(size):
    points = np.random.default_rng(9).normal(size=(90, 5))
    expected = plain_k_center(points, size + 1, 4)[1:] if size else []
    assert diversity.k_center_greedy(points, size, 4, rule="released") == expected
    assert len(expected) == size


def test_released_rule_cannot_choose_every_point():
    with pytest.raises(UserError, match="5 rows cannot be chosen from 5") as caught:
        diversity.k_center_greedy(np.eye(5), 5, 0, rule="released")
    assert "below 1" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="there is no GPU here") as caught:
        diversity.k_center_greedy(np.eye(4), 2, 0, device="cuda")
    assert "--device cpu" in caught.value.hint


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("name", CLOUDS)
def test_a_gpu_chooses_the_same(name):
    points = CLOUDS[name](np.random.default_rng(4)).astype(np.float32)
    size = int(0.9 * len(points))
    assert diversity.k_center_greedy(points, size, 2, device="cuda") == diversity.k_center_greedy(points, size, 2)
