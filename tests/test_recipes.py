"""The fields of a recipe are in one class, from which configuration, flags, manifests and trainers take them."""

import json
import re
from dataclasses import fields

import pytest
from peft import LoraConfig
from trl import SFTConfig

from synth_empathy.core import cli
from synth_empathy.training import recipes
from synth_empathy.training.recipes import FIELDS, Recipe


def parse(*flags):
    """The recipe according to flags."""
    parser = cli.parser("")
    recipes.add_flags(parser)
    return recipes.from_flags(parser.parse_args(list(map(str, flags))))


def values(recipe, *names):
    """The values of some fields."""
    return [getattr(recipe, name) for name in names]


def test_a_run_by_hand_has_the_recipe_of_a_small_lora_run():
    recipe = parse()
    names = ["method", "learning_rate", "batch_size", "lora_r", "gpus"]
    assert values(recipe, *names) == ["lora", 1e-4, 8, 8, 0]
    assert recipe.model_fields_set == set(FIELDS)


def test_a_recipe_has_the_values_of_its_flags():
    flags = ["--method", "full", "--epochs", 2, "--adam-beta2", 0.95, "--gradient-accumulation", 4, "--gpus", 2]
    names = ["method", "epochs", "adam_beta2", "gradient_accumulation", "gpus"]
    assert values(parse(*flags), *names) == ["full", 2.0, 0.95, 4, 2]


def test_every_field_reaches_a_trainer_or_our_own_code():
    recipe = Recipe.model_construct(**{name: name for name in FIELDS})
    sft, lora = recipe.trainer_arguments(), recipe.lora_arguments()
    assert set(sft) <= {field.name for field in fields(SFTConfig)}
    assert set(lora) <= {field.name for field in fields(LoraConfig)}
    ours = {name for name, field in FIELDS.items() if recipes.annotation(field, recipes.NotPassed)}
    assert sorted([*sft.values(), *lora.values(), *ours]) == sorted(FIELDS)
    assert ours == {"method", "gpus"}
    assert (sft["num_train_epochs"], sft["per_device_train_batch_size"]) == ("epochs", "batch_size")
    assert (sft["warmup_steps"], lora["r"]) == ("warmup_ratio", "lora_r")


def test_manifests_omit_what_does_not_affect_the_weights():
    assert set(parse().facts()) == set(FIELDS) - {"gpus", "save_steps"}
    assert {"gpus", "save_steps"} == recipes.NO_WEIGHTS


def test_the_rule_passes_on_what_does_not_affect_the_weights(repository):
    """These fields have lines of their own in the rule, as resources, whose change trains no model again."""
    rule = (repository / "rules/train.smk").read_text(encoding="utf-8").partition("rule train_model:")[2]
    for name in recipes.NO_WEIGHTS:
        assert f'" --{name.replace("_", "-")} ' in rule and f"{name}=" in rule, name


def test_a_field_that_is_true_or_false_is_false_by_default():
    """The rules write no flag for false, so false has to be the flag's default."""
    for name, field in FIELDS.items():
        assert field.annotation is not bool or field.default is False, name


# The worked example in docs/extending.md


@pytest.fixture
def example(repository):
    """The blocks of the worked example, by language."""
    text = (repository / "docs/extending.md").read_text(encoding="utf-8")
    section = re.split(r"(?m)^## ", text.partition("## A recipe's field\n")[2])[0]
    return dict(re.findall(r"```(\w+)\n(.*?)```", section, flags=re.DOTALL))


@pytest.fixture
def extended(checkout, example):
    """A checkout with the example's field and overlay."""
    path = checkout.folder / "scripts/synth_empathy/training/recipes.py"
    before, method, after = path.read_text(encoding="utf-8").partition("\n    def facts(")
    path.write_text(before + example["python"] + method + after, encoding="utf-8")
    (checkout.folder / "overlay.yaml").write_text(example["yaml"], encoding="utf-8")
    return checkout


MODEL = "results/paper/models/llama3-8b-instruct/ed/seed0/manifest.json"


def test_an_added_field_is_in_configuration_and_flags(extended):
    done = extended.snakemake("-n", "-p", "--configfile", "overlay.yaml", "--", MODEL)
    assert done.returncode == 0, done.stdout + done.stderr
    [command] = [line for line in done.stdout.splitlines() if "scripts/train_model.py" in line]
    assert " --max-grad-norm=0.5 " in command

    wrong = extended.folder / "wrong.yaml"
    wrong.write_text((extended.folder / "overlay.yaml").read_text().replace("0.5", "0"))
    refused = extended.snakemake("-n", "--configfile", wrong, "--", MODEL)
    problem = "training: recipes: lora: max_grad_norm: 0 is out of range; it must be above 0 and at most 1000"
    assert problem in refused.stdout + refused.stderr

    assert "--max-grad-norm" not in extended.snakemake("-n", "-p", "--", MODEL).stdout
    extended.run(".venv/bin/python", "scripts/describe_settings.py")
    assert "`max_grad_norm`" in (extended.folder / "docs/configuration.md").read_text()


def test_an_added_field_reaches_the_trainer_and_the_manifest(extended, tiny_model):
    sample = {"history": ["i am happy ."], "response": "that is wonderful !", "source": "ed"}
    rows = [{"id": f"c{number}"} | sample for number in range(4)]
    (extended.folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--base", tiny_model, "--data", "data.jsonl", "--state", "state", "--method", "full"]
    flags += ["--threads", 1, "--scheduler", "constant", "--epochs", 2]

    def train(output, *more):
        command = [".venv/bin/python", "scripts/train_model.py", *flags, "--output", output, *more]
        done = extended.run(*command)
        assert done.returncode == 0, done.stderr
        return json.loads((extended.folder / output / "manifest.json").read_text())

    manifests = [train("default"), train("small", "--max-grad-norm", "0.000001")]
    assert [manifest["recipe"]["max_grad_norm"] for manifest in manifests] == [1.0, 1e-6]
    first, second = (manifest["files"]["model.safetensors"]["sha256"] for manifest in manifests)
    assert first != second  # the trainer used the value
