"""How figures look: no text over another, readable without colour, the paper's values apart from ours."""

import dataclasses
from itertools import chain, combinations, product

import matplotlib
import pytest

from figure_cells import BASELINES, cell, table1, table2
from synth_empathy.core.errors import UserError
from synth_empathy.evaluation import human
from synth_empathy.reporting import paper_values
from synth_empathy.reporting.cells import BERTSCORE, METRICS
from synth_empathy.reporting.figures import figure1, figure5, figure7, figure8, style
from synth_empathy.reporting.figures.figure5 import Judged
from synth_empathy.reporting.tables import Row, Table

NOTE = "These are numbers of a test: they show the machinery and not the paper's result. " * 2


@pytest.fixture(scope="module")
def paper(repository):
    folder = repository / "resources/paper"
    return paper_values.read_figure5(folder / "figure5.csv"), paper_values.read_figure7(folder / "figure7.csv")


def stage(stage, values, seeds=1, titles=("Coherence", "Naturalness", "Empathy")):
    deviations = [0.02 if seeds > 1 else None] * len(values)
    return Judged(
        criteria=[title.lower() for title in titles],
        titles=list(titles),
        means=values,
        mean_sd=deviations,
        shares=[value / 3 for value in values],
        share_sd=deviations,
        samples=2000,
        seeds=seeds,
        notes=["A note of the judge's."],
        made_by=("prompt2", "a-judge", "probabilities"),
        stage=stage,
    )


def panel(baseline, examples, evaluators, wins):
    """Judgements of which about the given share is won, the rest shared by ties and losses."""
    verdicts = ["win"] * round(wins * 100) + ["tie", "loss"] * round(50 * (1 - wins))
    judgements = []
    for number, (e, criterion, v) in enumerate(product(range(examples), human.CRITERIA, range(evaluators))):
        place = {"example": f"e{e}", "baseline": baseline, "criterion": criterion, "evaluator": f"v{v}"}
        judgements.append(place | {"verdict": verdicts[7 * number % len(verdicts)]})
    return judgements


NAMES = [
    "Synth-Empathy (Qwen1.5-7B, Prompt 2, DK 60)",
    "SEEK",
    "CASE",
    "ESCM",
    "Qwen1.5-7B-F.T.",
    "LLaMA3-8B-F.T.",
    "LLaMA3-8B-Instruct (zero-shot)",
    "Mixtral-8x7B-Instruct (zero-shot)",
    "Qwen1.5-72B-Chat (zero-shot)",
]


DEMO_NAMES = [
    "SmolLM2-135M + ED + synthetic (Prompt 2, DK 20, k-center)",
    "SmolLM2-135M, fine-tuned on ED",
    "SmolLM2-135M (zero-shot)",
]


#: The paper's row of its own system, and its values in Table 1's order.
PAPERS_OWN = "synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center)"
PAPERS_ROW = dict(zip(METRICS, [22.05, 10.53, 5.99, 3.77, 3.23, 18.84, 18.72, 5.27, 16.88, 26.96, 20.5, 18.2, 19.4]))


def paper_size():
    """Table 1 at the paper's size, with the paper's own row, a part of another, gaps and a value below 0."""
    changed = dict.fromkeys([*product([4], range(13)), (3, 2), (7, 10)]) | {(5, 11): -1.0}
    papers = {0: PAPERS_ROW, 2: {"bleu1": 20.0, "rougeL": 15.0, "cider": 16.0}}
    rows = []
    for i, _ in enumerate(NAMES):
        values = [changed.get((i, j), 10.0 + (7 * i + 3 * j) % 11) for j in range(13)]
        rows.append(cells_of_row(values, papers.get(i, {})))
    return table1(*zip(NAMES, rows))


def cells_of_row(values, papers):
    """A cell of each metric, with the paper's values where it has any."""
    return {metric: cell(value, metric, paper=papers.get(metric)) for metric, value in zip(METRICS, values)}


def below_the_paper():
    """Table 1 at the paper's size, with the paper's value at every rim."""
    rows = [cells_of_row([0.5 + i / 10] * 13, {} if i else PAPERS_ROW) for i, _ in enumerate(NAMES)]
    return table1(*zip(NAMES, rows))


def demo_size():
    """Table 1 of the demo: far below the paper's row, and another model's BERTScore."""
    other = {"model": "all-minilm-l6-v2", "layer": 5, "value": 9.0}
    rows = []
    for i, _ in enumerate(DEMO_NAMES):
        papers = {} if i else PAPERS_ROW
        row = cells_of_row([3.0 + i / 2] * 13, papers)
        rows.append(row | {m: cell(None, m, instead=other, paper=papers.get(m)) for m in BERTSCORE})
    table = table1(*zip(DEMO_NAMES, rows))
    pairs = zip(table.rows, [PAPERS_OWN, None, None])
    named = [Row(row.base, row.training_set, row.title, name) for row, name in pairs]
    return Table("table1", named, table.cells, None)


def four_series():
    """Table 2's CIDEr of four series: a gap, and a series that the paper leaves out."""
    series = enumerate(product(("qwen1.5-7b-chat", "llama3-8b-instruct"), ("prompt1", "prompt2")))
    points = []
    for (i, (base, prompt)), dk in product(series, (50, 55, 60, 65, 70)):
        value = None if (i, dk) == (0, 55) else 20 + (i * 7 + dk) % 5
        paper = None if i == 3 else 22 + (i + dk) % 4
        points.append((base, prompt, dk, cell(value, paper=paper, sd=0.4)))
    return table2(*points)


def ab_results(baselines):
    panels = [panel(baseline, 20, 3, wins) for baseline, wins in zip(baselines, (1.0, 0.6, 0.5, 0.3, 0.0))]
    return human.results(list(chain.from_iterable(panels)), baselines, "judgements")


def figure1_of(table, note=None):
    return figure1.draw_figure1(figure1.radar(table), note)


def figure8_of(*points, note=None):
    return figure8.draw_figure8(figure8.curves(table2(*points)), note)


def with_shares(name, shares):
    return dataclasses.replace(stage(name, [1.0] * 4), shares=shares)


FIVE = ["Coherence", "Naturalness", "Empathy", "Helpfulness", "Specificity"]
THREE_SEEDS = stage("before", [2.6, 2.7, 2.65, 2.65], 3), stage("dk60-kcenter", [2.9, 2.85, 2.8, 2.85], 3)
OF_FIVE = stage("before", [1.0] * 6, titles=FIVE), stage("dk60-kcenter", [3.0] * 6, titles=FIVE)
SMALL = with_shares("before", [0.012, 0.006, 0.005, 0.0]), with_shares("dk20-kcenter", [0.012, 0.02, 0.03, 0.001])
#: Each figure at the paper's size, with gaps, errors and long names, and at the demo's, with its note.
FIGURES = {
    "figure1": lambda paper: figure1_of(paper_size()),
    "figure1 far below the paper": lambda paper: figure1_of(below_the_paper()),
    "figure1 of the demo": lambda paper: figure1_of(demo_size(), NOTE),
    "figure5": lambda paper: figure5.draw_figure5(*THREE_SEEDS, paper[0], None),
    "figure5 of the demo": lambda paper: figure5.draw_figure5(*SMALL, paper[0], NOTE),
    "figure5 of five criteria": lambda paper: figure5.draw_figure5(*OF_FIVE, None, NOTE),
    "figure7": lambda paper: figure7.draw_figure7(
        ab_results(BASELINES), "judgements", paper[1], made_up=False, note=None
    ),
    "figure7 of made-up judgements": lambda paper: figure7.draw_figure7(
        ab_results(BASELINES[-2:]), "majority", {}, made_up=True, note=NOTE
    ),
    "figure8": lambda paper: figure8.draw_figure8(figure8.curves(four_series()), None),
    "figure8 of the demo": lambda paper: figure8_of(
        *(("smollm2-135m", "prompt2", dk, 2.0) for dk in (20, 30)), note=NOTE
    ),
}


@pytest.fixture(scope="module")
def drawn(paper):
    """Each figure, drawn once."""
    return {name: draw(paper) for name, draw in FIGURES.items()}


def words_on(figure):
    """All text on a figure, on one line."""
    return " ".join(text for text, _ in text_boxes(figure)).replace("\n", " ")


def hidden_labels(axes):
    """The tick labels that are not drawn: those beyond the limits of the axes, or all."""
    hidden = set()
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        beyond = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
        hidden |= {tick.label1 for tick in beyond} | {tick.label2 for tick in beyond}
        hidden |= set() if axes.axison else set(axis.get_ticklabels())
    return hidden


def text_boxes(figure):
    """(text, its box in pixels) of all text on a figure, legends and visible tick labels included."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = set().union(*map(hidden_labels, figure.axes))
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    shown = [text for text in texts if text not in hidden]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


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
    assert figure.get_figwidth() == pytest.approx(style.WIDTH, rel=0.02) or "five" in name
    assert min(text.get_size() for text in figure.findobj(Text) if text.get_text().strip()) >= 5.5


def grey(colour):
    """How light a colour is in grey print, 0 to 1."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_nothing_is_told_apart_by_colour_alone():
    colours, markers, _ = zip(*style.LINES)
    assert len(set(markers)) == len(set(colours)) == len(style.LINES) >= 12
    assert all(grey(colour) < 0.75 for colour in colours)  # dark enough on white
    for looks in (figure7.FILLS, figure5.STAGES):
        for (colour, hatch), (other, its_hatch) in combinations(looks.values(), 2):
            difference = abs(grey(colour) - grey(other))
            assert difference > 0.15 and (hatch != its_hatch or difference > 0.4)


def test_more_systems_than_can_be_told_apart_are_refused():
    table = table1(*((f"S{i}", [1, 2, 3]) for i in range(len(style.LINES) + 1)))
    with pytest.raises(UserError, match="a figure can distinguish 12 systems"):
        figure1.draw_figure1(figure1.radar(table), None)


def test_what_is_missing_is_a_gap_and_named_on_the_figure(drawn):
    words = words_on(drawn["figure1"])
    assert "No value of the paper's: CASE (paper): B-2, B-3," in words
    for missing in ("Qwen1.5-7B-F.T. (all metrics)", "ESCM (B-3)", "(BERT-P)", "LLaMA3-8B-F.T.: BERT-R -1.00"):
        assert missing in words
    assert "Qwen1.5-7B-F.T." not in lines_by_label(drawn["figure1"])
    figure = drawn["figure8"]
    words = words_on(figure)
    assert "Ours missing: qwen1.5-7b-chat, prompt1 at 55." in words
    assert "No value of the paper's: llama3-8b-instruct, prompt2." in words
    solid = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-" and len(line.get_xdata()) == 5]
    assert sum(value != value for line in solid for value in line.get_ydata()) == 1


def test_bars_of_the_lowest_values_are_seen():
    figure = figure5.draw_figure5(stage("before", [1.0] * 4), stage("dk20-kcenter", [1.1] * 4), None, None)
    scores, full = figure.axes
    low, high = scores.get_ylim()
    assert all(bar.get_height() > 0.25 * (high - low) for bar in scores.patches)
    assert not scores.collections and not full.collections
    stages = [with_shares(name, [0.01, 0.5, 0.0, 0.9]) for name in ("before", "dk20-kcenter")]
    figure = figure5.draw_figure5(*stages, None, None)
    lines = [line for line in figure.axes[1].collections if line.get_linewidth()[0] > 2]
    assert [round(float(line.get_segments()[0][0][1]), 6) for line in lines] == [1.0, 0.0] * 4


def test_small_shares_have_a_decimal_and_an_axis_of_their_own(paper, drawn):
    figure = drawn["figure5 of the demo"]
    assert "Coherence\n1.2 \N{RIGHTWARDS ARROW} 1.2 %" in [text for text, _ in text_boxes(figure)]
    full = figure.axes[1]
    low, high = full.get_ylim()
    assert (low, high) == (0, pytest.approx(1.25 * 3.0))
    assert [bar.get_height() > 0.25 * high for bar in full.patches[:2]] == [True, False]
    assert [line.get_ydata()[0] for line in full.lines] == [high]  # the paper's bound of 95 %, at the upper end
    assert "the paper's share lies beyond it" in words_on(figure)
    assert "lies beyond it" not in words_on(figure5.draw_figure5(*SMALL, None, None))
    assert "lies beyond it" not in words_on(drawn["figure5"]) and drawn["figure5"].axes[1].get_ylim() == (0, 108)


def test_a_threshold_without_a_value_is_within_the_axes():
    figure = figure8_of(("a", "p1", 20, 3.0), ("a", "p1", 30, None))
    low, high = figure.axes[0].get_xlim()
    assert low < 20 and high > 30


def test_a_series_of_which_nothing_is_known_is_named_below_and_not_in_the_legend():
    points = [("a", prompt, dk, value) for prompt, value in (("p1", None), ("p2", 2.0)) for dk in (50, 60)]
    figure = figure8.draw_figure8(figure8.curves(table2(*points)), None)
    assert list(lines_by_label(figure)) == ["a, p2", "ours"]
    assert "Ours missing: a, p1." in [text for text, _ in text_boxes(figure)]


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
    assert len(set(lines_by_label(drawn["figure1"]))) == 10  # eight systems with values, and two rows of the paper


def test_a_rim_says_whose_value_it_is(drawn):
    words = [text for text, _ in text_boxes(drawn["figure1 of the demo"])]
    assert "B-1\n(22.05, paper)" in words and "CIDEr\n(26.96, paper)" in words and "BERT-F1*\n(9.00)" in words
    assert "Dist-1\n(4.00)" in words  # ours is the higher: the paper's is 3.23
    notes = " ".join(words).replace("\n", " ")
    assert "the highest value, ours or the paper's, in brackets" in notes
    assert "cannot be compared with these and are not drawn" in notes
    alone = words_on(figure1_of(table1(("a", [1, 2, 3]))))
    assert "the best system's value, in brackets" in alone and "paper's" not in alone
