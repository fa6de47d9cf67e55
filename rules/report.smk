"""Does the synthetic data leak ED's test split, or repeat its train split or itself? What does the selection cover?

Requires: the selected samples, their embeddings, ED's train and test splits, the embedding model.
Makes:
    <results>/<dataset>/embedded/{split}/texts.jsonl, embeddings.npy                        the data set's dialogues, embedded
    <results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}.json         the report (docs/novelty.md)
    <results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}.jsonl        one record per selected sample
    <results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}.svg, .png    the figure
Targets by name: novelty
"""


def novelty_reports(wildcards):
    """The reports on the synthetic training sets of Table 1's systems, for every seed."""
    training_sets = sorted({row.training_set for row in table_rows("table1")})
    selected = [systems.TrainingSet.parse(name).selected for name in training_sets]
    return [
        f"<results>/{part.novelty(seed)}"
        for part in selected
        if part and not part.quality.drawn
        for seed in config["seeds"]
    ]


def novelty_title(wildcards):
    """The figure's second line: the samples and their selection."""
    quality = systems.Quality.parse(wildcards.quality).in_words()
    place = [wildcards.prompt, quality, wildcards.selection]
    return ", ".join([*place, f"seed {wildcards.seed}"])


localrules:
    novelty,


rule novelty:
    input:
        novelty_reports,


use rule embed_texts as embed_data with:
    input:
        samples="<results>/<dataset>/{split}.jsonl",
        model=f"<models>/{config['scoring']['model']}/manifest.json",
    output:
        texts="<results>/<dataset>/embedded/{split}/texts.jsonl",
        embeddings="<results>/<dataset>/embedded/{split}/embeddings.npy",
    log:
        "<results>/logs/embed_data/{split}.log",
    benchmark:
        "<results>/benchmarks/embed_data/{split}.tsv"


rule report_novelty:
    input:
        selected="<results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl",
        passed="<results>/selected/{prompt}/{quality}/quality.jsonl",
        kcenter="<results>/selected/{prompt}/{quality}/kcenter/seed{seed}.jsonl",
        embedded=multiext("<results>/scored/{prompt}/", "texts.jsonl", "embeddings.npy"),
        train="<results>/<dataset>/train.jsonl",
        train_embedded=multiext("<results>/<dataset>/embedded/train/", "texts.jsonl", "embeddings.npy"),
        test="<results>/<dataset>/test.jsonl",
        test_embedded=multiext("<results>/<dataset>/embedded/test/", "texts.jsonl", "embeddings.npy"),
        code=code("report_novelty"),
    output:
        report="<results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}.json",
        records="<results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}.jsonl",
        figures=multiext(
            "<results>/reports/novelty/{prompt}/{quality}/{selection}/seed{seed}",
            ".svg",
            ".png",
        ),
    log:
        "<results>/logs/report_novelty/{prompt}/{quality}/{selection}/seed{seed}.log",
    benchmark:
        "<results>/benchmarks/report_novelty/{prompt}/{quality}/{selection}/seed{seed}.tsv"
    wildcard_constraints:
        quality=systems.UNDRAWN,
    container:
        image("embed")
    threads: 8
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        settings=flags(config["report"] | {"embedder": config["scoring"]["model"]}),
        data=flags({"data": paper_values.data_title(config["dataset"])}),
        title=novelty_title,
    shell:
        "{PYTHON[embed]} scripts/report_novelty.py"
        " --selected {input.selected:q}"
        " --passed {input.passed:q}"
        " --kcenter {input.kcenter:q}"
        ' --embedded "$(dirname {input.embedded[0]:q})"'
        " --train {input.train:q}"
        ' --train-embedded "$(dirname {input.train_embedded[0]:q})"'
        " --test {input.test:q}"
        ' --test-embedded "$(dirname {input.test_embedded[0]:q})"'
        " {params.settings}"
        " {params.data}"
        " --seed {wildcards.seed:q}"
        " --title={params.title:q}"
        " --threads {threads:q}"
        " --report {output.report:q}"
        " --records {output.records:q}"
        " --figures {output.figures:q}"
        " > {log:q} 2>&1"
