"""Is the difference between two systems larger than chance? Paired bootstrap resampling (docs/comparisons.md).

Requires: both systems' responses for every seed, and their BERTScore, unless the configuration leaves it out.
Makes, for each {protocol}: paper, or standard
    <results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.json    difference, 95 % interval, p
    <results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.csv     one line per metric
    <results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.md      the same for reading
Targets by name: comparisons
"""


def system_responses(wildcards):
    """The system's responses."""
    return seed_files(wildcards.base, wildcards.training_set, "responses", "test.jsonl")


def baseline_responses(wildcards):
    """The responses of the system that it is compared with."""
    return seed_files(wildcards.base, wildcards.other, "responses", "test.jsonl")


def system_bertscores(wildcards):
    """The system's BERTScore; none if the configuration leaves it out."""
    return bertscores(wildcards.base, wildcards.training_set, wildcards.protocol)


def baseline_bertscores(wildcards):
    """The BERTScore of the system that it is compared with; none if the configuration leaves it out."""
    return bertscores(wildcards.base, wildcards.other, wildcards.protocol)


def bertscores(base, training_set, protocol):
    """A system's BERTScore, a file a seed; none if the configuration leaves it out."""
    files = seed_files(base, training_set, "metrics", f"{protocol}-bertscore.json")
    return files if BERTSCORE else []


def table1_comparisons(wildcards):
    """The comparisons of Table 1: each system trained on synthetic samples with the baseline of its base model."""
    baseline = config["comparison"]["baseline"]
    protocol = config["evaluation"]["protocol"]
    return [f"<results>/comparisons/{row.system}/against-{baseline}/{protocol}.json" for row in compared_rows()]


def compared_rows():
    """The rows of Table 1 that were trained on synthetic samples."""
    rows = table_rows("table1")
    return [row for row in rows if systems.TrainingSet.parse(row.training_set).selected]


def comparison_sources(row):
    """The sources of a comparison of a row of Table 1: both sides' responses and their BERTScore."""
    baseline = tables.Row(row.base, config["comparison"]["baseline"], "", None)
    return row_sources("table1", row) + row_sources("table1", baseline)


COMPARISON_FLAGS = flags({"draws": config["comparison"]["draws"], "seed": config["seed"], "note": config["note"]})


localrules:
    comparisons,


rule comparisons:
    input:
        table1_comparisons,


rule compare_systems:
    input:
        system=system_responses,
        baseline=baseline_responses,
        system_bertscore=system_bertscores,
        baseline_bertscore=baseline_bertscores,
        code=code("compare_systems"),
    output:
        json="<results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.json",
        csv=report(
            "<results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.csv",
            caption="../resources/captions/comparisons.rst",
            category="Comparisons",
            labels={
                "system": "{base}/{training_set}",
                "against": "{other}",
                "protocol": "{protocol}",
            },
        ),
        markdown="<results>/comparisons/{base}/{training_set}/against-{other}/{protocol}.md",
    log:
        "<results>/logs/compare_systems/{base}/{training_set}/against-{other}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/compare_systems/{base}/{training_set}/against-{other}/{protocol}.tsv"
    wildcard_constraints:
        other=systems.every_training_set(config["dataset"]),
    container:
        image("core")
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        settings=verbatim(COMPARISON_FLAGS),
    shell:
        "{PYTHON[core]} scripts/compare_systems.py"
        " --system {input.system:q}"
        " --system-bertscore {input.system_bertscore:q}"
        " --system-name {wildcards.base:q}/{wildcards.training_set:q}"
        " --baseline {input.baseline:q}"
        " --baseline-bertscore {input.baseline_bertscore:q}"
        " --baseline-name {wildcards.base:q}/{wildcards.other:q}"
        " --protocol {wildcards.protocol:q}"
        " {params.settings}"
        " --output {output.json:q}"
        " --csv {output.csv:q}"
        " --markdown {output.markdown:q}"
        " > {log:q} 2>&1"
