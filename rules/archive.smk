"""A run's archive: what a reviewer needs to make its tables and figures again without a GPU (docs/archive.md).

Requires: what the tables and figures of the configuration are made of, as far as a model or a GPU makes it.
Makes:
    <results>/archive/archive.json    the index: each file with its SHA-256; the files beside it, under their own paths
Targets by name: archive
"""


def archived_files(wildcards):
    """What every table and figure of the configuration is made of, as far as it takes a model or a GPU to make it."""
    protocol = config["evaluation"]["protocol"]
    files = {"<results>/ed/test_ids.json"}
    for table in tables.COLUMNS:
        for row in table_rows(table):
            if not left_out(row.base, row.training_set):
                for seed in system_seeds(row.training_set):
                    files.update(archived_of_row(table, row, protocol, seed))
    files.update(judged_before(wildcards) + judged_after(wildcards))
    return sorted(files)


def archived_of_row(table, row, protocol, seed):
    """What a row of a table is made of: responses; in Table 1 BERTScore, in Table 2 counts."""
    files = [f"<results>/responses/{row.system}/seed{seed}/test.jsonl"]
    if table == "table1" and BERTSCORE:
        files.append(
            f"<results>/metrics/{row.system}/seed{seed}/{protocol}-bertscore.json"
        )
    if table == "table2":
        files.append(counts_path(row.training_set, seed))
    return files


localrules:
    archive,
    pack_archive,


rule archive:
    input:
        "<results>/archive/archive.json",


rule pack_archive:
    input:
        files=archived_files,
        code=code("pack_archive", "archive"),
    output:
        "<results>/archive/archive.json",
    log:
        "<results>/logs/pack_archive.log",
    container:
        image("core")
    params:
        run=RESULTS,
    shell:
        "{PYTHON[core]} scripts/pack_archive.py"
        " --run {params.run}"
        " --files {input.files}"
        " --output $(dirname {output})"
        " > {log} 2>&1"
