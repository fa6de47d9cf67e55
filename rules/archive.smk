"""A run's archive: the files from which a reviewer makes its tables and figures again without a GPU (docs/archive.md).

Requires: the inputs of the configuration's tables and figures that a model or a GPU makes.
Makes:
    <results>/archive/archive.json    the index, with each file's SHA-256; next to it, the files
Targets by name: archive
"""


def archived_files(wildcards):
    """The inputs of every table and figure of the configuration, as far as a model or a GPU makes them."""
    files = {"<results>/<dataset>/test_ids.json"}
    prompts = {config["figures"]["figure5"]["prompt"]}
    for table in tables.COLUMNS:
        for row in table_rows(table):
            if not left_out(row.base, row.training_set):
                files.update(row_sources(table, row))
            if selected := systems.TrainingSet.parse(row.training_set).selected:
                prompts.add(selected.prompt)
    files.update(f"<results>/synthetic/{prompt}{WRITTEN_BY}" for prompt in prompts)
    for row in compared_rows():
        files.update(comparison_sources(row))
    files.update(judged_before(wildcards) + judged_after(wildcards))
    return sorted(files)


def judgements_flag(wildcards, input):
    """--judgements FILE, if there are human judgements."""
    return flags({"judgements": input.get("judgements") or None})


localrules:
    archive,
    pack_archive,


rule archive:
    input:
        "<results>/archive/archive.json",


rule pack_archive:
    input:
        files=archived_files,
        judgements=judgements() or [],
        code=code("pack_archive"),
    output:
        "<results>/archive/archive.json",
    log:
        "<results>/logs/pack_archive.log",
    container:
        image("core")
    params:
        run=RESULTS,
        judgements=judgements_flag,
    shell:
        "{PYTHON[core]} scripts/pack_archive.py"
        " --run {params.run:q}"
        " --files {input.files:q}"
        " {params.judgements}"
        ' --output "$(dirname {output:q})"'
        " > {log:q} 2>&1"
