"""Cells: one value of a table, our mean over the seeds with the paper's value. Each cell is a target of its own.

Requires: a system's metrics for every seed, or the counts of its selection; the paper's numbers (resources/paper/).
Makes, for each {table}: table1, table2, table3, table4
    <results>/selected/{prompt}/{quality}/{selection}/seed{seed}.counts.json    samples after each selection
    <results>/cells/{table}/{base}/{training_set}/{metric}.json                 bleu1 .. cider; bert_p, bert_r,
                                                                                bert_f1; scores of added metrics;
                                                                                in table2 also samples_quality,
                                                                                samples_selected
"""


def metric_files(base, training_set, metric):
    """The files with a system's scores by a metric, one a seed; none for a system that is left out."""
    if left_out(base, training_set):
        return []
    name = metrics.file_name(metric, config["evaluation"]["protocol"])
    return seed_files(base, training_set, "metrics", name)


def overlap_metrics(wildcards):
    """The scores of a row's system by the paper's metrics that need no model; one file holds all of them."""
    first = metrics.METRICS[metrics.TOGETHER[0]]
    return metric_files(wildcards.base, wildcards.training_set, first)


def bertscore_metrics(wildcards):
    """The BERTScore of a row's system; none if the configuration leaves it out."""
    if config["evaluation"]["bertscore"]["model"] is None:
        return []
    bertscore = metrics.METRICS["bertscore"]
    return metric_files(wildcards.base, wildcards.training_set, bertscore)


def added_metric(wildcards):
    """The scores of a row's system by the added metric that the cell belongs to."""
    metric = metrics.metric_of(wildcards.metric)
    return metric_files(wildcards.base, wildcards.training_set, metric)


def added_cell_code(wildcards):
    """The code that a cell of an added metric depends on."""
    metric = metrics.metric_of(wildcards.metric)
    return code("make_cells", entries=metrics.code([metric.name]))


def counts_path(training_set, seed):
    """The path of the counts of a training set's selection."""
    selected = systems.TrainingSet.parse(training_set).selected
    return f"<results>/{selected.counts(seed)}"


def selection_counts(wildcards):
    """The counts of the selection that a row's system was trained on."""
    return [counts_path(wildcards.training_set, seed) for seed in config["seeds"]]


def cell_sources(row, metric):
    """The files of a cell that need a model or a GPU; none for BERTScore if the configuration leaves it out."""
    if metric in cells.COUNTS:
        return [counts_path(row.training_set, seed) for seed in config["seeds"]]
    owner = metrics.metric_of(metric)
    if not owner.needs_model:
        return seed_files(row.base, row.training_set, "responses", "test.jsonl")
    if metric in cells.BERTSCORE and not config["evaluation"]["bertscore"]["model"]:
        return []
    name = metrics.file_name(owner, config["evaluation"]["protocol"])
    return seed_files(row.base, row.training_set, "metrics", name)


def row_sources(table, row):
    """The files that a row of a table follows from."""
    return [path for metric in tables.COLUMNS[table] for path in cell_sources(row, metric)]


def row_flags(wildcards):
    """The flags that name the table, the row and the paper's row."""
    row = tables.row_of(config, wildcards.table, wildcards.base, wildcards.training_set)
    place = {"table": wildcards.table, "base": row.base}
    return flags(place | {"training_set": row.training_set, "title": row.title} | {"paper_row": row.paper_row})


def seed_flags(wildcards, input):
    """--seed SEED FILE for each seed; or the reason why there are no files."""
    if not input.documents:
        why = left_out(wildcards.base, wildcards.training_set)
        return flags({"left_out": why or "the configuration leaves BERTScore out"})
    seeds = system_seeds(wildcards.training_set)
    pairs = zip(seeds, input.documents, strict=True)
    return " ".join(f"--seed {seed} {shlex.quote(path)}" for seed, path in pairs)


localrules:
    count_samples,
    make_cells,
    make_bertscore_cells,
    make_sample_cells,
    make_metric_cell,


rule count_samples:
    input:
        passed=samples_to_select,
        selected="<results>/selected/{prompt}/{quality}/{selection}/seed{seed}.jsonl",
        code=code("count_samples"),
    output:
        "<results>/selected/{prompt}/{quality}/{selection}/seed{seed}.counts.json",
    container:
        image("core")
    shell:
        "{PYTHON[core]} scripts/count_samples.py"
        " --passed {input.passed:q}"
        " --selected {input.selected:q}"
        " --output {output:q}"


rule make_cells:
    input:
        documents=overlap_metrics,
        paper="resources/paper/{table}.csv",
        code=code("make_cells", entries=metrics.code(metrics.TOGETHER)),
    output:
        expand(
            "<results>/cells/{{table}}/{{base}}/{{training_set}}/{metric}.json",
            metric=cells.OVERLAP,
        ),
    container:
        image("core")
    params:
        row=row_flags,
        metrics=cells.OVERLAP,
        seeds=seed_flags,
    shell:
        "{PYTHON[core]} scripts/make_cells.py"
        " {params.row}"
        " --metrics {params.metrics:q}"
        " {params.seeds}"
        " --paper {input.paper:q}"
        ' --output "$(dirname {output[0]:q})"'


use rule make_cells as make_bertscore_cells with:
    input:
        documents=bertscore_metrics,
        paper="resources/paper/{table}.csv",
        code=code("make_cells", entries=metrics.code(["bertscore"])),
    output:
        expand(
            "<results>/cells/{{table}}/{{base}}/{{training_set}}/{metric}.json",
            metric=cells.BERTSCORE,
        ),
    params:
        row=row_flags,
        metrics=cells.BERTSCORE,
        seeds=seed_flags,


use rule make_cells as make_sample_cells with:
    input:
        documents=selection_counts,
        paper="resources/paper/{table}.csv",
        code=code("make_cells", entries=[]),
    output:
        expand(
            "<results>/cells/{{table}}/{{base}}/{{training_set}}/{metric}.json",
            metric=cells.COUNTS,
        ),
    params:
        row=row_flags,
        metrics=list(cells.COUNTS),
        seeds=seed_flags,


use rule make_cells as make_metric_cell with:
    input:
        documents=added_metric,
        paper="resources/paper/{table}.csv",
        code=added_cell_code,
    output:
        "<results>/cells/{table}/{base}/{training_set}/{metric}.json",
    wildcard_constraints:
        metric="|".join(cells.ADDED) or "none",
    params:
        row=row_flags,
        metrics=metric_asked,
        seeds=seed_flags,
