"""Automatic metrics of a system's responses to ED's test split (paper, section 4.1.3), by two protocols.

Requires: the system's responses; BERTScore's model, unless the configuration leaves it out.
Makes, for each {protocol}: paper, or standard
    <results>/metrics/{base}/{training_set}/seed{seed}/{protocol}.json    values x 100, signatures, counts
"""

#: The catalogue's entry of BERTScore's model; empty when BERTScore is left out.
BERTSCORE = config["models"].get(config["evaluation"]["bertscore"]["model"], {})


def bertscore_model(wildcards):
    """The manifest of BERTScore's model; none when the configuration leaves BERTScore out."""
    model = config["evaluation"]["bertscore"]["model"]
    return f"<models>/{model}/manifest.json" if model else []


def bertscore_flags(wildcards):
    """BERTScore's model and layer, or that it is left out."""
    chosen = config["evaluation"]["bertscore"]
    if chosen["model"] is None:
        return "--no-bertscore"
    return flags(
        {
            "bertscore_model": f"{MODELS}/{chosen['model']}",
            "bertscore_layer": chosen["layer"],
        }
    )


rule evaluate:
    input:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/test.jsonl",
        bertscore=bertscore_model,
        code=code(
            "evaluate",
            "tokens",
            "metrics/__init__",
            "metrics/overlap",
            "metrics/bertscore",
        ),
    output:
        "<results>/metrics/{base}/{training_set}/seed{seed}/{protocol}.json",
    log:
        "<results>/logs/evaluate/{base}/{training_set}/seed{seed}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{base}/{training_set}/seed{seed}/{protocol}.tsv"
    container:
        image("core", BERTSCORE.get("gpus", 0))
    resources:
        gpu=BERTSCORE.get("gpus", 0),
        mem_mb=grows(4000 + BERTSCORE.get("mem_mb", 0)),
        runtime=grows(60),
    params:
        bertscore=bertscore_flags,
    shell:
        "{PYTHON[core]} scripts/evaluate.py"
        " --responses {input.responses}"
        " --protocol {wildcards.protocol}"
        " {params.bertscore}"
        " --output {output}"
        " > {log} 2>&1"
