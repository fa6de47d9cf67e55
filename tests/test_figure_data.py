"""The figures' numbers: from cells, summaries and the paper's tables to what is drawn, and to the CSV beside it."""

import csv
import io
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from figure_cells import BASELINES, cell, made_or_missing, summary, table1, table2, write
from synth_empathy.core.absent import DASH, UNKNOWN
from synth_empathy.core.errors import UserError
from synth_empathy.reporting import paper_values
from synth_empathy.reporting.cells import METRICS
from synth_empathy.reporting.figures import data, figure1, figure5, figure8
from synth_empathy.reporting.paper_values import PAPER_CRITERIA, PaperStage
from synth_empathy.reporting.tables import Row, Table

# --- Figure 1


NUMBER = st.none() | st.floats(-5, 100, allow_subnormal=False)


def cells_of_pairs(pairs):
    """A cell of each of the first metrics, from pairs of our value and the paper's."""
    return {metric: cell(ours, metric, paper=paper) for metric, (ours, paper) in zip(METRICS, pairs)}


def is_positive(value):
    return value is not None and value > 0


@given(st.lists(st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=3), min_size=1, max_size=5))
def test_each_axis_runs_from_0_to_the_highest_value_ours_or_the_papers(grid):
    contents = [cells_of_pairs(pairs) for pairs in grid]
    names = [f"S{i}" for i, _ in enumerate(grid)]
    radar = figure1.radar(table1(*zip(names, contents)))
    assert radar.metrics == list(METRICS)[:3] and radar.systems == names
    papers = {row.system: row.shares for row in radar.paper}
    unknown = [(None,) * 3]
    assert set(papers) == {i for i, pairs in enumerate(grid) if [*zip(*pairs)][1:] != unknown}
    for j, column in enumerate(zip(*grid)):
        ours, theirs = (list(filter(is_positive, values)) for values in zip(*column))
        top = max(ours + theirs, default=None)
        assert radar.best[j] == top and radar.best_is_papers[j] == (top is not None and top not in ours)
        for i, pair in enumerate(column):
            for value, shares in zip(pair, (radar.shares[i], papers.get(i, [None] * 3))):
                # what is missing is a gap, and not a 0
                assert shares[j] == (None if value is None or top is None else max(0, value / top))
    values = chain.from_iterable(chain.from_iterable(grid))
    assert len(radar.below_zero) == sum(value is not None and value < 0 for value in values)


def test_what_is_missing_is_named_as_systems_metrics_and_single_values():
    failed = {metric: cell(None, metric) for metric in list(METRICS)[:4]}
    radar = figure1.radar(
        table1(("System 0", [1, None, 0, None]), ("System 1", failed), ("System 2", [None, None, 0, 2]))
    )
    assert radar.missing == [
        "B-2 (all systems)",
        "System 0 (B-4)",
        "System 1 (all metrics)",
        "System 2 (B-1)",
        "B-3 (none above 0)",
    ]
    assert figure1.radar(table1(("System 0", [None, None]))).missing == ["System 0 (all metrics)"]
    table = table1(("System 0", {"bleu1": cell(1.0, "bleu1"), "bleu2": cell(None, "bleu2"), "cider": None}))
    assert data.why_missing(table) == [
        "missing: System 0, B-2: its run failed",
        "missing: System 0, CIDEr: the cell was not made",
    ]


def test_bertscore_of_another_model_is_drawn_under_its_name_where_nobody_has_the_papers():
    def instead(value, model="small", paper=None):
        return {"bert_f1": cell(paper, "bert_f1", instead={"model": model, "layer": 5, "value": value})}

    shown = figure1.radar(table1(("a", instead(10.0)), ("b", instead(5.0)), ("c", {"bert_f1": None})))
    assert (shown.shares, shown.best, shown.other_model, shown.missing) == (
        [[1], [0.5], [None]],
        [10.0],
        "small, layer 5",
        ["c (all metrics)"],
    )
    for other in (instead(5.0, model="other"), instead(5.0, paper=3.0)):
        shown = figure1.radar(table1(("a", instead(10.0)), ("b", other)))
        assert shown.other_model is None and shown.shares[0] == [None]


def test_the_papers_rows_are_named_by_the_paper_stand_once_and_leave_gaps():
    whole = {metric: cell(1.0, metric, paper=2.0) for metric in METRICS}
    part = {metric: made_or_missing(None, metric, 4.0 if metric == "cider" else None) for metric in METRICS}
    table = table1(
        ("Ours", whole),
        ("Ours again", whole),
        ("SEEK", part),
        ("Unknown", {metric: cell(3.0, metric) for metric in METRICS}),
    )
    names = ["ours (Qwen)", "ours (Qwen)", None, "CASE"]
    rows = [Row(row.base, row.training_set, row.title, name) for row, name in zip(table.rows, names)]
    shown = figure1.radar(Table("table1", rows, table.cells, None))
    assert [(row.name, row.system) for row in shown.paper] == [("ours (Qwen) (paper)", 0), ("SEEK (paper)", 2)]
    assert shown.best == [4.0 if metric == "cider" else 3.0 for metric in METRICS] and shown.best_is_papers == [
        metric == "cider" for metric in METRICS
    ]
    assert shown.paper[0].shares == pytest.approx([0.5 if metric == "cider" else 2 / 3 for metric in METRICS])
    assert shown.paper[1].shares == [1.0 if metric == "cider" else None for metric in METRICS]
    assert shown.paper_missing == [
        "SEEK (paper): B-1, B-2, B-3, B-4, Dist-1, Dist-2, R-1, R-2, R-L, BERT-P, BERT-R, BERT-F1"
    ]


def test_the_papers_bertscore_is_not_drawn_beside_another_models():
    other = {"model": "small", "layer": 5, "value": 30.0}
    row = {"cider": cell(2.0, "cider", paper=4.0), "bert_f1": cell(None, "bert_f1", instead=other, paper=19.4)}
    shown = figure1.radar(table1(("a", row)))
    assert (shown.best, shown.best_is_papers, shown.paper[0].shares, shown.paper_missing) == (
        [4.0, 30.0],
        [True, False],
        [1.0, None],
        [],
    )
    shown = figure1.radar(
        table1(("a", row | {"bert_f1": cell(None, "bert_f1", paper=19.4)}))
    )  # nobody's BERTScore: the paper's alone
    assert (shown.best, shown.paper[0].shares, shown.shares) == ([4.0, 19.4], [1.0, 1.0], [[0.5, None]])


def table_of(text):
    """A CSV file's header and lines, without the note that ends each."""
    header, *lines = csv.reader(io.StringIO(text))
    assert header.pop() == "note" and {line.pop() for line in lines} == {""}
    return header, lines


def test_figure1s_data_has_a_line_a_system_and_metric():
    other = {"model": "small", "layer": 5, "value": 30.123}
    first = {
        "cider": cell(23.456, "cider", sd=1.5, paper=26.96),
        "dist1": cell(1234.5, "dist1"),
        "bert_f1": cell(None, "bert_f1", instead=other, paper=19.4),
    }
    second = {"cider": made_or_missing(None, "cider", 2.0), "dist1": None, "bert_f1": None}
    header, lines = table_of(figure1.radar_csv(table1(("One, comma", first), ("Two", second))))
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
    shown = figure1.radar(table1(("a", [1]), ("b", left_out), ("c", {"bleu1": cell(1, "bleu1", test_samples=24)})))
    assert (shown.protocol, shown.samples) == ("paper", "24 to 5,255")
    assert figure1.radar(table1(("b", left_out))).protocol == figure1.radar(table1(("b", left_out))).samples == DASH
    with pytest.raises(UserError, match="of several protocols: paper, standard"):
        figure1.radar(table1(("a", [1]), ("b", {"bleu1": cell(1, "bleu1", protocol="standard")})))


# --- Figure 8


def test_a_curve_a_base_and_prompt_by_rising_threshold():
    points = [
        ("qwen", "p1", 60, cell(3.0, paper=9.0)),
        ("qwen", "p1", 50, cell(1.0, sd=0.5)),
        ("qwen", "p1", "57.5", None),
    ]
    shown = figure8.curves(table2(*points, ("llama", "p1", 50, cell(None, paper=2.0)), ("qwen", "p2", 50, 7.0)))
    assert [curve.title for curve in shown] == ["qwen, p1", "llama, p1", "qwen, p2"]
    assert shown[0].thresholds == [50, 57.5, 60]
    assert (shown[0].ours, shown[0].sd, shown[0].paper) == ([1.0, None, 3.0], [0.5, None, None], [None, None, 9.0])
    assert (shown[1].ours, shown[1].paper) == ([None], [2.0])
    named = table2(("qwen", "p1", 50, 1.0), ("qwen", "p1", 60, 1.0))
    odd = Table(
        "table2",
        [Row(row.base, row.training_set, title, None) for row, title in zip(named.rows, "ab")],
        named.cells,
        None,
    )
    assert figure8.curves(odd)[0].title == "qwen, p1, kcenter"


def test_figure8s_data_has_a_line_a_system():
    points = [
        ("qwen", "p1", 60, cell(3.0, paper=2.5)),
        ("qwen", "p1", "57.5", None),
        ("qwen", "p1", 50, cell(1.0, sd=0.25)),
    ]
    header, lines = table_of(
        figure8.curves_csv(figure8.curves(table2(*points, ("llama", "p2", 50, cell(None, paper=2.0)))))
    )
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
    with pytest.raises(UserError, match="has no DK threshold"):
        figure8.curves(Table("table2", [row], {row.system: {"cider": cell(1.0)}}, None))
    with pytest.raises(UserError, match="dk50-kcenter is given twice"):
        figure8.curves(table2(("b", "p", 50, 1.0), ("b", "p", 50, 1.0)))
    with pytest.raises(UserError, match="several protocols"):
        figure8.curves(table2(("b", "p", 50, 1.0), ("b", "p", 55, cell(1.0, protocol="standard"))))


# --- Figure 5


def test_a_stage_is_the_mean_over_its_seeds(tmp_path):
    paths = [
        write(tmp_path / f"{seed}.json", summary(seed=seed, mean=mean, note="Small."))
        for seed, mean in enumerate([1.5, 2.5])
    ]
    shown = figure5.judged(paths)
    assert shown.titles == ["Coherence", "Naturalness", "Empathy"]
    assert shown.means == pytest.approx([2.1, 2.0, 1.9, 2.0])
    assert shown.mean_sd == pytest.approx([0.5**0.5] * 4)
    assert (shown.shares, shown.share_sd) == ([0.5, 0.5, 0.5, 0.25], [0, 0, 0, 0])
    assert (shown.samples, shown.seeds, shown.notes, shown.stage) == (24, 2, ["Small."], "before")
    assert figure5.judged(paths[:1]).mean_sd == [None] * 4


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([summary(), summary(seed=1, prompt="prompt1")], "are not one stage's summaries"),
        ([summary(), summary(seed=1, mode="sampling")], "are not one stage's summaries"),
        ([summary(), summary()], "are not one stage's summaries"),
        ([summary(mean=3.1)], "a mean score is not from 1 to 3"),
        ([summary(full=-0.2)], "a mean score is not from 1 to 3, or a share"),
        ([summary(criteria={})], "a mean score is not"),
        ([{"all": {}}], "is not a judge's summary: 'criteria'"),
        ([[]], "is not a judge's summary"),
        ([summary(judge=3)], "is not a judge's summary: 3 is a text in place of a number"),
        ([summary(seed="0")], "is not a judge's summary: '0' is"),
        ([summary(note=["x"])], "is not a judge's summary: ..x.. is"),
        ([summary(samples={"scored": "12"})], "is not a judge's summary: '12' is"),
    ],
)
def test_summaries_that_make_no_stage_are_refused(tmp_path, contents, message):
    with pytest.raises(UserError, match=message):
        figure5.judged([write(tmp_path / f"{i}.json", content) for i, content in enumerate(contents)])


def test_stages_that_were_not_judged_alike_are_refused(tmp_path):
    before, after, other = (
        figure5.judged([write(tmp_path / "s.json", content)])
        for content in (summary(), summary("dk60-kcenter"), summary("dk60-kcenter", judge="another"))
    )
    assert figure5.check_stages(before, after) is None
    with pytest.raises(UserError, match="not judged in the same way: prompt2 / a-judge / .*; prompt2 / another /"):
        figure5.check_stages(before, other)
    with pytest.raises(UserError, match="both before"):
        figure5.check_stages(before, before)


def test_figure5s_data_has_a_line_a_stage_criterion_and_quantity(tmp_path):
    before = figure5.judged([write(tmp_path / "b.json", summary(mean=2.0, full=0.5))])
    paths = [
        write(tmp_path / f"{seed}.json", summary("dk60-kcenter", seed, mean, full=0.98))
        for seed, mean in enumerate([2.5, 2.7])
    ]
    known = PaperStage(2.65, None, False), PaperStage(2.88, 0.95, True)
    header, lines = table_of(figure5.judged_csv(before, figure5.judged(paths), known))
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
    exact = table_of(figure5.judged_csv(before, before, (known[0], PaperStage(None, 0.95, False))))[1]
    assert exact[-1][-4:] == ["0.2500", UNKNOWN, "0.95", "-0.7000"]


def test_the_papers_numbers_stand_beside_a_mean_over_the_papers_criteria_alone(tmp_path):
    part = {"title": "Any", "mean": 2.0, "full_share": 0.5}
    for names, comparable in (
        (PAPER_CRITERIA, True),
        (PAPER_CRITERIA[::-1], True),
        (PAPER_CRITERIA[:2], False),
        ((*PAPER_CRITERIA, "x"), False),
    ):
        stage = figure5.judged([write(tmp_path / "s.json", summary(criteria=dict.fromkeys(names, part)))])
        note = figure5.criteria_note(stage)
        assert (note is None) == comparable
        assert comparable or (", ".join(names) in note and "not comparable" in note)
    lines = table_of(figure5.judged_csv(stage, stage, None))[1]
    assert len(lines) == 2 * 5 * 2 and {tuple(line[-2:]) for line in lines} == {(UNKNOWN, UNKNOWN)}


def test_shipped_numbers_are_the_papers(repository, shared):
    text = (shared / "paper" / "synth-empathy.md").read_text(encoding="utf-8")
    for name in ("figure5.csv", "figure7.csv"):
        assert (repository / "resources/paper" / name).read_text() == (shared / "paper/tables" / name).read_text()
    before, after = paper_values.read_figure5(repository / "resources/paper/figure5.csv")
    assert (before, after) == (PaperStage(2.65, None, False), PaperStage(2.88, 0.95, True))
    assert "increased from 2.65 to 2.88" in text and "more than 95% of the data achieved full marks" in text
    paper = paper_values.read_figure7(repository / "resources/paper/figure7.csv")
    assert list(paper) == BASELINES and paper["SEEK"] == {"win": 66.0}
    for shares in paper.values():
        for value in shares.values():
            assert f"{value:g}%" in text or f"{value:g}\\%" in text, value
        assert len(shares) == 1 or sum(shares.values()) == pytest.approx(100)
