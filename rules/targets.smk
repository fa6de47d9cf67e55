"""The inputs of the Snakefile's two rules, all and reviewer (docs/archive.md).

Requires: functions of the other files; this one is included last.
Makes: nothing; this file has no rule, because Snakemake takes its default target only from the Snakefile.
"""


def everything(wildcards):
    """Every table and figure, and Table 1's comparisons; Figure 7 only if there are judgements."""
    numbers = [1, 5, 7, 8] if judgements() else [1, 5, 8]
    kinds = ["pdf", "svg", "png", "csv"]
    figures = expand("<results>/figures/figure{number}.{kind}", number=numbers, kind=kinds)
    kinds = ["csv", "md", "tex"]
    printed = expand("<results>/tables/table{number}.{kind}", number=[1, 2, 3, 4], kind=kinds)
    return printed + figures + table1_comparisons(wildcards)


def everything_from_the_archive(wildcards):
    """Every table and figure from an archive, for a reviewer; with tables: partial, those that it has files for."""
    if config["archive"] is None:
        raise WorkflowError(
            "reviewer makes tables and figures from an archive, but none is given\n"
            "  What to do: add --config archive=DIR, a folder that `snakemake archive` made (docs/archive.md)"
        )
    if Path(config["archive"]).resolve().is_relative_to(Path(RESULTS).resolve()):
        raise WorkflowError(
            f"the archive lies in {RESULTS}, whose files would be replaced by the archive's\n"
            "  What to do: give the review its own run, --config archive=DIR run=review"
        )
    written_by = [f"<results>/{name}" for name in ARCHIVED if name.endswith(WRITTEN_BY)]
    missing = missing_from_the_archive(wildcards)
    return written_by + [path for path in everything(wildcards) if path not in missing]


def missing_from_the_archive(wildcards):
    """With tables: partial, the outputs that the archive has no file for; other tables and figures show gaps."""
    if not config["tables"]["partial"]:
        return []
    comparisons = zip(compared_rows(), table1_comparisons(wildcards))
    missing = [path for row, path in comparisons if not available(comparison_sources(row))]
    for table in tables.COLUMNS:
        if not cells_of(table, tables.COLUMNS[table]):
            missing += multiext(f"<results>/tables/{table}", ".csv", ".md", ".tex")
    has_sources = {
        1: figure1_cells(wildcards),
        5: available(judged_before(wildcards) + judged_after(wildcards)),
        8: figure8_cells(wildcards),
    }
    for number, sources in has_sources.items():
        if not sources:
            missing += multiext(f"<results>/figures/figure{number}", ".pdf", ".svg", ".png", ".csv")
    if missing:
        warn_once("left out, because the archive has none of their inputs: " + ", ".join(map(located, missing)))
    return missing


#: Warnings that were logged.
WARNED = set()


def warn_once(text):
    """Log a warning in an input function, which Snakemake may call several times."""
    if text not in WARNED:
        logger.warning(text)
    WARNED.add(text)
