"""The code that a row passes from ED's CSV files to a cell of Table 1, as scripts/list_code.py lists it."""

import re

ROW = "results/demo/cells/table1/smollm2-135m/ed+prompt2-dk20-kcenter/bleu1.json"
#: A file of every stage.
STAGES = (
    "rules/data.smk",
    "scripts/prepare_ed.py",
    "scripts/synth_empathy/data/empathetic_dialogues.py",
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
#: Other engines, metrics that the job does not use, what several GPUs need, and modules that affect no output.
NOT_PASSED = ("vllm_engine.py", "bertscore.py", "fsdp.py", "launcher.py", "core/errors.py", "core/records.py", "make_figure1.py")


def test_a_rows_files_are_those_of_its_jobs_each_listed_once(step, repository):
    done = step("list_code.py")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    listed = [line.split() for line in lines]
    names = [name for _, name in listed]
    assert len(set(names)) == len(names) and all((repository / name).is_file() for name in names)
    assert set(STAGES) <= set(names) and not [name for name in names if name.endswith(NOT_PASSED)]
    assert int(re.match(r"(\d+) files; ", last)[1]) == len(names)
    first = {rule: place for place, (rule, _) in reversed(list(enumerate(listed)))}
    rules = "prepare_ed generate parse_rounds embed_texts select_diverse evaluate make_cells"
    order = [first[rule] for rule in rules.split()]
    assert order == sorted(order)
    assert step("list_code.py", ROW).stdout == done.stdout


def test_a_target_that_is_none_is_told_in_snakemakes_words(step):
    done = step("list_code.py", "results/demo/tables/table9.csv")
    assert done.returncode == 1 and "MissingRuleException" in done.stderr and done.stdout == ""
