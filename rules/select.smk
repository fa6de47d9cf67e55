"""Which synthetic samples are kept: by quality, at a DK threshold (paper, section 3.2, step 4), then by diversity (3.3).

Requires: the synthetic samples, their similarities, their embeddings.
Makes:
    <results>/selected/{prompt}/dk{dk}/quality.jsonl                     the samples that pass the DK threshold
    <results>/selected/{prompt}/draw{dk}/seed{seed}.jsonl                as many, drawn from all: Table 3's ablation
    <results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl   those of dk{dk} or draw{dk} that the selection
                                                                         keeps, with their rank: kcenter, random (a
                                                                         control), none (Table 4's ablation)
"""


def samples_to_select(wildcards):
    """What the diversity selection chooses among: the samples that passed, or as many drawn."""
    name = (
        f"seed{wildcards.seed}" if wildcards.quality.startswith("draw") else "quality"
    )
    return f"<results>/selected/{wildcards.prompt}/{wildcards.quality}/{name}.jsonl"


rule select_quality:
    input:
        samples="<results>/synthetic/{prompt}/samples.jsonl",
        similarity="<results>/scored/{prompt}/similarity.jsonl",
    output:
        "<results>/selected/{prompt}/dk{dk}/quality.jsonl",
    log:
        "<results>/logs/select_quality/{prompt}/dk{dk}.log",
    benchmark:
        "<results>/benchmarks/select_quality/{prompt}/dk{dk}.tsv"
    container:
        image("core")
    resources:
        mem_mb=grows(4000),
        runtime=grows(20),
    params:
        rule=config["selection"]["quality_rule"],
    shell:
        "{PYTHON[core]} scripts/select_quality.py"
        " --samples {input.samples:q}"
        " --similarity {input.similarity:q}"
        " --threshold {wildcards.dk:q}"
        " --rule {params.rule:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule draw_samples:
    input:
        samples="<results>/synthetic/{prompt}/samples.jsonl",
        passed="<results>/selected/{prompt}/dk{dk}/quality.jsonl",
    output:
        "<results>/selected/{prompt}/draw{dk}/seed{seed}.jsonl",
    log:
        "<results>/logs/draw_samples/{prompt}/draw{dk}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/draw_samples/{prompt}/draw{dk}/seed{seed}.tsv"
    container:
        image("core")
    resources:
        mem_mb=grows(4000),
        runtime=grows(20),
    shell:
        "{PYTHON[core]} scripts/draw_samples.py"
        " --samples {input.samples:q}"
        " --as-many-as {input.passed:q}"
        " --seed {wildcards.seed:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule select_diverse:
    input:
        samples=samples_to_select,
        texts="<results>/scored/{prompt}/texts.jsonl",
        embeddings="<results>/scored/{prompt}/embeddings.npy",
    output:
        "<results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl",
    log:
        "<results>/logs/select_diverse/{prompt}/{quality}/{selection}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/select_diverse/{prompt}/{quality}/{selection}/seed{seed}.tsv"
    container:
        image("embed")
    threads: 2
    resources:
        mem_mb=grows(16000),
        runtime=grows(60),
    params:
        ratio=config["selection"]["ratio"],
        rule=config["selection"]["diversity_rule"],
    shell:
        "{PYTHON[embed]} scripts/select_diverse.py"
        " --samples {input.samples:q}"
        " --texts {input.texts:q}"
        " --embeddings {input.embeddings:q}"
        " --method {wildcards.selection:q}"
        " --ratio {params.ratio:q}"
        " --rule {params.rule:q}"
        " --seed {wildcards.seed:q}"
        " --threads {threads:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"
