"""A step that needs GPUs refuses to run on fewer: it would compute on a CPU for weeks."""

import json

import pytest

MORE = 99  # more than any machine has


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.jsonl"
    row = {"id": "train/c0/0", "history": ["i am happy today ."], "response": "that is wonderful .", "source": "ed"}
    path.write_text(json.dumps(row) + "\n")
    return path


def flags_of(script, samples, *, model, tmp_path, repository):
    common = ["--model", model, "--output", tmp_path / "output"]
    return {
        "generate.py": [*common, "--seeds", samples, "--prompt", repository / "resources/prompts/prompt2.yaml"],
        "respond.py": [*common, "--inputs", samples],
        "judge.py": [
            *common,
            "--samples",
            samples,
            "--rubrics",
            repository / "resources/judge/empathy.yaml",
            "--summary",
            tmp_path / "s.json",
        ],
        "embed_texts.py": [
            "--samples",
            samples,
            "--model",
            model,
            "--texts",
            tmp_path / "t.jsonl",
            "--embeddings",
            tmp_path / "e.npy",
        ],
        "train_model.py": ["--base", model, "--data", samples, "--output", tmp_path / "output"],
    }[script]


@pytest.mark.parametrize("script", ["generate.py", "respond.py", "judge.py", "embed_texts.py", "train_model.py"])
def test_a_step_with_fewer_gpus_than_it_needs_refuses_to_begin(
    script, samples, tiny_model, tmp_path, repository, step
):
    flags = flags_of(script, samples, model=tiny_model, tmp_path=tmp_path, repository=repository)
    done = step(script, *flags, "--gpus", MORE, "--state", tmp_path / "state")
    assert done.returncode == 1 and f"run on {MORE} GPUs, and torch sees" in done.stderr and "--nv" in done.stderr
    assert not (tmp_path / "output").exists() and not (tmp_path / "e.npy").exists()


def test_bertscore_with_fewer_gpus_than_it_needs_refuses_to_begin(tiny_model, tmp_path, step):
    (tmp_path / "responses.jsonl").write_text('{"prediction": "oh no", "reference": "oh dear"}\n')
    flags = ["--responses", tmp_path / "responses.jsonl", "--protocol", "paper", "--bertscore-only"]
    flags += ["--bertscore-model", tiny_model, "--bertscore-layer", 1]
    done = step("evaluate.py", *flags, "--gpus", MORE, "--output", tmp_path / "output.json")
    assert (
        done.returncode == 1
        and f"run on {MORE} GPUs, and torch sees" in done.stderr
        and not (tmp_path / "output.json").exists()
    )
