"""A language model's scores for synthetic samples, before and after selection (paper, section 3.4, Figures 4 and 5).

Requires: all generated samples or the selected ones, the judging model, the rubrics (resources/judge/).
Makes, for each {stage}: before, or {quality}-{selection}, such as dk60-kcenter
    <results>/judged/{prompt}/{stage}/seed{seed}.jsonl             the scores of each judged sample, by criterion
    <results>/judged/{prompt}/{stage}/seed{seed}.summary.json      means, shares of full marks, outputs set aside
    <results>/judged/{prompt}/{stage}/seed{seed}.manifest.json     model, settings, code, how far the scores repeat
"""

JUDGE = config["judge"]


def samples_to_judge(wildcards):
    """The samples to draw from: before selection all generated samples, else the selected ones."""
    prompt, stage = wildcards.prompt, wildcards.stage
    return f"<results>/{systems.samples_at(prompt, stage, wildcards.seed)}"


def judging_memory(wildcards, attempt):
    """Main memory of a judging job."""
    return model_memory(JUDGE["model"], attempt)


def judging_flags(wildcards):
    """The flags of the judging mode and of the model."""
    keys = ["keep", "mode", "temperature", "max_tokens", "engine", "batch_invariant", "note"]
    model = {key: config["models"][JUDGE["model"]][key] for key in ("dtype", "gpus")}
    return flags({key: JUDGE[key] for key in keys} | model)


rule judge:
    input:
        samples=samples_to_judge,
        rubrics=list(JUDGE["criteria"].values()),
        model=f"<models>/{JUDGE['model']}/manifest.json",
    output:
        scores="<results>/judged/{prompt}/{stage}/seed{seed}.jsonl",
        summary="<results>/judged/{prompt}/{stage}/seed{seed}.summary.json",
        manifest="<results>/judged/{prompt}/{stage}/seed{seed}.manifest.json",
    log:
        "<results>/logs/judge/{prompt}/{stage}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/judge/{prompt}/{stage}/seed{seed}.tsv"
    container:
        image("llm", config["models"][JUDGE["model"]]["gpus"])
    threads: model_threads(config["models"][JUDGE["model"]]["gpus"])
    resources:
        gpu=config["models"][JUDGE["model"]]["gpus"],
        mem_mb=judging_memory,
        runtime=per_attempt(240),
        batch_size=JUDGE["batch_size"],
    params:
        judging=judging_flags,
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[llm]} scripts/judge.py"
        " --samples {input.samples:q}"
        " --rubrics {input.rubrics:q}"
        ' --model "$(dirname {input.model:q})"'
        " {params.judging}"
        " --prompt {wildcards.prompt:q}"
        " --stage {wildcards.stage:q}"
        " --batch-size {resources.batch_size:q}"
        " --seed {wildcards.seed:q}"
        " --threads {threads:q}"
        " --state {params.state:q}"
        " --output {output.scores:q}"
        " --summary {output.summary:q}"
        " --manifest {output.manifest:q}"
        " > {log:q} 2>&1"
