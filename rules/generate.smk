"""New dialogues by a language model, modelled on ED's train samples (paper, section 3.1), and one sample of each.

Requires: ED's train samples, the generation model, the prompt's data file.
Makes:
    <results>/synthetic/{prompt}/outputs/{shard}.jsonl            the model's outputs, one per ED sample and pass
    <results>/synthetic/{prompt}/outputs/{shard}.manifest.json    what made them, and how far a run repeats them
    <results>/synthetic/{prompt}/dialogues.jsonl                  the rounds of context and response parsed from them
    <results>/synthetic/{prompt}/rejected.jsonl                   outputs without a usable round, each with its reason
    <results>/synthetic/{prompt}/parse_summary.json               counts, and the model that wrote the outputs
    <results>/synthetic/{prompt}/samples.jsonl                    one training sample of each dialogue
"""


def generation_flags():
    """How the generator samples and which rows it takes."""
    chosen = config["generation"]
    model = config["models"][chosen["model"]]
    keys = ("keep", "samples_per_seed", "engine", "batch_invariant", "temperature", "top_p", "max_tokens")
    sampling = {key: chosen[key] for key in keys} | {"no_header": not chosen["header"]}
    return flags(sampling | {"dtype": model["dtype"], "gpus": model["gpus"], "seed": config["seed"]})


def prompt_file(wildcards):
    """A prompt's data file."""
    return config["prompts"][wildcards.prompt]


def generation_memory(wildcards, attempt):
    """Main memory of the generator."""
    return model_memory(config["generation"]["model"], attempt)


rule generate:
    input:
        seeds="<results>/<dataset>/train.jsonl",
        prompt=prompt_file,
        demonstration=config["generation"]["demonstration"] or [],
        model=f"<models>/{config['generation']['model']}/manifest.json",
    output:
        outputs="<results>/synthetic/{prompt}/outputs/{shard}.jsonl",
        manifest="<results>/synthetic/{prompt}/outputs/{shard}.manifest.json",
    log:
        "<results>/logs/generate/{prompt}/{shard}.log",
    benchmark:
        "<results>/benchmarks/generate/{prompt}/{shard}.tsv"
    container:
        image("llm", config["models"][config["generation"]["model"]]["gpus"])
    threads: model_threads(config["models"][config["generation"]["model"]]["gpus"])
    resources:
        gpu=config["models"][config["generation"]["model"]]["gpus"],
        mem_mb=generation_memory,
        runtime=per_attempt(480),
        batch_size=config["generation"]["batch_size"],
    params:
        sampling=generation_flags(),
        demonstration=flags({"demonstration": config["generation"]["demonstration"]}),
        shards=len(SHARDS),
        state=f"{RESULTS}/.state",
    shell:
        "{PYTHON[llm]} scripts/generate.py"
        " --seeds {input.seeds:q}"
        " --prompt {input.prompt:q}"
        " {params.demonstration}"
        ' --model "$(dirname {input.model:q})"'
        " --shard {wildcards.shard:q}"
        " --shards {params.shards:q}"
        " {params.sampling}"
        " --batch-size {resources.batch_size:q}"
        " --threads {threads:q}"
        " --state {params.state:q}"
        " --output {output.outputs:q}"
        " --manifest {output.manifest:q}"
        " > {log:q} 2>&1"


rule parse_rounds:
    input:
        outputs=expand("<results>/synthetic/{{prompt}}/outputs/{shard}.jsonl", shard=SHARDS),
    output:
        dialogues="<results>/synthetic/{prompt}/dialogues.jsonl",
        rejected="<results>/synthetic/{prompt}/rejected.jsonl",
        summary="<results>/synthetic/{prompt}/parse_summary.json",
    log:
        "<results>/logs/parse_rounds/{prompt}.log",
    benchmark:
        "<results>/benchmarks/parse_rounds/{prompt}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        max_words=config["parsing"]["max_words"],
    shell:
        "{PYTHON[core]} scripts/parse_rounds.py"
        " --outputs {input.outputs:q}"
        " --max-words {params.max_words:q}"
        " --dialogues {output.dialogues:q}"
        " --rejected {output.rejected:q}"
        " --summary {output.summary:q}"
        " > {log:q} 2>&1"


rule sample_turns:
    input:
        dialogues="<results>/synthetic/{prompt}/dialogues.jsonl",
    output:
        "<results>/synthetic/{prompt}/samples.jsonl",
    log:
        "<results>/logs/sample_turns/{prompt}.log",
    benchmark:
        "<results>/benchmarks/sample_turns/{prompt}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        turns=flags(config["turns"] | {"seed": config["seed"]}),
    shell:
        "{PYTHON[core]} scripts/sample_turns.py"
        " --dialogues {input.dialogues:q}"
        " {params.turns}"
        " --output {output:q}"
        " > {log:q} 2>&1"
