"""Which synthetic samples are kept: by quality, at a DK threshold (paper, section 3.2, step 4), then by diversity (3.3).

Requires: the synthetic samples, their similarities, their embeddings.
Makes:
    <results>/selected/{prompt}/dk{dk}/quality.jsonl                     the samples that pass the DK threshold
    <results>/selected/{prompt}/dk{dk}/{selection}/seed{seed}.jsonl      those that the selection keeps, with their rank:
                                                                         kcenter, random (a control), none (an ablation)
"""


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
        " --samples {input.samples}"
        " --similarity {input.similarity}"
        " --threshold {wildcards.dk}"
        " --rule {params.rule}"
        " --output {output}"
        " > {log} 2>&1"


rule select_diverse:
    input:
        samples="<results>/selected/{prompt}/dk{dk}/quality.jsonl",
        texts="<results>/scored/{prompt}/texts.jsonl",
        embeddings="<results>/scored/{prompt}/embeddings.npy",
    output:
        "<results>/selected/{prompt}/dk{dk}/{selection}/seed{seed}.jsonl",
    log:
        "<results>/logs/select_diverse/{prompt}/dk{dk}/{selection}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/select_diverse/{prompt}/dk{dk}/{selection}/seed{seed}.tsv"
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
        " --samples {input.samples}"
        " --texts {input.texts}"
        " --embeddings {input.embeddings}"
        " --method {wildcards.selection}"
        " --ratio {params.ratio}"
        " --rule {params.rule}"
        " --seed {wildcards.seed}"
        " --threads {threads}"
        " --output {output}"
        " > {log} 2>&1"
