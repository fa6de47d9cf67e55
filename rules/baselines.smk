"""Systems of other authors (paper, section 4.1.2): baselines that their authors' code trains, and published outputs.

Requires: ED's test samples. For a baseline either the user's outputs of it (`results`), or git and a network to fetch
    its authors' code, the data that the code needs (`data`), and its own environment or image (docs/baselines.md).
Makes, for each key of `baselines`. All seeds read one file, because the authors' code trains once, with its own seed:
    <models>/repositories/{baseline}/manifest.json      the authors' repository at its pinned commit
    <results>/baselines/{baseline}/prepared.json        a copy of it for training, code/, with the user's data
    <results>/baselines/{baseline}/checkpoint.txt       the trained checkpoint's path in that copy, and its hash
    <results>/baselines/{baseline}/results.txt          its outputs on ED's test split; those of training with
                                                        `generate: null`
    <results>/responses/{base}/{training_set}/seed{seed}/test.jsonl             the outputs in our format; the training
                                                                                set is authors-code or published
    <results>/responses/{base}/{training_set}/seed{seed}/test.alignment.json    counts of the alignment with our
                                                                                samples, and every mismatch
"""

#: The interpreter that runs Snakemake: git is on that machine, and not in images.
HERE = shlex.quote(sys.executable)


def outputs_of(wildcards):
    """The file of another system's outputs: the user's, or that of its authors' code."""
    if wildcards.training_set == systems.PUBLISHED:
        return config["published"][wildcards.base]["file"]
    results = config["baselines"][wildcards.base]["results"]
    return results or f"<results>/baselines/{wildcards.base}/results.txt"


def alignment_flags(wildcards):
    """How many mismatches are accepted, and whether the test samples are a part of the split."""
    part = DATA.keep.test is not None
    return flags({"unaligned": config["outputs"]["unaligned"], "part": part})


def baseline_field(name):
    """A function that gives a setting of a job's baseline; an empty text if it is null."""

    def field(wildcards):
        return str(config["baselines"][wildcards.baseline][name] or "")

    return field


def made_by_training(wildcards):
    """The file that a baseline's training must make: its checkpoint, or its results if it writes them itself."""
    chosen = config["baselines"][wildcards.baseline]
    return baseline_field("checkpoint" if chosen["generate"] else "makes")(wildcards)


def baseline_data_flags(wildcards):
    """The user's data for a baseline, and the files that it must contain."""
    chosen = config["baselines"][wildcards.baseline]
    needs = (f"--need {shlex.quote(path)} {shlex.quote(what)}" for path, what in chosen["needs"].items())
    return " ".join([flags({"data": chosen["data"]}), *needs])


def baseline_python(wildcards):
    """A baseline's own interpreter: that of its image, or that of its environment."""
    environment = config["baselines"][wildcards.baseline]["environment"]
    return images.PYTHON if CONTAINERS else shlex.quote(environment)


def baseline_image(wildcards):
    """A baseline's own image, for rules that run in containers."""
    chosen = config["baselines"][wildcards.baseline]
    name = images.name_of(chosen["image"], chosen["gpus"])
    try:
        return images.location(name, config["image_folder"])
    except UserError as error:
        raise WorkflowError(str(error)) from None


def baseline_gpus(wildcards):
    """GPUs of a baseline's jobs."""
    return config["baselines"][wildcards.baseline]["gpus"]


def answering_gpus(wildcards):
    """GPUs of the job that answers with a baseline; none if training wrote the results, which are only copied."""
    chosen = config["baselines"][wildcards.baseline]
    return chosen["gpus"] if chosen["generate"] else 0


def baseline_memory(wildcards, attempt):
    """Main memory of a baseline's jobs, growing with each attempt."""
    return config["baselines"][wildcards.baseline]["mem_mb"] * attempt


def check_baselines():
    """Refuse a run that would train a baseline without its data or environment, before the first job."""
    try:
        for job in workflow.dag.needrun_jobs():
            name = job.wildcards.get("baseline")
            if job.rule.name == "prepare_baseline":
                authors_code.check_data(name, config["baselines"][name])
            elif name and job.rule.name.endswith("_baseline") and not CONTAINERS:
                authors_code.check_environment(name, config["baselines"][name])
    except UserError as error:
        raise WorkflowError(str(error)) from None


localrules:
    fetch_repository,


rule fetch_repository:
    output:
        "<models>/repositories/{baseline}/manifest.json",
    log:
        "<models>/logs/fetch_repository_{baseline}.log",
    params:
        repository=baseline_field("repository"),
        commit=baseline_field("commit"),
    shell:
        "{HERE} scripts/fetch_repository.py"
        " --repository={params.repository:q}"
        " --commit {params.commit:q}"
        ' --output "$(dirname {output:q})"'
        " > {log:q} 2>&1"


rule prepare_baseline:
    input:
        "<models>/repositories/{baseline}/manifest.json",
    output:
        "<results>/baselines/{baseline}/prepared.json",
    log:
        "<results>/logs/prepare_baseline/{baseline}.log",
    benchmark:
        "<results>/benchmarks/prepare_baseline/{baseline}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        commit=baseline_field("commit"),
        data=baseline_data_flags,
    shell:
        "{PYTHON[core]} scripts/prepare_baseline.py"
        " --name {wildcards.baseline:q}"
        ' --repository "$(dirname {input:q})"'
        " --commit {params.commit:q}"
        " {params.data}"
        ' --code "$(dirname {output:q})/code"'
        " --output {output:q}"
        " > {log:q} 2>&1"


rule train_baseline:
    input:
        "<results>/baselines/{baseline}/prepared.json",
    output:
        "<results>/baselines/{baseline}/checkpoint.txt",
    log:
        "<results>/logs/train_baseline/{baseline}.log",
    benchmark:
        "<results>/benchmarks/train_baseline/{baseline}.tsv"
    container:
        baseline_image if CONTAINERS else None
    threads: 2
    resources:
        gpu=baseline_gpus,
        mem_mb=baseline_memory,
        runtime=per_attempt(1440),
    params:
        python=baseline_python,
        command=baseline_field("train"),
        checkpoint=made_by_training,
    shell:
        "{params.python} scripts/run_baseline.py"
        ' --code "$(dirname {input:q})/code"'
        " --command={params.command:q}"
        " --made={params.checkpoint:q}"
        " --name-to {output:q}"
        " > {log:q} 2>&1"


rule run_baseline:
    input:
        "<results>/baselines/{baseline}/checkpoint.txt",
    output:
        "<results>/baselines/{baseline}/results.txt",
    log:
        "<results>/logs/run_baseline/{baseline}.log",
    benchmark:
        "<results>/benchmarks/run_baseline/{baseline}.tsv"
    container:
        baseline_image if CONTAINERS else None
    threads: 2
    resources:
        gpu=answering_gpus,
        mem_mb=baseline_memory,
        runtime=per_attempt(240),
    params:
        python=baseline_python,
        command=baseline_field("generate"),
        made=baseline_field("makes"),
    shell:
        "{params.python} scripts/run_baseline.py"
        ' --code "$(dirname {input:q})/code"'
        " --command={params.command:q}"
        " --checkpoint {input:q}"
        " --made={params.made:q}"
        " --copy-to {output:q}"
        " > {log:q} 2>&1"


rule read_outputs:
    input:
        outputs=outputs_of,
        samples="<results>/<dataset>/test.jsonl",
        code=code("read_outputs"),
    output:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/test.jsonl",
        alignment="<results>/responses/{base}/{training_set}/seed{seed}/test.alignment.json",
    log:
        "<results>/logs/read_outputs/{base}/{training_set}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/read_outputs/{base}/{training_set}/seed{seed}.tsv"
    wildcard_constraints:
        training_set=systems.OTHERS,
    container:
        image("core")
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        alignment=alignment_flags,
    shell:
        "{PYTHON[core]} scripts/read_outputs.py"
        " --outputs {input.outputs:q}"
        " --samples {input.samples:q}"
        " {params.alignment}"
        " --responses {output.responses:q}"
        " --alignment {output.alignment:q}"
        " > {log:q} 2>&1"
