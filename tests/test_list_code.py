"""The code that a row passes from ED's CSV files to a cell of Table 1, as scripts/list_code.py lists it."""

import re

from synth_empathy.core import code_graph
from synth_empathy.execution import row_path

#: The most files that a row of the demo's Table 1 may pass.
MOST_FILES = 41
ROW = "results/demo/cells/table1/smollm2-135m/ed+prompt2-dk20-kcenter/bleu1.json"
#: A file of every stage.
STAGES = (
    "rules/data.smk",
    "scripts/prepare_data.py",
    "scripts/synth_empathy/data/readers/empathetic_dialogues.py",
    "scripts/generate.py",
    "scripts/synth_empathy/inference/transformers_engine.py",
    "scripts/parse_rounds.py",
    "scripts/synth_empathy/selection/kcenter.py",
    "scripts/mix_training_set.py",
    "scripts/synth_empathy/training/sft.py",
    "scripts/respond.py",
    "rules/evaluate.smk",
    "scripts/synth_empathy/evaluation/metrics/bleu.py",
    "scripts/synth_empathy/reporting/cells.py",
)
#: Other engines and metrics, training on several GPUs, modules that decide no value, and jobs that no row passes.
NOT_PASSED = (
    "vllm_engine.py",
    "rouge.py",
    "bertscore.py",
    "fsdp.py",
    "launcher.py",
    "core/errors.py",
    "core/files.py",
    "core/records.py",
    "fetch_model.py",
    "list_test_ids.py",
    "make_figure1.py",
)


def test_the_files_of_a_row_are_those_of_its_jobs_each_listed_once(step, repository):
    done = step("list_code.py")
    assert done.returncode == 0, done.stderr
    files, left_out = done.stdout.split("\nLeft out:\n")
    *lines, last = files.splitlines()
    listed = [line.split() for line in lines]
    names = [name for _, name in listed]
    assert len(set(names)) == len(names) and all((repository / name).is_file() for name in names)
    assert set(STAGES) <= set(names) and not [name for name in names if name.endswith(NOT_PASSED)]
    assert last == f"{len(names)} files" and len(names) <= MOST_FILES
    first = {rule: place for place, (rule, _) in reversed(list(enumerate(listed)))}
    rules = "prepare_data generate parse_rounds embed_texts select_diverse evaluate make_cells"
    order = [first[rule] for rule in rules.split()]
    assert order == sorted(order)
    assert step("list_code.py", ROW).stdout == done.stdout

    reasons = dict(re.fullmatch(r"  (?:the rule )?(\S+): (.+)", line).groups() for line in left_out.splitlines())
    assert {"fetch_model", "list_test_ids"} <= reasons.keys() and not reasons.keys() & set(names)
    for module in (
        "inference/vllm_engine",
        "evaluation/metrics/rouge",
        "training/fsdp",
        "core/records",
        "core/errors",
    ):
        assert f"scripts/synth_empathy/{module}.py" in reasons


def test_a_target_that_does_not_exist_ends_with_snakemakes_own_message(step):
    done = step("list_code.py", "results/demo/tables/table9.csv")
    assert done.returncode == 1 and "MissingRuleException" in done.stderr and done.stdout == ""


def job(rule, inputs, outputs, command=""):
    """A job as a dry-run reports it."""
    return {"rule": rule, "input": inputs.split(), "output": outputs.split(), "command": command}


def test_the_path_is_the_longest_chain_and_begins_with_a_job_that_reads_data():
    jobs = [
        job("fetch", "", "model"),
        job("prepare", "raw.csv scripts/prepare.py", "samples ids"),
        job("check", "samples", "checked"),
        job("answer", "samples model", "answers"),
        job("embed", "answers", "vectors"),
        job("score", "vectors checked model", "scores"),
        job("other", "raw.csv", "elsewhere"),
    ]
    for order in (jobs, jobs[::-1]):
        chain = row_path.longest_chain(order)
        assert [step["rule"] for step in chain] == ["prepare", "answer", "embed", "score"]
        reasons = row_path.left_out(order, chain)
        assert reasons.keys() == {"fetch", "check", "other"} and reasons["fetch"] == "it reads no data"
    assert row_path.longest_chain(jobs[:1]) == []


def test_the_flags_of_a_job_decide_which_optional_modules_count():
    command = "python scripts/train_model.py --gpus {} --method=full --system='one GPU'"
    several = {f"scripts/synth_empathy/{module.replace('.', '/')}.py" for module in code_graph.SEVERAL_PROCESSES}
    for gpus, expected in ((0, set()), (1, set()), (4, several)):
        code = row_path.code_of(job("train_model", "data", "model", command.format(gpus)), metrics=())
        assert set(code) & several == expected
    engine = job("respond", "data", "answers", "python scripts/respond.py --engine=vllm --gpus=0 > log 2>&1")
    names = {path.rsplit("/")[-1] for path in row_path.code_of(engine, metrics=())}
    assert "vllm_engine.py" in names and "transformers_engine.py" not in names


def test_a_cell_counts_its_own_metric_and_a_table_every_metric():
    assert row_path.metrics_of([ROW]) == {"bleu"}
    assert row_path.metrics_of([ROW, ROW.replace("bleu1", "bert_f1")]) == {"bleu", "bertscore"}
    assert {"bleu", "cider", "bertscore"} <= row_path.metrics_of([ROW, "table1"])
