"""The whole pipeline for real, on small models: the demo from the shipped sample, and smaller runs, one killed at every stage."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import BIN, DEMO, SMALL, Checkout

KEY = "results/demo"


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_table1_holds_every_system_and_metric(demo):
    with open(demo.folder / KEY / "tables/table1.csv", newline="") as file:
        cells = list(csv.DictReader(file))
    values = {(cell["system"], cell["metric"]): cell for cell in cells}
    for system in ("demo-ours", "demo-ft", "demo-zero-shot"):
        for metric in ("bleu1", "bleu4", "dist1", "dist2", "rouge1", "rouge2", "rougeL", "cider"):
            assert float(values[system, metric]["ours"]) >= 0
        assert float(values[system, "rouge1"]["ours"]) > 0
        assert values[system, "bert_f1"]["ours"] == "not available"  # MiniLM's BERTScore is not the paper's
        assert float(values[system, "bert_f1 by all-minilm-l6-v2, layer 5"]["ours"]) > 0
        assert values[system, "bleu1"]["samples"] == "24" and values[system, "bleu1"]["protocol"] == "paper"
    ours = values["demo-ours", "cider"]
    assert ours["paper"] == "26.96"
    assert float(ours["difference"]) == pytest.approx(float(ours["ours"]) - 26.96, abs=0.011)
    assert values["demo-ft", "cider"]["paper"] == values["demo-ft", "cider"]["difference"] == "not available"
    markdown = (demo.folder / KEY / "tables/table1.md").read_text()
    assert "SmolLM2-135M (zero-shot)" in markdown and "This is the demo" in markdown and "24 test samples" in markdown


def test_a_second_run_has_nothing_to_do(demo):
    done = demo.snakemake("--cores", "2", *DEMO, "--", "table1")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr


def test_a_row_can_be_walked_back_from_the_table_to_ed(demo):
    results = demo.folder / KEY
    trained_on = read_jsonl(results / "training/ed+prompt2-dk20-kcenter/seed0.jsonl")
    synthetic = [row for row in trained_on if row["source"] == "synthetic"]
    quality = {row["id"]: row for row in read_jsonl(results / "selected/prompt2/dk20/quality.jsonl")}
    outputs = {row["id"]: row for row in read_jsonl(results / "synthetic/prompt2/outputs/0.jsonl")}
    dialogues = {row["id"]: row for row in read_jsonl(results / "synthetic/prompt2/dialogues.jsonl")}
    rejected = {row["id"]: row for row in read_jsonl(results / "synthetic/prompt2/rejected.jsonl")}
    ed = {row["id"]: row for row in read_jsonl(results / "ed/train.jsonl")}
    assert len(trained_on) - len(synthetic) == len(ed) == 80
    assert 0 < len(synthetic) == int(0.9 * len(quality))
    for row in synthetic:
        assert quality[row["id"]]["similarity"] > 20
        assert row["response"] in [turn["response"] for turn in dialogues[row["id"]]["rounds"]]
        assert outputs[row["id"]]["seed_id"] in ed
    assert dialogues.keys() | rejected.keys() == outputs.keys() and not dialogues.keys() & rejected.keys()
    manifest = json.loads((results / "models/smollm2-135m/ed+prompt2-dk20-kcenter/seed0/manifest.json").read_text())
    assert manifest["data"]["by_source"] == {"ed": 80, "synthetic": len(synthetic)}


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_converted_model_does_not_depend_on_the_environment(demo, offline):
    copy = "elsewhere"
    done = demo.snakemake(
        "--cores", "2", *DEMO, "--config", f"models_dir={copy}", "--", f"{copy}/smollm2-135m/manifest.json", env=os.environ | {"HF_HUB_OFFLINE": offline}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (demo.folder / models / "smollm2-135m/manifest.json" for models in ("models", copy))
    assert first.read_bytes() == second.read_bytes()
    shutil.rmtree(demo.folder / copy)


def test_every_text_was_embedded_once(demo):
    texts = [row["text"] for row in read_jsonl(demo.folder / KEY / "scored/prompt2/texts.jsonl")]
    assert len(texts) == len(set(texts)) > 0


def test_benchmarks_stay_under_the_memory_limit_of_the_demo(demo):
    """6 GB in any process: a limit of the product, not a speed."""
    files = list((demo.folder / KEY / "benchmarks").rglob("*.tsv"))
    assert len(files) > 15
    for path in files:
        with open(path, newline="") as file:
            [row] = csv.DictReader(file, delimiter="\t")
        assert row["max_rss"] in ("NA", "-") or float(row["max_rss"]) * 2**20 < 6e9, path


#: What shows that a run is in the middle of a step: generating, training, responding, between steps.
MOMENTS = [
    ".state/generate-*/*.jsonl",
    ".state/train-*/checkpoint-1/written-whole",
    "responses/*/*/*/synthetic-prompt2.jsonl",
    ".state/train-*/checkpoint-2/written-whole",
    "responses/*/*/*/test.jsonl",
]


def test_a_run_killed_at_every_stage_ends_as_one_that_was_not(demo, small, tmp_path):
    words = ["--cores", "2", *SMALL, "--config", f"models_dir={demo.folder / 'models'}", "--", "table1"]
    killed = Checkout(tmp_path / "killed")
    results = killed.folder / "results/small"
    for moment in MOMENTS:
        process = subprocess.Popen([BIN / "snakemake", *words], cwd=killed.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        seen = {path for path in results.glob(moment) if path.stat().st_size == 0} if results.exists() else set()
        deadline = time.monotonic() + 600
        while (
            process.poll() is None
            and time.monotonic() < deadline
            and not {p for p in results.glob(moment) if p.name == "written-whole" or p.stat().st_size} - seen
        ):
            time.sleep(0.05)
        assert process.poll() is None, f"the run ended before it could be killed at {moment}"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        unlock = [sys.executable, "scripts/clear_stale_lock.py", "--snakemake", str(BIN / "snakemake")]
        assert subprocess.run(unlock, cwd=killed.folder).returncode == 0
    done = killed.snakemake(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = small.made("small"), killed.made("small")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert "tables/table1.csv" in first
