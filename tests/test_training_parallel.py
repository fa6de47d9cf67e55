"""Full fine-tuning by two processes on a CPU: the same training as by one, complete after a kill, with clear errors.

What GPUs add (NCCL, bfloat16 in flash, memory) is not tested anywhere, because this project never had more than one.
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
from synth_empathy.core.files import seal_of
from synth_empathy.training import recipes
from synth_empathy.training.sft import WHOLE


def sample(number):
    """A training sample; responses have one of three lengths."""
    history = [f"i am so happy today , the {number}th time ."]
    response = "that is wonderful ! " * (1 + number % 3)
    return {"id": f"train/c{number}/0", "history": history, "response": response, "source": "ed"}


#: 22 samples make seven batches of 3 and one of 1, which is two updates an epoch.
ROWS = [sample(number) for number in range(22)]


@pytest.fixture(scope="module")
def train_command(tiny_model, tmp_path_factory, repository):
    """The command of a training with 6 updates into an output folder, with a checkpoint at each."""
    folder = tmp_path_factory.mktemp("parallel")
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def command_for(output, *more, state=folder / "state"):
        flags = ["--base", tiny_model, "--data", data, "--state", state, "--output", folder / output]
        flags += ["--method", "full", "--batch-size", 3, "--gradient-accumulation", 4, "--learning-rate", 1e-3]
        flags += ["--epochs", 3, "--warmup-ratio", 0.2, "--save-steps", 1, "--threads", 1, *more]
        return list(map(str, [sys.executable, repository / "scripts/train_model.py", *flags]))

    return command_for


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def output_of(command):
    return Path(command[command.index("--output") + 1])


@pytest.fixture(scope="module")
def trained(train_command):
    """The same training by one process and, without interruption, by two."""
    folders = []
    for number in (1, 2):
        command = train_command(f"{number}", "--processes", number)
        done = run(command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("train: step 6 of 6, loss ") == 1  # only one process prints
        folders.append(output_of(command))
    return folders


def losses(folder):
    return [entry["loss"] for entry in json.loads((folder / model_folder.MANIFEST).read_text())["losses"]]


def test_two_processes_train_as_one_does(trained, tiny_model):
    one, two = trained
    assert losses(two) == pytest.approx(losses(one), abs=2e-4)  # the trainer rounds them to four digits
    base, first, second = (load_file(folder / "model.safetensors") for folder in (tiny_model, one, two))
    assert first.keys() == second.keys()
    for name, tensor in second.items():
        learned = (first[name] - base[name]).abs().max()
        assert tensor.dtype == torch.float32 and learned > 1e-4
        assert (tensor - first[name]).abs().max() < learned / 1000, name


def test_two_processes_write_the_same_files_as_one(trained):
    one, two = trained
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())
    for path in one.iterdir():
        if path.name not in ("model.safetensors", model_folder.MANIFEST, seal_of(model_folder.MANIFEST).name):
            assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    first, second = map(model_folder.open_model, trained)
    assert (first["processes"], second["processes"]) == (1, 2)
    parallel = {f"synth_empathy/training/{module}.py" for module in ("fsdp", "launcher")}
    assert second["code"].keys() - first["code"].keys() == parallel and not parallel & first["code"].keys()
    AutoModelForCausalLM.from_pretrained(two)


def test_after_the_launcher_is_killed_nothing_runs_and_the_next_run_ends_with_the_same_bytes(
    trained, train_command, tmp_path
):
    command = train_command("resumed", "--processes", 2, state=tmp_path)
    launcher, children = start(command, lambda: list(tmp_path.glob(f"train-*/checkpoint-[3-9]/{WHOLE}")))
    launcher.kill()
    wait_until(lambda: not any(map(runs, children)))
    assert not output_of(command).exists(), "the training was to be killed half way"
    newest = max(tmp_path.glob("train-*/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    (newest / WHOLE).unlink(missing_ok=True)
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert "goes on from checkpoint-" in done.stdout and f"from {newest.name}\n" not in done.stdout
    for name in ("model.safetensors", model_folder.MANIFEST):
        assert (output_of(command) / name).read_bytes() == (trained[1] / name).read_bytes()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_launcher_ends_its_processes(number, train_command, tmp_path):
    launcher, children = start(train_command("ended", "--processes", 2, state=tmp_path))
    launcher.send_signal(number)
    assert launcher.wait(60) == 128 + number
    wait_until(lambda: not any(map(runs, children)))


def test_a_killed_process_ends_the_step_and_is_named(train_command, tmp_path):
    launcher, children = start(train_command("died", "--processes", 2, state=tmp_path))
    os.kill(children[1], signal.SIGKILL)
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert "error: process 2 of 2 ended by SIGKILL, and the others were ended" in errors and "raise mem_mb" in errors
    assert not any(map(runs, children))


def start(command, ready=lambda: True):
    """A launcher and its two processes, when they run and `ready()` is true."""
    launcher = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals
    )
    wait_until(lambda: launcher.poll() is not None or len(children_of(launcher)) == 2 and ready())
    assert launcher.poll() is None
    return launcher, children_of(launcher)


def children_of(process):
    """The ids of the running processes that a process started."""
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def runs(process):
    """Whether the process with this id runs. A zombie, whose exit status nobody has read, does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, limit=60):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_error_of_a_process_is_in_the_log(train_command, tmp_path):
    broken = tmp_path / "train.jsonl"
    broken.write_text('{"id": "train/c0/0"\n')
    done = run(train_command("broken", "--processes", 2, "--data", broken))
    assert done.returncode == 1
    assert f"error: {broken}" in done.stderr and "of 2 ended with status 1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--processes", 3], "gradient_accumulation 4 is shared by the GPUs, and 3 does not divide it"),
        (["--processes", 2, "--method", "lora"], "LoRA trains on one GPU, which is enough for it, and not on 2"),
        (["--processes", 2, "--gpus", 4], "--processes 2 and --gpus 4 differ: each process has one GPU"),
        (["--gpus", 4], "the step is to run on 4 GPUs, and torch sees"),
    ],
)
def test_what_cannot_run_in_parallel_is_refused_before_a_process_starts(more, problem, train_command):
    done = run(train_command("refused", *more))
    assert done.returncode == 1
    assert f"error: {problem}" in done.stderr and "What to do: " in done.stderr and "Traceback" not in done.stderr


def test_processes_and_threads_are_counted_by_gpus():
    assert [recipes.number_of_processes(None, gpus) for gpus in (0, 1, 4)] == [1, 1, 4]
    assert recipes.number_of_processes(2, 0) == 2 and recipes.number_of_processes(4, 4) == 4
    with pytest.raises(UserError):
        recipes.number_of_processes(1, 4)
    assert [recipes.threads_each(6, processes) for processes in (1, 4, 8)] == [6, 1, 1]
