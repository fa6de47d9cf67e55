"""The plan: its jobs are Snakemake's, its figures match hand calculations, and benchmark files replace assumptions."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from synth_empathy.core.errors import UserError
from synth_empathy.execution import dry_run, loads, measured, planning
from synth_empathy.execution.measured import Unusable
from synth_empathy.execution.planning import Job, Rate
from synth_empathy.execution.sizes import ASSUMPTIONS, Assumptions, Sizes, counters, load_assumptions
from synth_empathy.selection import diversity

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
CELL = "results/paper/metrics/qwen1.5-7b-chat/ed+prompt2-dk60-kcenter/seed0/paper.json"


def sizes(settings=CONFIG, counts=None, totals=None):
    """Sizes where only the files of ``counts`` exist."""
    rows_by_path = {f"results/{settings['run']}/{path}": rows for path, rows in (counts or {}).items()}
    return Sizes(settings, load_assumptions(), rows_by_path.get, lambda path, field: (totals or {}).get(path))


@pytest.fixture
def plan(checkout, tmp_path):
    """Run plan.py in a fresh checkout; returns the process and the plan, or None instead of a plan."""

    def run(*words):
        path = tmp_path / "plan.json"
        command = [sys.executable, "scripts/plan.py", "--json", str(path), *map(str, words)]
        done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=600)
        return done, json.loads(path.read_text()) if path.exists() else None

    return run


def jobs_by_rule(plan):
    counts = Counter()
    for line in plan["lines"]:
        counts[line["rule"]] += line["jobs"]
    return dict(counts)


@pytest.mark.parametrize("words", [["table1"], ["--configfile", "config/demo.yaml", "--", "table1"], [CELL]])
def test_the_plans_jobs_are_those_that_snakemake_would_run(plan, checkout, words):
    before = checkout.files()
    done, found = plan(*words)
    assert done.returncode == 0, done.stderr
    summary = checkout.snakemake("-n", *words).stdout.partition("Job stats:")[2].partition("total")[0]
    counts = {rule: int(count) for rule, count in re.findall(r"(?m)^(\w+) +(\d+)$", summary)}
    assert jobs_by_rule(found) == counts != {}
    assert found["totals"]["jobs"] == sum(jobs_by_rule(found).values())
    assert checkout.files() == before


def test_a_cell_downloads_only_what_it_needs_and_every_assumption_says_its_source(plan):
    done, found = plan(CELL)
    assert set(found["download_gb"]) == {
        "llama3-70b-instruct",
        "llama3-8b-instruct",
        "qwen1.5-7b-chat",
        "gte-qwen2-7b-instruct",
        "ED's archive",
    }
    assert found["largest_gpus_of_a_job"] == 8 and found["measured"] == []
    for name, entry in found["assumptions"].items():
        assert f"  {name}: {entry['value']} {entry['unit']} ({entry['source']})" in done.stdout and entry["source"]


def test_an_unknown_target_ends_with_snakemakes_message_and_status(plan, checkout):
    done, found = plan("table9")
    assert found is None
    assert done.returncode == checkout.snakemake("-n", "table9").returncode != 0
    assert "MissingRuleException" in done.stderr and "table9" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [("nowhere.yaml", "nowhere.yaml does not exist"), ("docs", "docs cannot be read: Is a directory")],
)
def test_an_overlay_that_cannot_be_read_ends_in_an_error_message(plan, overlay, problem):
    done, found = plan("--configfile", overlay)
    assert done.returncode == 1 and found is None and done.stdout == ""
    assert done.stderr.startswith(f"error: {problem}\n  What to do: ") and "Traceback" not in done.stderr


def test_a_dry_run_with_an_overlay_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere.yaml does not exist\n  What to do: check the path"):
        dry_run.report(["table1"], [tmp_path / "nowhere.yaml"])


def test_what_is_made_is_not_planned_again(plan, checkout):
    """Empty files stand for results; ``--touch`` makes Snakemake accept them as its own."""
    demo = ["--configfile", "config/demo.yaml", "--", "table1"]
    for names in re.findall(r"(?m)^    output: (.+)$", checkout.snakemake("-n", *demo).stdout):
        for name in names.split(", "):
            (checkout.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout.folder / name).touch()
    assert checkout.snakemake("--cores", "1", "--touch", *demo).returncode == 0
    done, found = plan(*demo)
    assert done.returncode == 0, done.stderr
    assert found["lines"] == [] and found["totals"]["jobs"] == 0
    assert "nothing to be done" in done.stdout
    metrics, cell = "metrics/smollm2-135m/none/seed0/paper.json", "cells/table1/smollm2-135m/none/cider.json"
    for name in (metrics, cell, "tables/table1.csv"):
        (checkout.folder / "results/demo" / name).unlink()
    done, found = plan(*demo)
    assert jobs_by_rule(found) == {"evaluate": 1, "make_cells": 1, "make_table": 1, "table1": 1}


def test_a_report_that_disagrees_with_snakemakes_own_count_is_refused():
    from plan import jobs_of_report

    job = {"rule": "generate", "wildcards": {}, "output": ["x"], "threads": 1, "resources": {"gpu": 8}}
    counted = {"jobs": [job], "counts": {"generate": 1, "total": 1}}
    assert jobs_of_report(counted, "") == [Job("generate", output=("x",), threads=1, gpus=8)]
    nothing = "Nothing to be done (all requested files are present and up to date)."
    assert jobs_of_report({"jobs": [], "counts": None}, nothing) == []
    for report in (
        {"jobs": [job], "counts": {"generate": 2, "total": 2}},
        {"jobs": [job], "counts": None},
        {"jobs": [], "counts": None},
    ):
        with pytest.raises(UserError, match="Snakemake counts the jobs"):
            jobs_of_report(report, "")


#: A shard of the generator.
GENERATE = Job("generate", {"prompt": "prompt2", "shard": "0"}, ("x",), threads=2, gpus=8)

# The figures of the paper's run, calculated by hand from config.yaml and resources/throughput.yaml.


def test_a_shard_of_the_generator():
    one = planning.estimate(GENERATE, sizes(), {})
    rows = 12579  # 5 x 40,250 = 201,250 outputs in 16 shards: the first two have one more than 12,578
    template = yaml.safe_load((REPOSITORY / "resources/prompts/prompt2.yaml").read_text())["template"]
    prompt = (len(template) - len("{context}{response}") + 190 + 60) / 4 + 15
    assert one.load.requests == rows
    assert one.load.tokens_in == pytest.approx(rows * prompt)
    assert one.load.tokens_out == pytest.approx(rows * 270)
    flop = 2 * 70.6e9 * rows * (prompt / 0.4 + 270 / 0.1)
    assert one.seconds == pytest.approx(10 + 70.6 * 2 + flop / (8 * 312e12))
    assert one.gpu_seconds == pytest.approx(8 * one.seconds)


def test_a_mixture_of_experts_computes_with_the_active_parameters_and_loads_all():
    wildcards = {"base": "mixtral-8x7b-instruct", "training_set": "none", "seed": "0", "inputs": "test"}
    one = planning.estimate(Job("respond", wildcards, ("x",), gpus=4), sizes(), {})
    prompt = 190 / 4 + len("You are a helpful assistant.") / 4 + 15
    flop = 2 * 12.9e9 * 5255 * (prompt / 0.4 + 0.6 * 128 / 0.1)
    assert one.seconds == pytest.approx(10 + 46.7 * 2 + flop / (4 * 312e12))


def test_the_judge_reads_the_rubrics_and_writes_nothing_unless_it_samples():
    wildcards = {"prompt": "prompt2", "stage": "dk60-kcenter", "seed": "0"}
    paths = [REPOSITORY / path for path in CONFIG["judge"]["criteria"].values()]
    templates = [yaml.safe_load(path.read_text())["template"] for path in paths]
    prompt = (sum(map(len, templates)) / 3 - len("{context}{response}")) / 4 + 270 * (0.5 + 0.12) + 15
    one = planning.estimate(Job("judge", wildcards, ("x",), gpus=8), sizes(), {})
    assert (one.load.requests, one.load.tokens_out) == (2000 * 3, 0)
    assert one.load.tokens_in == pytest.approx(6000 * prompt)
    assert one.seconds == pytest.approx(10 + 70.6 * 2 + 2 * 70.6e9 * 6000 * prompt / 0.4 / (8 * 312e12))
    sampling = CONFIG | {"judge": CONFIG["judge"] | {"keep": None, "mode": "sampling"}}
    load = loads.judge(sizes(sampling, counts={"selected/prompt2/dk60/kcenter/seed0.jsonl": 7}), wildcards)
    assert (load.requests, load.tokens_out) == (21, 42) and load.variant == "vllm, sampling"
    all_samples = sizes(counts={"synthetic/prompt2/samples.jsonl": 1999})
    assert loads.judge(all_samples, wildcards | {"stage": "before"}).requests == 1999 * 3


def test_full_fine_tuning_counts_tokens_weights_and_checkpoints():
    wildcards = {"base": "qwen1.5-7b-chat", "training_set": "ed+prompt2-dk60-kcenter", "seed": "0"}
    one = planning.estimate(Job("train_model", wildcards, ("x",), gpus=1), sizes(), {})
    synthetic = 16910  # 0.9 of the paper's 18,789
    tokens = 40250 * (28 / 4 + 15 + 190 / 4 + 60 / 4) + synthetic * (28 / 4 + 15 + 270 * (0.5 + 0.12))
    assert one.load.work == 40250 + synthetic
    assert one.load.tokens_in == pytest.approx(tokens)
    assert one.seconds == pytest.approx(10 + 7.72 * 2 + 8 * 7.72e9 * tokens / 0.3 / 312e12)
    assert (one.load.disk, one.load.scratch) == (pytest.approx(7.72e9 * 2), pytest.approx(7.72e9 * 24))


def test_downloads_are_the_repositorys_size_and_packages_are_not_downloaded():
    demo = yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text())
    merged = CONFIG | {"models": CONFIG["models"] | demo["models"]}
    downloads = {"llama3-70b-instruct": 141.2, "gte-qwen2-7b-instruct": 30.5, "roberta-large": 1.42}
    for model, gigabytes in (downloads | {"smollm2-135m": 0.0}).items():
        load = loads.fetch_model(sizes(merged), {"model": model})
        assert load.network_bytes == pytest.approx(gigabytes * 1e9)
    assert loads.fetch_model(sizes(merged), {"model": "smollm2-135m"}).disk == pytest.approx(0.135e9 * 4)


@pytest.mark.parametrize(
    ("prompt", "dk", "count"), [("prompt1", "50", 115898), ("prompt1", "70", 9791), ("prompt2", "60", 18789)]
)
def test_at_the_papers_thresholds_as_many_samples_pass_as_in_its_table_2(prompt, dk, count):
    assert sizes().quality(prompt, dk) == count


@given(low=st.floats(0, 100), high=st.floats(0, 100), prompt=st.sampled_from(["prompt1", "prompt2", "another"]))
@settings(deadline=None)
def test_a_higher_threshold_never_lets_more_pass(low, high, prompt):
    low, high = sorted((low, high))
    assert 0 <= sizes().share_above(prompt, high) <= sizes().share_above(prompt, low) <= 1


@given(shards=st.integers(1, 300), per_seed=st.integers(1, 5), keep=st.one_of(st.none(), st.integers(1, 1000)))
@settings(deadline=None)
def test_every_output_is_in_one_shard(shards, per_seed, keep):
    generation = CONFIG["generation"] | {"shards": shards, "samples_per_seed": per_seed, "keep": keep}
    estimated = sizes(CONFIG | {"generation": generation})
    assert sum(estimated.outputs("prompt2", shard) for shard in range(shards)) == min(keep or 40250, 40250) * per_seed


def test_files_that_exist_are_counted_instead():
    counts = {
        "synthetic/prompt2/samples.jsonl": 1000,
        "selected/prompt2/dk60/quality.jsonl": 200,
        "ed/train.jsonl": 50,
    }
    counted = sizes(counts=counts)
    assert counted.samples("prompt2") == 1000 and counted.quality("prompt2", "60") == 200
    assert counted.training("ed+prompt2-dk60-kcenter", "0") == 50 + 180
    assert counted.texts("prompt2") == 3000


def test_a_file_that_is_about_to_be_made_again_is_not_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens": 3}\n{"tokens": 4}\n')
    count, total = counters(tmp_path, set())
    assert (count("a.jsonl"), total("a.jsonl", "tokens")) == (2, 7)
    assert (count("b.jsonl"), total("b.jsonl", "tokens")) == (None, None)
    count, total = counters(tmp_path, {"a.jsonl"})
    assert (count("a.jsonl"), total("a.jsonl", "tokens")) == (None, None)


def test_a_rule_that_the_plan_does_not_know_is_named_if_it_takes_gpus():
    jobs = [Job("interview", output=("x",), gpus=8), Job("draw", output=("y",))]
    found = planning.plan(jobs, sizes(), {})
    assert found["not_estimated"] == {"interview": 1} and found["totals"]["jobs"] == 2
    assert found["totals"]["gpu_hours"] == 0
    [known, unknown] = sorted(found["lines"], key=lambda line: line["rule"])
    assert known["hours_a_job"] and (unknown["hours_a_job"], unknown["gpu_hours"]) == (None, None)


def test_a_baseline_without_a_gpu_is_of_unknown_duration_too():
    training = Job("train_baseline", {"baseline": "seek"}, output=("x",), threads=2)
    preparation = Job("prepare_baseline", {"baseline": "seek"}, output=("y",))
    found = planning.plan([training, preparation], sizes(), {})
    assert found["not_estimated"] == {"train_baseline": 1}


def test_a_baselines_jobs_are_planned_counted_and_named_as_of_unknown_duration(plan, checkout):
    """The duration of the authors' code is unknown: its lines show no hours, and a sentence says so."""
    (checkout.folder / "data").mkdir()
    baselines = {name: {"data": "data"} for name in ("seek", "escm")}
    settings = {"run": "b", "baselines": baselines, "tables": {"table1": {"systems": ["seek", "case", "escm"]}}}
    (checkout.folder / "baselines.yaml").write_text(yaml.safe_dump(settings))
    done, found = plan("--configfile", "baselines.yaml", "--", "table1")
    assert done.returncode == 0, done.stderr
    assert found["not_estimated"] == {"run_baseline": 2, "train_baseline": 2}
    assert jobs_by_rule(found)["fetch_repository"] == 2
    lines = {line["rule"]: line for line in found["lines"]}
    for rule in found["not_estimated"]:
        line = lines[rule]
        assert (line["hours_a_job"], line["gpu_hours"], line["gpus"]) == (None, None, 1)
    unknown = "NOT in these hours and GPU-hours: 4 jobs of unknown duration: run_baseline (2), train_baseline (2)\n"
    assert unknown in done.stdout
    assert "the download of baselines' repositories, code and checkpoints" in done.stdout
    [row] = [line.split() for line in done.stdout.splitlines() if line.startswith("train_baseline")]
    assert row == ["train_baseline", "2", "1", "?", "?", "?", "not", "known"]


def test_a_model_without_parameters_is_refused_with_a_hint_to_add_them():
    model = {key: value for key, value in CONFIG["models"]["llama3-70b-instruct"].items() if key != "parameters"}
    broken = CONFIG | {"models": CONFIG["models"] | {"llama3-70b-instruct": model}}
    fetch = Job("fetch_model", {"model": "llama3-70b-instruct"}, ("x",))
    with pytest.raises(UserError, match="llama3-70b-instruct: the plan needs `parameters`.*\n.*add `parameters: N`"):
        planning.estimate(fetch, sizes(broken), {})


def misspell(values):
    values["output_shar"] = values.pop("output_share")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (misspell, "unknown key 'output_shar' \\(did you mean 'output_share'"),
        (lambda values: values.pop("rows"), "the key 'rows' is missing"),
        (lambda values: values["rows"].update(value=0), "0 is out of range; it must be at least 1e-09"),
        (lambda values: values["parse_yield"].update(value=1.2), "1.2 is out of range; it must be at most 1"),
        (lambda values: values["rows"].pop("source"), "the key 'source' is missing"),
    ],
)
def test_invalid_assumptions_are_refused(change, message):
    document = yaml.safe_load(ASSUMPTIONS.read_text())
    change(document["values"])
    with pytest.raises(UserError, match=message):
        Assumptions(document)


# Earlier jobs.


def past_run(root, seconds=100.0, rows=3, log="generate: 3 rows, 0 finished before\n"):
    """A run with two finished shards of the generator: 10 tokens a row."""
    run = root / "results" / "old"
    for shard in (0, 1):
        for kind in ("synthetic/prompt2/outputs", "benchmarks/generate/prompt2", "logs/generate/prompt2"):
            (run / kind).mkdir(parents=True, exist_ok=True)
        records = [{"id": f"{shard}/{row}", "tokens": 10} for row in range(rows)]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (run / f"synthetic/prompt2/outputs/{shard}.jsonl").write_text(lines)
        (run / f"benchmarks/generate/prompt2/{shard}.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:40\t1.0\n")
        (run / f"logs/generate/prompt2/{shard}.log").write_text(log)
    (run / "ed").mkdir(exist_ok=True)
    (run / "ed/train.jsonl").write_text("{}\n" * 6)
    (run / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"run": "elsewhere"}))
    return run


def past(root):
    return measured.past_jobs(root / "results", load_assumptions())


def test_two_shards_give_a_rate_per_gpu(tmp_path):
    past_run(tmp_path)
    found, left_out = past(tmp_path)
    rates = measured.rates(found)
    key = ("generate", "llama3-70b-instruct", "vllm", True)
    assert rates == {key: Rate(pytest.approx(60 / (200 * 8)), 2, 30)} and not left_out


def test_a_rate_replaces_the_assumption_within_its_reach_and_not_beyond():
    job = replace(GENERATE, gpus=4)
    key = ("generate", "llama3-70b-instruct", "vllm", True)
    written = 12579 * 270  # shard 0 of 16
    one = planning.estimate(job, sizes(), {key: Rate(50.0, 3, written / 99)})
    assert one.seconds == pytest.approx(written / (50.0 * 4)) and one.measured.jobs == 3
    beyond = planning.estimate(job, sizes(), {key: Rate(50.0, 3, written / 101)})
    assert beyond.measured is None and beyond.seconds != one.seconds
    other_engine = planning.estimate(job, sizes(), {key[:2] + ("transformers", True): Rate(50.0, 3, written)})
    assert other_engine.measured is None


SHARD = ("synthetic/prompt2/outputs/0.jsonl", "benchmarks/generate/prompt2/0.tsv", "logs/generate/prompt2/0.log")
OTHER_FORM = "is not in Snakemake's form"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (SHARD[2], "generate: 3 rows, 2 finished before\n", "resumed"),
        (SHARD[2], None, "no log says"),
        (SHARD[0], None, "no longer exists"),
        (SHARD[1], "s\th:m:s\n", OTHER_FORM),
        (SHARD[1], "minutes\n2\n", OTHER_FORM),
        (SHARD[1], "s\th:m:s\n0.0\t0:00:00\n", "did nothing"),
    ],
)
def test_an_earlier_job_that_says_nothing_about_speed_is_left_out_and_counted(tmp_path, name, content, reason):
    """None as content: the file is gone."""
    path = past_run(tmp_path) / name
    path.unlink() if content is None else path.write_text(content)
    found, left_out = past(tmp_path)
    assert len(found) == 1 and sum(left_out.values()) == 1
    assert reason in next(iter(left_out))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (SHARD[0], b"", "did nothing"),
        (SHARD[0], b"{\n", "is damaged"),
        (SHARD[0], b"[1]\n", "is damaged"),
        (SHARD[0], b"{}\n", "is damaged"),
        (SHARD[0], b'{"tokens": "10"}\n', "is damaged"),
        (SHARD[0], b'{"tokens": -10}\n', "is damaged"),
        (SHARD[0], b'{"tokens": NaN}\n', "is damaged"),
        (SHARD[0], b'{"tokens": 10, "text": "caf\xe9"}\n', "is damaged"),
        (SHARD[1], b"s\th:m:s\nnan\t0\n", OTHER_FORM),
        (SHARD[1], b"s\th:m:s\ninf\t0\n", OTHER_FORM),
        (SHARD[1], b"s\th:m:s\n-5\t0\n", OTHER_FORM),
        (SHARD[1], b"s\th:m:s\n\xff\t0\n", OTHER_FORM),
        (SHARD[1], b"s\th:m:s\n" + b"1" * 200_000 + b"\t0\n", OTHER_FORM),
        (SHARD[1], b"s\th:m:s\n\0\t0\n", OTHER_FORM),
    ],
)
def test_a_damaged_file_of_an_earlier_job_is_left_out_with_its_reason(tmp_path, name, content, reason):
    (past_run(tmp_path) / name).write_bytes(content)
    found, left_out = past(tmp_path)
    assert len(found) == 1 and len(left_out) == 1 and reason in next(iter(left_out))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "- a\n",
        "a: [",
        "a: 1\na: 2\n",
        "generation: []\n",
        "models: 5\n",
        "generation: {shards: 2024-01-01}\n",
        "generation: {max_tokens: .nan}\n",
    ],
)
def test_a_damaged_configuration_of_an_earlier_run_is_left_out(tmp_path, content):
    (past_run(tmp_path) / "config.yaml").write_text(content)
    found, left_out = past(tmp_path)
    assert found == [] and sum(left_out.values()) == 2 and "config.yaml" in next(iter(left_out))


def test_a_folder_or_a_file_that_is_not_a_benchmark_is_ignored(tmp_path):
    run = past_run(tmp_path)
    (run / "benchmarks/generate/prompt2/2.tsv").mkdir()
    shutil.copy(run / "benchmarks/generate/prompt2/0.tsv", run / "benchmarks/generate/prompt2/x.tsv")
    found, left_out = past(tmp_path)
    assert len(found) == 2 and left_out == {"the plan does not measure its rule": 1}


def test_damaged_rows_of_this_run_end_the_plan_with_file_and_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"tokens": 1}\n{"tokens": }\n')
    (tmp_path / "folder").mkdir()
    count, total = counters(tmp_path, set())
    with pytest.raises(UserError, match="a.jsonl, line 2: "):
        total("a.jsonl", "tokens")
    assert count("folder") is None and total("gone", "tokens") is None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_damaged_assumptions_are_accepted_or_refused_with_a_message(data):
    document = data.draw(hostile.damaged(yaml.safe_load(ASSUMPTIONS.read_text())))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "throughput.yaml")
        try:
            path.write_text(yaml.safe_dump(document), encoding="utf-8")
        except (yaml.YAMLError, UnicodeEncodeError, ValueError):  # YAML cannot express it
            return
        try:
            known = Sizes(CONFIG, load_assumptions(path), lambda _: None, lambda *_: None)
        except UserError as error:
            assert "throughput.yaml" in error.problem
        else:
            assert known.quality("prompt2", "0") >= 0 and 0 <= known.quality("source", "60") < float("inf")


def test_a_run_without_its_configuration_is_left_out(tmp_path):
    (past_run(tmp_path) / "config.yaml").unlink()
    found, left_out = past(tmp_path)
    assert found == [] and left_out == {"its run has no readable config.yaml": 2}


def test_the_plan_says_what_was_measured_from_how_many_jobs(plan, checkout, tmp_path):
    past_run(checkout.folder, log="generate: 6 rows, 0 finished before\n", rows=6000)
    done, found = plan("results/paper/synthetic/prompt2/outputs/7.jsonl")
    assert done.returncode == 0, done.stderr
    line = next(line for line in found["lines"] if line["rule"] == "generate")
    written = 12578 * 270
    assert line["measured_jobs"] == 1 and line["hours_a_job"] == pytest.approx(written / (60000 / 100) / 3600)
    assert "generate, llama3-70b-instruct, vllm: 75 tokens written per second and GPU, from 2 jobs" in done.stdout
    assert "write_utilisation" not in found["assumptions"]


EXAMPLES = {
    "shard": "11", "seed": "2", "dk": "62.5", "size": "7", "quality": "draw60", "selection": "random",
    "stage": "dk60-kcenter",
    "training_set": "ed+prompt2-top7-length-none", "inputs": "synthetic-prompt2",
}  # fmt: skip


@pytest.mark.parametrize("uses", [True, False])
def test_a_users_own_selection_has_a_cost_if_it_compares_embeddings(monkeypatch, uses):
    own = diversity.Selection("own", list, "my own", uses_embeddings=uses)
    monkeypatch.setitem(diversity.SELECTIONS, "own", own)
    wildcards = {"prompt": "prompt2", "quality": "dk60", "selection": "own", "seed": "0"}
    load = loads.select_diverse(sizes(), wildcards)
    known = loads.select_diverse(sizes(), wildcards | {"selection": "kcenter"})
    assert load.products == (known.products if uses else 0) and load.variant == "own"
    assert load.work == (known.work if uses else 18789)
    free = diversity.Selection("own", list, "my own", distances=lambda points, chosen: 0.0)
    monkeypatch.setitem(diversity.SELECTIONS, "own", free)
    assert loads.select_diverse(sizes(), wildcards).products == 0


def test_the_best_by_a_scorer_are_as_many_as_asked_for_or_as_there_are():
    wildcards = {"prompt": "prompt2", "quality": "top1000-length", "selection": "none", "seed": "0"}
    load = loads.select_diverse(sizes(), wildcards)
    assert (load.rows, load.disk) == (1000, 1000 * sizes().assumed["record"])
    few = sizes(counts={"synthetic/prompt2/samples.jsonl": 7})
    assert loads.select_diverse(few, wildcards).rows == 7
    assert few.training("ed+prompt2-top5-length-kcenter", "0") == few.data("train") + 4
    judged = {"prompt": "prompt2", "stage": "top1000-length-kcenter", "seed": "0"}
    assert loads.judge(sizes(), judged).requests == 900 * 3


def test_every_pattern_matches_its_rules_benchmark(checkout):
    """The path of a benchmark in the rules is the pattern by which the plan finds it."""
    declared = "".join(path.read_text() for path in (checkout.folder / "rules").glob("*.smk"))
    for rule, pattern in measured.PATHS.items():
        assert f'"<results>/benchmarks/{pattern}.tsv"' in declared
        assert f'"<results>/logs/{pattern}.log"' in declared
        wildcards = {name: EXAMPLES.get(name, f"{name}.1") for name in re.findall(r"\{(\w+)\}", pattern)}
        assert measured.job_of(pattern.format(**wildcards)) == (rule, wildcards)
    with pytest.raises(Unusable):
        measured.job_of("make_table")


def test_earlier_jobs_count_the_gpus_that_the_rules_ask_for():
    from plan import merged_settings, planned_jobs

    judged = "results/paper/judged/prompt2/dk60-kcenter/seed0.jsonl"
    training = [f"results/paper/training/ed+prompt2-{name}-none/seed0.jsonl" for name in ("draw60", "top9-similarity")]
    jobs = planned_jobs(["table1", "novelty", judged, *training], [], 2)
    settings = merged_settings([])
    compared = {job.rule for job in jobs if job.rule in measured.PATHS}
    assert compared == set(measured.PATHS) - {"evaluate_metric"}  # a user's own metrics alone
    for job in jobs:
        if job.rule in measured.PATHS:
            assert (job.rule, measured.gpus_of(job.rule, job.wildcards, settings)) == (job.rule, job.gpus)


def test_the_plan_estimates_only_rules_that_exist(repository):
    declared = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    rules = re.findall(r"(?m)^(?:rule|use rule \w+ as) (\w+)(?::| with:)", declared)
    assert set(loads.LOADS) | planning.AUTHORS_CODE <= set(rules)


def test_real_logs_say_whether_a_step_was_resumed(tmp_path, step, tiny_model):
    """The phrases that measured.py looks for are those that the steps print."""
    samples, log, state = tmp_path / "samples.jsonl", tmp_path / "log", tmp_path / "state"
    records = [{"id": f"s{row}", "history": [f"i am {row}"], "response": "oh no"} for row in range(3)]
    samples.write_text("".join(json.dumps(record) + "\n" for record in records))
    inputs = ["--inputs", samples, "--model", tiny_model, "--max-tokens", 2]
    done = step("respond.py", *inputs, "--state", state, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    log.write_text(done.stdout)
    measured.check_from_the_start("respond", log)
    log.write_text(done.stdout.replace("0 finished", "2 finished"))
    with pytest.raises(Unusable, match="resumed"):
        measured.check_from_the_start("respond", log)
    recipe = ["--epochs", 1, "--batch-size", 3, "--max-length", 128, "--save-steps", 5]
    data = ["--base", tiny_model, "--data", samples, *recipe]
    done = step("train_model.py", *data, "--state", state, "--output", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    log.write_text(done.stdout)
    measured.check_from_the_start("train_model", log)
