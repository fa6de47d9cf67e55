"""The similarity of each synthetic response to the discriminator's answer to the same context (paper, section 3.2).

Requires: the synthetic samples, the discriminator's responses to them, the embedding model.
Makes:
    <results>/scored/{prompt}/texts.jsonl         every distinct text with its row number
    <results>/scored/{prompt}/embeddings.npy      the embeddings, one row per text
    <results>/scored/{prompt}/similarity.jsonl    cosine x 100 of each sample's two responses
"""


def discriminator_responses(wildcards):
    """What the discriminator answers to the synthetic samples of a prompt."""
    chosen = config["discriminator"]
    system = f"{chosen['base']}/{chosen['training_set']}"
    inputs = f"{systems.SYNTHETIC}{wildcards.prompt}"
    return f"<results>/responses/{system}/seed{config['seed']}/{inputs}.jsonl"


def embedding_flags(wildcards):
    """How texts are embedded."""
    chosen = config["scoring"]
    return flags(
        {
            "prompt_name": chosen["prompt_name"],
            "dtype": config["models"][chosen["model"]]["dtype"],
            "storage": chosen["storage"],
        }
    )


def embedding_memory(wildcards, attempt):
    """Main memory of the embedding model."""
    return model_memory(config["scoring"]["model"], attempt)


rule embed_texts:
    input:
        samples="<results>/synthetic/{prompt}/samples.jsonl",
        responses=discriminator_responses,
        model=f"<models>/{config['scoring']['model']}/manifest.json",
    output:
        texts="<results>/scored/{prompt}/texts.jsonl",
        embeddings="<results>/scored/{prompt}/embeddings.npy",
    log:
        "<results>/logs/embed_texts/{prompt}.log",
    benchmark:
        "<results>/benchmarks/embed_texts/{prompt}.tsv"
    container:
        image("embed", config["models"][config["scoring"]["model"]]["gpus"])
    threads: model_threads(config["models"][config["scoring"]["model"]]["gpus"])
    resources:
        gpu=config["models"][config["scoring"]["model"]]["gpus"],
        mem_mb=embedding_memory,
        runtime=per_attempt(480),
        batch_tokens=config["scoring"]["batch_tokens"],
        chunk_texts=config["scoring"]["chunk_texts"],
    params:
        embedding=embedding_flags,
        gpus=config["models"][config["scoring"]["model"]]["gpus"],
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[embed]} scripts/embed_texts.py"
        " --samples {input.samples:q}"
        " --responses {input.responses:q}"
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


rule score_similarity:
    input:
        responses=discriminator_responses,
        texts="<results>/scored/{prompt}/texts.jsonl",
        embeddings="<results>/scored/{prompt}/embeddings.npy",
    output:
        "<results>/scored/{prompt}/similarity.jsonl",
    log:
        "<results>/logs/score_similarity/{prompt}.log",
    benchmark:
        "<results>/benchmarks/score_similarity/{prompt}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(16000),
        runtime=per_attempt(30),
    shell:
        "{PYTHON[core]} scripts/score_similarity.py"
        " --responses {input.responses:q}"
        " --texts {input.texts:q}"
        " --embeddings {input.embeddings:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"
