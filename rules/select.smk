"""Scoring and selection: which synthetic samples are kept, by quality (paper, section 3.2), then by diversity (3.3).

A sample's score is the similarity of its response to the discriminator's response to the same context.

Requires: the synthetic samples, the discriminator's responses to them, the embedding model.
Makes:
    <results>/scored/{prompt}/texts.jsonl                                every distinct text with its row number
    <results>/scored/{prompt}/embeddings.npy                             the texts' embeddings, one row per text
    <results>/scored/{prompt}/similarity.jsonl                           cosine x 100 of each sample's two responses
    <results>/selected/{prompt}/dk{dk}/quality.jsonl                     the samples that pass the DK threshold
    <results>/selected/{prompt}/draw{dk}/seed{seed}.jsonl                as many, drawn from all: Table 3's ablation
    <results>/selected/{prompt}/top{size}-{scorer}/quality.jsonl         the {size} best by a scorer
    <results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl   what the diversity selection keeps of dk{dk},
                                                                         draw{dk} or top{size}-{scorer}, with ranks:
                                                                         kcenter, random (a control), none (Table 4's
                                                                         ablation), or one of your own
"""

from synth_empathy.selection.quality import check_scorer, manifest_of

#: The embedding model's entry in the catalogue of models.
EMBEDDER = config["models"][config["scoring"]["model"]]


def discriminator_responses(wildcards):
    """The discriminator's responses to a prompt's synthetic samples."""
    chosen = config["discriminator"]
    system = f"{chosen['base']}/{chosen['training_set']}"
    inputs = f"{systems.SYNTHETIC}{wildcards.prompt}"
    return f"<results>/responses/{system}/seed{config['seed']}/{inputs}.jsonl"


def embedding_flags(wildcards):
    """How texts are embedded."""
    chosen = config["scoring"]
    how = {"prompt_name": chosen["prompt_name"], "dtype": EMBEDDER["dtype"], "storage": chosen["storage"]}
    return flags(how)


def similarity_flags(wildcards, input, output):
    """The responses to score and the file of their similarities, of a job that has them."""
    return flags({"responses": input.get("responses"), "similarity": output.get("similarity")})


def samples_to_select(wildcards):
    """The samples that the diversity selection chooses from: those that passed, or as many drawn."""
    quality = systems.Quality.parse(wildcards.quality)
    return f"<results>/{quality.samples(wildcards.prompt, wildcards.seed)}"


def scores_by(scorer, prompt):
    """The file of a prompt's scores; for a scorer of the configuration also the file's manifest."""
    if scorer == systems.SIMILARITY:
        return [f"<results>/scored/{prompt}/similarity.jsonl"]
    try:
        check_scorer(scorer, [systems.SIMILARITY, *config["scorers"]])
    except UserError as error:
        raise WorkflowError(str(error)) from None
    file = config["scorers"][scorer]["file"]
    return [file, str(manifest_of(file))]


def scorer_flags(scorer, scores):
    """The file of scores, the scorer's name, and whether lower is better."""
    settings = config["scorers"].get(scorer, {"higher_is_better": True})
    lower = not settings["higher_is_better"]
    return flags({"scores": scores[0], "scorer": scorer, "lower_is_better": lower})


def scores_to_rank(wildcards):
    """The scores by which the best samples are selected."""
    return scores_by(wildcards.scorer, wildcards.prompt)


def ranking_flags(wildcards, input):
    """The flags for the scores of ``scores_to_rank``."""
    return scorer_flags(wildcards.scorer, input.scores)


def scores_for_diversity(wildcards):
    """The samples' quality scores, if the diversity selection uses them."""
    if not diversity.SELECTIONS[wildcards.selection].uses_scores:
        return []
    scorer = systems.Quality.parse(wildcards.quality).scorer
    return scores_by(scorer, wildcards.prompt)


def method_flags(wildcards, input):
    """The diversity selection, and the samples' quality scores if it uses them."""
    words = shlex.join(["--method", wildcards.selection])
    if not input.get("scores"):
        return words
    scorer = systems.Quality.parse(wildcards.quality).scorer
    return f"{words} {scorer_flags(scorer, input.scores)}"


rule embed_texts:
    input:
        samples="<results>/synthetic/{prompt}/samples.jsonl",
        responses=discriminator_responses,
        model=f"<models>/{config['scoring']['model']}/manifest.json",
    output:
        texts="<results>/scored/{prompt}/texts.jsonl",
        embeddings="<results>/scored/{prompt}/embeddings.npy",
        similarity="<results>/scored/{prompt}/similarity.jsonl",
    log:
        "<results>/logs/embed_texts/{prompt}.log",
    benchmark:
        "<results>/benchmarks/embed_texts/{prompt}.tsv"
    container:
        image("embed", EMBEDDER["gpus"])
    threads: model_threads(EMBEDDER["gpus"])
    resources:
        gpu=EMBEDDER["gpus"],
        mem_mb=per_attempt(EMBEDDER["mem_mb"]),
        runtime=per_attempt(480),
        batch_tokens=config["scoring"]["batch_tokens"],
        chunk_texts=config["scoring"]["chunk_texts"],
    params:
        similarity=similarity_flags,
        embedding=embedding_flags,
        gpus=EMBEDDER["gpus"],
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[embed]} scripts/embed_texts.py"
        " --samples {input.samples:q}"
        " {params.similarity}"
        ' --model "$(dirname {input.model:q})"'
        " {params.embedding}"
        " --batch-tokens {resources.batch_tokens:q}"
        " --chunk-texts {resources.chunk_texts:q}"
        " --gpus {params.gpus:q}"
        " --threads {threads:q}"
        " --state {params.state:q}"
        " --texts {output.texts:q}"
        " --embeddings {output.embeddings:q}"
        " > {log:q} 2>&1"


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
