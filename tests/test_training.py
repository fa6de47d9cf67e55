"""Fine-tuning: the loss is on the completion alone, runs repeat exactly, and a kill costs at most a checkpoint interval."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from processes import kill_when
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import write_json
from synth_empathy.training.sft import WHOLE, drop_checkpoints, mark_whole, set_aside_overlong, whole_checkpoint

SYSTEM = "You are a helpful assistant."


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    rows = [
        {
            "id": f"train/c{i}/0",
            "history": [f"i am so happy today , the {i}th time ."],
            "response": "that is wonderful ! " * (1 + i % 3),
            "source": "ed",
        }
        for i in range(24)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train_flags(model, data, state, output, *more):
    flags = [
        "--base",
        model,
        "--data",
        data,
        "--state",
        state,
        "--output",
        output,
        "--system",
        SYSTEM,
        "--batch-size",
        4,
        "--learning-rate",
        1e-3,
    ]
    return [*flags, "--save-steps", 1, "--threads", 1, *more]


@pytest.fixture(scope="module")
def trained(tiny_model, data, tmp_path_factory, repository):
    """The tiny model fine-tuned once with LoRA, uninterrupted."""
    folder = tmp_path_factory.mktemp("trained")
    command = [
        sys.executable,
        repository / "scripts/train_model.py",
        *train_flags(tiny_model, data, folder / "state", folder / "lora", "--epochs", 2),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "lora"


def test_the_manifest_says_what_repeats_the_training(trained, data):
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["base"]["name"] == "tiny"
    assert manifest["data"]["by_source"] == {"ed": 24}
    assert manifest["recipe"]["method"] == "lora" and manifest["recipe"]["epochs"] == 2
    assert [entry["step"] for entry in manifest["losses"]] == list(range(1, 13))
    assert manifest["losses"][-1]["loss"] < manifest["losses"][0]["loss"]
    assert set(manifest["versions"]) >= {"torch", "transformers", "trl", "peft"}
    assert "model.safetensors" in manifest["files"] and "tokenizer.json" in manifest["files"]
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in manifest["files"])


def test_merged_weights_differ_from_the_base_and_load_without_peft(trained, tiny_model):
    base, merged = load_file(tiny_model / "model.safetensors"), load_file(trained / "model.safetensors")
    assert base.keys() == merged.keys()
    assert any(not torch.equal(base[name], merged[name]) for name in base)
    AutoModelForCausalLM.from_pretrained(trained)


def test_the_loss_is_on_the_completion_alone(tiny_model, data, tmp_path, step):
    """The first step's loss, before any update, equals cross-entropy over completion tokens computed by plain torch."""
    done = step(
        "train_model.py",
        *train_flags(tiny_model, data, tmp_path / "state", tmp_path / "out", "--batch-size", 24, "--method", "full"),
    )
    assert done.returncode == 0, done.stderr
    reported = json.loads((tmp_path / "out/manifest.json").read_text())["losses"][0]["loss"]

    tokenizer, model = (
        AutoTokenizer.from_pretrained(tiny_model),
        AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32),
    )
    total, count = 0.0, 0
    for row in map(json.loads, data.read_text().splitlines()):
        prompt = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nSpeaker: {row['history'][0]}\nListener: <|im_end|>\n<|im_start|>assistant\n"
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        ids = torch.tensor(
            [tokenizer(prompt + row["response"] + "<|im_end|>\n", add_special_tokens=False)["input_ids"]]
        )
        with torch.inference_mode():
            scores = model(ids).logits[0, :-1].log_softmax(-1)
        losses = -scores.gather(1, ids[0, 1:, None]).squeeze(1)[start - 1 :]
        total, count = total + float(losses.sum()), count + len(losses)
    assert reported == pytest.approx(total / count, abs=1e-4)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(
    method, tiny_model, data, tmp_path, repository, step
):
    more = ["--epochs", 8, "--method", method, "--lora-dropout", 0.1]
    whole = step("train_model.py", *train_flags(tiny_model, data, tmp_path / "state", tmp_path / "whole", *more))
    assert whole.returncode == 0, whole.stderr
    flags = train_flags(tiny_model, data, tmp_path / "state", tmp_path / "resumed", *more)
    command = [sys.executable, repository / "scripts/train_model.py", *flags]
    kill_when(lambda: list((tmp_path / "state").glob(f"train-*/checkpoint-[3-9]/{WHOLE}")), command)
    assert not (tmp_path / "resumed").exists(), "the training was to be killed half way"
    resumed = step("train_model.py", *flags)
    assert resumed.returncode == 0, resumed.stderr
    assert "goes on from checkpoint-" in resumed.stdout
    assert (tmp_path / "resumed/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    assert (tmp_path / "resumed/manifest.json").read_bytes() == (tmp_path / "whole/manifest.json").read_bytes()
    assert not any((tmp_path / "state").iterdir())


def checkpoint(state, number, whole=True):
    """A checkpoint as the trainer leaves it."""
    folder = state / f"checkpoint-{number}"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(b"state")
    if whole:
        mark_whole(folder)
    return folder


def test_a_torn_checkpoint_is_not_trusted(tmp_path):
    for number, whole in ((2, True), (10, True), (11, False)):
        checkpoint(tmp_path, number, whole)
    assert whole_checkpoint(tmp_path).name == "checkpoint-10"
    assert not (tmp_path / "checkpoint-11").exists()


DAMAGE = {
    "a changed byte": lambda folder: (folder / "optimizer.pt").write_bytes(b"stale"),
    "a lost file": lambda folder: (folder / "optimizer.pt").unlink(),
    "an empty mark": lambda folder: (folder / WHOLE).write_bytes(b""),
    "a mark of nothing": lambda folder: write_json(folder / WHOLE, {"optimizer.pt": {}}),
    "a mark that is a list": lambda folder: write_json(folder / WHOLE, [1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_training_goes_on_from_the_newest_undamaged_checkpoint(tmp_path, capsys, damage):
    checkpoint(tmp_path, 2)
    DAMAGE[damage](checkpoint(tmp_path, 3))
    assert whole_checkpoint(tmp_path).name == "checkpoint-2"
    assert not (tmp_path / "checkpoint-3").exists() and "checkpoint-3 is not used: " in capsys.readouterr().out


def test_a_kill_while_a_finished_trainings_checkpoints_go_leaves_none_that_looks_whole(tmp_path, monkeypatch):
    state = tmp_path / "train-x"
    for number in (1, 2):
        checkpoint(state, number)
    monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)  # killed before the folder goes
    drop_checkpoints(state)
    assert not list(state.glob(f"*/{WHOLE}")) and list(state.glob("*/optimizer.pt"))
    monkeypatch.undo()
    assert whole_checkpoint(state) is None
    assert not list(state.iterdir())


def test_overlong_samples_are_named(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rows = [
        {
            "id": name,
            "prompt": [{"role": "user", "content": "happy " * size}],
            "completion": [{"role": "assistant", "content": "wonderful"}],
        }
        for name, size in (("short", 2), ("long", 80))
    ]
    fitting, overlong = set_aside_overlong(rows, tokenizer, 60)
    assert [row["id"] for row in fitting] == ["short"] and overlong == ["long"]
    with pytest.raises(UserError, match="all 2 training samples are longer than 5 tokens"):
        set_aside_overlong(rows, tokenizer, 5)
