"""A step with fewer GPUs than it needs is refused, instead of computing for weeks on a CPU."""

import json

import pytest

#: More GPUs than any machine has.
GPUS = 99


@pytest.fixture
def samples(tmp_path):
    """A file with one sample."""
    path = tmp_path / "samples.jsonl"
    row = {"id": "train/c0/0", "history": ["i am happy today ."], "response": "that is wonderful .", "source": "ed"}
    path.write_text(json.dumps(row) + "\n")
    return path


@pytest.fixture
def flags(samples, tiny_model, tmp_path, repository):
    """The flags of each step that runs a model."""
    model = ["--model", tiny_model]
    output = ["--output", tmp_path / "output"]
    resources = repository / "resources"
    rubrics = ["--rubrics", resources / "judge/empathy.yaml", "--summary", tmp_path / "s.json"]
    embeddings = ["--texts", tmp_path / "t.jsonl", "--embeddings", tmp_path / "e.npy"]
    return {
        "generate.py": [*model, *output, "--seeds", samples, "--prompt", resources / "prompts/prompt2.yaml"],
        "respond.py": [*model, *output, "--inputs", samples],
        "judge.py": [*model, *output, "--samples", samples, *rubrics],
        "embed_texts.py": [*model, "--samples", samples, *embeddings],
        "train_model.py": ["--base", tiny_model, "--data", samples, *output],
    }


@pytest.mark.parametrize("script", ["generate.py", "respond.py", "judge.py", "embed_texts.py", "train_model.py"])
def test_a_step_with_too_few_gpus_is_refused(script, flags, tmp_path, step):
    done = step(script, *flags[script], "--gpus", GPUS, "--state", tmp_path / "state")
    assert done.returncode == 1 and f"run on {GPUS} GPUs, and torch sees" in done.stderr and "--nv" in done.stderr
    assert not (tmp_path / "output").exists() and not (tmp_path / "e.npy").exists()


def test_bertscore_with_too_few_gpus_is_refused(tiny_model, tmp_path, step):
    responses, output = tmp_path / "responses.jsonl", tmp_path / "output.json"
    responses.write_text('{"prediction": "oh no", "reference": "oh dear"}\n')
    flags = ["--responses", responses, "--protocol", "paper", "--output", output]
    flags += ["--bertscore-only", "--bertscore-model", tiny_model, "--bertscore-layer", 1]
    done = step("evaluate.py", *flags, "--gpus", GPUS)
    assert done.returncode == 1 and f"run on {GPUS} GPUs, and torch sees" in done.stderr
    assert not output.exists()
