"""Responses of a model to the histories of samples. One rule makes the discriminator's responses to the synthetic
samples (paper, section 3.2, step 1), and every system's responses to the test split (section 4.2).

Requires: the samples, and the model: fetched (training set none, zero-shot) or fine-tuned.
Makes, for each {inputs}: test, or synthetic-{prompt}
    <results>/responses/{base}/{training_set}/seed{seed}/{inputs}.jsonl            prediction and reference
    <results>/responses/{base}/{training_set}/seed{seed}/{inputs}.manifest.json    model, settings, code, repeatability
"""


def samples_to_answer(wildcards):
    """The file of the samples that the model answers."""
    prompt = systems.prompt_of(wildcards.inputs)
    return f"<results>/synthetic/{prompt}/samples.jsonl" if prompt else "<results>/<dataset>/test.jsonl"


def responding_model(wildcards):
    """The manifest of the model that answers."""
    return model_of(wildcards.base, wildcards.training_set, wildcards.seed)


def responding_flags(wildcards):
    """How a model answers: the test split with the settings of all systems, others with the discriminator's."""
    settings = config["responding"] if wildcards.inputs == systems.TEST else config["discriminator"]
    sampling = {key: settings[key] for key in ("temperature", "top_p", "max_tokens")}
    engine = {key: config["responding"][key] for key in ("engine", "batch_invariant")}
    untrained = wildcards.training_set == systems.UNTRAINED
    dialogue = config["dialogue"] | (config["zero_shot"] if untrained else {})
    model = {key: config["models"][wildcards.base][key] for key in ("dtype", "gpus")}
    return flags(sampling | engine | dialogue | model)


def responding_gpus(wildcards):
    """GPUs of a responding job."""
    return config["models"][wildcards.base]["gpus"]


def responding_threads(wildcards):
    """Threads of a responding job."""
    return model_threads(responding_gpus(wildcards))


def responding_memory(wildcards, attempt):
    """Main memory of a responding job."""
    return model_memory(wildcards.base, attempt)


rule respond:
    input:
        samples=samples_to_answer,
        model=responding_model,
    output:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/{inputs}.jsonl",
        manifest="<results>/responses/{base}/{training_set}/seed{seed}/{inputs}.manifest.json",
    log:
        "<results>/logs/respond/{base}/{training_set}/seed{seed}/{inputs}.log",
    benchmark:
        "<results>/benchmarks/respond/{base}/{training_set}/seed{seed}/{inputs}.tsv"
    wildcard_constraints:
        training_set=systems.ours(config["dataset"]),
    container:
        image("llm", responding_gpus)
    threads: responding_threads
    resources:
        gpu=responding_gpus,
        mem_mb=responding_memory,
        runtime=per_attempt(480),
        batch_size=config["responding"]["batch_size"],
    params:
        sampling=responding_flags,
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[llm]} scripts/respond.py"
        " --inputs {input.samples:q}"
        ' --model "$(dirname {input.model:q})"'
        " {params.sampling}"
        " --batch-size {resources.batch_size:q}"
        " --seed {wildcards.seed:q}"
        " --threads {threads:q}"
        " --state {params.state:q}"
        " --output {output.responses:q}"
        " --manifest {output.manifest:q}"
        " > {log:q} 2>&1"
