"""Fine-tuning by one rule: the discriminator (paper, section 3.2), the baselines on the data set alone and our systems (4.2).

Requires: the train samples; for {dataset}+... also the selected synthetic samples; the base model.
Makes, for each {training_set}: {dataset}, or {dataset}+{prompt}-{quality}-{selection}
    <results>/training/{training_set}/seed{seed}.jsonl                     all samples, each with its source
    <results>/models/{base}/{training_set}/seed{seed}/manifest.json        merged weights, tokenizer, manifest
"""


def synthetic_part(wildcards):
    """The selected synthetic samples of a training set; none if it is the data set alone."""
    selected = systems.TrainingSet.parse(wildcards.training_set).selected
    return f"<results>/{selected.samples(wildcards.seed)}" if selected else []


def synthetic_flag(wildcards, input):
    """--synthetic FILE, if the training set has a synthetic part."""
    return flags({"synthetic": input.get("synthetic") or None})


def recipe_of(base):
    """The recipe that fine-tunes a base model."""
    return config["training"]["recipes"][config["training"]["bases"][base]]


def training_flags(wildcards):
    """The settings that affect the weights: the recipe, the form of dialogues, and the type of the weights."""
    recipe = {key: value for key, value in recipe_of(wildcards.base).items() if key not in recipes.NO_WEIGHTS}
    return flags(recipe | config["dialogue"] | {"dtype": config["models"][wildcards.base]["dtype"]})


def save_steps(wildcards):
    """Steps between checkpoints. They are a resource, because they do not affect the weights."""
    return recipe_of(wildcards.base)["save_steps"]


def training_gpus(wildcards):
    """GPUs of a training job."""
    return recipe_of(wildcards.base)["gpus"]


def training_threads(wildcards):
    """Threads of a training job."""
    return model_threads(training_gpus(wildcards))


def training_memory(wildcards, attempt):
    """Main memory of a training job: weights, their copy while merging, samples, and a process for each further GPU.

    Only the first process reads the weights: 4 bytes per parameter in float32, less than half of this. At a
    checkpoint, Adam's state needs the most, 8 bytes per parameter over all processes, which also fits. The
    memory of a process (Python, torch, CUDA, NCCL) is an assumption, because no GPU was available to measure it.
    """
    further = max(0, training_gpus(wildcards) - 1)
    return 2 * model_memory(wildcards.base, attempt) + 6000 * further * attempt


rule mix_training_set:
    input:
        data="<results>/<dataset>/train.jsonl",
        synthetic=synthetic_part,
    output:
        "<results>/training/{training_set}/seed{seed}.jsonl",
    log:
        "<results>/logs/mix_training_set/{training_set}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/mix_training_set/{training_set}/seed{seed}.tsv"
    wildcard_constraints:
        training_set=TRAINED,
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        name=config["dataset"],
        synthetic=synthetic_flag,
    shell:
        "{PYTHON[core]} scripts/mix_training_set.py"
        " --data {input.data:q}"
        " --name {params.name:q}"
        " {params.synthetic}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule train_model:
    input:
        base="<models>/{base}/manifest.json",
        data="<results>/training/{training_set}/seed{seed}.jsonl",
    output:
        "<results>/models/{base}/{training_set}/seed{seed}/manifest.json",
    log:
        "<results>/logs/train_model/{base}/{training_set}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/train_model/{base}/{training_set}/seed{seed}.tsv"
    wildcard_constraints:
        training_set=TRAINED,
    container:
        image("train", training_gpus)
    threads: training_threads
    resources:
        gpu=training_gpus,
        mem_mb=training_memory,
        runtime=per_attempt(960),
        save_steps=save_steps,
    params:
        recipe=training_flags,
        gpus=training_gpus,
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[train]} scripts/train_model.py"
        ' --base "$(dirname {input.base:q})"'
        " --data {input.data:q}"
        " {params.recipe}"
        " --save-steps {resources.save_steps:q}"
        " --seed {wildcards.seed:q}"
        " --gpus {params.gpus:q}"
        " --threads {threads:q}"
        " --state {params.state:q}"
        ' --output "$(dirname {output:q})"'
        " > {log:q} 2>&1"
