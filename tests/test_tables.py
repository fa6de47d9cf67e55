"""The paper's tables: their rows, our values, the paper's, the differences, and what is missing or not available."""

import csv
import io
import re

import pytest
import yaml

from synth_empathy.core.absent import DASH
from synth_empathy.core.errors import UserError
from synth_empathy.reporting import cells, paper_values, tables
from synth_empathy.reporting.table_latex import as_latex
from synth_empathy.reporting.table_markdown import WIDTH, as_markdown, blocks

OURS = "synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center)"


@pytest.fixture(scope="module")
def config(repository):
    return yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path):
    """A folder of cells, filled by `put(row, metric, ...)`."""

    def put(row, metric, *values, paper=None, table="table2", **document):
        place = {"table": table, "base": row.base, "training_set": row.training_set}
        place |= {"metric": metric, "title": row.title}
        about = {} if metric in cells.COUNTS else {"protocol": "paper", "samples": 5255}
        documents = {}
        for seed, value in enumerate(values):
            documents[str(seed)] = about | document | ({} if value is None else {metric: value})
        cells.write_cell(tmp_path / row.system / f"{metric}.json", cells.make_cell(place, documents, paper, None))

    put.path = tmp_path
    return put


def full(folder, rows, table="table2", paper=None):
    """Every cell of a table, each with a value of its own."""
    for place, row in enumerate(rows):
        for column, metric in enumerate(tables.COLUMNS[table]):
            folder(row, metric, 1000 * place + column, paper=paper, table=table)


ROWS = [tables.Row("b", "ed", "System a & b", None), tables.Row("b", "ed+prompt2-dk60-kcenter", "System 2", None)]


def table_of(folder, rows=None, name="table2"):
    """A table of the folder's cells, all of which are there."""
    return tables.read_table(name, ROWS if rows is None else rows, folder.path)


def notes_of(table):
    """The list of notes under a table in Markdown."""
    return [line for line in as_markdown(table).splitlines() if line.startswith("- ")]


def parsed(table):
    return {(line["system"], line["metric"]): line for line in csv.DictReader(io.StringIO(tables.as_csv(table)))}


def test_shipped_numbers_are_the_papers(repository, shared):
    kept, given = repository / "resources/paper", shared / "paper/tables"
    assert (kept / "table1.csv").read_text() == (given / "table1.csv").read_text()
    bases = {"Qwen1.5-7B": "qwen1.5-7b-chat", "LLaMA3-8B-Instruct": "llama3-8b-instruct"}
    ours = paper_values.read_table(kept / "table2.csv")
    lines = list(csv.DictReader((given / "table2.csv").read_text().splitlines()))
    assert len(ours) == len(lines) == 15
    for line in lines:
        row = ours[f"{bases[line['model']]}/ed+prompt{line['prompt']}-dk{line['dk_threshold']}-kcenter"]
        counts = dict.fromkeys(cells.COUNTS, float(line["samples"]))
        assert row == {metric: float(line[metric]) for metric in paper_values.PAPER_COLUMNS} | counts
    for name in ("table3", "table4"):
        assert not any(paper_values.read_table(kept / f"{name}.csv").values())


def test_table_1s_and_2s_numbers_are_those_of_the_text(repository, shared):
    text = (shared / "paper/synth-empathy.md").read_text(encoding="utf-8")
    first = paper_values.read_table(repository / "resources/paper/table1.csv")
    assert len(first[OURS]) == 13 and all(f"{value:g}" in text for value in first[OURS].values())
    assert [values for system, values in first.items() if system != OURS] == [{}] * 8
    second = paper_values.read_table(repository / "resources/paper/table2.csv")
    for row in second.values():
        printed = [f"{row[metric]:.2f}" for metric in paper_values.PAPER_COLUMNS] + [f"{row['samples_quality']:,.0f}"]
        assert "\t".join(printed) in text.replace("4.880", "4.88"), printed
    assert second["qwen1.5-7b-chat/ed+prompt2-dk60-kcenter"]["cider"] == first[OURS]["cider"]


def test_the_papers_run_has_the_papers_rows(config, repository):
    assert len(tables.rows_of(config, "table1")) == 9
    known = paper_values.read_table(repository / "resources/paper/table1.csv")
    assert {row.paper_row for row in tables.rows_of(config, "table1")} == set(known)
    for name in ("table2", "table3", "table4"):
        rows = tables.rows_of(config, name)
        papers = paper_values.read_table(repository / f"resources/paper/{name}.csv")
        assert [row.paper_row for row in rows] == list(papers)
    third = [row.training_set for row in tables.rows_of(config, "table3")][:4]
    assert third == [f"ed+prompt2-{quality}-kcenter" for quality in ("dk55", "draw55", "dk60", "draw60")]
    fourth = [row.training_set for row in tables.rows_of(config, "table4")][:2]
    assert fourth == ["ed+prompt2-dk55-kcenter", "ed+prompt2-dk55-none"]
    assert tables.rows_of(config, "table4")[1].title == "qwen1.5-7b-chat, prompt2, DK 55, no diversity selection"
    assert tables.rows_of(config, "table3")[1].title == "qwen1.5-7b-chat, prompt2, as many as DK 55, drawn"


def test_rows_of_other_selections_stand_beside_ours(config):
    tables_of = config["tables"]
    fourth = config | {"tables": tables_of | {"table4": tables_of["table4"] | {"selections": ["none", "random"]}}}
    rows = tables.rows_of(fourth, "table4")
    assert [row.training_set.rpartition("-")[2] for row in rows] == ["kcenter", "none", "random"] * 4
    assert rows[2].title == "qwen1.5-7b-chat, prompt2, DK 55, random instead of k-center"
    qualities = ["top1000-similarity", "top1000-length"]
    third = config | {"tables": tables_of | {"table3": tables_of["table3"] | {"qualities": qualities}}}
    rows = tables.rows_of(third, "table3")
    assert [row.training_set for row in rows[4:6]] == [f"ed+prompt2-{name}-kcenter" for name in qualities]
    assert len(rows) == 12 and rows[5].title == "qwen1.5-7b-chat, prompt2, the 1,000 best by length"


def test_rows_of_published_outputs_are_marked(config):
    system = {"title": "KEMP", "base": "kemp", "training_set": "published", "paper_row": None}
    changed = config | {"systems": config["systems"] | {"kemp": system}}
    changed["tables"] = config["tables"] | {"table1": {"systems": ["kemp", "seek"]}}
    assert [row.title for row in tables.rows_of(changed, "table1")] == ["KEMP (published outputs)", "SEEK"]


def test_a_row_that_no_table_lists_can_be_made_all_the_same(config):
    listed = tables.row_of(config, "table1", "qwen1.5-7b-chat", "ed")
    assert (listed.title, listed.paper_row) == ("Qwen1.5-7B-F.T.", "Qwen1.5-7B-F.T.")
    row = tables.row_of(config, "table2", "llama3-8b-instruct", "ed+prompt2-dk60-kcenter")
    assert row.system == row.paper_row == "llama3-8b-instruct/ed+prompt2-dk60-kcenter"


def test_differences_deviations_and_counts(folder):
    full(folder, ROWS)
    folder(ROWS[0], "cider", *[20.0, 22.0, 27.0], paper=25.07)
    folder(ROWS[0], "samples_quality", 12345, paper=12000)
    table = tables.read_table("table2", ROWS, folder.path, note="Of the demo.")
    assert {line["note"] for line in parsed(table).values()} == {"Of the demo."}
    line = parsed(table)["b/ed", "cider"]
    assert [line[key] for key in ("ours", "sd", "paper", "difference", "test_samples", "seeds", "protocol")] == [
        "23.00", "3.61", "25.07", "-2.07", "5255", "3", "paper",
    ]  # fmt: skip
    counted = parsed(table)["b/ed", "samples_quality"]
    assert [counted[key] for key in ("ours", "paper", "difference", "test_samples")] == ["12345", "12000", "+345", ""]
    markdown = as_markdown(table)
    assert "23.00 ± 3.61" in markdown and "12,345" in markdown and "+345" in markdown
    assert "23.00 ± 3.61 (25.07, -2.07)" in markdown and "12,345 (12,000, +345)" in markdown
    assert "5,255 test samples, 3 seeds, paper protocol" in markdown and "does not say of which stage" in markdown
    assert "±: standard deviation over the seeds." in markdown and f"{DASH}: no value" not in markdown


def test_a_number_in_no_text_is_not_available(folder):
    full(folder, ROWS)
    line = parsed(table_of(folder))["b/ed", "bleu1"]
    assert (line["ours"], line["paper"], line["difference"]) == ("0.00", "not available", "not available")


def test_bertscore_of_another_model_stands_under_its_name(folder):
    full(folder, ROWS, "table1")
    other = {"model": "all-minilm", "layer": 5, "p": 10.0, "r": 20.0, "f1": 30.0}
    for metric in cells.BERTSCORE:
        folder(ROWS[0], metric, None, table="table1", bertscore_other=other)
    table = table_of(folder, ROWS, "table1")
    lines = parsed(table)
    line = lines["b/ed", "bert_p"]
    assert line["ours"] == "not available" and "not the paper's" in line["remark"]
    assert lines["b/ed", "bert_f1 by all-minilm, layer 5"]["ours"] == "30.00"
    text = as_markdown(table)
    assert "by all-minilm, layer 5: BERT-P 10.00, BERT-R 20.00, BERT-F1 30.00" in text and "0 seeds" not in text


def test_missing_cells_are_named_and_on_request_shown_as_missing(folder):
    full(folder, ROWS)
    (folder.path / ROWS[1].system / "cider.json").unlink()
    (folder.path / ROWS[1].system / "bleu4.json").unlink()
    with pytest.raises(UserError, match=r"table2 lacks .*bleu4.json and 1 more") as caught:
        table_of(folder)
    assert "tables: partial: true" in caught.value.hint
    table = tables.read_table("table2", ROWS, folder.path, partial=True)
    line = parsed(table)[ROWS[1].system, "cider"]
    assert (line["ours"], line["difference"], line["remark"]) == ("missing", "not available", "the cell was not made")
    assert parsed(table)[ROWS[1].system, "bleu1"]["ours"] == "1000.00"
    markdown, latex = as_markdown(table), as_latex(table)
    assert "not made: B-4, CIDEr" in markdown and "not made: B-4, CIDEr" in latex
    for text in (markdown, latex):
        assert DASH in text and "missing" not in text and "not available" not in text


def test_a_missing_cell_does_not_hide_the_papers_value(folder, config):
    ours = tables.row_of(config, "table1", "qwen1.5-7b-chat", "ed+prompt2-dk60-kcenter")
    rows = [ours, tables.Row("b", "ed", "Ours alone", None)]
    folder(rows[1], "cider", 1.0, table="table1")
    table = tables.read_table("table1", rows, folder.path, partial=True)
    line = parsed(table)[ours.system, "cider"]
    assert (line["ours"], line["paper"]) == ("missing", "26.96")
    assert parsed(table)["b/ed", "bleu1"]["paper"] == "not available"
    lines = rows_of_markdown(as_markdown(table))
    shown = {ours.title: [], "Ours alone": []}
    for title, *values in lines:
        shown.get(title, []).extend(values)
    assert shown[ours.title][9] == f"{DASH} (26.96)" and shown["Ours alone"] == [*[DASH] * 9, "1.00", *[DASH] * 3]


def test_empty_predictions_are_said_under_the_table(folder):
    full(folder, ROWS)
    folder(ROWS[0], "cider", 20.0, 22.0, empty_predictions={"count": 3, "ids": ["a", "b", "c"]})
    [line] = [line for line in notes_of(table_of(folder)) if line.startswith("- System a")]
    assert "empty predictions: 6" in line  # of two seeds


def test_what_most_rows_share_is_said_once_after_those_that_differ(folder):
    rows = [*ROWS, tables.Row("c", "ed", "System c", None)]
    full(folder, rows)
    assert notes_of(table_of(folder, rows)) == ["- every row: 5,255 test samples, 1 seed, paper protocol"]
    for metric in paper_values.PAPER_COLUMNS:
        folder(rows[1], metric, 1.0, 2.0)
    assert notes_of(table_of(folder, rows)) == [
        "- System 2: 5,255 test samples, 2 seeds, paper protocol",
        "- every other row: 5,255 test samples, 1 seed, paper protocol",
    ]


def test_a_system_that_an_overlay_leaves_out_keeps_its_title_and_the_papers_row(config):
    changed = config | {"tables": config["tables"] | {"table1": {"systems": ["seek"]}}}
    row = tables.row_of(changed, "table1", "qwen1.5-7b-chat", "ed+prompt2-dk60-kcenter")
    assert row.paper_row == OURS and row.title.startswith("Synth-Empathy")


def test_a_table_of_nothing_is_refused_even_on_request(tmp_path):
    with pytest.raises(UserError, match="table3 lacks"):
        tables.read_table("table3", ROWS, tmp_path, partial=True)


def rows_of_markdown(text):
    """The cells of each line of a text's tables, headings and the rules under them included."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [list(map(str.strip, line)) for line in lines]


def test_markdown_has_one_line_a_row(folder):
    full(folder, ROWS, "table3")
    text = as_markdown(tables.read_table("table3", ROWS, folder.path, note="A note."))
    found = rows_of_markdown(text)
    assert found[0] == ["system", "B-1", "B-2", "B-3", "B-4", "R-1", "R-2", "R-L", "CIDEr"]
    assert [line[:3] for line in found[2:]] == [["System a & b", "0.00", "1.00"], ["System 2", "1000.00", "1001.00"]]
    assert text.startswith("# Table 3: ") and "\n\n> A note.\n\n|" in text
    assert "No text of the paper that we have holds its values" in text and "In brackets" not in text


def test_the_papers_value_and_the_difference_stand_beside_ours_where_they_are_known(folder):
    full(folder, ROWS)
    for metric in tables.COLUMNS["table2"]:
        folder(ROWS[0], metric, 2.0, paper=1.0)
    text = as_markdown(table_of(folder))
    values = {line[0]: line[1:] for line in reversed(rows_of_markdown(text))}
    assert values["System a & b"] == ["2.00 (1.00, +1.00)"] * 4 and values["System 2"][:2] == ["1000.00", "1001.00"]
    assert text.count("In brackets: the paper's value, then ours minus the paper's.") == 1 and DASH not in text


def test_a_wide_table_goes_on_in_others_of_the_same_rows(folder):
    long = [tables.Row("b", "ed", "x" * 57, None)]
    full(folder, long, "table1", paper=12.0)
    text = as_markdown(table_of(folder, long, "table1"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert max(map(len, lines)) <= WIDTH and {line.count("\\|") for line in lines} == {0}
    headings = [line[1:] for line in rows_of_markdown(text) if line[0] == "system"]
    assert headings == [
        ["B-1", "B-2", "B-3", "B-4"],
        ["Dist-1", "Dist-2"],
        ["R-1", "R-2", "R-L", "CIDEr"],
        ["BERT-P", "BERT-R", "BERT-F1"],
    ]
    for block in text.split("\n\n"):
        assert len({len(line) for line in block.splitlines() if line.startswith("|")}) <= 1


def test_columns_stand_side_by_side_while_there_is_room():
    widths = dict.fromkeys(("bleu1", "bleu2", "dist1", "dist2", "cider"), 7)
    assert blocks(widths, 50) == [list(widths)]
    assert blocks(widths, 40) == [["bleu1", "bleu2", "dist1", "dist2"], ["cider"]]
    assert blocks(widths, 30) == [["bleu1", "bleu2"], ["dist1", "dist2", "cider"]]
    assert blocks(widths, 10) == blocks(widths, 1) == [[metric] for metric in widths]


def test_latex_has_as_many_columns_in_each_line_and_escapes_what_latex_reads(folder):
    full(folder, ROWS, paper=1.0)
    text = as_latex(tables.read_table("table2", ROWS, folder.path, note="100 % made_up"))
    [columns] = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    lines = [line for line in text.splitlines() if line.endswith("\\\\")]
    titles = [line for line in lines if line.startswith("\\multi")]
    body = [line for line in lines if not line.startswith("\\multi")]
    assert [line.startswith("\\multicolumn{11}{l}{System ") for line in titles] == [True, True]
    assert len(body) == 7 and all(len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1 == 10 for line in body)
    assert "5,255 test samples, 1 seed, paper protocol" in text and "Under ours: the paper's values" in text
    assert "System a \\& b" in text and "100 \\% made\\_up" in text and text.count("\\midrule") == 2
    for rule in ("\\toprule", "\\bottomrule", "\\end{tabular}}", "\\end{table*}"):
        assert text.count(rule) == 1


def test_latex_has_the_papers_lines_only_where_a_value_is_known(folder):
    full(folder, ROWS)
    folder(ROWS[0], "cider", 2.0, paper=1.0)
    text = as_latex(table_of(folder))
    assert [text.count(f"\n{name} & ") for name in ("ours", "paper", "difference")] == [2, 1, 1]
    assert f"paper & {' & '.join([DASH] * 7)} & 1.00 & {DASH} & {DASH} " in text


def test_unknown_paper_rows_are_refused_and_rows_that_are_ours_alone_are_not(repository):
    path = repository / "resources/paper/table1.csv"
    with pytest.raises(UserError, match="the paper's table has no row 'SEEKER'") as caught:
        paper_values.read_row(path, "SEEKER")
    assert "SEEK; CASE; ESCM" in caught.value.hint
    assert paper_values.read_row(path, None) == paper_values.read_row(path, "b/ed+prompt2-dk1-none") == {}
    with pytest.raises(UserError, match="gone.csv does not exist"):
        paper_values.read_row(repository / "gone.csv", None)


def test_by_the_command_line(folder, config, repository, tmp_path, step):
    rows = tables.rows_of(config, "table2")
    full(folder, rows)
    table = ["--table", "table2", "--config", repository / "config.yaml", "--cells", folder.path]
    out = ["--csv", tmp_path / "t.csv", "--markdown", tmp_path / "t.md", "--latex", tmp_path / "t.tex"]
    done = step("make_table.py", *table, *out)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.md").read_text() in done.stdout
    lines = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert len(lines) == 10 * len(rows) and {line["title"] for line in lines} == {row.title for row in rows}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("run: paper", "config.yaml does not configure the rows of table2: KeyError('tables')"),
        ("tables: {table2: [1]}", "config.yaml does not configure the rows of table2: TypeError"),
        ("- a list", "config.yaml is not a mapping"),
        (None, "config.yaml does not exist"),
    ],
)
def test_a_configuration_without_the_tables_rows_is_refused(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        tables.read_rows(tmp_path / "config.yaml", "table2")
    assert reason in caught.value.problem and "results/{run}/config.yaml" in caught.value.hint
