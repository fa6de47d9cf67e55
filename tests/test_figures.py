"""How figures look: no text over another, readable without colour, the paper's values apart from ours."""

import dataclasses

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
    spread = [0.02 if seeds > 1 else None] * len(values)
    return Judged(
        [title.lower() for title in titles], list(titles), values, spread, [v / 3 for v in values], spread, 2000, seeds,
        ["A note of the judge's."], ("prompt2", "a-judge", "probabilities"), stage,
    )  # fmt: skip


def panel(baseline, examples, evaluators, wins):
    """Judgements of which about the given share is won, the rest shared by ties and losses."""
    verdicts = ["win"] * round(wins * 100) + ["tie", "loss"] * round(50 * (1 - wins))
    keys = [(e, c, v) for e in range(examples) for c in human.CRITERIA for v in range(evaluators)]
    return [
        {
            "example": f"e{e}",
            "baseline": baseline,
            "criterion": c,
            "evaluator": f"v{v}",
            "verdict": verdicts[7 * i % len(verdicts)],
        }
        for i, (e, c, v) in enumerate(keys)
    ]


NAMES = ["Synth-Empathy (Qwen1.5-7B, Prompt 2, DK 60)", "SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T.", "LLaMA3-8B-Instruct (zero-shot)",
         "Mixtral-8x7B-Instruct (zero-shot)", "Qwen1.5-72B-Chat (zero-shot)"]  # fmt: skip


DEMO_NAMES = [
    "SmolLM2-135M + ED + synthetic (Prompt 2, DK 20, k-center)",
    "SmolLM2-135M, fine-tuned on ED",
    "SmolLM2-135M (zero-shot)",
]


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
    return table1(
        *(
            (title, {m: cell(0.5 + i / 10, m, paper=row.get(m)) for m in METRICS})
            for i, (title, row) in enumerate(zip(NAMES, known))
        )
    )


def demo_size():
    """Table 1 of the demo: far below the paper's row, and another model's BERTScore."""
    other = {"model": "all-minilm-l6-v2", "layer": 5, "value": 9.0}
    rows = []
    for i, _ in enumerate(DEMO_NAMES):
        known = PAPERS_ROW if i == 0 else {}
        rows.append(
            {
                m: cell(None, m, instead=other, paper=known.get(m))
                if m in BERTSCORE
                else cell(3.0 + i / 2, m, paper=known.get(m))
                for m in METRICS
            }
        )
    table = table1(*zip(DEMO_NAMES, rows))
    names = [PAPERS_OWN, None, None]
    return Table(
        "table1",
        [Row(row.base, row.training_set, row.title, name) for row, name in zip(table.rows, names)],
        table.cells,
        None,
    )


def four_series():
    """Table 2's CIDEr of four series: a gap, and a series that the paper leaves out."""
    series = [(base, f"prompt{p}") for base in ("qwen1.5-7b-chat", "llama3-8b-instruct") for p in (1, 2)]
    points = [(i, base, prompt, dk) for i, (base, prompt) in enumerate(series) for dk in (50, 55, 60, 65, 70)]
    values = [
        cell(
            None if (i, dk) == (0, 55) else 20 + (i * 7 + dk) % 5, paper=None if i == 3 else 22 + (i + dk) % 4, sd=0.4
        )
        for i, _, _, dk in points
    ]
    return table2(*((base, prompt, dk, value) for (_, base, prompt, dk), value in zip(points, values)))


FIVE = ["Coherence", "Naturalness", "Empathy", "Helpfulness", "Specificity"]
#: Each figure at the paper's size, with gaps, errors and long names, and at the demo's, with its note.
FIGURES = {
    "figure1": lambda paper: figure1.draw_figure1(figure1.radar(paper_size()), None),
    "figure1 far below the paper": lambda paper: figure1.draw_figure1(figure1.radar(below_the_paper()), None),
    "figure1 of the demo": lambda paper: figure1.draw_figure1(figure1.radar(demo_size()), NOTE),
    "figure5": lambda paper: figure5.draw_figure5(
        stage("before", [2.6, 2.7, 2.65, 2.65], 3), stage("dk60-kcenter", [2.9, 2.85, 2.8, 2.85], 3), paper[0], None
    ),
    "figure5 of five criteria": lambda paper: figure5.draw_figure5(
        stage("before", [1.0] * 6, titles=FIVE), stage("dk60-kcenter", [3.0] * 6, titles=FIVE), None, NOTE
    ),
    "figure7": lambda paper: figure7.draw_figure7(
        ab_results(BASELINES), "judgements", paper[1], made_up=False, note=None
    ),
    "figure7 of made-up judgements": lambda paper: figure7.draw_figure7(
        ab_results(BASELINES[-2:]), "majority", {}, made_up=True, note=NOTE
    ),
    "figure8": lambda paper: figure8.draw_figure8(figure8.curves(four_series()), None),
    "figure8 of the demo": lambda paper: figure8.draw_figure8(
        figure8.curves(table2(*(("smollm2-135m", "prompt2", dk, 2.0) for dk in (20, 30)))), NOTE
    ),
}


def ab_results(baselines):
    records = [
        one for baseline, wins in zip(baselines, (1.0, 0.6, 0.5, 0.3, 0.0)) for one in panel(baseline, 20, 3, wins)
    ]
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
            outside |= {
                label
                for tick in axis.get_major_ticks()
                if not low <= tick.get_loc() <= high
                for label in (tick.label1, tick.label2)
            }
        if not axes.axison:
            outside |= {label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()}
    texts = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip() and text not in outside
    ]
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
    assert figure.get_figwidth() == pytest.approx(style.WIDTH, rel=0.02) or "five" in name
    assert min(text.get_size() for text in figure.findobj(Text) if text.get_text().strip()) >= 5.5


def grey(colour):
    """How light a colour is in grey print, 0 to 1."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_nothing_is_told_apart_by_colour_alone():
    assert (
        len({marker for _, marker, _ in style.LINES})
        == len({colour for colour, _, _ in style.LINES})
        == len(style.LINES)
        >= 12
    )
    assert all(grey(colour) < 0.75 for colour, _, _ in style.LINES)  # dark enough on white
    for looks in (figure7.FILLS, figure5.STAGES):
        pairs = [(one, other) for one in looks.values() for other in looks.values() if one != other]
        assert pairs and all(
            abs(grey(a) - grey(b)) > 0.15 and (hatch != line or abs(grey(a) - grey(b)) > 0.4)
            for (a, hatch), (b, line) in pairs
        )


def test_more_systems_than_can_be_told_apart_are_refused():
    table = table1(*((f"S{i}", [1, 2, 3]) for i in range(len(style.LINES) + 1)))
    with pytest.raises(UserError, match="a figure tells 12 systems apart"):
        figure1.draw_figure1(figure1.radar(table), None)


def test_what_is_missing_is_a_gap_and_named_on_the_figure(drawn):
    words = " ".join(text for text, _ in text_boxes(drawn["figure1"])).replace("\n", " ")
    assert "No value of the paper's: CASE (paper): B-2, B-3," in words
    assert (
        "Qwen1.5-7B-F.T.: no value" in words
        and "ESCM (B-3)" in words
        and "(BERT-P)" in words
        and "LLaMA3-8B-F.T.: BERT-R -1.00" in words
    )
    figure = drawn["figure8"]
    words = " ".join(text for text, _ in text_boxes(figure)).replace("\n", " ")
    assert (
        "Ours missing: qwen1.5-7b-chat, prompt1 at 55." in words
        and "No value of the paper's: llama3-8b-instruct, prompt2." in words
    )
    solid = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "-" and len(line.get_xdata()) == 5]
    assert sum(value != value for line in solid for value in line.get_ydata()) == 1


def test_bars_of_the_lowest_values_are_seen():
    figure = figure5.draw_figure5(stage("before", [1.0] * 4), stage("dk20-kcenter", [1.1] * 4), None, None)
    marks, full = figure.axes
    low, high = marks.get_ylim()
    assert all(bar.get_height() > 0.25 * (high - low) for bar in marks.patches)
    assert not marks.collections and not full.collections
    figure = figure5.draw_figure5(
        *(
            dataclasses.replace(stage(name, [1.0] * 4), shares=[0.01, 0.5, 0.0, 0.9])
            for name in ("before", "dk20-kcenter")
        ),
        None,
        None,
    )
    lines = [line for line in figure.axes[1].collections if line.get_linewidth()[0] > 2]
    assert [round(float(line.get_segments()[0][0][1]), 6) for line in lines] == [1.0, 0.0] * 4


def test_small_shares_have_a_decimal():
    small = [
        dataclasses.replace(stage(name, [1.0] * 4), shares=[0.012, 0.006, 0.005, 0.0])
        for name in ("before", "dk20-kcenter")
    ]
    words = [text for text, _ in text_boxes(figure5.draw_figure5(*small, None, None))]
    assert "Coherence\n1.2 \N{RIGHTWARDS ARROW} 1.2 %" in words


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
    assert len(set(lines_by_label(drawn["figure1"]))) == 11


def test_a_rim_says_whose_value_it_is(drawn):
    words = [text for text, _ in text_boxes(drawn["figure1 of the demo"])]
    assert "B-1\n(22.05, paper)" in words and "CIDEr\n(26.96, paper)" in words and "BERT-F1*\n(9.00)" in words
    assert "Dist-1\n(4.00)" in words  # ours is the higher: the paper's is 3.23
    notes = " ".join(words).replace("\n", " ")
    assert (
        "the highest value, ours or the paper's, in brackets" in notes
        and "cannot be compared with these and are not drawn" in notes
    )
    alone = " ".join(
        text for text, _ in text_boxes(figure1.draw_figure1(figure1.radar(table1(("a", [1, 2, 3]))), None))
    ).replace("\n", " ")
    assert "the best system's value, in brackets" in alone and "paper's" not in alone
