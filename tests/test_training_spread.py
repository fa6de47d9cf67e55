"""Full fine-tuning over two processes of a CPU: the same training as in one, whole after a kill, heard when it fails.

What GPUs add (NCCL, bfloat16 in flash, memory) is not tested anywhere: this project never had more than one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from processes import heed_signals
from synth_empathy.core import model_folder
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import seal_of
from synth_empathy.training import launcher, recipes
from synth_empathy.training.sft import WHOLE

#: 22 samples are seven batches of 3 and one of 1, two updates an epoch.
ROWS = [
    {
        "id": f"train/c{i}/0",
        "history": [f"i am so happy today , the {i}th time ."],
        "response": "that is wonderful ! " * (1 + i % 3),
        "source": "ed",
    }
    for i in range(22)
]


@pytest.fixture(scope="module")
def command(tiny_model, tmp_path_factory, repository):
    """The command of a training of 6 updates into an output folder, with a checkpoint at each."""
    folder = tmp_path_factory.mktemp("spread")
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def command_of(output, *more, state=folder / "state"):
        flags = [
            "--method",
            "full",
            "--batch-size",
            3,
            "--gradient-accumulation",
            4,
            "--learning-rate",
            1e-3,
            "--epochs",
            3,
            "--warmup-ratio",
            0.2,
        ]
        flags += ["--save-steps", 1, "--threads", 1, "--state", state, "--output", folder / output, *more]
        return list(
            map(
                str,
                [sys.executable, repository / "scripts/train_model.py", "--base", tiny_model, "--data", data, *flags],
            )
        )

    return command_of


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def output_of(command):
    return Path(command[command.index("--output") + 1])


@pytest.fixture(scope="module")
def trained(command):
    """The same training in one process and, undisturbed, in two."""
    folders = []
    for number in (1, 2):
        asked = command(f"{number}", "--processes", number)
        done = run(asked)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("train: step 6 of 6, loss ") == 1  # one process speaks
        folders.append(output_of(asked))
    return folders


def losses(folder):
    return [entry["loss"] for entry in json.loads((folder / model_folder.MANIFEST).read_text())["losses"]]


def test_two_processes_train_as_one_does(trained, tiny_model):
    one, two = trained
    assert losses(two) == pytest.approx(losses(one), abs=2e-4)  # as the trainer rounds them, to four digits
    base, first, second = (load_file(folder / "model.safetensors") for folder in (tiny_model, one, two))
    assert first.keys() == second.keys()
    for name, tensor in second.items():
        learned = (first[name] - base[name]).abs().max()
        assert tensor.dtype == torch.float32 and learned > 1e-4
        assert (tensor - first[name]).abs().max() < learned / 1000, name


def test_what_two_processes_write_is_laid_out_as_what_one_writes(trained):
    one, two = trained
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())
    for path in one.iterdir():
        if path.name not in ("model.safetensors", model_folder.MANIFEST, seal_of(model_folder.MANIFEST).name):
            assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    assert model_folder.open_model(two)["processes"] == 2 and model_folder.open_model(one)["processes"] == 1
    AutoModelForCausalLM.from_pretrained(two)


def test_a_killed_launcher_leaves_nothing_running_and_the_next_run_ends_with_the_same_bytes(
    trained, command, tmp_path
):
    asked = command("resumed", "--processes", 2, state=tmp_path)
    launcher, children = started(asked, lambda: list(tmp_path.glob(f"train-*/checkpoint-[3-9]/{WHOLE}")))
    launcher.kill()
    wait_until(lambda: not any(alive(child) for child in children))
    assert not output_of(asked).exists(), "the training was to be killed half way"
    torn = max(tmp_path.glob("train-*/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (torn / WHOLE).unlink(missing_ok=True)
    done = run(asked)
    assert done.returncode == 0, done.stderr
    assert "goes on from checkpoint-" in done.stdout and f"from {torn.name}\n" not in done.stdout
    for name in ("model.safetensors", model_folder.MANIFEST):
        assert (output_of(asked) / name).read_bytes() == (trained[1] / name).read_bytes()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_that_is_asked_to_end_ends_its_processes(how, command, tmp_path):
    launcher, children = started(command("ended", "--processes", 2, state=tmp_path))
    launcher.send_signal(how)
    assert launcher.wait(60) == 128 + how
    wait_until(lambda: not any(alive(child) for child in children))


def test_a_process_that_is_killed_ends_the_step_and_is_named(command, tmp_path):
    launcher, children = started(command("died", "--processes", 2, state=tmp_path))
    os.kill(children[1], signal.SIGKILL)
    _, said = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert "error: process 2 of 2 ended by SIGKILL, and the others were ended" in said and "raise mem_mb" in said
    assert not any(alive(child) for child in children)


def started(asked, ready=lambda: True):
    """A launcher and its two processes, once they are there and `ready()` is true."""
    launcher = subprocess.Popen(
        asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals
    )
    wait_until(lambda: launcher.poll() is not None or len(children_of(launcher)) == 2 and ready())
    assert launcher.poll() is None
    return launcher, children_of(launcher)


def children_of(process):
    """The processes that a process started and that still run."""
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def alive(process):
    """Whether a process still runs; one that has ended and that nobody asked about does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(true, limit=60):
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_error_of_a_process_is_read_in_the_log(command, tmp_path):
    broken = tmp_path / "train.jsonl"
    broken.write_text('{"id": "train/c0/0"\n')
    done = run(command("broken", "--processes", 2, "--data", broken))
    assert done.returncode == 1
    assert (
        f"error: {broken}" in done.stderr
        and "of 2 ended with status 1" in done.stderr
        and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--processes", 3], "gradient_accumulation 4 is shared out among the GPUs, and 3 does not divide it"),
        (["--processes", 2, "--method", "lora"], "LoRA trains on one GPU, which is enough for it, and not on 2"),
        (["--processes", 2, "--gpus", 4], "--processes 2 and --gpus 4 differ: each process has one GPU"),
        (["--gpus", 4], "the step is to run on 4 GPUs, and torch sees"),
    ],
)
def test_what_cannot_be_spread_is_refused_before_a_process_starts(more, said, command):
    done = run(command("refused", *more))
    assert done.returncode == 1
    assert f"error: {said}" in done.stderr and "What to do: " in done.stderr and "Traceback" not in done.stderr


def test_processes_and_threads_are_counted_by_gpus():
    assert [recipes.number_of_processes(None, gpus) for gpus in (0, 1, 4)] == [1, 1, 4]
    assert recipes.number_of_processes(2, 0) == 2 and recipes.number_of_processes(4, 4) == 4
    with pytest.raises(UserError):
        recipes.number_of_processes(1, 4)
    assert [launcher.threads_each(6, processes) for processes in (1, 4, 8)] == [6, 1, 1]
