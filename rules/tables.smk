"""The paper's tables: our values, the paper's if they are known, and the differences.

Requires: the cells of every row that the configuration lists for a table.
Makes, for each {table}: table1 (systems), table2 (DK thresholds), table3 (without quality selection), table4 (without
    diversity selection)
    <results>/tables/{table}.csv    one line per cell
    <results>/tables/{table}.md     the same for reading, one line per system
    <results>/tables/{table}.tex    the same for LaTeX, with booktabs
Targets by name: table1, table2, table3, table4
"""


def cells_of(table, metrics):
    """A table's cells of some metrics; with tables: partial, only those that exist or can be made from the archive."""
    return [
        f"<results>/cells/{table}/{row.system}/{metric}.json"
        for row in table_rows(table)
        for metric in metrics
        if not config["tables"]["partial"] or cell_is_available(table, row, metric)
    ]


def cell_is_available(table, row, metric):
    """Whether a cell is there, or can be made from the archive's files."""
    if Path(f"{RESULTS}/cells/{table}/{row.system}/{metric}.json").exists():
        return True
    if ARCHIVED and left_out(row.base, row.training_set):
        return True  # it says why, and needs no file
    return bool(ARCHIVED) and available(cell_sources(row, metric))


def table_cells(wildcards):
    """Every cell of a table."""
    return cells_of(wildcards.table, tables.COLUMNS[wildcards.table])


def rows_of_table(wildcards):
    """A table's rows. Its script reads them in the run's configuration; here, a change of rows remakes the table."""
    return list(map(str, table_rows(wildcards.table)))


def table_flags(note):
    """A note, and whether cells may be missing."""
    return flags({"note": note, "partial": config["tables"]["partial"]})


localrules:
    table1,
    table2,
    table3,
    table4,
    make_table,


rule table1:
    input:
        multiext("<results>/tables/table1", ".csv", ".md", ".tex"),


rule table2:
    input:
        multiext("<results>/tables/table2", ".csv", ".md", ".tex"),


rule table3:
    input:
        multiext("<results>/tables/table3", ".csv", ".md", ".tex"),


rule table4:
    input:
        multiext("<results>/tables/table4", ".csv", ".md", ".tex"),


rule make_table:
    input:
        cells=table_cells,
        paper="resources/paper/{table}.csv",
        code=code("make_table"),
    output:
        csv=report(
            "<results>/tables/{table}.csv",
            caption="../resources/captions/tables.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        markdown="<results>/tables/{table}.md",
        latex="<results>/tables/{table}.tex",
    log:
        "<results>/logs/make_table/{table}.log",
    container:
        image("core")
    params:
        rows=rows_of_table,
        settings=verbatim(table_flags(config["note"]) + " " + flags({"dataset": config["dataset"]})),
        config=f"{RESULTS}/config.yaml",
        cells=f"{RESULTS}/cells",
    shell:
        "{PYTHON[core]} scripts/make_table.py"
        " --table {wildcards.table:q}"
        " --config {params.config:q}"
        " --cells {params.cells:q}/{wildcards.table:q}"
        " {params.settings}"
        " --csv {output.csv:q}"
        " --markdown {output.markdown:q}"
        " --latex {output.latex:q}"
        " > {log:q} 2>&1"
