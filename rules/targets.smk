"""Everything at once: the inputs of the Snakefile's two rules, all and reviewer (docs/archive.md).

Requires: functions of the files before this one, which is included last.
Makes: nothing; no rule stands here, since Snakemake takes its default target from the Snakefile alone.
"""


def everything(wildcards):
    """Every table and figure, and Table 1's comparisons; Figure 7 where there are judgements to draw."""
    numbers = [1, 5, 7, 8] if judgements() else [1, 5, 8]
    drawn = expand(
        "<results>/figures/figure{number}.{kind}",
        number=numbers,
        kind=["pdf", "svg", "png", "csv"],
    )
    printed = expand(
        "<results>/tables/table{number}.{kind}",
        number=[1, 2, 3, 4],
        kind=["csv", "md", "tex"],
    )
    return printed + drawn + table1_comparisons(wildcards)


def everything_from_the_archive(wildcards):
    """Every table and figure, for a reviewer, who has an archive; with tables: partial, what it has the files for."""
    if config["archive"] is None:
        raise WorkflowError(
            "reviewer makes tables and figures from an archive, and none is given\n"
            "  What to do: add --config archive=DIR, a folder that `snakemake archive` made (docs/archive.md)"
        )
    if Path(config["archive"]).resolve().is_relative_to(Path(RESULTS).resolve()):
        raise WorkflowError(
            f"the archive lies in {RESULTS}, whose files would be replaced by the archive's\n"
            "  What to do: give the review a run of its own, --config archive=DIR run=review"
        )
    written_by = [f"<results>/{name}" for name in ARCHIVED if name.endswith(WRITTEN_BY)]
    lacking = lacking_in_the_archive(wildcards)
    return written_by + [path for path in everything(wildcards) if path not in lacking]


def lacking_in_the_archive(wildcards):
    """With tables: partial, what the archive has no file for; the other tables and figures show gaps."""
    if not config["tables"]["partial"]:
        return []
    lacking = [
        path
        for row, path in zip(compared_rows(), table1_comparisons(wildcards))
        if not available(comparison_sources(row))
    ]
    for table in tables.COLUMNS:
        if not cells_of(table, tables.COLUMNS[table]):
            lacking += multiext(f"<results>/tables/{table}", ".csv", ".md", ".tex")
    cells_or_sources = {
        1: figure1_cells(wildcards),
        5: available(judged_before(wildcards) + judged_after(wildcards)),
        8: figure8_cells(wildcards),
    }
    for number, found in cells_or_sources.items():
        if not found:
            figure = f"<results>/figures/figure{number}"
            lacking += multiext(figure, ".pdf", ".svg", ".png", ".csv")
    if lacking:
        say_once(
            "left out, since the archive has nothing of what they are made of: " + ", ".join(map(located, lacking))
        )
    return lacking


#: Warnings that were said.
SAID = set()


def say_once(sentence):
    """A warning from an input function, which Snakemake may call several times."""
    if sentence not in SAID:
        logger.warning(sentence)
    SAID.add(sentence)
