"""Fine-tuning by one rule: the discriminator (paper, section 3.2), the ED-only baselines and our systems (4.2).

Requires: ED's train samples; for ed+... also the selected synthetic samples; the base model.
Makes, for each {training_set}: ed, or ed+{prompt}-{quality}-{selection}
    <results>/training/{training_set}/seed{seed}.jsonl                     all samples, each with its source
    <results>/models/{base}/{training_set}/seed{seed}/manifest.json        merged weights, tokenizer, manifest
"""


def synthetic_part(wildcards):
    """The selected synthetic samples of a training set; none for ED alone."""
    selected = systems.TrainingSet.parse(wildcards.training_set).selected
    return f"<results>/{selected.samples(wildcards.seed)}" if selected else []


def synthetic_flag(wildcards, input):
    """--synthetic FILE, where the training set has a synthetic part."""
    return flags({"synthetic": input.get("synthetic") or None})


def recipe_of(base):
    """The recipe that fine-tunes a base model."""
    return config["training"]["recipes"][config["training"]["bases"][base]]


def training_flags(wildcards):
    """What decides a base model's weights as flags: its recipe, the dialogue format and the weights' type."""
    decided = {key: value for key, value in recipe_of(wildcards.base).items() if key not in recipes.NO_WEIGHTS}
    return flags(decided | config["dialogue"] | {"dtype": config["models"][wildcards.base]["dtype"]})


def save_steps(wildcards):
    """Steps between checkpoints; a resource, since it changes no weight."""
    return recipe_of(wildcards.base)["save_steps"]


def training_gpus(wildcards):
    """GPUs of a training job."""
    return recipe_of(wildcards.base)["gpus"]


def training_threads(wildcards):
    """Threads of a training job."""
    return model_threads(training_gpus(wildcards))


def training_memory(wildcards, attempt):
    """Main memory of a training job: weights, their copy while merging, and the samples; for each further GPU, a process.

    Of several processes the first alone reads the weights: 4 bytes a parameter in float32, less than half of this. The
    most is Adam's state at a checkpoint, 8 bytes a parameter over all of them, which is within it, too. A process has
    Python, torch and what CUDA and NCCL keep in main memory: an assumption, since no GPU was there to measure it.
    """
    further = max(0, training_gpus(wildcards) - 1)
    return 2 * model_memory(wildcards.base, attempt) + 6000 * further * attempt


rule mix_training_set:
    input:
        ed="<results>/ed/train.jsonl",
        synthetic=synthetic_part,
    output:
        "<results>/training/{training_set}/seed{seed}.jsonl",
    log:
        "<results>/logs/mix_training_set/{training_set}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/mix_training_set/{training_set}/seed{seed}.tsv"
    wildcard_constraints:
        training_set=systems.TRAINED,
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        synthetic=synthetic_flag,
    shell:
        "{PYTHON[core]} scripts/mix_training_set.py"
        " --ed {input.ed:q}"
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
        training_set=systems.TRAINED,
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
