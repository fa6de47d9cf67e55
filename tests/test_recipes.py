"""A recipe's fields stand in one class: configuration, flags, manifests and trainers take them from there."""

import json
import re
from dataclasses import fields

import pytest
from peft import LoraConfig
from trl import SFTConfig

from synth_empathy.core import cli
from synth_empathy.training import recipes
from synth_empathy.training.recipes import FIELDS, Recipe


def parsed(*words):
    """The recipe that flags give."""
    parser = cli.parser("")
    recipes.add_flags(parser)
    return recipes.from_flags(parser.parse_args(list(map(str, words))))


def test_a_run_by_hand_has_the_recipe_of_a_small_lora_run():
    recipe = parsed()
    assert (recipe.method, recipe.learning_rate, recipe.batch_size, recipe.lora_r, recipe.gpus) == (
        "lora",
        1e-4,
        8,
        8,
        0,
    )
    assert recipe.model_fields_set == set(FIELDS)


def test_flags_give_what_they_say():
    recipe = parsed("--method", "full", "--epochs", 2, "--adam-beta2", 0.95, "--gradient-accumulation", 4, "--gpus", 2)
    assert (recipe.method, recipe.epochs, recipe.adam_beta2, recipe.gradient_accumulation, recipe.gpus) == (
        "full",
        2.0,
        0.95,
        4,
        2,
    )


def test_every_field_reaches_a_trainer_or_our_own_code():
    recipe = Recipe.model_construct(**{name: name for name in FIELDS})
    sft, lora = recipe.trainer_arguments(), recipe.lora_arguments()
    assert set(sft) <= {field.name for field in fields(SFTConfig)}
    assert set(lora) <= {field.name for field in fields(LoraConfig)}
    ours = {name for name, field in FIELDS.items() if recipes.mark(field, recipes.NotPassed)}
    assert sorted([*sft.values(), *lora.values(), *ours]) == sorted(FIELDS)
    assert ours == {"method", "gpus"}
    assert (sft["num_train_epochs"], sft["per_device_train_batch_size"], sft["warmup_steps"], lora["r"]) == (
        "epochs", "batch_size", "warmup_ratio", "lora_r",
    )  # fmt: skip


def test_manifests_leave_out_what_changes_no_weight():
    assert set(parsed().facts()) == set(FIELDS) - {"gpus", "save_steps"}
    assert {"gpus", "save_steps"} == recipes.NO_WEIGHTS


def test_the_rule_passes_on_what_changes_no_weight(repository):
    """As resources, whose change trains nothing again, and so each by a line of its own."""
    rule = (repository / "rules/train.smk").read_text(encoding="utf-8").partition("rule train_model:")[2]
    for name in recipes.NO_WEIGHTS:
        assert f'" --{name.replace("_", "-")} ' in rule and f"{name}=" in rule, name


def test_a_field_that_is_true_or_false_is_false_by_default():
    """The rules write no flag for false, and so the flag's default has to be that."""
    for name, field in FIELDS.items():
        assert field.annotation is not bool or field.default is False, name


# docs/extending.md, to the letter


@pytest.fixture
def example(repository):
    """The blocks of the worked example, by language."""
    text = (repository / "docs/extending.md").read_text(encoding="utf-8")
    section = re.split(r"(?m)^## ", text.partition("## A recipe's field\n")[2])[0]
    return dict(re.findall(r"```(\w+)\n(.*?)```", section, flags=re.DOTALL))


@pytest.fixture
def extended(checkout, example):
    """A checkout with the example's field, and its overlay."""
    path = checkout.folder / "scripts/synth_empathy/training/recipes.py"
    before, method, after = path.read_text(encoding="utf-8").partition("\n    def facts(")
    path.write_text(before + example["python"] + method + after, encoding="utf-8")
    (checkout.folder / "overlay.yaml").write_text(example["yaml"], encoding="utf-8")
    return checkout


MODEL = "results/paper/models/llama3-8b-instruct/ed/seed0/manifest.json"


def test_a_field_that_is_added_is_configuration_and_flag(extended):
    done = extended.snakemake("-n", "-p", "--configfile", "overlay.yaml", "--", MODEL)
    assert done.returncode == 0, done.stdout + done.stderr
    [command] = [line for line in done.stdout.splitlines() if "scripts/train_model.py" in line]
    assert " --max-grad-norm=0.5 " in command

    wrong = extended.folder / "wrong.yaml"
    wrong.write_text((extended.folder / "overlay.yaml").read_text().replace("0.5", "0"))
    refused = extended.snakemake("-n", "--configfile", wrong, "--", MODEL)
    said = "training: recipes: lora: max_grad_norm: 0 is out of range; it must be above 0 and at most 1000"
    assert said in refused.stdout + refused.stderr

    assert "--max-grad-norm" not in extended.snakemake("-n", "-p", "--", MODEL).stdout
    extended.run(".venv/bin/python", "scripts/describe_settings.py")
    assert "`max_grad_norm`" in (extended.folder / "docs/configuration.md").read_text()


def test_a_field_that_is_added_trains_and_stands_in_the_manifest(extended, tiny_model):
    row = {"history": ["i am happy ."], "response": "that is wonderful !", "source": "ed"}
    rows = [{"id": f"c{number}"} | row for number in range(4)]
    (extended.folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = [
        "--base",
        tiny_model,
        "--data",
        "data.jsonl",
        "--state",
        "state",
        "--method",
        "full",
        "--threads",
        1,
        "--scheduler",
        "constant",
    ]
    made = {}
    for norm in ("default", "0.000001"):
        more = [] if norm == "default" else ["--max-grad-norm", norm]
        words = [*flags, *more, "--epochs", 2, "--output", norm]
        done = extended.run(".venv/bin/python", "scripts/train_model.py", *words)
        assert done.returncode == 0, done.stderr
        made[norm] = json.loads((extended.folder / norm / "manifest.json").read_text())
    assert (made["default"]["recipe"]["max_grad_norm"], made["0.000001"]["recipe"]["max_grad_norm"]) == (1.0, 1e-6)
    weights = [entry["files"]["model.safetensors"]["sha256"] for entry in made.values()]
    assert weights[0] != weights[1]  # the trainer was told
