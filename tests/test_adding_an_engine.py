"""The worked example of an engine in docs/extending.md, followed to the letter."""

import json
import math
import platform
from pathlib import Path

import pytest

from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_file
from synth_empathy.core.records import OUTPUT, SAMPLE, read_jsonl, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.inference.engines import (
    ENGINES,
    Completion,
    Engine,
    EngineSettings,
    Request,
    Sampling,
    engine_class,
)
from tiny import make_tiny_model
from worked_examples import Example

ECHO = Example("An engine, worked through")
HOME = "scripts/synth_empathy/inference"
SAMPLES = [{"id": f"s{place}", "history": [f"I lost {place} keys."], "response": "Where ?"} for place in range(5)]


@pytest.fixture
def extended(checkout):
    """A fresh checkout with the engine, a tiny model in the place of the demo's, and samples in the place of ED's."""
    ECHO.write_files(checkout)
    registry = checkout.folder / HOME / "engines.py"
    [entry] = ECHO.lines
    before, opening, after = registry.read_text().partition("ENGINES = {\n")
    registry.write_text(before + opening + entry + after)
    make_tiny_model(checkout.folder / "models/smollm2-135m", "smollm2-135m")
    seeds = checkout.folder / "results/demo/ed/train.jsonl"
    seeds.parent.mkdir(parents=True)
    write_jsonl(seeds, SAMPLES)
    return checkout


def test_an_engine_added_by_the_documentation_generates_and_is_planned(extended):
    by_hand, planned = ECHO.run_commands(extended)
    assert by_hand.returncode == 0, by_hand.stdout + by_hand.stderr
    rows = read_jsonl(extended.folder / "echo.jsonl", OUTPUT)
    seeds = {sample["id"]: sample for sample in read_jsonl(extended.folder / "results/demo/ed/train.jsonl", SAMPLE)}
    prompt = prompts.load_prompt(extended.folder / "resources/prompts/prompt2.yaml")
    assert len(rows) == 3
    for row in rows:
        words = prompts.generation_messages(seeds[row["seed_id"]], prompt)[-1]["content"].split()
        assert (row["text"].split(), row["finish"]) == (words[:128], "stop" if len(words) <= 128 else "length")

    manifest = json.loads((extended.folder / "echo.manifest.json").read_text())
    assert manifest["engine"]["name"] == "echo" and manifest["engine"]["batch_size"] is None
    assert manifest["guarantee"] == "A text depends on its messages alone, on every device and in any batch."
    assert manifest["versions"] == {"python": platform.python_version()}
    file = extended.folder / HOME / "echo_engine.py"
    assert manifest["code"]["synth_empathy/inference/echo_engine.py"] == sha256_file(file)
    assert not any("transformers_engine" in name or "vllm_engine" in name for name in manifest["code"])

    assert planned.returncode == 0, planned.stdout + planned.stderr
    [command] = [line for line in planned.stdout.splitlines() if "scripts/generate.py" in line]
    assert " --engine=echo " in command and "--output results/echo/synthetic/prompt2/outputs/0.jsonl" in command
    assert "\ngenerate " in planned.stdout.partition("time from")[2] and "GPU-hours" in planned.stdout


def test_the_example_is_all_that_an_engine_has_to_be():
    text = ECHO.files[f"{HOME}/echo_engine.py"]
    space = {"__name__": "synth_empathy.inference.echo_engine", "__package__": "synth_empathy.inference"}
    exec(compile(text, "echo_engine.py", "exec"), space)
    engine = space["EchoEngine"](Path("nowhere"), EngineSettings())
    assert isinstance(engine, Engine)
    requests = [Request("a", [{"role": "user", "content": "one two three"}], seed=1)]
    whole, cut = Completion("a", "one two three", 3, "stop"), Completion("a", "one two", 2, "length")
    assert list(engine.complete(requests, Sampling(0.0, 1.0, 3))) == [whole]
    assert list(engine.complete(requests, Sampling(0.0, 1.0, 2))) == [cut]
    [answer] = engine.answer(requests, ["1", "2", "3"])
    assert sum(map(math.exp, answer.logprobs)) == pytest.approx(1)


def test_an_engine_without_an_entry_is_refused():
    with pytest.raises(UserError, match="there is no engine 'echo'") as caught:
        engine_class("echo")
    assert all(name in caught.value.hint for name in ENGINES)
