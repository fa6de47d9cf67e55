"""The rules and scripts that make figures, on made cells: same bytes, data beside them, the report, bad judgements."""

import csv
import io
import json
import os
import re
from itertools import product

import pytest
import yaml

from conftest import DEMO, Checkout
from figure_cells import BASELINES, cell, summary, write
from synth_empathy.core.absent import DASH
from synth_empathy.core.provenance import sha256_file
from synth_empathy.evaluation import human
from synth_empathy.reporting.cells import METRICS
from synth_empathy.reporting.figures import style
from synth_empathy.systems import with_dataset

#: The sign between two values of Figure 5.
TO = "\N{RIGHTWARDS ARROW}"
MADE_UP = "resources/sample/made-up-judgements.jsonl"
KINDS = style.KINDS


OVERLAY = """
note: A note of this test.
tables:
  table1: {systems: [demo-ours, demo-ft]}
  table2: {series: [{base: smollm2-135m, prompt: prompt2}], thresholds: [20, 30]}
figures: {figure5: {prompt: prompt2, stage: dk20-kcenter}}
human: {judgements: resources/sample/made-up-judgements.jsonl}
"""
RUN = "results/demo"


@pytest.fixture(scope="module")
def figures_run(tmp_path_factory):
    """A checkout in which the rules drew all figures from made cells."""
    checkout = Checkout(tmp_path_factory.mktemp("figures") / "checkout")
    (checkout.folder / "overlay.yaml").write_text(OVERLAY)
    systems = yaml.safe_load((checkout.folder / "config/demo.yaml").read_text())["systems"]
    cells = []
    for (system, value), metric in product([(systems["demo-ours"], 20.0), (systems["demo-ft"], 19.0)], METRICS):
        cells.append(cell(value, metric, system["base"], with_dataset(system["training_set"], "ed")))
    cells += [cell(dk / 10, "cider", "smollm2-135m", f"ed+prompt2-dk{dk}-kcenter", table="table2") for dk in (20, 30)]
    for one in cells:
        write(checkout.folder / RUN / f"cells/{one.table}/{one.base}/{one.training_set}/{one.metric}.json", vars(one))
    for name, mean in (("before", 2.25), ("dk20-kcenter", 2.5)):
        path = checkout.folder / RUN / f"judged/prompt2/{name}/seed0.summary.json"
        write(path, summary(name, mean=mean, note="A small judge."))
    # The made-up judgements are of no test sample, and need not be.
    write(checkout.folder / RUN / "ed/test_ids.json", ["test/of/nobody/0"])
    figures = [f"figure{number}" for number in (1, 5, 7, 8)]
    allowed = [*figures, *(f"make_{figure}" for figure in figures)]
    done = checkout.snakemake("--cores", "2", *DEMO, "overlay.yaml", "--allowed-rules", *allowed, "--", *figures)
    logs = "\n".join(path.read_text() for path in (checkout.folder / RUN / "logs").rglob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return checkout


@pytest.fixture(scope="module")
def run(figures_run):
    """That checkout's folder."""
    return figures_run.folder


def inputs(run, number):
    """The flags of a figure's script on that run's files."""
    results, paper = run / RUN, run / "resources/paper"
    if number in (1, 8):
        table = "table1" if number == 1 else "table2"
        return ["--config", results / "config.yaml", "--cells", results / "cells" / table]
    if number == 5:
        before, after = (
            results / f"judged/prompt2/{stage}/seed0.summary.json" for stage in ("before", "dk20-kcenter")
        )
        return ["--before", before, "--after", after, "--paper", paper / "figure5.csv"]
    judgements = ["--judgements", run / MADE_UP, "--test-ids", results / "ed/test_ids.json"]
    return [*judgements, "--baselines", *BASELINES, "--paper", paper / "figure7.csv"]


@pytest.mark.parametrize("number", [1, 5, 7, 8])
def test_the_same_numbers_give_the_same_bytes_whatever_the_users_settings_of_matplotlib(run, tmp_path, step, number):
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\nlines.linewidth: 9\nsavefig.dpi: 50\n")
    paths = [tmp_path / f"figure{number}.{kind}" for kind in KINDS]
    flags = [*inputs(run, number), "--note", "A note of this test.", "--figures", *paths]
    flags += ["--csv", tmp_path / f"figure{number}.csv"]
    done = step(f"make_figure{number}.py", *flags, env=os.environ | {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})
    assert done.returncode == 0, done.stderr
    for path in [*paths, tmp_path / f"figure{number}.csv"]:
        assert path.read_bytes() == (run / RUN / "figures" / path.name).read_bytes(), path.name
    assert [path.read_bytes()[:4] for path in paths] == [b"%PDF", b"<?xm", b"\x89PNG"]
    assert not re.search(rb"CreationDate|dc:date|ModDate", b"".join(path.read_bytes() for path in paths))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, ["SmolLM2-135M", "fine-tuned on ED", *METRICS.values(), "(20.00)", "5,255 test samples, paper protocol"]),
        (5, ["Coherence", "Naturalness", "Empathy", f"2.25 {TO} 2.50", f"2.65 {TO} 2.88", f"{DASH} {TO} &gt;95 %"]),
        (5, ["before selection", "mean score", "share of full marks (%)", "A small judge."]),
        (7, [*BASELINES, f"66.0 | {DASH} | {DASH}", "31.0 | 49.2 | 19.8", "share of judgements (%)"]),
        (7, ["MADE-UP JUDGEMENTS", "4 criteria x 3 evaluators"]),
        (
            8,
            [
                "smollm2-135m, prompt2",
                "CIDEr (x 100)",
                "DK threshold (cosine similarity x 100)",
                ">20<",
                ">30<",
                "ours",
            ],
        ),
    ],
)
def test_the_svg_holds_labels_and_values_as_text(run, number, words):
    text = (run / RUN / f"figures/figure{number}.svg").read_text(encoding="utf-8")
    for fragment in [f"Figure {number}", *words, "A note of this test."]:
        assert fragment in text, fragment


@pytest.mark.parametrize(
    ("number", "lines", "line"),
    [
        (1, 2 * 13, "cider,20.00,not available,not available,not available"),
        (5, 2 * 4 * 2, "after selection,prompt2/dk20-kcenter,all,mean mark,2.50,not available,2.88,-0.38"),
        (7, 5 * 5, ",not available,not available,not available,4,3,yes"),
        (8, 2, '"smollm2-135m, prompt2",30,3.00,not available,not available,not available'),
    ],
)
def test_a_figures_data_stands_beside_it(run, number, lines, line):
    header, *found = (run / RUN / f"figures/figure{number}.csv").read_text(encoding="utf-8").splitlines()
    assert header.endswith(",note") and len(found) == lines
    assert any(text.endswith(f"{line},A note of this test.") for text in found), found


def test_the_report_has_each_figure_and_its_data(figures_run):
    numbers = (1, 5, 7, 8)
    figures = [f"figure{number}" for number in numbers]
    done = figures_run.snakemake("--cores", "1", *DEMO, "overlay.yaml", "--report", "report.html", "--", *figures)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (figures_run.folder / "report.html").read_text(encoding="utf-8")
    for number in numbers:
        captions = f"Figure {number} of the paper (section", f"The numbers of Figure {number}"
        for fragment in (*captions, f"figure{number}.csv", f"figure{number}.png"):
            assert fragment in text, fragment
    assert "A note of this test." in text


@pytest.mark.parametrize(
    ("example", "given", "refused"),
    [("test/a/0", True, False), ("test/a/0", False, False), ("test/a/1", True, True), ("test/a/1", False, True)],
)
def test_judgements_beside_or_in_an_archive_are_held_against_its_test_samples(checkout, example, given, refused):
    ids = write(checkout.folder / "kept/ed/test_ids.json", ["test/a/0"])
    judgements = checkout.folder / ("judgements.jsonl" if given else "kept/human/judgements.jsonl")
    judgements.parent.mkdir(exist_ok=True)
    judgement = {"example": example, "baseline": "SEEK", "evaluator": "e", "verdict": "win"}
    lines = [judgement | {"criterion": criterion} for criterion in human.CRITERIA]
    judgements.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = {"ed/test_ids.json": ids} if given else {"ed/test_ids.json": ids, "human/judgements.jsonl": judgements}
    digests = {name: sha256_file(path) for name, path in kept.items()}
    write(checkout.folder / "kept/archive.json", {"format": 1, "run": "demo", "files": digests})
    overlay = f"human: {{judgements: {'judgements.jsonl' if given else 'null'}, baselines: [SEEK]}}\n"
    (checkout.folder / "overlay.yaml").write_text(overlay)
    done = checkout.snakemake("--cores", "1", *DEMO, "overlay.yaml", "--config", "archive=kept", "--", "figure7")
    assert (done.returncode != 0) == refused, done.stdout + done.stderr
    if refused:
        log = (checkout.folder / RUN / "logs/make_figure7.log").read_text()
        assert "judgements.jsonl, line 1: the example 'test/a/1' is none of this run's 1 test samples" in log
        assert "What to do: " in log
    else:
        *_, last = csv.DictReader(io.StringIO((checkout.folder / RUN / "figures/figure7.csv").read_text()))
        assert (last["examples"], last["evaluators"], last["made_up"]) == ("1", "1", "no")


def test_figure7_without_judgements_says_what_to_set(checkout):
    done = checkout.snakemake("-n", "figure7")
    assert done.returncode != 0 and "figure7 needs judgements of human evaluators" in done.stdout + done.stderr
    assert "What to do: set human: judgements" in done.stdout + done.stderr


def test_every_figure_has_a_caption_that_names_its_place_in_the_paper(repository):
    for number in (1, 5, 7, 8):
        caption = (repository / f"resources/captions/figure{number}.rst").read_text(encoding="utf-8")
        assert caption.startswith(f"Figure {number} of the paper (section ") and caption.count("\n") == 3
        note = '{% if snakemake.config["note"] %}**{{ snakemake.config["note"]'
        assert caption.rpartition("\n\n")[2].startswith(note)
