"""The worked example of a metric in docs/extending.md, followed to the letter."""

import csv
import json
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import DEMO, REPOSITORY, Checkout
from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import write_json
from synth_empathy.core.provenance import sha256_file
from synth_empathy.core.records import ED_SAMPLE, RESPONSE, read_jsonl, write_jsonl
from synth_empathy.evaluation import bootstrap, metrics
from synth_empathy.evaluation.metrics import PROTOCOLS, Corpus
from test_workflow import TABLE1_JOBS
from worked_examples import Example

CHRF = Example("A metric, worked through")
RUN = "results/demo"
TRAINING_SETS = ("ed+prompt2-dk20-kcenter", "ed", "none")
TARGETS = ("table1", "figure1", "comparisons")
#: Jobs after the metric was added, where the other metrics' cells were made before.
ONLY_NEW = {"evaluate_metric": 3, "make_metric_cell": 3, "make_table": 1, "make_figure1": 1, "compare_systems": 1}
WORDS = "i am so sorry to hear that what happened you must be happy good luck".split()
TEXT = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


def jobs_of(done):
    """How many jobs of each rule a dry-run plans."""
    assert done.returncode == 0, done.stdout + done.stderr
    return {rule: int(count) for rule, count in re.findall(r"(?m)^(\w+) +(\d+)$", done.stdout) if rule != "total"}


def respond(checkout):
    """Made-up responses of the demo's three systems to its test samples, and a made-up BERTScore of each."""
    folder = checkout.folder / RUN
    samples = read_jsonl(folder / "ed/test.jsonl", ED_SAMPLE)
    for shift, training_set in enumerate(TRAINING_SETS):
        responses = folder / f"responses/smollm2-135m/{training_set}/seed0/test.jsonl"
        responses.parent.mkdir(parents=True)
        texts = [" ".join(WORDS[(place + shift * 3) % 9 :][:5]) for place in range(len(samples))]
        rows = [
            {"id": row["id"], "prediction": text, "reference": row["response"]} for row, text in zip(samples, texts)
        ]
        write_jsonl(responses, rows)
        scores = {"ids": [row["id"] for row in rows]} | {part: [50.0 + shift] * len(rows) for part in ("p", "r", "f1")}
        other = {"model": "made up", "layer": 5, "rescaled": False} | dict.fromkeys(("p", "r", "f1"), 50.0 + shift)
        about = {"protocol": "paper", "samples": len(rows), "responses_sha256": sha256_file(responses)}
        path = folder / f"metrics/smollm2-135m/{training_set}/seed0/paper-bertscore.json"
        path.parent.mkdir(parents=True)
        empty = {"empty_predictions": {"count": 0, "ids": []}}
        write_json(path, about | {"bertscore_other": other, "by_sample": scores} | empty)


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """A checkout with the demo's responses and some cells, in which the documentation's example was then followed."""
    checkout = Checkout(tmp_path_factory.mktemp("metric") / "checkout")
    done = checkout.snakemake("--cores", "1", *DEMO, "--", f"{RUN}/ed/test_ids.json")
    assert done.returncode == 0, done.stdout + done.stderr
    respond(checkout)
    folders = [f"{RUN}/cells/table1/smollm2-135m/{name}" for name in TRAINING_SETS]
    cells = [f"{folder}/{score}.json" for folder, score in product(folders, ("bleu1", "bert_p"))]
    done = checkout.snakemake("--cores", "2", *DEMO, "--", *cells)
    assert done.returncode == 0, done.stdout + done.stderr

    CHRF.write_files(checkout)
    planned = jobs_of(checkout.snakemake("-n", *DEMO, "--", *TARGETS))
    assert planned == ONLY_NEW | dict.fromkeys(TARGETS, 1)  # no other metric's file is made again
    for done in CHRF.run_commands(checkout):
        assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def test_a_metric_added_by_the_documentation_is_scored_alone(added):
    import sacrebleu

    results = added.folder / RUN
    alone = json.loads((added.folder / "chrf.json").read_text())
    assert alone == json.loads((results / "metrics/smollm2-135m/ed/seed0/paper-chrf.json").read_text())
    assert alone["signatures"]["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    rows = read_jsonl(results / "responses/smollm2-135m/ed/seed0/test.jsonl", RESPONSE)
    expected = sacrebleu.corpus_chrf([row["prediction"] for row in rows], [[row["reference"] for row in rows]]).score
    assert alone["chrf"] == pytest.approx(expected, abs=0.5)  # references are tokens, with few exceptions
    assert alone["chrf"] > 1
    assert "chrf" not in json.loads((results / "metrics/smollm2-135m/ed/seed0/paper.json").read_text())


def test_a_metric_added_by_the_documentation_stands_in_every_table_that_lists_it(added):
    results = added.folder / RUN
    alone = json.loads((added.folder / "chrf.json").read_text())
    lines = (results / "tables/table1.md").read_text().splitlines()
    headings = [line for line in lines if line.startswith("| system")]
    assert headings[-1].replace(" ", "").endswith("|chrF|")
    with open(results / "tables/table1.csv", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["metric"] == "chrf"]
    assert [line["system"].split("/")[1] for line in lines] == list(TRAINING_SETS)
    assert lines[1]["ours"] == f"{alone['chrf']:.2f}" and {line["paper"] for line in lines} == {"not available"}
    assert "& chrF \\\\" in (results / "tables/table1.tex").read_text()
    assert "chrF" in (results / "figures/figure1.svg").read_text()

    path = results / f"comparisons/smollm2-135m/{TRAINING_SETS[0]}/against-ed/paper.json"
    comparison = json.loads(path.read_text())
    entry = comparison["metrics"]["chrf"]
    assert list(comparison["metrics"])[-1] == "chrf" and entry["baseline"]["mean"] == pytest.approx(alone["chrf"])
    assert entry["interval"][0] < entry["difference"] < entry["interval"][1] and 0 < entry["p_two_sided"] <= 1
    assert "Nothing to be done" in added.snakemake("-n", *DEMO, "--", *TARGETS).stdout


def test_a_new_metric_adds_its_jobs_to_the_papers_run(checkout):
    CHRF.write_files(checkout)
    assert jobs_of(checkout.snakemake("-n", "table1")) == TABLE1_JOBS | {"evaluate_metric": 6, "make_metric_cell": 9}


def defined(text):
    """The METRIC of a metric's file, without adding the file to the package."""
    space = {"__name__": "synth_empathy.evaluation.metrics.chrf", "__package__": "synth_empathy.evaluation.metrics"}
    exec(compile(text, "chrf.py", "exec"), space)
    return space["METRIC"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=6), st.integers(0, 9), st.sampled_from(PROTOCOLS))
def test_the_bootstrap_scores_a_draw_as_the_drawn_texts(rows, seed, protocol):
    import sacrebleu

    [metric] = map(defined, CHRF.files.values())
    [counts] = bootstrap.drawn(len(rows), 3, seed)
    texts = [list(column) for column in zip(*rows)]
    values = metric.scorer(Corpus(*texts, protocol))(counts)["chrf"]
    for value, times in zip(values, counts.astype(int)):
        drawn = [np.repeat(column, times).tolist() for column in texts]
        expected = sacrebleu.corpus_chrf(drawn[0], [drawn[1]]).score
        assert value == pytest.approx(expected) == metric.corpus_scores(Corpus(*drawn, protocol))["chrf"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "chrf"', 'name = "chrF"'), "its name is 'chrF', its file's is 'chrf'"),
        (('headings = {"chrf": "chrF"}', 'headings = {"bleu1": "chrF"}'), "BLEU has a score 'bleu1' already"),
        (('headings = {"chrf": "chrF"}', 'headings = {"../x": "chrF"}'), "the name '../x' is not made of letters"),
        (('title = "chrF"\n', 'tables = ("table5",)\n    title = "chrF"\n'), "there is no 'table5' among the tables"),
        (
            ('title = "chrF"\n', 'takes = "words"\n    title = "chrF"\n'),
            "it takes 'words', which is neither of text and tokens",
        ),
        (("METRIC = ChrF()", "METRIC = ChrF"), "it has no METRIC that is an instance"),
        (('    title = "chrF"\n', ""), "it has no title"),
    ],
)
def test_a_metric_whose_names_cannot_be_is_refused_by_its_file(change, message):
    [text] = CHRF.files.values()
    assert change[0] in text
    metric = defined(text.replace(*change))
    assert message in metrics.fault_of(metric, "chrf", list(metrics.METRICS.values()))


def test_every_metric_of_the_package_is_registered_in_the_papers_order():
    table = (REPOSITORY / "resources/paper/table1.csv").read_text().splitlines()[0].split(",")
    assert list(metrics.HEADINGS) == table[1:-1]
    assert [metrics.metric_of(score).name for score in metrics.HEADINGS][-1] == "bertscore"
    with pytest.raises(UserError, match="no metric has a score 'chrf'"):
        metrics.metric_of("chrf")
