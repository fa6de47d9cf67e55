"""Hostile titles, notes and names in every kind of output: a parser of that kind reads them back as text."""

import csv
import io
import json
import re
import shutil
import subprocess
import unicodedata
import xml.etree.ElementTree as ElementTree
from contextlib import redirect_stdout
from functools import partial
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from markdown_it import MarkdownIt

from conftest import REPOSITORY
from figure_cells import BASELINES, cell, summary, table1, write
from synth_empathy.claims import claim_report
from synth_empathy.claims.paper_numbers import Paper
from synth_empathy.claims.run_results import Results
from synth_empathy.core import escaping
from synth_empathy.core.errors import UserError
from synth_empathy.evaluation import human
from synth_empathy.evaluation.novelty import NearestSamples, Neighbours
from synth_empathy.reporting import comparison_table, paper_values, table_latex, table_markdown, tables
from synth_empathy.reporting.cells import METRICS
from synth_empathy.reporting.figures import figure1, figure5, figure7, figure8, novelty_plot, style

#: What once did harm, or nearly: each kind of output has some of its own.
HOSTILE = [
    "a | b", "a\\|b", "a \\", "\\", "`x`", "``` x", "*x* and **y**", "_x_ a_b_c", "~~x~~", "~~~ x", "* * *", "_ _ _",
    "<script>alert(1)</script>", "<b", "&lt;b&gt; &#42; &amp", "[x](javascript:alert(1))", "![x](y)", "[x]: /url",
    "[x][y]", "[ ] x", "[^1]: x", "<https://x.example>", "# x #",
    "- x", "+ x", "1. x", "1) x", "> x", "---", "===", "```",
    "a\nb", "a\n\n# b", "a\r\n| c |", "a\u2028b\x85c", "=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2+3", "\t=1",
    "\r=1", " =1", "\uff1d1", "100 % & $5 #1 _{x}^~", "\\input{x}", "\\end{table*}", "[2ex]", "*", "a--b", '"q" `q\'',
    "$\\frac$", "$x$ and $", "\\$", "_hidden", "\x1b[31mred\x1b[0m", "\x9b31m", "a\x00b", "\u202eevil\u202c",
    "\u2066x\u2069",
    "\ud800", "\ufffe", "模型 → é ő đ ð 😀", "\x7f\x08\x07", "a" * 300,
]  # fmt: skip
#: Titles that stand in the shipped configurations, and others of their kind: nothing in them changes anywhere.
HARMLESS = [
    "SmolLM2-135M + ED + synthetic (Prompt 2, DK 20, k-center)",
    "SmolLM2-135M, fine-tuned on ED",
    "Mixtral-8x7B-Instruct (zero-shot)",
    "synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center)",
    "qwen1.5-7b-chat, prompt2, as many as DK 55, drawn",
    "This is the demo: its judge, a model of 135M parameters, is too small. The marks show that the machinery runs.",
]
#: Signs that a spreadsheet begins a formula with.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")

SINGLE = "\\`*_{}[]<>()#+-.!|~&$%^=@\"'; \n\r\t\x00\x1b\u202e\ud800ab1é模"
SIGNS = st.sampled_from([*SINGLE, "**", "```", "\n\n", "](", "&lt;", "http://", "<b>"])
ANY = st.text(st.characters(exclude_categories=()), max_size=30)
TEXTS = st.one_of(st.lists(SIGNS, max_size=14).map("".join), ANY, st.sampled_from(HOSTILE))
#: What no reader sees, beside control characters and lone surrogates: bidirectional controls, separators.
UNSEEN = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufffe\uffff"

#: The captions in Snakemake's report.
CAPTIONS = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "resources/captions").glob("*.rst")}
#: CommonMark with the extensions of GitHub that this parser has.
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text):
    """A text as a reader should see it: white space is one space, and invisible characters are escaped."""
    spaced = re.sub("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]", " ", text)
    written = "".join(sign.encode("unicode_escape").decode() if unseen(sign) else sign for sign in spaced)
    return " ".join(written.split())


def unseen(sign):
    """Whether a character acts on a terminal, or no text file can contain it."""
    return sign in UNSEEN or unicodedata.category(sign) in ("Cc", "Cs")


def blocks(text):
    """The blocks of a Markdown document in order: kinds and, for those with text, the text and its inline markup."""
    found = []
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            kinds = {child.type for child in token.children} - {"text", "softbreak"}
            words = "".join(" " if child.type == "softbreak" else child.content for child in token.children)
            found.append(("text", " ".join(words.split()), kinds))
        elif not token.type.endswith("_close"):
            found.append((token.type, "", set()))
    return found


def texts(text, kind):
    """The texts directly in blocks of a kind."""
    found = blocks(text)
    return [words for (place, _, _), (_, words, _) in zip(found, found[1:]) if place == kind]


def is_number(text):
    """Whether a text is a number as we format it, including its sign."""
    return bool(re.fullmatch(r"[-+]\d+(\.\d+)?(e[-+]?\d+)?", text, re.ASCII))


def kinds_of(text):
    """The inline markup in a text of Markdown; escapes do not count."""
    return set().union(*(kinds for _, _, kinds in blocks(text))) - {"text_special"}


def all_hostile(test):
    """Make each hostile text an example of a test of one text."""
    for text in HOSTILE:
        test = example(text)(test)
    return settings(deadline=None)(test)


# Each function


@all_hostile
@given(TEXTS)
def test_no_control_character_reaches_a_terminal(text):
    for written in (escaping.terminal_text(text), escaping.terminal_text(text, lines=True).replace("\n", "")):
        assert not any(unseen(sign) for sign in written)
        written.encode("utf-8")
    assert escaping.terminal_text(text, lines=True).count("\n") == text.count("\n")
    assert escaping.terminal_text(escaping.terminal_text(text)) == escaping.terminal_text(text)


@all_hostile
@given(TEXTS)
def test_markdown_shows_a_text_in_a_heading_a_quote_an_item_and_a_cell(text):
    line, cell_ = escaping.markdown_text(text), escaping.markdown_cell(text)
    document = f"# {line} against {line}\n\n> {line}\n\nWords.\n\n- {line}: {line}\n\n| a | b |\n|---|---|\n"
    document += f"| {cell_} | {cell_} |\n| x | **y** |\n"
    words = shown(text)
    both = " ".join(f"{words} against {words}".split())
    quote = ["paragraph_open", words] if words else []
    expected = ["heading_open", both, "blockquote_open", *quote, "paragraph_open", "Words."]
    expected += ["bullet_list_open", "list_item_open", "paragraph_open", " ".join(f"{words}: {words}".split())]
    table = ["table_open", "thead_open", "tr_open", "th_open", "a", "th_open", "b", "tbody_open"]
    table += ["tr_open", "td_open", words, "td_open", words, "tr_open", "td_open", "x", "td_open", "y"]
    found = blocks(document)
    assert [content if kind == "text" else kind for kind, content, _ in found] == [*expected, *table]
    assert set().union(*(kinds for _, _, kinds in found[:-1])) <= {"text_special"}


@all_hostile
@given(TEXTS)
def test_markdown_shows_code_as_it_is(text):
    if not shown(text):
        return
    [(_, words, kinds)] = [block for block in blocks(f"- {escaping.markdown_code(text)}: end\n") if block[0] == "text"]
    assert words == f"{shown(text)}: end" and kinds == {"code_inline"}


@settings(deadline=None)
@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4))
@example([[text, text] for text in HOSTILE])
def test_a_csv_is_read_back_row_by_row_and_no_cell_is_a_formula(lines):
    text = escaping.csv_with_note(["a", "b"], lines, "=1")
    header, *found = csv.reader(io.StringIO(text))
    assert header == ["a", "b", "note"] and [line[2] for line in found] == ["'=1"] * len(lines)
    assert text.count("\n") == 1 + len(lines)
    for line, given_ in zip(found, lines):
        for read, written in zip(line, given_):
            words = " ".join(read.split())
            assert words in (shown(written), f"'{shown(written)}", f"' {shown(written)}")
            assert is_number(read) or not read.lstrip().startswith(FORMULA)
            assert not any(unseen(sign) for sign in read)


def test_numbers_that_we_format_stay_numbers():
    numbers = ["-2.07", "+345", "0.00", "-0.0001", "1e-05", "5255", ""]
    assert list(map(escaping.csv_cell, numbers)) == numbers
    assert escaping.csv_cell(-1.5) == "-1.5" and escaping.csv_cell(None) == ""


@all_hostile
@given(TEXTS)
def test_latex_has_no_commands_except_those_of_single_characters(text):
    line = escaping.latex_text(text)
    known = {value for value in escaping.LATEX.values() if value.startswith(("\\", "$"))}
    bare = re.sub(r"\\unicodesign\{[0-9A-F]+\}\{.\}", "", line)
    for value in sorted(known, key=len, reverse=True):
        bare = bare.replace(value, "")
    assert not re.search(r"[\\$&%#_^\n]", bare), bare
    assert bare.count("{") == bare.count("}") and not line.startswith(("[", "*"))


@settings(deadline=None)
@given(TEXTS)
def test_harmless_text_is_left_alone(text):
    for name in ("terminal_text", "markdown_text", "markdown_cell", "csv_cell", "latex_text", "plot_text"):
        assert list(map(getattr(escaping, name), HARMLESS)) == HARMLESS
    words = re.sub("[^A-Za-z0-9 ,.:]", "", text).strip()
    if not re.match(r"\d{1,9}[.)](\s|$)", words):
        assert escaping.markdown_text(words) == escaping.csv_cell(words) == escaping.latex_text(words) == words


MEANINGLESS = ["a_b_c", "2 * 3 * 4", "a [x] y", "a < b > c", "seed*.json", "R & D", "C:\\dir", "a - b = d", "x #1"]


@pytest.mark.parametrize("line", MEANINGLESS)
def test_only_characters_with_a_meaning_are_escaped(line):
    assert escaping.markdown_text(line) == line and escaping.markdown_cell("synthetic/*/x") == "synthetic/*/x"


# Whole tables


def hostile_table(title, note, why=None, model="m"):
    """Table 1 of three systems: one has the BERTScore of another model, one lacks some values."""
    values = {metric: cell(20.0 + i, metric, by_seed={"0": 20.0 + i}) for i, metric in enumerate(METRICS)}
    empty = {metric: cell(None, metric, why_null=why or title) for metric in METRICS}
    other = {metric: cell(None, metric, instead={"model": model, "layer": 5, "value": 9.0}) for metric in METRICS}
    table = table1((title, values), ("Plain", empty), ("Other", other))
    return tables.Table(table.name, table.rows, table.cells, note)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
@example("a | b", "x\n\n# y", "<script>x</script>", "`m`")
def test_a_table_in_markdown_has_only_its_own_rows_and_cells(title, note, why, model):
    text = table_markdown.as_markdown(hostile_table(title, note, why, model))
    found = blocks(text)
    assert not any(kind in ("html_block", "code_block", "fence") for kind, _, _ in found) and not kinds_of(text)
    written = [kind for kind, _, _ in found].count("table_open")
    cells = texts(text, "td_open")
    assert written >= 1 and len(cells) == 3 * (written + len(METRICS))
    assert all(cells.count(words) >= written for words in (shown(title), "Plain", "Other"))
    assert [words for words in texts(text, "paragraph_open") if words == shown(note)] or not shown(note)
    items = [words for (place, _, _), (_, words, _) in zip(found, found[2:]) if place == "list_item_open"]
    measured = "5,255 test samples, 1 seed, paper protocol"
    assert items[:2] == [shown(f"{title}: {measured}"), shown(f"Plain: {why or title}")]


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
@example("=cmd|' /C calc'!A0", "@SUM(A1)", "\t=1")
def test_a_table_as_csv_has_its_lines_and_no_formula(title, note, why):
    lines = list(csv.DictReader(io.StringIO(tables.as_csv(hostile_table(title, note, why)))))
    other = [metric for metric in METRICS for _ in range(2)]
    assert [line["metric"].split(" by ")[0] for line in lines] == [*METRICS, *METRICS, *other]
    for line in lines:
        assert not any(re.match(r"\s*[=@]|[-+](?![\d.]+$)", value) for value in line.values()), line


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
@example("a | b", "x\n| y")
def test_a_comparison_has_only_its_own_rows(name, note):
    entry = {"system": {"mean": 2.0}, "baseline": {"mean": 1.0}, "difference": 1.0, "interval": [0.5, 1.5]}
    entry |= {"p": 0.03, "p_two_sided": 0.06}
    about = {"samples": 9, "draws": 10, "seed": 0, "seeds": {"system": 1, "baseline": 2}, "protocol": "paper"}
    document = {"system": name, "baseline": name, "metrics": {"bleu1": entry, f"bert_f1 by {name}": entry}} | about
    text = comparison_table.as_markdown(document, note)
    assert texts(text, "td_open")[::7] == ["B-1", shown(f"BERT-F1 by {name}")] and not kinds_of(text)
    assert texts(text, "heading_open") == [shown(f"{name} against {name}")]
    [first, last] = csv.DictReader(io.StringIO(comparison_table.as_csv(document)))
    assert last["metric"].startswith("BERT-F1 by ") and not re.match(r"\s*[=+\-@]", first["system"])


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
@example("a | b", "<script>x")
@example("`x", "*y*")
def test_the_claims_report_has_one_line_for_each_claim(found, note):
    cost = {"hardware": found, "gpu_hours": None, "hours": 2, "command": found or "make", "note": note}
    told = {"id": "an-id", "verdict": "not tested", "found": found, "place": "here", "quote": found}
    told |= {"target": found or "t", "cost": cost, "note": note, "in_the_papers_own_numbers": "holds"}
    text = claim_report.as_markdown("run", note, [told] * 2)
    quoted = shown(f'here: "{found}"')
    assert texts(text, "td_open") == ["an-id", quoted, "holds", "not tested", shown(found)] * 2
    assert kinds_of(text) <= {"code_inline", "strong_open", "strong_close"}
    headings = ["The paper's claims, tested on results/run", "Not tested: what to build", "Remarks"]
    assert texts(text, "heading_open") == headings[: 3 if note else 2]
    printed = io.StringIO()
    with redirect_stdout(printed):
        claim_report.print_verdicts([told])
    *lines, counts, end = printed.getvalue().split("\n")
    assert lines and not any(unseen(sign) for sign in "".join(lines) + counts + end)


@settings(deadline=None)
@given(TEXTS)
@example("=1+1")
def test_figures_as_csv_have_no_formula(title):
    counts = {name: human.Counter(win=1, tie=1, loss=2) for name in (*human.CRITERIA, human.ALL)}
    made = [human.as_csv([human.Result(title, counts, 1, 1, made_up=False)], "judgements", {})]
    made.append(figure1.radar_csv(hostile_table(title, None)))
    made.append(figure8.curves_csv([figure8.Curve(title, ["b/x"], [50.0], [1.0], sd=[None], paper=[None])]))
    for text in made:
        for line in csv.reader(io.StringIO(text)):
            assert not any(re.match(r"\s*[=@]|[-+](?![\d.]+$)", value) for value in line), line


# The captions of Snakemake's report


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(CAPTIONS)), note=TEXTS)
@example(name="workflow.rst", note="x\n\n.. raw:: html\n\n  <script>alert(1)</script>\n\ny")
@example(name="figure1.rst", note="x** `click <javascript:alert(1)>`_ **y")
@example(name="tables.rst", note="a *b* \\ c \\* **")
@example(name="claims.rst", note="*")
def test_a_note_in_a_caption_is_text(name, note):
    words = " ".join(note.split())
    if not words or any(unseen(sign) for sign in words):
        return  # the configuration refuses such a note, and XML such a character
    place = SimpleNamespace(table="table1", base="b", training_set="ed", other="none")
    about = SimpleNamespace(config={"note": note, "run": "demo"}, wildcards=place, rule="make_figure1")
    caption = Environment().from_string(CAPTIONS[name]).render(snakemake=about)
    document = publish_doctree(caption, settings_overrides={"report_level": 5})
    assert [strong.astext() for strong in document.findall(nodes.strong)] == [words]
    assert not list(document.findall(nodes.raw)) + list(document.findall(nodes.reference))


# LaTeX


@pytest.fixture(scope="module")
def pdflatex(tmp_path_factory):
    """A function that runs pdflatex on the body of a document and returns its log."""
    if not shutil.which("pdflatex") or subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode:
        pytest.skip("this machine has no pdflatex with booktabs (Debian: texlive-latex-recommended)")
    folder = tmp_path_factory.mktemp("latex")

    def compiled(body):
        head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\usepackage{graphicx}\n\\begin{document}\n"
        (folder / "t.tex").write_text(head + body + "\n\\end{document}\n", encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
        log = done.stdout.decode("utf-8", errors="replace")
        assert done.returncode == 0, log[-2000:]
        return log

    return compiled


def test_pdflatex_accepts_tables_of_hostile_titles_notes_and_reasons(pdflatex):
    made = [table_latex.as_latex(hostile_table(text, text, text, text)) + "\\clearpage" for text in HOSTILE]
    log = pdflatex("\n".join(made))
    assert re.search(rf"\({len(made)} pages", log)


def test_pdflatex_knows_every_character_that_stays_unchanged(pdflatex):
    signs = [sign for sign in map(chr, range(0x20, 0x3000)) if "unicodesign" not in escaping.latex_character(sign)]
    assert len(signs) > 250
    pdflatex("\n\n".join(f"x{escaping.latex_text(sign)}" for sign in signs))


# Figures


def drawn(figure, folder):
    """Write a figure as PDF and SVG; returns the texts of the SVG."""
    style.save(figure, [folder / "f.pdf", folder / "f.svg"])
    root = ElementTree.parse(folder / "f.svg").getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


#: Texts that made a drawing fail or lose a part, in two titles that fit on a line.
TITLES = ["_x $\\frac$ \x1b<b>&amp;", "\u202e\ud800\ufffe\n$x$ \\$5"]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("title", TITLES)
def test_every_figure_is_drawn_with_a_hostile_title(tmp_path, title):
    words = shown(title)
    radar = figure1.radar(table1((title, range(13)), ("b", range(13))))
    said = drawn(figure1.draw_figure1(radar, title), tmp_path)
    assert said.count(words) == 2  # in the legend, and as a note
    missing = {"sd": [None, None], "paper": [None, None]}
    curves = [figure8.Curve(title, ["b/x", "b/y"], [50.0, 60.0], [1.0, None], **missing)]
    said = drawn(figure8.draw_figure8(curves, title), tmp_path)
    assert said.count(words) == 2 and any(line.startswith("Ours missing:") for line in said)
    counts = {name: human.Counter(win=1, tie=1, loss=2) for name in (*human.CRITERIA, human.ALL)}
    results = [human.Result(title, counts, 1, 1, made_up=False)]
    said = drawn(figure7.draw_figure7(results, "judgements", {}, made_up=False, note=title), tmp_path)
    assert said.count(words) == 2
    title = title.replace("\ud800", "")  # no file of ours can contain it (json_files.parse_json)
    words = shown(title)
    criteria = {"one": {"title": title, "mean": 2.0, "full_share": 0.5}}
    about = {"criteria": criteria, "judge": title, "note": title}
    paths = [write(tmp_path / f"{stage}.json", summary(stage, **about)) for stage in ("before", "dk60-kcenter")]
    before, after = (figure5.judged([path]) for path in paths)
    said = drawn(figure5.draw_figure5(before, after, None, None), tmp_path)
    assert any(words in line for line in said)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_novelty_figure_is_drawn_with_a_hostile_title(tmp_path):
    import numpy as np

    near = Neighbours(np.array([0, 1]), np.array([50.0, 96.0]))
    figure = novelty_plot.draw(NearestSamples(*[near] * 5), 95.0, "$\\frac$", "$\\frac$\x1b")
    novelty_plot.save(figure, tmp_path / "f.svg")
    text = (tmp_path / "f.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "$\\frac$\\x1b" in text and "whole dialogue, $\\frac$)" in text


@all_hostile
@given(TEXTS)
def test_matplotlib_draws_a_text_unchanged(text):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    words = escaping.plot_text(text)
    assert " ".join(words.split()) == shown(text) and not any(unseen(sign) for sign in words)
    with style.style():
        figure = Figure()
        one = figure.text(0, 0, words)
        assert one._preprocess_math(words) == (words, False)
        if len(words) < 20 and words.isascii():
            assert one.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width >= 0


# Files of numbers


PAPERS = {
    "table1.csv": paper_values.read_table,
    "table2.csv": paper_values.read_table,
    "figure5.csv": paper_values.read_figure5,
    "figure7.csv": paper_values.read_figure7,
}


def without_a_column(text):
    """The file with a required column under another name."""
    return re.sub(rb"bleu1|win_pct|mean_score", b"other", text, count=1)


def with_first_number(word):
    """A change that replaces the first number of the first line."""
    return partial(re.sub, rb"(\n[^,\n]+),[^,\n]*,", rb"\1," + word + b",", count=1)


def with_last_line_twice(text):
    """The file with its last line repeated."""
    return text + text.splitlines(keepends=True)[-1]


#: What is wrong: what is put in another's place, or what makes the faulty file; and what is said.
FAULTS = [
    ("an empty file", partial(re.sub, rb"[\s\S]+", b""), "is empty"),
    ("bytes that are no text", partial(re.sub, rb",", b"\xff,", count=1), "is not UTF-8"),
    ("a column that is missing", without_a_column, "is missing"),
    ("a column twice", partial(re.sub, rb"\n", b",x,x\n", count=1), "the heading has the column 'x' twice"),
    ("a field too many", partial(re.sub, rb"\n\Z", b",,\n"), "fields under"),
    ("a line twice", with_last_line_twice, "already"),
    ("a word for a number", with_first_number(b"many"), "is 'many', which is not a number"),
    ("nan", with_first_number(b"nan"), "is 'nan', which is not a number"),
    ("infinity", with_first_number(b"1e999"), "is '1e999', which is not a number"),
    ("a NUL", partial(re.sub, rb"\n\Z", b"\0\n"), "NUL"),
    ("an open quotation mark", partial(re.sub, rb"\Z", b'"'), "not CSV"),
]


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize(("fault", "reason"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_faulty_file_of_the_papers_numbers_is_refused_by_line_and_reason(repository, tmp_path, name, fault, reason):
    path = tmp_path / name
    path.write_bytes(fault((repository / "resources/paper" / name).read_bytes()))
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        PAPERS[name](path)
    assert reason in caught.value.problem and "git checkout" in caught.value.hint
    if reason not in ("is empty", "is not UTF-8"):
        assert re.search(r", line \d+: ", caught.value.problem)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(PAPERS)), data=st.data())
def test_any_damage_to_a_file_of_numbers_gives_numbers_or_an_error(repository, tmp_path_factory, name, data):
    text = bytearray((repository / "resources/paper" / name).read_bytes())
    changes = st.tuples(st.integers(0, len(text) - 1), st.integers(0, 255))
    for place, byte in data.draw(st.lists(changes, min_size=1, max_size=4)):
        text[place] = byte
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(text)
    try:
        PAPERS[name](path)
    except UserError as error:
        assert str(path) in error.problem


def test_a_spreadsheets_byte_order_mark_is_no_fault(repository, tmp_path):
    text = (repository / "resources/paper/figure7.csv").read_bytes()
    (tmp_path / "figure7.csv").write_bytes(b"\xef\xbb\xbf" + text)
    assert list(paper_values.read_figure7(tmp_path / "figure7.csv")) == BASELINES


FIGURE7 = "baseline,criterion,counted,total,win,tie,loss,made_up\nSEEK,all,judgements,4,2,1,1,no\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("total", "sum"), "line 1: the column 'total' is missing"),
        (("4,2", "0,0"), "line 2: total is 0, which is not at least 1"),
        (("4,2", "4,"), "line 2: win is '', which is not a number"),
        (("4,2", "4,nan"), "line 2: win is 'nan', which is not a number"),
        (("SEEK", "SEEK,all"), "line 2: 9 fields under 8 columns"),
    ],
)
def test_a_runs_faulty_figure_7_is_refused_by_line(tmp_path, change, reason):
    results = Results(tmp_path, {"seek": {"row": "SEEK"}})
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/figure7.csv").write_text(FIGURE7)
    assert results.value("human seek win").low == 50
    (tmp_path / "figures/figure7.csv").write_text(FIGURE7.replace(*change, 1))
    with pytest.raises(UserError, match="figure7.csv") as caught:
        results.value("human seek win")
    assert reason in caught.value.problem and "snakemake figure7" in caught.value.hint


def test_a_baseline_that_the_papers_file_lacks_is_named(repository, tmp_path):
    shutil.copytree(repository / "resources/paper", tmp_path / "paper")
    (tmp_path / "paper/figure7.csv").write_text("baseline,win_pct,loss_pct,tie_pct\nCASE,63.3,,\n")
    paper = Paper(tmp_path / "paper", {"seek": {"base": "seek", "training_set": "ed", "row": "SEEK"}})
    with pytest.raises(UserError, match="figure7.csv has no baseline 'SEEK'"):
        paper.value("human seek win")


# What scripts print


def test_read_outputs_prints_a_references_control_characters_as_text(tmp_path, step):
    reference = "well\x1b[2J done \u202e!"
    samples = [{"id": f"s{i}", "history": ["hello"], "response": reference} for i in range(2)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    write(tmp_path / "given.jsonl", {"prediction": "hi", "reference": reference})
    flags = ["--samples", tmp_path / "test.jsonl", "--outputs", tmp_path / "given.jsonl", "--unaligned", "1"]
    done = step("read_outputs.py", *flags, "--responses", tmp_path / "r.jsonl", "--alignment", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "well\\x1b[2J done \\u202e!" in done.stdout
    assert not any(unseen(sign) for sign in done.stdout.replace("\n", ""))


@pytest.mark.parametrize("claim", [{"id": "a", "verdict": "holds", "found": "x\x1b[2J\ny"}, {"id": "a"}, 3, None])
def test_print_claims_prints_findings_as_text_and_refuses_other_documents(tmp_path, step, claim):
    done = step("print_claims.py", "--report", write(tmp_path / "claims.json", {"claims": [claim]}))
    if isinstance(claim, dict) and "found" in claim:
        assert done.returncode == 0 and "a: x\\x1b[2J\\ny\n" in done.stdout, done.stderr
    else:
        assert done.returncode == 1 and "is not a report on claims" in done.stderr
