"""The figures' numbers, and the figures: same bytes, no text over another, readable without colour; the rules on made cells."""

import csv
import io
import json
import os
import re

import matplotlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conftest import DEMO, Checkout
from synth_empathy import archive, figure_data, figures, human
from synth_empathy.cells import BERTSCORE, METRICS, Cell, missing_cell
from synth_empathy.errors import UserError
from synth_empathy.figure_data import Judged, PaperStage
from synth_empathy.tables import UNKNOWN, Row, Table

MADE_UP = "resources/sample/made-up-judgements.jsonl"
BASELINES = ["SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T."]
NOTE = "These are numbers of a test: they show the machinery and not the paper's result. " * 2
KINDS = figures.KINDS


def cell(value, metric="cider", base="b", training_set="ed", title="A system", table="table1", **rest):
    """A cell; one without a value says why."""
    known = {"why_null": None if value is not None else "its run failed", "by_seed": {}, "sd": None, "paper": None, "difference": None}
    known |= {"protocol": "paper", "test_samples": 5255, "empty_predictions": 0, "instead": None} | rest
    return Cell(table=table, base=base, training_set=training_set, metric=metric, title=title, value=value, **known)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def made_or_missing(content, metric, paper=None):
    """A cell as it is, one of a value, or for None one that was not made."""
    if content is None:
        return missing_cell("table1", "b", "ed", metric, "A system", paper)
    return content if isinstance(content, Cell) else cell(content, metric)


def table1(*systems):
    """Table 1 of systems, each a title and its cells by metric: cells, or the values of the first metrics; None is a cell that was not made."""
    rows = [Row(f"b{i}", "ed", title, None) for i, (title, _) in enumerate(systems)]
    values = [content if isinstance(content, dict) else dict(zip(METRICS, content)) for _, content in systems]
    cells = [{metric: made_or_missing(v, metric) for metric, v in one.items()} for one in values]
    return Table("table1", rows, {row.system: one for row, one in zip(rows, cells)}, None)


# --- Figure 1


NUMBER = st.none() | st.floats(-5, 100, allow_subnormal=False)


@given(st.lists(st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=3), min_size=1, max_size=5))
def test_each_axis_runs_from_0_to_the_highest_value_ours_or_the_papers(grid):
    contents = [{m: cell(ours, m, paper=paper) for m, (ours, paper) in zip(METRICS, pairs)} for pairs in grid]
    data = figure_data.radar(table1(*((f"S{i}", content) for i, content in enumerate(contents))))
    assert data.metrics == list(METRICS)[:3] and data.systems == [f"S{i}" for i in range(len(grid))]
    rows = {row.system: row.shares for row in data.paper}
    assert set(rows) == {i for i, pairs in enumerate(grid) if any(paper is not None for _, paper in pairs)}
    for j in range(3):
        mine, theirs = ([pairs[j][k] for pairs in grid if pairs[j][k] is not None and pairs[j][k] > 0] for k in (0, 1))
        top = max(mine + theirs, default=None)
        assert data.best[j] == top and data.best_is_papers[j] == (top is not None and top not in mine)
        for i, pairs in enumerate(grid):
            for value, shares in zip(pairs[j], (data.shares[i], rows.get(i, [None] * 3))):
                # what is missing is a gap, and not a 0
                assert shares[j] == (None if value is None or top is None else max(0, value / top))
    assert len(data.below_zero) == sum(value is not None and value < 0 for pairs in grid for pair in pairs for value in pair)


def test_what_is_missing_is_named_as_systems_metrics_and_single_values():
    failed = {metric: cell(None, metric) for metric in list(METRICS)[:4]}
    data = figure_data.radar(table1(("System 0", [1, None, 0, None]), ("System 1", failed), ("System 2", [None, None, 0, 2])))
    assert data.missing == ["B-2 (all systems)", "System 0 (B-4)", "System 1 (all metrics)", "System 2 (B-1)", "B-3 (none above 0)"]
    assert figure_data.radar(table1(("System 0", [None, None]))).missing == ["System 0 (all metrics)"]
    table = table1(("System 0", {"bleu1": cell(1.0, "bleu1"), "bleu2": cell(None, "bleu2"), "cider": None}))
    assert figure_data.why_missing(table) == ["missing: System 0, B-2: its run failed", "missing: System 0, CIDEr: the cell was not made"]


def test_bertscore_of_another_model_is_drawn_under_its_name_where_nobody_has_the_papers():
    def instead(value, model="small", paper=None):
        return {"bert_f1": cell(paper, "bert_f1", instead={"model": model, "layer": 5, "value": value})}

    data = figure_data.radar(table1(("a", instead(10.0)), ("b", instead(5.0)), ("c", {"bert_f1": None})))
    assert (data.shares, data.best, data.other_model, data.missing) == ([[1], [0.5], [None]], [10.0], "small, layer 5", ["c (all metrics)"])
    for other in (instead(5.0, model="other"), instead(5.0, paper=3.0)):
        data = figure_data.radar(table1(("a", instead(10.0)), ("b", other)))
        assert data.other_model is None and data.shares[0] == [None]


def test_the_papers_rows_are_named_by_the_paper_stand_once_and_leave_gaps():
    whole = {metric: cell(1.0, metric, paper=2.0) for metric in METRICS}
    part = {metric: made_or_missing(None, metric, 4.0 if metric == "cider" else None) for metric in METRICS}
    table = table1(("Ours", whole), ("Ours again", whole), ("SEEK", part), ("Unknown", {metric: cell(3.0, metric) for metric in METRICS}))
    names = ["ours (Qwen)", "ours (Qwen)", None, "CASE"]
    rows = [Row(row.base, row.training_set, row.title, name) for row, name in zip(table.rows, names)]
    data = figure_data.radar(Table("table1", rows, table.cells, None))
    assert [(row.name, row.system) for row in data.paper] == [("ours (Qwen) (paper)", 0), ("SEEK (paper)", 2)]
    assert data.best == [4.0 if metric == "cider" else 3.0 for metric in METRICS] and data.best_is_papers == [metric == "cider" for metric in METRICS]
    assert data.paper[0].shares == pytest.approx([0.5 if metric == "cider" else 2 / 3 for metric in METRICS])
    assert data.paper[1].shares == [1.0 if metric == "cider" else None for metric in METRICS]
    assert data.paper_missing == ["SEEK (paper): B-1, B-2, B-3, B-4, Dist-1, Dist-2, R-1, R-2, R-L, BERT-P, BERT-R, BERT-F1"]


def test_the_papers_bertscore_is_not_drawn_beside_another_models():
    other = {"model": "small", "layer": 5, "value": 30.0}
    row = {"cider": cell(2.0, "cider", paper=4.0), "bert_f1": cell(None, "bert_f1", instead=other, paper=19.4)}
    data = figure_data.radar(table1(("a", row)))
    assert (data.best, data.best_is_papers, data.paper[0].shares, data.paper_missing) == ([4.0, 30.0], [True, False], [1.0, None], [])
    data = figure_data.radar(table1(("a", row | {"bert_f1": cell(None, "bert_f1", paper=19.4)})))  # nobody's BERTScore: the paper's alone
    assert (data.best, data.paper[0].shares, data.shares) == ([4.0, 19.4], [1.0, 1.0], [[0.5, None]])


def table_of(text):
    """The lines of a CSV file, without its header, which is the first."""
    header, *lines = csv.reader(io.StringIO(text))
    return header, lines


def test_figure1s_data_has_a_line_a_system_and_metric():
    other = {"model": "small", "layer": 5, "value": 30.123}
    first = {"cider": cell(23.456, "cider", sd=1.5, paper=26.96), "dist1": cell(1234.5, "dist1"), "bert_f1": cell(None, "bert_f1", instead=other, paper=19.4)}
    second = {"cider": made_or_missing(None, "cider", 2.0), "dist1": None, "bert_f1": None}
    header, lines = table_of(figure_data.radar_csv(table1(("One, comma", first), ("Two", second))))
    assert header == ["system", "title", "metric", "ours", "sd", "paper", "difference"]
    assert lines == [
        ["b0/ed", "One, comma", "cider", "23.46", "1.50", "26.96", "-3.50"],
        ["b0/ed", "One, comma", "dist1", "1234.50", *[UNKNOWN] * 3],
        ["b0/ed", "One, comma", "bert_f1 by small, layer 5", "30.12", *[UNKNOWN] * 3],
        ["b1/ed", "Two", "cider", UNKNOWN, UNKNOWN, "2.00", UNKNOWN],
        ["b1/ed", "Two", "dist1", *[UNKNOWN] * 4],
        ["b1/ed", "Two", "bert_f1 by small, layer 5", *[UNKNOWN] * 4],
    ]


def test_cells_of_two_protocols_are_refused_and_those_that_name_none_are_not():
    left_out = {"bleu1": cell(None, "bleu1", protocol=None, test_samples=None)}
    data = figure_data.radar(table1(("a", [1]), ("b", left_out), ("c", {"bleu1": cell(1, "bleu1", test_samples=24)})))
    assert (data.protocol, data.samples) == ("paper", "24 to 5,255")
    assert figure_data.radar(table1(("b", left_out))).protocol == figure_data.radar(table1(("b", left_out))).samples == "not available"
    with pytest.raises(UserError, match="of several protocols: paper, standard"):
        figure_data.radar(table1(("a", [1]), ("b", {"bleu1": cell(1, "bleu1", protocol="standard")})))


# --- Figure 8


def table2(*points):
    """Table 2 of (base, prompt, DK, CIDEr cell or value), each with the title that the tables give it."""
    rows = [Row(base, f"ed+{prompt}-dk{dk}-kcenter", f"{base}, {prompt}, DK {dk}", None) for base, prompt, dk, _ in points]
    values = [point[-1] for point in points]
    return Table("table2", rows, {row.system: {"cider": made_or_missing(v, "cider")} for row, v in zip(rows, values)}, None)


def test_a_curve_a_base_and_prompt_by_rising_threshold():
    points = [("qwen", "p1", 60, cell(3.0, paper=9.0)), ("qwen", "p1", 50, cell(1.0, sd=0.5)), ("qwen", "p1", "57.5", None)]
    data = figure_data.curves(table2(*points, ("llama", "p1", 50, cell(None, paper=2.0)), ("qwen", "p2", 50, 7.0)))
    assert [curve.title for curve in data] == ["qwen, p1", "llama, p1", "qwen, p2"]
    assert data[0].thresholds == [50, 57.5, 60]
    assert (data[0].ours, data[0].sd, data[0].paper) == ([1.0, None, 3.0], [0.5, None, None], [None, None, 9.0])
    assert (data[1].ours, data[1].paper) == ([None], [2.0])
    named = table2(("qwen", "p1", 50, 1.0), ("qwen", "p1", 60, 1.0))
    odd = Table("table2", [Row(row.base, row.training_set, title, None) for row, title in zip(named.rows, "ab")], named.cells, None)
    assert figure_data.curves(odd)[0].title == "qwen, p1, kcenter"


def test_figure8s_data_has_a_line_a_system():
    points = [("qwen", "p1", 60, cell(3.0, paper=2.5)), ("qwen", "p1", "57.5", None), ("qwen", "p1", 50, cell(1.0, sd=0.25))]
    header, lines = table_of(figure_data.curves_csv(figure_data.curves(table2(*points, ("llama", "p2", 50, cell(None, paper=2.0))))))
    assert header == ["system", "line", "dk", "ours", "sd", "paper", "difference"]
    assert lines == [
        ["qwen/ed+p1-dk50-kcenter", "qwen, p1", "50", "1.00", "0.25", UNKNOWN, UNKNOWN],
        ["qwen/ed+p1-dk57.5-kcenter", "qwen, p1", "57.5", *[UNKNOWN] * 4],
        ["qwen/ed+p1-dk60-kcenter", "qwen, p1", "60", "3.00", UNKNOWN, "2.50", "+0.50"],
        ["llama/ed+p2-dk50-kcenter", "llama, p2", "50", UNKNOWN, UNKNOWN, "2.00", UNKNOWN],
    ]


@pytest.mark.parametrize("training_set", ["ed", "ed+prompt1-draw50-kcenter"])
def test_rows_that_are_no_point_of_a_curve_are_refused(training_set):
    row = Row("b", training_set, "t", None)
    with pytest.raises(UserError, match="is of no DK threshold"):
        figure_data.curves(Table("table2", [row], {row.system: {"cider": cell(1.0)}}, None))
    with pytest.raises(UserError, match="dk50-kcenter is given twice"):
        figure_data.curves(table2(("b", "p", 50, 1.0), ("b", "p", 50, 1.0)))
    with pytest.raises(UserError, match="several protocols"):
        figure_data.curves(table2(("b", "p", 50, 1.0), ("b", "p", 55, cell(1.0, protocol="standard"))))


# --- Figure 5


def summary(stage="before", seed=0, mean=2.0, full=0.5, **rest):
    """A judge's summary whose criteria lie 0.1 above, at and 0.1 below the mean."""
    titles = {"coherence": 0.1, "naturalness": 0.0, "empathy": -0.1}
    criteria = {name: {"title": name.title(), "mean": mean + shift, "full_share": full} for name, shift in titles.items()}
    whole = {"prompt": "prompt2", "stage": stage, "seed": seed, "judge": "a-judge", "mode": "probabilities", "temperature": 0.8}
    return whole | {"samples": {"scored": 12}, "criteria": criteria, "all": {"mean": mean, "full_share": full / 2}, "note": None} | rest


def test_a_stage_is_the_mean_over_its_seeds(tmp_path):
    paths = [write(tmp_path / f"{seed}.json", summary(seed=seed, mean=mean, note="Small.")) for seed, mean in enumerate([1.5, 2.5])]
    data = figure_data.judged(paths)
    assert data.titles == ["Coherence", "Naturalness", "Empathy"]
    assert data.means == pytest.approx([2.1, 2.0, 1.9, 2.0])
    assert data.spread == pytest.approx([0.5**0.5] * 4)
    assert (data.shares, data.share_spread) == ([0.5, 0.5, 0.5, 0.25], [0, 0, 0, 0])
    assert (data.samples, data.seeds, data.notes, data.stage) == (24, 2, ["Small."], "before")
    assert figure_data.judged(paths[:1]).spread == [None] * 4


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([summary(), summary(seed=1, prompt="prompt1")], "are not one stage's summaries"),
        ([summary(), summary(seed=1, mode="sampling")], "are not one stage's summaries"),
        ([summary(), summary()], "are not one stage's summaries"),
        ([summary(mean=3.1)], "a mean mark is not from 1 to 3"),
        ([summary(full=-0.2)], "a mean mark is not from 1 to 3, or a share"),
        ([summary(criteria={})], "a mean mark is not"),
        ([{"all": {}}], "is no judge's summary: 'criteria'"),
        ([[]], "is no judge's summary"),
    ],
)
def test_summaries_that_make_no_stage_are_refused(tmp_path, contents, message):
    with pytest.raises(UserError, match=message):
        figure_data.judged([write(tmp_path / f"{i}.json", content) for i, content in enumerate(contents)])


def test_stages_that_were_not_judged_alike_are_refused(tmp_path):
    before, after, other = (
        figure_data.judged([write(tmp_path / "s.json", content)]) for content in (summary(), summary("dk60-kcenter"), summary("dk60-kcenter", judge="another"))
    )
    assert figure_data.check_stages(before, after) is None
    with pytest.raises(UserError, match="not judged alike: prompt2 / a-judge / .*; prompt2 / another /"):
        figure_data.check_stages(before, other)
    with pytest.raises(UserError, match="both before"):
        figure_data.check_stages(before, before)


def test_figure5s_data_has_a_line_a_stage_criterion_and_quantity(tmp_path):
    before = figure_data.judged([write(tmp_path / "b.json", summary(mean=2.0, full=0.5))])
    paths = [write(tmp_path / f"{seed}.json", summary("dk60-kcenter", seed, mean, full=0.98)) for seed, mean in enumerate([2.5, 2.7])]
    known = PaperStage(2.65, None, False), PaperStage(2.88, 0.95, True)
    header, lines = table_of(figure_data.judged_csv(before, figure_data.judged(paths), known))
    assert header == ["stage", "judged", "criterion", "quantity", "ours", "sd", "paper", "difference"]
    assert len(lines) == 2 * 4 * 2  # stages, criteria with all of them together, quantities
    first, last = ["before selection", "prompt2/before"], ["after selection", "prompt2/dk60-kcenter"]
    assert lines[:2] == [
        [*first, "Coherence", "mean mark", "2.10", *[UNKNOWN] * 3],
        [*first, "Coherence", "share of full marks", "0.5000", *[UNKNOWN] * 3],
    ]
    assert lines[6:8] == [
        [*first, "all", "mean mark", "2.00", UNKNOWN, "2.65", "-0.65"],
        [*first, "all", "share of full marks", "0.2500", *[UNKNOWN] * 3],
    ]
    assert lines[-2:] == [
        [*last, "all", "mean mark", "2.60", "0.14", "2.88", "-0.28"],  # sd of 2.5 and 2.7: 0.1 x sqrt(2)
        [*last, "all", "share of full marks", "0.4900", "0.0000", ">0.95", UNKNOWN],  # a bound: nothing to subtract
    ]
    exact = table_of(figure_data.judged_csv(before, before, (known[0], PaperStage(None, 0.95, False))))[1]
    assert exact[-1][-4:] == ["0.2500", UNKNOWN, "0.95", "-0.7000"]


def test_shipped_numbers_are_the_papers(repository, shared):
    text = (shared / "paper" / "synth-empathy.md").read_text(encoding="utf-8")
    for name in ("figure5.csv", "figure7.csv"):
        assert (repository / "resources/paper" / name).read_text() == (shared / "paper/tables" / name).read_text()
    before, after = figure_data.read_paper_figure5(repository / "resources/paper/figure5.csv")
    assert (before, after) == (PaperStage(2.65, None, False), PaperStage(2.88, 0.95, True))
    assert "increased from 2.65 to 2.88" in text and "more than 95% of the data achieved full marks" in text
    paper = figure_data.read_paper_figure7(repository / "resources/paper/figure7.csv")
    assert list(paper) == BASELINES and paper["SEEK"] == {"win": 66.0}
    for shares in paper.values():
        for value in shares.values():
            assert f"{value:g}%" in text or f"{value:g}\\%" in text, value
        assert len(shares) == 1 or sum(shares.values()) == pytest.approx(100)


# --- how the figures look


@pytest.fixture(scope="module")
def paper(repository):
    folder = repository / "resources/paper"
    return figure_data.read_paper_figure5(folder / "figure5.csv"), figure_data.read_paper_figure7(folder / "figure7.csv")


def stage(stage, values, seeds=1, titles=("Coherence", "Naturalness", "Empathy")):
    spread = [0.02 if seeds > 1 else None] * len(values)
    return Judged(
        list(titles), values, spread, [v / 3 for v in values], spread, 2000, seeds, ["A note of the judge's."], ("prompt2", "a-judge", "probabilities"), stage
    )


def panel(baseline, examples, evaluators, wins):
    """Judgements of which about the given share is won, the rest shared by ties and losses."""
    verdicts = ["win"] * round(wins * 100) + ["tie", "loss"] * round(50 * (1 - wins))
    keys = [(e, c, v) for e in range(examples) for c in human.CRITERIA for v in range(evaluators)]
    return [
        {"example": f"e{e}", "baseline": baseline, "criterion": c, "evaluator": f"v{v}", "verdict": verdicts[7 * i % len(verdicts)]}
        for i, (e, c, v) in enumerate(keys)
    ]


NAMES = ["Synth-Empathy (Qwen1.5-7B, Prompt 2, DK 60)", "SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T.", "LLaMA3-8B-Instruct (zero-shot)",
         "Mixtral-8x7B-Instruct (zero-shot)", "Qwen1.5-72B-Chat (zero-shot)"]  # fmt: skip


DEMO_NAMES = ["SmolLM2-135M + ED + synthetic (Prompt 2, DK 20, k-center)", "SmolLM2-135M, fine-tuned on ED", "SmolLM2-135M (zero-shot)"]


#: The paper's row of its own system, and its values in Table 1's order.
PAPERS_OWN = "synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center)"
PAPERS_ROW = dict(zip(METRICS, [22.05, 10.53, 5.99, 3.77, 3.23, 18.84, 18.72, 5.27, 16.88, 26.96, 20.5, 18.2, 19.4]))


def paper_size():
    """Table 1 at the paper's size: the paper's row of its own system and a part of another; a system without values, one below 0, and two single gaps."""
    gaps = {(4, j): None for j in range(13)} | {(3, 2): None, (7, 10): None, (5, 11): -1.0}
    known = {0: PAPERS_ROW, 2: {"bleu1": 20.0, "rougeL": 15.0, "cider": 16.0}}
    values = [[gaps.get((i, j), 10.0 + (7 * i + 3 * j) % 11) for j in range(13)] for i in range(len(NAMES))]
    return table1(
        *((title, {m: cell(v, m, paper=known.get(i, {}).get(m)) for m, v in zip(METRICS, values[i])}) for i, title in enumerate(NAMES))
    )  # fmt: skip


def below_the_paper():
    """Table 1 at the paper's size, with the paper's value at every rim."""
    known = [PAPERS_ROW if i == 0 else {} for i in range(len(NAMES))]
    return table1(*((title, {m: cell(0.5 + i / 10, m, paper=row.get(m)) for m in METRICS}) for i, (title, row) in enumerate(zip(NAMES, known))))


def demo_size():
    """Table 1 of the demo: far below the paper's row, and another model's BERTScore."""
    other = {"model": "all-minilm-l6-v2", "layer": 5, "value": 9.0}
    rows = []
    for i, _ in enumerate(DEMO_NAMES):
        known = PAPERS_ROW if i == 0 else {}
        rows.append({m: cell(None, m, instead=other, paper=known.get(m)) if m in BERTSCORE else cell(3.0 + i / 2, m, paper=known.get(m)) for m in METRICS})
    table = table1(*zip(DEMO_NAMES, rows))
    names = [PAPERS_OWN, None, None]
    return Table("table1", [Row(row.base, row.training_set, row.title, name) for row, name in zip(table.rows, names)], table.cells, None)


def four_series():
    """Table 2's CIDEr of four series: a gap, and a series that the paper leaves out."""
    series = [(base, f"prompt{p}") for base in ("qwen1.5-7b-chat", "llama3-8b-instruct") for p in (1, 2)]
    points = [(i, base, prompt, dk) for i, (base, prompt) in enumerate(series) for dk in (50, 55, 60, 65, 70)]
    values = [cell(None if (i, dk) == (0, 55) else 20 + (i * 7 + dk) % 5, paper=None if i == 3 else 22 + (i + dk) % 4, sd=0.4) for i, _, _, dk in points]
    return table2(*((base, prompt, dk, value) for (_, base, prompt, dk), value in zip(points, values)))


FIVE = ["Coherence", "Naturalness", "Empathy", "Helpfulness", "Specificity"]
#: Each figure at the paper's size, with gaps, errors and long names, and at the demo's, with its note.
FIGURES = {
    "figure1": lambda paper: figures.draw_figure1(figure_data.radar(paper_size()), None),
    "figure1 far below the paper": lambda paper: figures.draw_figure1(figure_data.radar(below_the_paper()), None),
    "figure1 of the demo": lambda paper: figures.draw_figure1(figure_data.radar(demo_size()), NOTE),
    "figure5": lambda paper: figures.draw_figure5(stage("before", [2.6, 2.7, 2.65, 2.65], 3), stage("dk60-kcenter", [2.9, 2.85, 2.8, 2.85], 3), paper[0], None),
    "figure5 of five criteria": lambda paper: figures.draw_figure5(
        stage("before", [1.0] * 6, titles=FIVE), stage("dk60-kcenter", [3.0] * 6, titles=FIVE), paper[0], NOTE
    ),
    "figure7": lambda paper: figures.draw_figure7(ab_results(BASELINES), "judgements", paper[1], False, None),
    "figure7 of made-up judgements": lambda paper: figures.draw_figure7(ab_results(BASELINES[-2:]), "majority", {}, True, NOTE),
    "figure8": lambda paper: figures.draw_figure8(figure_data.curves(four_series()), None),
    "figure8 of the demo": lambda paper: figures.draw_figure8(figure_data.curves(table2(*(("smollm2-135m", "prompt2", dk, 2.0) for dk in (20, 30)))), NOTE),
}


def ab_results(baselines):
    records = [one for baseline, wins in zip(baselines, (1.0, 0.6, 0.5, 0.3, 0.0)) for one in panel(baseline, 20, 3, wins)]
    return human.results(records, baselines, "judgements")


@pytest.fixture(scope="module")
def drawn(paper):
    """Each figure, drawn once."""
    return {name: draw(paper) for name, draw in FIGURES.items()}


def text_boxes(figure):
    """(text, its box in pixels) of everything written on a figure, legends and tick labels within the axes' limits included."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    outside = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            outside |= {label for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high for label in (tick.label1, tick.label2)}
        if not axes.axison:
            outside |= {label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in outside]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_lies_over_another_or_outside(name, drawn):
    figure = drawn[name]
    boxes = text_boxes(figure)
    assert len(boxes) > 5
    for number, (text, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        for other, its in boxes[:number]:
            assert not box.overlaps(its), (text, other)


def test_the_check_above_sees_an_overlap(paper):
    figure = FIGURES["figure8"](paper)
    words, box = text_boxes(figure)[0]
    figure.text(*figure.transFigure.inverted().transform((box.x0, box.y0)), "over it")
    boxes = dict(text_boxes(figure))
    assert boxes["over it"].overlaps(boxes[words])


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_large_enough_for_a_column(name, drawn):
    from matplotlib.text import Text

    figure = drawn[name]
    assert figure.get_figwidth() == pytest.approx(figures.WIDTH, rel=0.02) or "five" in name
    assert min(text.get_size() for text in figure.findobj(Text) if text.get_text().strip()) >= 5.5


def grey(colour):
    """How light a colour is in grey print, 0 to 1."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_nothing_is_told_apart_by_colour_alone():
    assert len({marker for _, marker, _ in figures.LINES}) == len({colour for colour, _, _ in figures.LINES}) == len(figures.LINES) >= 12
    assert all(grey(colour) < 0.75 for colour, _, _ in figures.LINES)  # dark enough on white
    for looks in (figures.FILLS, figures.STAGES):
        pairs = [(one, other) for one in looks.values() for other in looks.values() if one != other]
        assert pairs and all(abs(grey(a) - grey(b)) > 0.15 and (hatch != line or abs(grey(a) - grey(b)) > 0.4) for (a, hatch), (b, line) in pairs)


def test_more_systems_than_can_be_told_apart_are_refused():
    table = table1(*((f"S{i}", [1, 2, 3]) for i in range(len(figures.LINES) + 1)))
    with pytest.raises(UserError, match="a figure tells 12 systems apart"):
        figures.draw_figure1(figure_data.radar(table), None)


def test_what_is_missing_is_a_gap_and_named_on_the_figure(drawn):
    words = " ".join(text for text, _ in text_boxes(drawn["figure1"])).replace("\n", " ")
    assert "No value of the paper's: CASE (paper): B-2, B-3," in words
    assert "Qwen1.5-7B-F.T.: no value" in words and "ESCM (B-3)" in words and "(BERT-P)" in words and "LLaMA3-8B-F.T.: BERT-R -1.00" in words
    figure = drawn["figure8"]
    words = " ".join(text for text, _ in text_boxes(figure)).replace("\n", " ")
    assert "Ours missing: qwen1.5-7b-chat, prompt1 at 55." in words and "No value of the paper's: llama3-8b-instruct, prompt2." in words
    solid = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-" and len(line.get_xdata()) == 5]
    assert sum(value != value for line in solid for value in line.get_ydata()) == 1


def lines_by_label(figure):
    """What is drawn, by its name in the legend."""
    legend = figure.legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    return dict(zip(labels, legend.get_lines()))


def test_the_papers_row_is_an_outline_apart_from_every_system(drawn):
    for name, papers in (
        ("figure1", [f"{NAMES[0]} (paper)", "CASE (paper)"]),
        ("figure1 of the demo", ["synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center) (paper)"]),
    ):
        lines = lines_by_label(drawn[name])
        assert [label for label in lines if label.endswith("(paper)")] == papers
        for label, line in lines.items():
            hollow = matplotlib.colors.to_rgb(line.get_markerfacecolor()) == (1, 1, 1)
            assert hollow == (label in papers)
            if label in papers:
                red, green, blue = matplotlib.colors.to_rgb(line.get_color())
                assert red == green == blue and line.get_linestyle() == "--"
    assert len(set(lines_by_label(drawn["figure1"]))) == 11


def test_a_rim_says_whose_value_it_is(drawn):
    words = [text for text, _ in text_boxes(drawn["figure1 of the demo"])]
    assert "B-1\n(22.05, paper)" in words and "CIDEr\n(26.96, paper)" in words and "BERT-F1*\n(9.00)" in words
    assert "Dist-1\n(4.00)" in words  # ours is the higher: the paper's is 3.23
    notes = " ".join(words).replace("\n", " ")
    assert "the highest value, ours or the paper's, in brackets" in notes and "cannot be compared with these and are not drawn" in notes
    alone = " ".join(text for text, _ in text_boxes(figures.draw_figure1(figure_data.radar(table1(("a", [1, 2, 3]))), None))).replace("\n", " ")
    assert "the best system's value, in brackets" in alone and "paper's" not in alone


# --- the rules and scripts


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
    places = [(systems[name], 20.0 - i) for i, name in enumerate(["demo-ours", "demo-ft"])]
    cells = [cell(value, metric, system["base"], system["training_set"]) for system, value in places for metric in METRICS]
    cells += [cell(dk / 10, "cider", "smollm2-135m", f"ed+prompt2-dk{dk}-kcenter", table="table2") for dk in (20, 30)]
    for one in cells:
        write(checkout.folder / RUN / f"cells/{one.table}/{one.base}/{one.training_set}/{one.metric}.json", vars(one))
    for name, mean in (("before", 2.25), ("dk20-kcenter", 2.5)):
        write(checkout.folder / RUN / f"judged/prompt2/{name}/seed0.summary.json", summary(name, mean=mean, note="A small judge."))
    write(checkout.folder / RUN / "ed/test_ids.json", ["test/of/nobody/0"])  # the made-up judgements are of no sample, and need not be
    numbers = (1, 5, 7, 8)
    allowed = [f"{prefix}figure{number}" for prefix in ("", "make_") for number in numbers]
    words = ["--cores", "2", *DEMO, "overlay.yaml", "--allowed-rules", *allowed, "--", *(f"figure{number}" for number in numbers)]
    done = checkout.snakemake(*words)
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
    if number == 1:
        systems = yaml.safe_load((run / "config/demo.yaml").read_text())["systems"]
        rows = [[systems[name][key] or "" for key in ("base", "training_set", "title", "paper_row")] for name in ("demo-ours", "demo-ft")]
    if number == 8:
        rows = [["smollm2-135m", f"ed+prompt2-dk{dk}-kcenter", f"smollm2-135m, prompt2, DK {dk}", ""] for dk in (20, 30)]
    if number in (1, 8):
        table = "table1" if number == 1 else "table2"
        return ["--cells", results / "cells" / table, *(word for row in rows for word in ("--row", *row))]
    if number == 5:
        stages = {"before": "before", "after": "dk20-kcenter"}
        return [word for flag, name in stages.items() for word in (f"--{flag}", results / f"judged/prompt2/{name}/seed0.summary.json")] + [
            "--paper",
            paper / "figure5.csv",
        ]
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
        (1, ["Figure 1", "SmolLM2-135M", "fine-tuned on ED", *METRICS.values(), "(20.00)", "5,255 test samples, paper protocol"]),
        (5, ["Figure 5", "Coherence", "Naturalness", "Empathy", "2.25 \N{RIGHTWARDS ARROW} 2.50", "2.65 \N{RIGHTWARDS ARROW} 2.88",
             "n/a \N{RIGHTWARDS ARROW} &gt;95 %", "before selection", "share of full marks (%)", "A small judge."]),
        (7, ["Figure 7", *BASELINES, "66.0 | n/a | n/a", "31.0 | 49.2 | 19.8", "share of judgements (%)", "MADE-UP JUDGEMENTS", "4 criteria x 3 evaluators"]),
        (8, ["Figure 8", "smollm2-135m, prompt2", "CIDEr (x 100)", "DK threshold (cosine similarity x 100)", ">20<", ">30<", "ours"]),
    ],
)  # fmt: skip
def test_the_svg_holds_labels_and_values_as_text(run, number, words):
    text = (run / RUN / f"figures/figure{number}.svg").read_text(encoding="utf-8")
    for fragment in [*words, "A note of this test."]:
        assert fragment in text, fragment


@pytest.mark.parametrize(
    ("number", "lines", "line"),
    [
        (1, 2 * 13, "cider,20.00,not available,not available,not available"),
        (5, 2 * 4 * 2, "after selection,prompt2/dk20-kcenter,all,mean mark,2.50,not available,2.88,-0.38"),
        (7, 5 * 5, ",not available,not available,not available,4,3,yes"),
        (8, 2, 'smollm2-135m/ed+prompt2-dk30-kcenter,"smollm2-135m, prompt2",30,3.00,not available,not available,not available'),
    ],
)
def test_a_figures_data_stands_beside_it(run, number, lines, line):
    header, *found = (run / RUN / f"figures/figure{number}.csv").read_text(encoding="utf-8").splitlines()
    assert header.endswith(",note") and len(found) == lines and any(text.endswith(f"{line},A note of this test.") for text in found), found


def test_the_report_has_each_figure_and_its_data(figures_run):
    numbers = (1, 5, 7, 8)
    done = figures_run.snakemake("--cores", "1", *DEMO, "overlay.yaml", "--report", "report.html", "--", *(f"figure{n}" for n in numbers))
    assert done.returncode == 0, done.stdout + done.stderr
    text = (figures_run.folder / "report.html").read_text(encoding="utf-8")
    for number in numbers:
        for fragment in (f"Figure {number} of the paper (section", f"The numbers of Figure {number}", f"figure{number}.csv", f"figure{number}.png"):
            assert fragment in text, fragment
    assert "A note of this test." in text


@pytest.mark.parametrize(
    ("example", "given", "refused"), [("test/a/0", True, False), ("test/a/0", False, False), ("test/a/1", True, True), ("test/a/1", False, True)]
)
def test_judgements_beside_or_in_an_archive_are_held_against_its_test_samples(checkout, example, given, refused):
    ids = write(checkout.folder / "kept/ed/test_ids.json", ["test/a/0"])
    judgements = checkout.folder / ("judgements.jsonl" if given else "kept/human/judgements.jsonl")
    judgements.parent.mkdir(exist_ok=True)
    lines = [{"example": example, "baseline": "SEEK", "criterion": c, "evaluator": "e", "verdict": "win"} for c in human.CRITERIA]
    judgements.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = {"ed/test_ids.json": ids} if given else {"ed/test_ids.json": ids, "human/judgements.jsonl": judgements}
    write(checkout.folder / "kept/archive.json", {"format": 1, "run": "demo", "files": {name: archive.sha256_of(path) for name, path in kept.items()}})
    (checkout.folder / "overlay.yaml").write_text(f"human: {{judgements: {'judgements.jsonl' if given else 'null'}, baselines: [SEEK]}}\n")
    done = checkout.snakemake("--cores", "1", *DEMO, "overlay.yaml", "--config", "archive=kept", "--", "figure7")
    assert (done.returncode != 0) == refused, done.stdout + done.stderr
    if refused:
        log = (checkout.folder / RUN / "logs/make_figure7.log").read_text()
        assert "judgements.jsonl, line 1: the example 'test/a/1' is none of this run's 1 test samples" in log and "What to do: " in log
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
        assert caption.endswith('{% if snakemake.config["note"] %}**{{ snakemake.config["note"] }}**{% endif %}\n')
