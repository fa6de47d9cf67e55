"""The workflow: every target resolves, only what a target needs is planned, and the rules have a common form."""

import json
import re
import subprocess
from collections import Counter

import pytest

#: Jobs by rule of the paper's Table 1: 16 shards, 7 models to fetch, the discriminator, which is also a baseline. The
#: three baselines of other authors have neither data nor results, and their rows say so.
TABLE1_JOBS = {
    "fetch_ed": 1, "prepare_data": 1, "fetch_model": 7, "generate": 16, "parse_rounds": 1, "sample_turns": 1,
    "mix_training_set": 2, "train_model": 3, "respond": 7, "embed_texts": 1,
    "select_quality": 1, "select_diverse": 1, "evaluate": 6, "evaluate_bertscore": 6, "make_cells": 9,
    "make_bertscore_cells": 9, "list_test_ids": 1, "make_table": 1, "table1": 1,
}  # fmt: skip
#: Figure 8 shows only CIDEr: 15 cells, without BERTScore and counts of samples; 15 models and the discriminator.
FIGURE8_JOBS = {
    "fetch_ed": 1, "prepare_data": 1, "fetch_model": 4, "generate": 32, "parse_rounds": 2, "sample_turns": 2,
    "mix_training_set": 11, "train_model": 16, "respond": 17, "embed_texts": 2,
    "select_quality": 10, "select_diverse": 10, "evaluate": 15, "make_cells": 15, "list_test_ids": 1,
    "make_figure8": 1, "figure8": 1,
}  # fmt: skip
TABLE2_JOBS = {rule: count for rule, count in FIGURE8_JOBS.items() if "figure" not in rule} | {
    "count_samples": 10, "make_sample_cells": 15, "make_table": 1, "table2": 1,
}  # fmt: skip
#: Two base models at two thresholds, with and without quality selection, and the discriminator.
TABLE3_JOBS = {
    "fetch_ed": 1, "prepare_data": 1, "fetch_model": 4, "generate": 16, "parse_rounds": 1, "sample_turns": 1,
    "mix_training_set": 5, "train_model": 9, "respond": 9, "embed_texts": 1,
    "select_quality": 2, "draw_samples": 2, "select_diverse": 4, "evaluate": 8, "make_cells": 8, "list_test_ids": 1,
    "make_table": 1, "table3": 1,
}  # fmt: skip
TABLE4_JOBS = {rule: count for rule, count in TABLE3_JOBS.items() if rule not in ("draw_samples", "table3")} | {
    "table4": 1
}
#: All outputs together: 26 systems and the discriminator are trained once each, for four tables and three figures.
ALL_JOBS = {
    "fetch_ed": 1, "prepare_data": 1, "fetch_model": 7, "generate": 32, "parse_rounds": 2, "sample_turns": 2,
    "mix_training_set": 15, "train_model": 27, "respond": 32, "embed_texts": 2,
    "select_quality": 10, "draw_samples": 2,
    "select_diverse": 14, "count_samples": 10, "judge": 2, "list_test_ids": 1, "evaluate": 30, "evaluate_bertscore": 6,
    "make_cells": 40, "make_bertscore_cells": 9, "make_sample_cells": 15, "make_table": 4,
    "compare_systems": 1, "make_figure1": 1, "make_figure5": 1, "make_figure8": 1, "all": 1,
}  # fmt: skip
#: An archive has what models and GPUs made; a reviewer makes the rest again.
AFTER_MODELS = (
    "evaluate", "make_cells", "make_bertscore_cells", "make_sample_cells", "make_table", "compare_systems",
    "make_figure1", "make_figure5", "make_figure8",
)  # fmt: skip
ARCHIVE_JOBS = {rule: count for rule, count in ALL_JOBS.items() if rule not in (*AFTER_MODELS, "all")} | {
    "pack_archive": 1,
    "archive": 1,
}
REVIEWER_JOBS = {rule: ALL_JOBS[rule] for rule in AFTER_MODELS} | {"reviewer": 1}
FIGURE1_JOBS = {rule: count for rule, count in TABLE1_JOBS.items() if rule not in ("make_table", "table1")} | {
    "make_figure1": 1,
    "figure1": 1,
}
ED_ONLY = {"fetch_ed": 1, "prepare_data": 1, "fetch_model": 1, "mix_training_set": 1, "train_model": 1}
SELECTION = {
    "fetch_ed": 1, "prepare_data": 1, "fetch_model": 3, "generate": 16, "parse_rounds": 1, "sample_turns": 1,
    "mix_training_set": 1, "train_model": 1, "respond": 1, "embed_texts": 1,
    "select_quality": 1,
}  # fmt: skip
TOP = {rule: count for rule, count in SELECTION.items() if rule != "select_quality"} | {"select_top": 1}
NOVELTY_OF_ALL = {"select_diverse": 2, "embed_data": 2, "report_novelty": 1}
GENERATION = {"fetch_ed": 1, "prepare_data": 1, "fetch_model": 1, "generate": 16, "parse_rounds": 1, "sample_turns": 1}
NOVELTY = SELECTION | {"select_diverse": 1, "embed_data": 2, "report_novelty": 1}
CELL = SELECTION | {"select_diverse": 1, "mix_training_set": 2, "train_model": 2, "respond": 2, "evaluate": 1}
CELL |= {"fetch_model": 4, "list_test_ids": 1}
SAMPLES_CELL = SELECTION | {"select_diverse": 1, "count_samples": 1, "make_sample_cells": 1}
ZERO_SHOT_CELL = dict.fromkeys(["fetch_ed", "prepare_data", "fetch_model", "list_test_ids"], 1)
ZERO_SHOT_CELL |= {"respond": 1, "evaluate": 1, "make_cells": 1}
FIGURE5_JOBS = SELECTION | {"select_diverse": 1, "judge": 2, "make_figure5": 1, "figure5": 1}

#: Three trainings (the system, the baseline, the discriminator), and BERTScore's model is also fetched.
COMPARISON = CELL | {"fetch_model": 5, "train_model": 3, "mix_training_set": 2, "respond": 3}
COMPARISON |= {"evaluate_bertscore": 2, "compare_systems": 1}
del COMPARISON["evaluate"]


@pytest.fixture
def dry_run(checkout):
    """Dry-run a target in a fresh checkout; returns the process and its jobs by rule."""

    def run(*words):
        done = checkout.snakemake("-n", *words)
        stats = done.stdout.partition("Job stats:")[2].partition("total")[0]
        return done, {rule: int(count) for rule, count in re.findall(r"(?m)^(\w+) +(\d+)$", stats)}

    return run


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("table1", TABLE1_JOBS),
        ("results/paper/tables/table1.csv", {rule: count for rule, count in TABLE1_JOBS.items() if rule != "table1"}),
        ("figure1", FIGURE1_JOBS),
        ("figure8", FIGURE8_JOBS),
        ("figure5", FIGURE5_JOBS),
        ("table2", TABLE2_JOBS),
        ("table3", TABLE3_JOBS),
        ("table4", TABLE4_JOBS),
        ("all", ALL_JOBS),
        ("archive", ARCHIVE_JOBS),
        ("check_claims", {"report_claims": 1, "check_claims": 1}),
        ("results/paper/cells/table2/qwen1.5-7b-chat/ed+prompt1-dk60-kcenter/cider.json", CELL | {"make_cells": 1}),
        (
            "results/paper/cells/table2/llama3-8b-instruct/ed+prompt2-dk65-kcenter/cider.json",
            CELL | {"fetch_model": 3, "make_cells": 1},
        ),
        ("results/paper/cells/table2/qwen1.5-7b-chat/ed+prompt1-dk60-kcenter/samples_selected.json", SAMPLES_CELL),
        (
            "results/paper/cells/table3/qwen1.5-7b-chat/ed+prompt2-draw60-kcenter/bleu1.json",
            CELL | {"draw_samples": 1, "make_cells": 1},
        ),
        ("results/paper/cells/table1/mixtral-8x7b-instruct/none/rouge1.json", ZERO_SHOT_CELL),
        ("results/paper/cells/table1/seek/authors-code/cider.json", {"make_cells": 1}),
        ("results/paper/models/llama3-8b-instruct/ed/seed0/manifest.json", ED_ONLY),
        ("results/paper/selected/prompt2/dk60/quality.jsonl", SELECTION),
        ("results/paper/metrics/qwen1.5-7b-chat/ed+prompt2-dk60-kcenter/seed0/standard.json", CELL),
        ("comparisons", COMPARISON | {"comparisons": 1}),
        (
            "results/paper/comparisons/qwen1.5-7b-chat/ed+prompt2-dk55-none/against-none/standard.json",
            COMPARISON | {"train_model": 2, "mix_training_set": 2},
        ),
        ("novelty", NOVELTY | {"novelty": 1}),
        ("results/paper/reports/novelty/prompt2/dk60/random/seed1.svg", NOVELTY | {"select_diverse": 2}),
        ("results/paper/judged/prompt2/before/seed0.summary.json", GENERATION | {"judge": 1}),
        (
            "results/paper/judged/prompt2/draw60-kcenter/seed1.jsonl",
            SELECTION | {"draw_samples": 1, "select_diverse": 1, "judge": 1},
        ),
        ("results/paper/judged/prompt2/top9-similarity-kcenter/seed1.jsonl", TOP | {"select_diverse": 1, "judge": 1}),
        ("results/paper/reports/novelty/prompt2/top9-similarity/none/seed1.json", TOP | NOVELTY_OF_ALL),
        ("results/paper/metrics/llama3-8b-instruct/ed+prompt1-dk55-none/seed3/paper.json", CELL | {"fetch_model": 3}),
        (
            "results/paper/metrics/qwen1.5-7b-chat/ed/seed0/paper.json",
            ED_ONLY | {"respond": 1, "list_test_ids": 1, "evaluate": 1},
        ),
        (
            "results/paper/metrics/qwen1.5-7b-chat/ed/seed0/paper-bertscore.json",
            ED_ONLY | {"fetch_model": 2, "respond": 1, "list_test_ids": 1, "evaluate_bertscore": 1},
        ),
    ],
)
def test_a_target_of_the_papers_run_plans_only_what_it_needs_and_changes_no_file(dry_run, checkout, target, expected):
    before = checkout.files()
    done, jobs = dry_run(target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs == expected
    assert checkout.files() == before


def test_a_reviewer_of_the_papers_run_needs_no_model_and_uses_every_file_of_the_archive(dry_run, checkout):
    """The archive has the names that the dry-run of `archive` would pack; a dry-run needs no more."""
    packed = checkout.snakemake("-n", "-p", "results/paper/archive/archive.json").stdout
    [files] = re.findall(r"pack_archive.py .*--files (.*?) +--output", packed)
    names = [name.removeprefix("results/paper/") for name in files.split()]
    done, jobs = dry_run(*review_of(checkout, *names), "reviewer")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs == REVIEWER_JOBS | {"take_archived": len(names)}
    assert len(names) == 30 + 6 + 10 + 2 + 2 + 1  # responses, BERTScore, counts, judged, which model wrote, test ids


def review_of(checkout, *names):
    """Write an archive's index with these names, which is enough for a dry-run; returns its arguments."""
    (checkout.folder / "archived").mkdir(exist_ok=True)
    index = {"format": 1, "run": "paper", "files": dict.fromkeys(names, "0" * 64)}
    (checkout.folder / "archived/archive.json").write_text(json.dumps(index))
    return ["--config", "archive=archived", "run=review", "--"]


def test_a_reviewer_of_one_system_gets_its_rows_and_the_names_of_what_is_left_out(dry_run, checkout):
    (checkout.folder / "partial.yaml").write_text("tables: {partial: true}\n")
    words = review_of(checkout, "ed/test_ids.json", "responses/qwen1.5-7b-chat/ed/seed0/test.jsonl")
    done, jobs = dry_run("--configfile", "partial.yaml", *words, "reviewer")
    assert jobs == {  # with the three baselines, whose cells say that the archive has none of them
        "take_archived": 2, "evaluate": 1, "make_cells": 4, "make_bertscore_cells": 3, "make_table": 1,
        "make_figure1": 1, "reviewer": 1,
    }  # fmt: skip
    [left_out] = re.findall(r"left out, because the archive has none of their inputs: (.*)", done.stdout + done.stderr)
    assert {name.split("/")[2] for name in left_out.split(", ")} == {"comparisons", "tables", "figures"}
    assert "table1" not in left_out and "figure8.csv" in left_out
    _, jobs = dry_run(*words, "reviewer")
    assert jobs["make_figure5"] == 1 and jobs["make_table"] == 4  # without partial, nothing may be missing


def test_an_archives_judgements_replace_a_missing_file_of_the_overlay(dry_run, checkout):
    (checkout.folder / "human.yaml").write_text("human: {judgements: on/the/authors/machine.jsonl}\n")
    words = review_of(checkout, "ed/test_ids.json", "human/judgements.jsonl")
    done, jobs = dry_run("--configfile", "human.yaml", *words, "figure7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert jobs == {"take_archived": 2, "make_figure7": 1, "figure7": 1}
    done, jobs = dry_run("--configfile", "human.yaml", *review_of(checkout, "ed/test_ids.json"), "figure7")
    assert done.returncode == 1
    assert "human: judgements: there is no file on/the/authors/machine.jsonl" in done.stdout + done.stderr


def test_a_review_does_not_replace_the_run_of_its_archive(checkout):
    folder = checkout.folder / "results/paper/archive"
    folder.mkdir(parents=True)
    (folder / "archive.json").write_text('{"format": 1, "run": "paper", "files": {}}')
    done = checkout.snakemake("-n", "--config", f"archive={folder}", "--", "reviewer")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "the archive lies in results/paper" in output and "run=review" in output


def test_a_comparison_with_an_untrained_model_uses_its_only_seed(dry_run, checkout):
    (checkout.folder / "seeds.yaml").write_text("seeds: [0, 1]\ncomparison: {baseline: none}\n")
    done, jobs = dry_run("--configfile", "seeds.yaml", "--", "comparisons")
    assert done.returncode == 0 and jobs["evaluate_bertscore"] == 3 and jobs["compare_systems"] == 1


def test_figure_7_is_drawn_from_judgements_and_needs_no_model(dry_run, checkout):
    done, _ = dry_run("figure7")
    assert done.returncode == 1 and "set human: judgements to a file" in done.stdout + done.stderr
    (checkout.folder / "human.yaml").write_text("human: {judgements: mine.jsonl}\n")
    (checkout.folder / "mine.jsonl").write_text("")
    done, jobs = dry_run("--configfile", "human.yaml", "--", "figure7")
    assert jobs == {"fetch_ed": 1, "prepare_data": 1, "list_test_ids": 1, "make_figure7": 1, "figure7": 1}
    done, jobs = dry_run("--configfile", "human.yaml", "--", "all")
    assert jobs == ALL_JOBS | {"make_figure7": 1}


def test_outputs_that_do_not_depend_on_the_seed_are_made_once(dry_run, checkout):
    (checkout.folder / "seeds.yaml").write_text("seeds: [0, 1, 2]\n")
    words = ["--configfile", "seeds.yaml", "--"]
    _, jobs = dry_run(*words, "results/paper/cells/table1/mixtral-8x7b-instruct/none/rouge1.json")
    assert jobs == ZERO_SHOT_CELL
    _, jobs = dry_run(*words, "results/paper/cells/table1/qwen1.5-7b-chat/ed/rouge1.json")
    assert jobs["train_model"] == jobs["respond"] == jobs["evaluate"] == 3


def test_the_papers_run_names_its_engine_its_sampling_and_its_gpus(checkout):
    plan = checkout.snakemake("-n", "-p", "results/paper/synthetic/prompt2/outputs/7.jsonl").stdout
    flags = (
        "--engine=vllm --batch-invariant --gpus=8 --samples-per-seed=5 --temperature=0.8 --top-p=0.9 --max-tokens=300"
    )
    for part in (*flags.split(), "--shard 7", "--shards 16", "gpu=8"):
        assert part in plan
    assert "--demonstration" not in plan


def test_the_demo_runs_vllm_on_a_cpu_by_an_overlay(checkout):
    words = ["-n", "-p", "--configfile", "config/demo.yaml", "config/vllm-cpu.yaml", "--"]
    plan = checkout.snakemake(*words, "results/demo-vllm/responses/smollm2-135m/none/seed0/test.jsonl").stdout
    assert ".venv-vllm/bin/python scripts/respond.py" in plan and "--engine=vllm" in plan and "--gpus=0" in plan
    assert ".venv/bin/python scripts/fetch_model.py" in plan  # vllm's environment cannot convert models
    plan = checkout.snakemake(*words, "results/demo-vllm/synthetic/prompt2/outputs/0.jsonl").stdout
    assert ".venv-vllm/bin/python scripts/generate.py" in plan


def test_the_demo_resolves(dry_run):
    done, jobs = dry_run("--configfile", "config/demo.yaml", "--", "table1")
    assert done.returncode == 0, done.stderr
    assert jobs["train_model"] == 2 and jobs["generate"] == 1 and "fetch_ed" not in jobs


def test_the_demos_novelty_report_trains_only_the_discriminator(dry_run):
    done, jobs = dry_run("--configfile", "config/demo.yaml", "--", "novelty")
    assert done.returncode == 0, done.stderr
    expected = {"embed_data": 2, "report_novelty": 1, "train_model": 1, "respond": 1}
    assert {rule: jobs[rule] for rule in expected} == expected


def test_the_demo_on_another_folder_of_ed_keeps_the_rest_of_its_settings(dry_run, checkout):
    """The folder is needed, and does not exist."""
    folder = ["--config", "run=demo-ed", 'datasets={"ed": {"folder": "/somewhere/ed"}}']
    done, jobs = dry_run("--configfile", "config/demo.yaml", *folder, "--", "table1")
    assert done.returncode != 0 and "/somewhere/ed/train.csv" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("overlay", "fragments"),
    [
        ("generation: {temprature: 0.8}", ["generation: unknown key 'temprature'", "did you mean 'temperature'?"]),
        (
            "generation: {model: llama3-70b}",
            ["generation: model: there is no model 'llama3-70b'", "did you mean 'llama3-70b-instruct'?"],
        ),
        ("selection: {ratio: 1.5}", ["selection: ratio: 1.5 is out of range; it must be above 0 and at most 1"]),
        (
            "systems: {ours: {training_set: ed+prompt2-dk101-kcenter}}",
            ["the DK threshold 101 is out of range; it must be at least 0 and at most 100"],
        ),
        (
            "generation: {samples_per_seed: five}",
            ["generation: samples_per_seed: 'five' is of the wrong type; it must be a whole number"],
        ),
        (
            "report: {near_duplicate: 100}",
            ["report: near_duplicate: 100 is out of range; it must be above 0 and below 100"],
        ),
        ("sed: 1", ["unknown key 'sed'", "did you mean 'seed'?"]),
    ],
)
def test_an_invalid_configuration_is_refused_before_anything_runs(checkout, overlay, fragments):
    (checkout.folder / "overlay.yaml").write_text(overlay + "\n")
    before = checkout.files()
    done = checkout.snakemake("--cores", "1", "--configfile", "overlay.yaml", "--", "table1")
    assert done.returncode == 1
    for fragment in (*fragments, "What to do: "):
        assert fragment in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert checkout.files() == before


PLANNED = "results/paper/models/llama3-8b-instruct/"


@pytest.mark.parametrize(
    "training_set", ["ed+prompt2-dk60.-kcenter", "ed+prompt2-dk150-kcenter", "none", "ed+prompt2-dk60-kcentre"]
)
def test_an_invalid_training_set_is_not_trained_on_ed_instead(checkout, training_set):
    done = checkout.snakemake("-n", f"{PLANNED}{training_set}/seed0/manifest.json")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("overlay", "reruns"),
    [
        (
            "generation: {batch_size: 7}\nresponding: {batch_size: 5}\nscoring: {batch_tokens: 300, chunk_texts: 3}",
            False,
        ),
        ("training: {recipes: {small-lora: {save_steps: 2}}}", False),
        ("evaluation: {bertscore: {model: all-minilm-l6-v2, layer: 4}}", True),
        ("generation: {temperature: 0.7}", True),
    ],
)
def test_only_settings_that_decide_a_result_make_it_again(checkout, overlay, reruns):
    """Touched files stand for results; Snakemake's own record of their settings is real."""
    demo = ["--cores", "1", "--configfile", "config/demo.yaml"]
    done = checkout.snakemake(*demo, "--touch", "--", "table1")
    (checkout.folder / "overlay.yaml").write_text(overlay + "\n")
    done = checkout.snakemake("-n", *demo, "overlay.yaml", "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("params have changed" in done.stdout) == reruns


def test_if_bertscore_is_left_out_nothing_needs_it_and_its_file_is_refused(checkout, dry_run):
    (checkout.folder / "without.yaml").write_text("evaluation: {bertscore: {model: null, layer: null}}\n")
    words = ["--configfile", "config/demo.yaml", "without.yaml", "--"]
    done, jobs = dry_run(*words, "table1")
    assert done.returncode == 0 and "evaluate_bertscore" not in jobs
    assert jobs["evaluate"] == jobs["make_bertscore_cells"] == 3
    done, _ = dry_run(*words, "results/demo/metrics/smollm2-135m/none/seed0/paper-bertscore.json")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "leaves BERTScore out" in output
    assert "What to do: name one of its models" in output


ORDER = (
    "default_target input output log benchmark wildcard_constraints container threads resources params shell".split()
)


def rules(repository):
    """File, name and fields of every rule, in their order."""
    for path in [repository / "Snakefile", *sorted((repository / "rules").glob("*.smk"))]:
        for block in re.split(r"(?m)^rule ", path.read_text())[1:]:
            name = block.split(":")[0]
            yield path.name, name, re.findall(r"(?m)^    (\w+):", block.split("\n\n\n")[0])


def local_rules(repository):
    text = "".join(path.read_text() for path in [repository / "Snakefile", *(repository / "rules").glob("*.smk")])
    return set(re.findall(r"\w+", " ".join(re.findall(r"localrules:((?:\n    \w+,)+)", text))))


#: Rules that run where Snakemake runs: they need a network, only name targets, or take a second.
LOCAL = {
    "all", "reviewer", "comparisons", "fetch_ed", "fetch_model", "fetch_repository", "novelty", "table1", "table2",
    "table3", "table4", "archive", "pack_archive", "take_archived", "list_test_ids", "count_samples", "make_cells",
    "make_bertscore_cells", "make_sample_cells", "make_metric_cell", "make_table", "check_claims", "report_claims",
    "figure1", "figure5", "figure7", "figure8", "make_figure1", "make_figure5", "make_figure7", "make_figure8",
}  # fmt: skip


def test_rules_have_their_fields_in_order_and_those_that_are_not_local_have_what_a_cluster_needs(repository):
    local = local_rules(repository)
    declared = list(rules(repository))
    assert len(declared) >= 15 and local == LOCAL
    for file, name, fields in declared:
        assert fields == sorted(fields, key=ORDER.index), (file, name)
        if name not in local:
            assert {"log", "benchmark", "container", "resources", "shell"} <= set(fields), (file, name)
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*|(table|figure)[1-8]", name)


def test_rules_have_no_run_blocks_and_no_lambdas(repository):
    for path in [repository / "Snakefile", *(repository / "rules").glob("*.smk")]:
        assert not re.search(r"lambda|^\s+run:|^\s+script:", path.read_text(), flags=re.MULTILINE), path


def test_every_rules_file_opens_with_what_it_requires_and_makes(repository):
    for path in (repository / "rules").glob("*.smk"):
        head = path.read_text().split('"""')[1]
        assert "Requires:" in head and "Makes" in head, path


def test_every_script_has_help(repository, step):
    scripts = sorted(path.name for path in (repository / "scripts").glob("*.py"))
    assert len(scripts) == len(Counter(scripts)) >= 14
    for script in scripts:
        done = step(script, "--help")
        assert done.returncode == 0 and "--" in done.stdout, script


def test_style(repository):
    from conftest import BIN

    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", "-l", "119", "Snakefile", "rules"],
    ):
        done = subprocess.run([BIN / command[0], *command[1:]], cwd=repository, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
