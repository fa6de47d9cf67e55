"""The paper's Figures 1, 5, 7 and 8, drawn as PDF, SVG and PNG, with the paper's numbers if they are known.

Requires: Table 1's and Table 2's cells, the judge's summaries, a file of human judgements (docs/human-evaluation.md),
    and the paper's numbers (resources/paper/).
    Figure 7 also requires <results>/<dataset>/test_ids.json, the samples that people judged responses to.
Makes, each as .pdf, .svg and .png, and its numbers as .csv (ours, the paper's, the difference):
    <results>/figures/figure1    systems by metric, as a radar chart
    <results>/figures/figure5    the judge's scores before and after selection
    <results>/figures/figure7    human A/B test; figure7.csv also has the counts by criterion
    <results>/figures/figure8    CIDEr by DK threshold
Targets by name: figure1, figure5, figure7, figure8
"""


def figure_files(number):
    """A figure's drawings and its numbers; the report shows the PNG and the CSV."""
    path = f"<results>/figures/figure{number}"
    drawing = report(
        f"{path}.png",
        caption=f"../resources/captions/figure{number}.rst",
        category="Figures",
        labels={"figure": f"{number}", "shown as": "drawing"},
    )
    numbers = report(
        f"{path}.csv",
        caption="../resources/captions/figure-data.rst",
        category="Figures",
        labels={"figure": f"{number}", "shown as": "data"},
    )
    drawings = {"pdf": f"{path}.pdf", "svg": f"{path}.svg", "png": drawing}
    return drawings | {"csv": numbers}


def figure_notes():
    """The note of a figure that shows the paper's numbers: the configuration's; with another data set, why there are none."""
    other = f"{OTHER_DATA[0].upper()}{OTHER_DATA[1:]}: none of the paper's numbers is shown." if OTHER_DATA else None
    return " ".join(filter(None, [config["note"], other])) or None


def paper_flag(wildcards, input):
    """--paper FILE, where the run's data set is the paper's."""
    return flags({"paper": None if OTHER_DATA else input.paper})


def figure1_cells(wildcards):
    """Table 1's cells."""
    return cells_of("table1", tables.COLUMNS["table1"])


def figure8_cells(wildcards):
    """Table 2's CIDEr cells, and no others."""
    return cells_of("table2", ["cider"])


def judged_before(wildcards):
    """The judge's summaries of the generated samples, one a seed."""
    prompt = config["figures"]["figure5"]["prompt"]
    return [f"<results>/judged/{prompt}/before/seed{seed}.summary.json" for seed in config["seeds"]]


def judged_after(wildcards):
    """The judge's summaries of the selected samples, one a seed."""
    place = "{prompt}/{stage}".format(**config["figures"]["figure5"])
    return [f"<results>/judged/{place}/seed{seed}.summary.json" for seed in config["seeds"]]


def human_judgements(wildcards):
    """The file of human judgements: the configuration's or the archive's; an error without either."""
    path = judgements()
    if path is None:
        raise WorkflowError(
            "figure7 needs judgements of human evaluators, and none are given\n"
            "  What to do: set human: judgements to a file as docs/human-evaluation.md describes it"
        )
    return path


localrules:
    figure1,
    figure5,
    figure7,
    figure8,
    make_figure1,
    make_figure5,
    make_figure7,
    make_figure8,


rule figure1:
    input:
        multiext("<results>/figures/figure1", ".pdf", ".svg", ".png", ".csv"),


rule figure5:
    input:
        multiext("<results>/figures/figure5", ".pdf", ".svg", ".png", ".csv"),


rule figure7:
    input:
        multiext("<results>/figures/figure7", ".pdf", ".svg", ".png", ".csv"),


rule figure8:
    input:
        multiext("<results>/figures/figure8", ".pdf", ".svg", ".png", ".csv"),


rule make_figure1:
    input:
        cells=figure1_cells,
        paper="resources/paper/table1.csv",
        code=code("make_figure1"),
    output:
        **figure_files(1),
    log:
        "<results>/logs/make_figure1.log",
    container:
        image("core")
    params:
        rows=verbatim(list(map(str, table_rows("table1")))),
        settings=verbatim(table_flags(figure_notes())),
        config=f"{RESULTS}/config.yaml",
        cells=f"{RESULTS}/cells/table1",
    shell:
        "{PYTHON[core]} scripts/make_figure1.py"
        " --config {params.config:q}"
        " --cells {params.cells:q}"
        " {params.settings}"
        " --csv {output.csv:q}"
        " --figures {output.pdf:q} {output.svg:q} {output.png:q}"
        " > {log:q} 2>&1"


rule make_figure5:
    input:
        before=judged_before,
        after=judged_after,
        paper="resources/paper/figure5.csv",
        code=code("make_figure5"),
    output:
        **figure_files(5),
    log:
        "<results>/logs/make_figure5.log",
    container:
        image("core")
    params:
        paper=paper_flag,
        note=verbatim(flags({"note": figure_notes()})),
    shell:
        "{PYTHON[core]} scripts/make_figure5.py"
        " --before {input.before:q}"
        " --after {input.after:q}"
        " {params.paper}"
        " {params.note}"
        " --csv {output.csv:q}"
        " --figures {output.pdf:q} {output.svg:q} {output.png:q}"
        " > {log:q} 2>&1"


rule make_figure7:
    input:
        judgements=human_judgements,
        test_ids="<results>/<dataset>/test_ids.json",
        paper="resources/paper/figure7.csv",
        code=code("make_figure7"),
    output:
        **figure_files(7),
    log:
        "<results>/logs/make_figure7.log",
    container:
        image("core")
    params:
        baselines=verbatim(shlex.join(config["human"]["baselines"])),
        paper=paper_flag,
        settings=verbatim(flags({"count": config["human"]["count"], "note": figure_notes()})),
    shell:
        "{PYTHON[core]} scripts/make_figure7.py"
        " --judgements {input.judgements:q}"
        " --test-ids {input.test_ids:q}"
        " --baselines {params.baselines}"
        " {params.settings}"
        " {params.paper}"
        " --csv {output.csv:q}"
        " --figures {output.pdf:q} {output.svg:q} {output.png:q}"
        " > {log:q} 2>&1"


rule make_figure8:
    input:
        cells=figure8_cells,
        paper="resources/paper/table2.csv",
        code=code("make_figure8"),
    output:
        **figure_files(8),
    log:
        "<results>/logs/make_figure8.log",
    container:
        image("core")
    params:
        rows=verbatim(list(map(str, table_rows("table2")))),
        settings=verbatim(table_flags(figure_notes())),
        config=f"{RESULTS}/config.yaml",
        cells=f"{RESULTS}/cells/table2",
    shell:
        "{PYTHON[core]} scripts/make_figure8.py"
        " --config {params.config:q}"
        " --cells {params.cells:q}"
        " {params.settings}"
        " --csv {output.csv:q}"
        " --figures {output.pdf:q} {output.svg:q} {output.png:q}"
        " > {log:q} 2>&1"
