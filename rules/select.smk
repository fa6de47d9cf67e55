"""Selection of synthetic samples: by quality, at a DK threshold (paper, section 3.2, step 4), then by diversity (3.3).

Requires: the synthetic samples, their similarities, their embeddings.
Makes:
    <results>/selected/{prompt}/dk{dk}/quality.jsonl                      the samples that pass the DK threshold
    <results>/selected/{prompt}/draw{dk}/seed{seed}.jsonl                 as many, drawn from all (Table 3's ablation)
    <results>/selected/{prompt}/top{size}-{scorer}/quality.jsonl          the {size} best by a scorer
    <results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl    those of dk{dk}, draw{dk} or
                                                                          top{size}-{scorer} that the diversity
                                                                          selection keeps, with their rank: kcenter,
                                                                          random (a control), none (Table 4's
                                                                          ablation), or one of your own
"""

from synth_empathy.selection import scorers


def samples_to_select(wildcards):
    """What the diversity selection chooses among: the samples that passed, or as many drawn."""
    quality = systems.Quality.parse(wildcards.quality)
    return f"<results>/{quality.samples(wildcards.prompt, wildcards.seed)}"


def scores_by(scorer, prompt):
    """The file of a prompt's scores; of a scorer that the configuration names also the manifest beside it."""
    if scorer == systems.SIMILARITY:
        return [f"<results>/scored/{prompt}/similarity.jsonl"]
    try:
        scorers.check_known(scorer, [systems.SIMILARITY, *config["scorers"]])
    except UserError as error:
        raise WorkflowError(str(error)) from None
    file = config["scorers"][scorer]["file"]
    return [file, str(scorers.manifest_of(file))]


def scorer_flags(scorer, scores):
    """The file of scores, whose scores they are, and what is better."""
    given = config["scorers"].get(scorer, {"higher_is_better": True})
    lower = not given["higher_is_better"]
    return flags({"scores": scores[0], "scorer": scorer, "lower_is_better": lower})


def scores_to_rank(wildcards):
    """The scores that decide which samples are the best."""
    return scores_by(wildcards.scorer, wildcards.prompt)


def ranking_flags(wildcards, input):
    """The flags of those scores."""
    return scorer_flags(wildcards.scorer, input.scores)


def scores_for_diversity(wildcards):
    """The samples' quality scores, for a diversity selection that uses them."""
    if not diversity.SELECTIONS[wildcards.selection].uses_scores:
        return []
    scorer = systems.Quality.parse(wildcards.quality).scorer
    return scores_by(scorer, wildcards.prompt)


def method_flags(wildcards, input):
    """The diversity selection, and for one that uses them the samples' quality scores."""
    words = shlex.join(["--method", wildcards.selection])
    if not input.get("scores"):
        return words
    scorer = systems.Quality.parse(wildcards.quality).scorer
    return f"{words} {scorer_flags(scorer, input.scores)}"


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
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
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
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    shell:
        "{PYTHON[core]} scripts/draw_samples.py"
        " --samples {input.samples:q}"
        " --as-many-as {input.passed:q}"
        " --seed {wildcards.seed:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule select_top:
    input:
        samples="<results>/synthetic/{prompt}/samples.jsonl",
        scores=scores_to_rank,
    output:
        "<results>/selected/{prompt}/top{size}-{scorer}/quality.jsonl",
    log:
        "<results>/logs/select_top/{prompt}/top{size}-{scorer}.log",
    benchmark:
        "<results>/benchmarks/select_top/{prompt}/top{size}-{scorer}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        scores=ranking_flags,
    shell:
        "{PYTHON[core]} scripts/select_top.py"
        " --samples {input.samples:q}"
        " {params.scores}"
        " --size {wildcards.size:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule select_diverse:
    input:
        samples=samples_to_select,
        scores=scores_for_diversity,
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
        mem_mb=per_attempt(16000),
        runtime=per_attempt(60),
    params:
        method=method_flags,
        ratio=config["selection"]["ratio"],
        rule=config["selection"]["diversity_rule"],
    shell:
        "{PYTHON[embed]} scripts/select_diverse.py"
        " --samples {input.samples:q}"
        " --texts {input.texts:q}"
        " --embeddings {input.embeddings:q}"
        " {params.method}"
        " --ratio {params.ratio:q}"
        " --rule {params.rule:q}"
        " --seed {wildcards.seed:q}"
        " --threads {threads:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"
