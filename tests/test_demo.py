"""The whole pipeline on small models: every table and figure from the shipped sample, from an archive, after kills."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import BIN, SMALL, Checkout

KEY = "results/small"
OURS = "smollm2-135m/ed+prompt2-dk0-kcenter"
TABLES = [f"tables/table{number}.{kind}" for number in (1, 2, 3, 4) for kind in ("csv", "md", "tex")]
FIGURES = [f"figures/figure{number}.{kind}" for number in (1, 5, 7, 8) for kind in ("pdf", "svg", "png", "csv")]


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_table(small, number):
    """A table's lines by system and metric."""
    with open(small.folder / KEY / f"tables/table{number}.csv", newline="") as file:
        return {(line["system"], line["metric"]): line for line in csv.DictReader(file)}


def test_every_table_and_figure_exists_and_has_its_note(small):
    made = small.made("small")
    for name in (*TABLES, *FIGURES):
        assert len(made[name]) > 400, name
        if name.endswith((".md", ".tex", ".svg")):
            assert "This is the demo" in made[name].decode(), name
    for number in (1, 2, 3, 4):
        assert "missing" not in {line["ours"] for line in read_table(small, number).values()}


def test_table1_has_every_system_and_metric(small):
    values = read_table(small, 1)
    for system in (OURS, "smollm2-135m/ed", "smollm2-135m/none"):
        for metric in ("bleu1", "bleu4", "dist1", "dist2", "rouge1", "rouge2", "rougeL", "cider"):
            assert float(values[system, metric]["ours"]) >= 0
        assert float(values[system, "dist1"]["ours"]) > 0
        assert values[system, "bert_f1"]["ours"] == "not available"  # MiniLM's BERTScore is not the paper's
        assert float(values[system, "bert_f1 by all-minilm-l6-v2, layer 5"]["ours"]) > 0
        assert values[system, "bleu1"]["test_samples"] == "4" and values[system, "bleu1"]["protocol"] == "paper"
    ours = values[OURS, "cider"]
    assert ours["paper"] == "26.96"
    assert float(ours["difference"]) == pytest.approx(float(ours["ours"]) - 26.96, abs=0.011)
    baseline = values["smollm2-135m/ed", "cider"]
    assert baseline["paper"] == baseline["difference"] == "not available"
    markdown = (small.folder / KEY / "tables/table1.md").read_text()
    assert "SmolLM2-135M (zero-shot)" in markdown and "4 test samples" in markdown


def test_table2_counts_the_selected_samples_and_the_ablations_train_on_as_many(small):
    values = read_table(small, 2)
    counts = {}
    for dk in (0, 20):
        system = f"smollm2-135m/ed+prompt2-dk{dk}-kcenter"
        counts[dk] = [float(values[system, name]["ours"]) for name in ("samples_quality", "samples_selected")]
    assert counts[0][0] > counts[20][0] > 0
    assert all(selected == int(0.9 * passed) for passed, selected in counts.values())
    selected = small.folder / KEY / "selected/prompt2"
    drawn, passed = (read_jsonl(selected / name) for name in ("draw20/seed0.jsonl", "dk20/quality.jsonl"))
    ids = {row["id"] for row in read_jsonl(selected / "dk0/quality.jsonl")}
    assert len(drawn) == len(passed) and {row["id"] for row in drawn} <= ids
    assert len(read_jsonl(selected / "dk20/none/seed0.jsonl")) == len(passed)


def test_a_second_run_has_nothing_to_do(small):
    done = small.snakemake("--cores", "2", *SMALL, "--", "all", "archive")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr


def test_a_row_can_be_traced_back_from_the_table_to_ed(small):
    results = small.folder / KEY
    trained_on = read_jsonl(results / "training/ed+prompt2-dk20-kcenter/seed0.jsonl")
    synthetic = [row for row in trained_on if row["source"] == "synthetic"]
    quality = {row["id"]: row for row in read_jsonl(results / "selected/prompt2/dk20/quality.jsonl")}
    shards = [read_jsonl(results / f"synthetic/prompt2/outputs/{shard}.jsonl") for shard in (0, 1)]
    outputs = {row["id"]: row for shard in shards for row in shard}
    dialogues = {row["id"]: row for row in read_jsonl(results / "synthetic/prompt2/dialogues.jsonl")}
    rejected = {row["id"]: row for row in read_jsonl(results / "synthetic/prompt2/rejected.jsonl")}
    ed = {row["id"]: row for row in read_jsonl(results / "ed/train.jsonl")}
    assert len(trained_on) - len(synthetic) == len(ed) == 12
    assert 0 < len(synthetic) == int(0.9 * len(quality))
    for row in synthetic:
        assert quality[row["id"]]["similarity"] > 20
        assert row["response"] in [turn["response"] for turn in dialogues[row["id"]]["rounds"]]
        assert outputs[row["id"]]["seed_id"] in ed
    assert dialogues.keys() | rejected.keys() == outputs.keys() and not dialogues.keys() & rejected.keys()
    manifest = json.loads((results / "models/smollm2-135m/ed+prompt2-dk20-kcenter/seed0/manifest.json").read_text())
    assert manifest["data"]["by_source"] == {"ed": 12, "synthetic": len(synthetic)}


def test_every_table_and_figure_from_the_archive_alone_is_the_same(small, tmp_path):
    """No models, no selected samples, no training: a reviewer's checkout has only the archive."""
    reviewer = Checkout(tmp_path / "checkout")
    shutil.copytree(small.folder / KEY / "archive", tmp_path / "archive")
    words = ["--cores", "2", *SMALL, "--config", f"archive={tmp_path / 'archive'}", "--"]
    done = reviewer.snakemake(*words, "reviewer")
    assert done.returncode == 0, done.stdout + done.stderr
    made, expected = reviewer.made("small"), small.made("small")
    assert [name for name in (*TABLES, *FIGURES) if made[name] != expected[name]] == []
    assert not (reviewer.folder / "models").exists() and not (reviewer.folder / KEY / "models").exists()
    done = reviewer.snakemake(*words, f"{KEY}/cells/table2/smollm2-135m/ed+prompt1-dk0-kcenter/cider.json")
    assert done.returncode == 1
    assert "has no responses/smollm2-135m/ed+prompt1-dk0-kcenter/seed0/test.jsonl" in done.stdout + done.stderr


def test_a_partial_archive_makes_what_it_can_and_names_the_rest(small, tmp_path):
    reviewer = Checkout(tmp_path / "checkout")
    shutil.copytree(small.folder / KEY / "archive", tmp_path / "archive")
    index = json.loads((tmp_path / "archive/archive.json").read_text())
    assert "human/judgements.jsonl" in index["files"] and "synthetic/prompt2/parse_summary.json" in index["files"]
    for name in [name for name in index["files"] if "/none/" in name or "judged" in name]:
        del index["files"][name]
    (tmp_path / "archive/archive.json").write_text(json.dumps(index))
    (reviewer.folder / "partial.yaml").write_text("tables: {partial: true}\nhuman: {judgements: null}\n")
    words = ["--cores", "2", *SMALL, "partial.yaml", "--config", f"archive={tmp_path / 'archive'}", "--"]
    summary = f"{KEY}/synthetic/prompt2/parse_summary.json"
    done = reviewer.snakemake(*words, f"{KEY}/tables/table1.md", "figure7", summary)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = read_table(reviewer, 1)
    assert lines["smollm2-135m/none", "cider"]["ours"] == "missing"
    assert lines[OURS, "cider"]["ours"] == read_table(small, 1)[OURS, "cider"]["ours"]
    assert reviewer.made("small")["figures/figure7.csv"] == small.made("small")["figures/figure7.csv"]
    planned = reviewer.snakemake("-n", *words, "reviewer")
    assert "make_figure1 " in planned.stdout and "compare_systems " in planned.stdout
    assert "make_figure5" not in planned.stdout
    warning = r"left out, because the archive has none of their inputs: (.*)"
    [left_out] = re.findall(warning, planned.stdout + planned.stderr)
    assert left_out.split(", ") == [f"{KEY}/figures/figure5.{kind}" for kind in ("pdf", "svg", "png", "csv")]


def test_a_report_has_every_table_and_figure_with_its_caption(small):
    done = small.snakemake("--cores", "1", *SMALL, "--report", "report.html", "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    added = set(re.findall(r"Adding (\S+) ", done.stdout + done.stderr))
    figures = {f"figure{number}.{kind}" for number in (1, 5, 7, 8) for kind in ("png", "csv")}
    tables = {f"table{number}.csv" for number in (1, 2, 3, 4)}
    assert added == tables | figures | {"paper.csv"}  # the last is the comparison
    page = (small.folder / "report.html").read_text()
    for caption in ("Table 3 of the paper (section 4.5)", "Figure 8 of the paper (section 4.4)"):
        assert caption in page
    assert "Neither the values nor their differences" in page
    assert not re.search(r"""(src|href)=["']https?://[^"']*[.](js|css)""", page)  # it needs no network


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    """A run of the demo's own language model, from ED to one row of Table 1; all other tests use tiny models."""
    checkout = Checkout(tmp_path_factory.mktemp("talked") / "checkout")
    (checkout.folder / "one-system.yaml").write_text("tables: {table1: {systems: [demo-ours]}}\n")
    done = checkout.snakemake("--cores", "2", *SMALL, "one-system.yaml", "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def test_the_demos_own_model_talks(talked):
    results = talked.folder / KEY
    summary = json.loads((results / "synthetic/prompt2/parse_summary.json").read_text())
    assert summary["outputs"] == 6 and summary["dialogues"] >= 4
    synthetic = read_jsonl(results / "synthetic/prompt2/samples.jsonl")
    answers = read_jsonl(results / f"responses/{OURS}/seed0/test.jsonl")
    assert len({row["response"] for row in synthetic}) == summary["dialogues"] == len(synthetic)
    assert len({row["prediction"] for row in answers}) == 4
    assert all(len(row["prediction"].split()) > 2 for row in answers)
    values = read_table(talked, 1)
    assert all(float(values[OURS, metric]["ours"]) > 1 for metric in ("bleu1", "dist1", "rouge1"))


def test_a_converted_model_does_not_depend_on_the_environment(talked):
    """The fixture's model was converted with the hub's variables set (conftest)."""
    copy = "elsewhere"
    words = ["--cores", "2", *SMALL, "--config", f"models_dir={copy}", "--", f"{copy}/smollm2-135m/manifest.json"]
    done = talked.snakemake(*words, env=os.environ | {"HF_HUB_OFFLINE": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (talked.folder / models / "smollm2-135m/manifest.json" for models in ("models", copy))
    assert first.read_bytes() == second.read_bytes()
    shutil.rmtree(talked.folder / copy)


def test_every_text_was_embedded_once(small):
    texts = [row["text"] for row in read_jsonl(small.folder / KEY / "scored/prompt2/texts.jsonl")]
    assert len(texts) == len(set(texts)) > 0


def test_benchmarks_stay_under_the_memory_limit_of_the_demo(small):
    """6 GB in any process, as the README promises."""
    files = list((small.folder / KEY / "benchmarks").rglob("*.tsv"))
    assert len(files) > 15
    for path in files:
        with open(path, newline="") as file:
            [row] = csv.DictReader(file, delimiter="\t")
        assert row["max_rss"] in ("NA", "-") or float(row["max_rss"]) * 2**20 < 6e9, path


#: Files that show the stage of a run: generation, training, responses, the selected training set, responses again.
MOMENTS = [
    ".state/generate-*/*.jsonl",
    ".state/train-*/checkpoint-1/written-whole",
    "responses/*/*/*/synthetic-prompt2.jsonl",
    "training/ed+*/seed0.jsonl",
    "responses/*/*/*/test.jsonl",
]


def is_filled(path):
    """Whether a file has content, or is an empty marker; a file may disappear at any time."""
    try:
        return path.name == "written-whole" or path.stat().st_size > 0
    except FileNotFoundError:
        return False


@pytest.mark.more
def test_a_run_killed_at_every_stage_ends_like_an_undisturbed_one(small, tmp_path):
    words = ["--cores", "2", *SMALL, "--config", f"models_dir={small.folder / 'models'}", "--", "table1"]
    killed = Checkout(tmp_path / "killed")
    results = killed.folder / "results/small"
    for moment in MOMENTS:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        process = subprocess.Popen([BIN / "snakemake", *words], cwd=killed.folder, **quiet)
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline and not any(map(is_filled, results.glob(moment))):
            time.sleep(0.002)  # a tiny model's training does not last long
        assert process.poll() is None, f"the run ended before it could be killed at {moment}"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        unlock = [sys.executable, "scripts/clear_stale_lock.py", "--snakemake", str(BIN / "snakemake")]
        assert subprocess.run(unlock, cwd=killed.folder).returncode == 0
    done = killed.snakemake(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    expected, made = small.made("small"), killed.made("small")
    assert "tables/table1.csv" in made and len(made) > 40
    assert [name for name in made if made[name] != expected.get(name)] == []
