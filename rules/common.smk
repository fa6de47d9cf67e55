"""Functions that the rules share: the checked configuration, interpreters and images, resources, flags from settings.

Requires: config.yaml and its overlays.
Makes: nothing; this file has no rule, and needs nothing from the files after it.
"""

import json
import os
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from synth_empathy import systems
from synth_empathy.baselines import authors_code
from synth_empathy.config import settings
from synth_empathy.core import addresses, archive
from synth_empathy.core.code_graph import reached
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import write_text
from synth_empathy.data.readers import reader_of
from synth_empathy.evaluation import metrics
from synth_empathy.execution import images
from synth_empathy.reporting import cells, paper_values, tables
from synth_empathy.selection import diversity
from synth_empathy.training import recipes

#: Whether rules run in containers (--software-deployment-method apptainer).
CONTAINERS = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method

try:
    settings.check_files(workflow.configfiles)
    settings.check(config)
    settings.name_dataset(config)
    #: The files of the archive that the configuration names, by their paths in <results>; empty without an archive.
    ARCHIVED = archive.read_index(Path(config["archive"])) if config["archive"] else {}
except UserError as error:
    raise WorkflowError(str(error)) from None


#: The interpreter of each group of packages, quoted for the shell; every command starts with one.
PYTHON = {
    group: images.PYTHON if CONTAINERS else shlex.quote(os.path.expanduser(path))
    for group, path in config["environments"].items()
}

#: The folders <results> and <models>, for flags: Snakemake replaces them only in paths.
RESULTS = f"results/{config['run']}"
MODELS = config["models_dir"]

SPLITS = ["train", "valid", "test"]
#: The run's data set: its entry in the configuration, with the way to read it; and what a model is trained on here.
DATA = reader_of(config["datasets"][config["dataset"]])
TRAINED = systems.trained_on(config["dataset"])
#: What tables, figures and claims say where the run's data set is not the paper's; None where it is.
OTHER_DATA = paper_values.other_data(config["dataset"])
SHARDS = range(config["generation"]["shards"])


#: The end of the path of the file that names the model that wrote the synthetic dialogues.
WRITTEN_BY = "/parse_summary.json"


wildcard_constraints:
    split="train|valid|test",
    model=systems.NAME,
    base=systems.NAME,
    baseline=systems.NAME,
    prompt=systems.PART,
    dk=systems.DK,
    size=systems.SIZE,
    scorer=systems.PART,
    quality=systems.QUALITY,
    selection=systems.SELECTION,
    stage=systems.STAGE,
    training_set=systems.every_training_set(config["dataset"]),
    inputs=systems.INPUTS,
    protocol="paper|standard",
    table="table[1-4]",
    seed="[0-9]+",
    shard="[0-9]+",


def keep_configuration():
    """Write the merged configuration beside its results, without the secrets in its addresses."""
    text = yaml.safe_dump(addresses.without_secrets(config), sort_keys=False, allow_unicode=True)
    write_text(f"{RESULTS}/config.yaml", text)


def code(script, entries=None):
    """A step's script and the library's modules that it imports: inputs of steps that are cheap to repeat.

    entries are the registered modules that the job uses (code_graph.REGISTRIES); all of them when not given.
    """
    path = Path(workflow.basedir) / f"scripts/{script}.py"
    return [f"scripts/{name}" for name in reached(path, entries)]


def image(group, gpus=0):
    """The image of a group of packages, its CUDA build for jobs with GPUs; None if rules run without containers.

    gpus is a number, or a function of the job's wildcards; then the result is such a function, too.
    """
    if not CONTAINERS:
        return None

    def location(wildcards):
        number = gpus(wildcards) if callable(gpus) else gpus
        name = images.name_of(config["images"][group], number)
        try:
            return images.location(name, config["image_folder"])
        except UserError as error:
            raise WorkflowError(str(error)) from None

    return location if callable(gpus) else location(None)


def per_attempt(amount):
    """A resource that grows with each attempt, so that a retry gets more memory or time."""

    def resource(wildcards, attempt):
        return amount * attempt

    return resource


def model_threads(gpus):
    """Threads of a step that runs a model: two, and one more for each GPU.

    vllm runs a process for each GPU and two more, and wants at least one core for each.
    """
    return 2 + gpus


def flags(values):
    """Settings as flags of a shell command: {"top_p": 0.9, "normalise": True} gives --top-p=0.9 --normalise.

    null and false are left out. The result is already quoted for the shell, so a rule uses it in its command without
    :q, unlike paths, wildcards and single settings. Thanks to the equals sign, a value that begins with a dash is not
    read as a flag.
    """
    words = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words.append(f"{flag}={shlex.quote(str(value))}")
    return " ".join(words)


def verbatim(text):
    """A text as a rule's parameter: in a plain string, Snakemake would read braces as wildcards."""

    def parameter(wildcards):
        return text

    return parameter


def located(path):
    """A path with <results>, <models> and <dataset> replaced."""
    path = path.replace("<results>", RESULTS).replace("<models>", MODELS)
    return path.replace("<dataset>", config["dataset"])


def model_of(base, training_set, seed):
    """The manifest of a base model, as fetched or as fine-tuned on a training set."""
    if training_set == systems.UNTRAINED:
        return f"<models>/{base}/manifest.json"
    return f"<results>/models/{base}/{training_set}/seed{seed}/manifest.json"


def table_rows(table):
    """A table's rows in the configuration: base, training_set, title, paper_row."""
    return tables.rows_of(config, table)


def left_out(base, training_set):
    """Why a system of a table has no responses (a baseline without data or results); None for other systems."""
    if training_set != systems.AUTHORS:
        return None
    if config["archive"]:
        folder = f"responses/{base}/{training_set}/"
        archived = any(name.startswith(folder) for name in ARCHIVED)
        return None if archived else f"the archive has no responses of {base}"
    baseline = config["baselines"][base]
    if baseline["data"] or baseline["results"]:
        return None
    return f"neither baselines: {base}: data nor results is set (docs/baselines.md)"


def system_seeds(training_set):
    """The seeds of a system: the configuration's, or only the first."""
    greedy = config["responding"]["temperature"] == 0
    return systems.seeds_of(training_set, config["seeds"], greedy)


def seed_files(base, training_set, kind, name):
    """A system's files of one kind, responses or metrics: one for each of its seeds."""
    return [f"<results>/{kind}/{base}/{training_set}/seed{seed}/{name}" for seed in system_seeds(training_set)]


def judgements():
    """The file of human judgements: the configuration's, or otherwise the archive's; None if there is none."""
    configured = config["human"]["judgements"]
    if archive.JUDGEMENTS in ARCHIVED and not (configured and Path(configured).is_file()):
        return f"<results>/{archive.JUDGEMENTS}"
    return configured


def available(paths):
    """Whether files exist, or are in the archive."""
    return all(path.removeprefix("<results>/") in ARCHIVED or Path(located(path)).exists() for path in paths)


def model_memory(model, attempt):
    """Main memory of a step that runs a model of the catalogue; it grows with each attempt."""
    return config["models"][model]["mem_mb"] * attempt
