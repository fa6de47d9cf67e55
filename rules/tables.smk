"""The paper's tables: our value, the paper's where it is known, and the difference.

Requires: the metrics of the systems that the configuration lists for a table, and the paper's numbers (resources/paper/).
Makes:
    <results>/tables/table1.csv    one line a system and metric
    <results>/tables/table1.md     the same to read
Targets by name: table1
"""

TABLE1 = config["tables"]["table1"]


def table1_metrics(wildcards):
    """The metrics of every system of Table 1, for every seed."""
    return [f for system in TABLE1["systems"] for f in system_metrics(system)]


def system_metrics(system):
    """The metrics of a system of Table 1, for every seed."""
    folders = [system_path(system, "metrics", seed) for seed in config["seeds"]]
    return [f for folder in folders for f in metrics_files(folder, TABLE1["protocol"])]


def table1_flags(wildcards):
    """The note and each system as --system KEY TITLE PAPER_ROW METRICS..., in the table's order."""
    words = [flags({"note": TABLE1["note"]})]
    for system in TABLE1["systems"]:
        chosen = config["systems"][system]
        words += [
            "--system",
            system,
            shlex.quote(chosen["title"]),
            shlex.quote(chosen["paper_row"] or "none"),
            *map(located, system_metrics(system)),
        ]
    return " ".join(words)


localrules:
    table1,


rule table1:
    input:
        "<results>/tables/table1.csv",
        "<results>/tables/table1.md",


rule make_table1:
    input:
        metrics=table1_metrics,
        paper="resources/paper/table1.csv",
        code=code("make_table", "tables"),
    output:
        csv="<results>/tables/table1.csv",
        markdown="<results>/tables/table1.md",
    log:
        "<results>/logs/make_table1.log",
    benchmark:
        "<results>/benchmarks/make_table1.tsv"
    container:
        image("core")
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        systems=table1_flags,
    shell:
        "{PYTHON[core]} scripts/make_table.py"
        " --title 'Table 1: automatic evaluation on the ED test split'"
        " --paper {input.paper}"
        " {params.systems}"
        " --csv {output.csv}"
        " --markdown {output.markdown}"
        " > {log} 2>&1"
