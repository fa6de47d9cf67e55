"""Automatic metrics of a system's responses to ED's test split (paper, section 4.1.3), by two protocols.

Requires: the system's responses to ED's test samples; for BERTScore its model, unless the configuration leaves it out.
Makes, for each {protocol}: paper, or standard
    <results>/<dataset>/test_ids.json                                                      the test samples' ids, in order
    <results>/metrics/{base}/{training_set}/seed{seed}/{protocol}.json              BLEU, Distinct, ROUGE, CIDEr
    <results>/metrics/{base}/{training_set}/seed{seed}/{protocol}-bertscore.json    BERTScore, of each sample, too
    <results>/metrics/{base}/{training_set}/seed{seed}/{protocol}-{metric}.json     each added metric
"""

#: The catalogue's entry of BERTScore's model; empty if BERTScore is left out.
BERTSCORE = config["models"].get(config["evaluation"]["bertscore"]["model"], {})


def bertscore_model(wildcards):
    """The manifest of BERTScore's model; an error if the configuration leaves BERTScore out."""
    model = config["evaluation"]["bertscore"]["model"]
    if model is None:
        raise WorkflowError(
            "the configuration leaves BERTScore out (evaluation: bertscore: model: null)\n"
            "  What to do: name one of its models there, or ask for the file without -bertscore"
        )
    return f"<models>/{model}/manifest.json"


def metric_asked(wildcards):
    """The metric of a file with a single metric."""
    return wildcards.metric


def metric_code(wildcards):
    """The code that one metric's scores depend on."""
    return code("evaluate", entries=metrics.code([wildcards.metric]))


def subset_flag(wildcards):
    """--subset for systems that are not ours: some test samples may have no matching output."""
    return flags({"subset": wildcards.training_set in systems.CATALOGUES})


localrules:
    list_test_ids,


rule list_test_ids:
    input:
        test="<results>/<dataset>/test.jsonl",
        code=code("list_test_ids"),
    output:
        "<results>/<dataset>/test_ids.json",
    container:
        image("core")
    shell:
        "{PYTHON[core]} scripts/list_test_ids.py" " --test {input.test:q}" " --output {output:q}"


rule evaluate:
    input:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/test.jsonl",
        test_ids="<results>/<dataset>/test_ids.json",
        code=code("evaluate", entries=metrics.code(metrics.TOGETHER)),
    output:
        "<results>/metrics/{base}/{training_set}/seed{seed}/{protocol}.json",
    log:
        "<results>/logs/evaluate/{base}/{training_set}/seed{seed}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{base}/{training_set}/seed{seed}/{protocol}.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        subset=subset_flag,
        metrics=metrics.TOGETHER,
    shell:
        "{PYTHON[core]} scripts/evaluate.py"
        " --responses {input.responses:q}"
        " --test-ids {input.test_ids:q}"
        " {params.subset}"
        " --protocol {wildcards.protocol:q}"
        " --metrics {params.metrics:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


use rule evaluate as evaluate_metric with:
    input:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/test.jsonl",
        test_ids="<results>/<dataset>/test_ids.json",
        code=metric_code,
    output:
        "<results>/metrics/{base}/{training_set}/seed{seed}/{protocol}-{metric}.json",
    log:
        "<results>/logs/evaluate_metric/{metric}/{base}/{training_set}/seed{seed}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/evaluate_metric/{metric}/{base}/{training_set}/seed{seed}/{protocol}.tsv"
    wildcard_constraints:
        metric="|".join(metrics.ADDED) or "none",
    params:
        subset=subset_flag,
        metrics=metric_asked,


rule evaluate_bertscore:
    input:
        responses="<results>/responses/{base}/{training_set}/seed{seed}/test.jsonl",
        test_ids="<results>/<dataset>/test_ids.json",
        model=bertscore_model,
        code=code("evaluate", entries=metrics.code(["bertscore"])),
    output:
        "<results>/metrics/{base}/{training_set}/seed{seed}/{protocol}-bertscore.json",
    log:
        "<results>/logs/evaluate_bertscore/{base}/{training_set}/seed{seed}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/evaluate_bertscore/{base}/{training_set}/seed{seed}/{protocol}.tsv"
    container:
        image("core", BERTSCORE.get("gpus", 0))
    resources:
        gpu=BERTSCORE.get("gpus", 0),
        mem_mb=per_attempt(4000 + BERTSCORE.get("mem_mb", 0)),
        runtime=per_attempt(60),
    params:
        gpus=BERTSCORE.get("gpus", 0),
        subset=subset_flag,
        layer=flags({"bertscore_layer": config["evaluation"]["bertscore"]["layer"]}),
    shell:
        "{PYTHON[core]} scripts/evaluate.py"
        " --responses {input.responses:q}"
        " --test-ids {input.test_ids:q}"
        " {params.subset}"
        " --protocol {wildcards.protocol:q}"
        " --bertscore-only"
        " --gpus {params.gpus:q}"
        ' --bertscore-model "$(dirname {input.model:q})"'
        " {params.layer}"
        " --output {output:q}"
        " > {log:q} 2>&1"
