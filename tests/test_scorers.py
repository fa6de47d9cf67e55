"""The best samples by a user's scores: which they are, and every file that is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_file
from synth_empathy.selection import quality

SAMPLES = [{"id": f"s{n}", "history": ["h"], "response": "r"} for n in range(4)]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20), st.data())
def test_the_best_are_those_that_no_other_beats(values, data):
    samples = [{"id": f"s{place:02}"} for place in data.draw(st.permutations(range(len(values))))]
    size = data.draw(st.integers(1, len(values)))
    selected = quality.select_top(samples, values, size)
    assert len(selected) == size and selected == [sample for sample in samples if sample in selected]
    score = dict(zip((sample["id"] for sample in samples), values))
    for chosen in selected:
        for other in (sample for sample in samples if sample not in selected):
            assert (-score[chosen["id"]], chosen["id"]) < (-score[other["id"]], other["id"])


def test_more_samples_than_there_are_cannot_be_chosen():
    with pytest.raises(UserError, match="the 5 best cannot be chosen from 4 samples"):
        quality.select_top(SAMPLES, [1.0] * 4, 5)


@pytest.fixture
def files(tmp_path):
    """A function that writes a file of scores with its manifest, and returns the file's path."""

    def write(lines, manifest=None):
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        manifest = manifest or {"made_by": "me", "output": {"sha256": sha256_file(path)}}
        (tmp_path / "mine.manifest.json").write_text(json.dumps(manifest))
        return path

    return write


SCORES = [{"id": f"s{n}", "score": n * 1.5} for n in range(5)]


def test_scores_are_read_by_id_and_turned_so_that_higher_is_better(files):
    assert quality.read_scores(files(SCORES[::-1]), SAMPLES, "mine") == [0, 1.5, 3, 4.5]
    assert quality.read_scores(files(SCORES), SAMPLES, "mine", lower_is_better=True) == [0, -1.5, -3, -4.5]
    similarities = files([{"id": f"s{n}", "similarity": n} for n in range(4)])
    assert quality.read_scores(similarities, SAMPLES) == [0, 1, 2, 3]


def test_a_sample_without_a_similarity_is_refused(files):
    with pytest.raises(UserError, match="has no score for 2 of 4 samples; the first is 's2'") as caught:
        quality.read_scores(files([{"id": f"s{n}", "similarity": n} for n in range(2)]), SAMPLES)
    assert "embed_texts.py" in caught.value.hint


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (SCORES[1:], "mine.jsonl has no score for 1 of 4 samples; the first is 's0'"),
        ([*SCORES, {"id": "s2", "score": 9}], "mine.jsonl, line 6: id 's2' is on line 3 already"),
        ([*SCORES, {"id": "s9", "score": None}], "mine.jsonl, line 6: the field 'score' is NoneType, not float"),
        ([*SCORES, {"id": "s9", "score": float("nan")}], "mine.jsonl, line 6: not JSON (NaN is not a JSON number)"),
        ([*SCORES, '{"id": "s9", "score": 1e999}\n'], "mine.jsonl, line 6: not JSON (1e999 is too large"),
        ([*SCORES, {"id": "s9", "similarity": 1.0}], "mine.jsonl, line 6: the field 'score' is missing"),
    ],
)
def test_scores_that_break_their_contract_are_refused(files, lines, problem):
    with pytest.raises(UserError) as caught:
        quality.read_scores(files(lines), SAMPLES, "mine")
    assert problem in caught.value.problem and caught.value.hint


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ({"made_by": "me", "output": {"sha256": "0" * 64}}, "is not the file that"),
        ({"output": {"sha256": "0" * 64}}, "is not a manifest of scores"),
        ({"made_by": "me"}, "is not a manifest of scores"),
        (["me"], "is not a manifest of scores"),
    ],
)
def test_a_manifest_of_another_file_is_refused(files, manifest, problem):
    with pytest.raises(UserError, match=problem):
        quality.read_scores(files(SCORES, manifest), SAMPLES, "mine")


def test_scores_without_a_manifest_are_refused(files):
    path = files(SCORES)
    quality.manifest_of(path).unlink()
    with pytest.raises(UserError, match="mine.manifest.json does not exist"):
        quality.read_scores(path, SAMPLES, "mine")


def test_select_top_keeps_the_samples_order_and_writes_scores_as_given(files, step, tmp_path):
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in SAMPLES))
    flags = ["--samples", tmp_path / "samples.jsonl", "--scores", files(SCORES), "--scorer", "mine"]
    done = step("select_top.py", *flags, "--lower-is-better", "--size", 2, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [SAMPLES[0] | {"score": 0.0}, SAMPLES[1] | {"score": 1.5}]
    assert "the 2 best of 4 samples by mine" in done.stdout
    done = step("select_top.py", *flags, "--size", 5, "--output", tmp_path / "more.jsonl")
    assert done.returncode == 1 and "the 5 best cannot be chosen from 4 samples" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "more.jsonl").exists()
