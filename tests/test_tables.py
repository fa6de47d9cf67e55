"""The paper's tables: our values, the paper's, the differences, and what is not available."""

import csv
import io
import json

import pytest

from synth_empathy import tables
from synth_empathy.errors import UserError

OURS = "synth-empathy (Qwen1.5-7B; Prompt 2; DK 60; k-center)"


@pytest.fixture(scope="module")
def paper(repository):
    return tables.read_paper_table(repository / "resources" / "paper" / "table1.csv")


def metrics_file(path, protocol="paper", samples=24, **values):
    path.write_text(json.dumps({"protocol": protocol, "samples": samples} | values))
    return path


def parsed(rows):
    return {(line["system"], line["metric"]): line for line in csv.DictReader(io.StringIO(tables.as_csv(rows)))}


def test_shipped_numbers_are_the_papers(repository, shared):
    assert (repository / "resources" / "paper" / "table1.csv").read_text() == (shared / "paper" / "tables" / "table1.csv").read_text()


def test_paper_numbers_are_those_of_the_text(paper, shared):
    text = (shared / "paper" / "synth-empathy.md").read_text(encoding="utf-8")
    assert len(paper[OURS]) == 13
    for value in paper[OURS].values():
        assert f"{value:g}" in text
    assert [values for system, values in paper.items() if system != OURS] == [{}] * 8


def test_configured_rows_are_in_the_papers_table(repository, paper):
    import yaml

    for name in ("config.yaml", "config/demo.yaml"):
        for system in yaml.safe_load((repository / name).read_text(encoding="utf-8"))["systems"].values():
            assert system["paper_row"] is None or system["paper_row"] in paper


def test_differences(tmp_path, paper):
    path = metrics_file(tmp_path / "m.json", bleu1=20.0, bleu4=5.1234, rougeL=16.88, cider=0.0)
    cells = parsed([tables.read_row("s", "A title", OURS, [path], paper)])
    shown = {metric: (line["ours"], line["paper"], line["difference"]) for (_, metric), line in cells.items()}
    assert shown["bleu1"] == ("20.00", "22.05", "-2.05")
    assert shown["bleu4"] == ("5.12", "3.77", "+1.35")
    assert shown["rougeL"] == ("16.88", "16.88", "+0.00")
    assert shown["cider"] == ("0.00", "26.96", "-26.96")
    assert shown["dist1"] == ("not available", "3.23", "not available")
    assert list(shown) == list(tables.METRICS)
    for line in cells.values():
        assert (line["title"], line["samples"], line["seeds"], line["protocol"]) == ("A title", "24", "1", "paper")


@pytest.mark.parametrize("row", [None, "SEEK"])
def test_a_number_in_no_text_is_not_available(tmp_path, paper, row):
    path = metrics_file(tmp_path / "m.json", bleu1=20.0)
    line = parsed([tables.read_row("s", "t", row, [path], paper)])["s", "bleu1"]
    assert (line["ours"], line["paper"], line["difference"]) == ("20.00", "not available", "not available")


def test_mean_over_seeds(tmp_path, paper):
    paths = [metrics_file(tmp_path / f"{i}.json", bleu1=value, dist1=1.0) for i, value in enumerate([21.0, 22.0, 26.0])]
    metrics_file(paths[2], bleu1=26.0)  # a metric that a seed lacks has no mean
    cells = parsed([tables.read_row("s", "t", OURS, paths, paper)])
    assert (cells["s", "bleu1"]["ours"], cells["s", "bleu1"]["difference"], cells["s", "bleu1"]["seeds"]) == ("23.00", "+0.95", "3")
    assert cells["s", "dist1"]["ours"] == "not available"


def test_bertscore_of_another_model_stands_under_its_name(tmp_path, paper):
    other = {"model": "all-minilm", "layer": 5, "p": 10.0, "r": 20.0, "f1": 30.0}
    paths = [metrics_file(tmp_path / "0.json", bertscore_other=other), metrics_file(tmp_path / "1.json", bertscore_other=other | {"p": 11.0})]
    row = tables.read_row("s", "t", OURS, paths, paper)
    cells = parsed([row])
    assert (cells["s", "bert_p"]["ours"], cells["s", "bert_p"]["paper"]) == ("not available", "20.50")
    shown = cells["s", "bert_p by all-minilm, layer 5"]
    assert (shown["ours"], shown["paper"], shown["difference"]) == ("10.50", "not available", "not available")
    assert "bert_f1 by all-minilm, layer 5 30.00" in tables.as_markdown("T", [row], None)


def test_bertscore_from_a_file_of_its_own_joins_its_seeds_row(tmp_path, paper):
    files = []
    for seed in (0, 1):
        files.append(metrics_file(tmp_path / f"{seed}.json", cider=20.0 + seed, responses_sha256=str(seed)))
        files.append(metrics_file(tmp_path / f"{seed}-bertscore.json", bert_f1=seed, responses_sha256=str(seed), by_sample={}))
    row = tables.read_row("s", "t", OURS, files, paper)
    assert (row.seeds, row.samples, row.ours) == (2, 24, {"cider": 20.5, "bert_f1": 0.5})
    with pytest.raises(UserError, match="the metrics of s and its BERTScore are not of the same responses"):
        tables.read_row("s", "t", OURS, [files[0], files[3]], paper)
    with pytest.raises(UserError, match="not of the same responses"):
        tables.read_row("s", "t", OURS, files[:3], paper)


@pytest.mark.parametrize("change", [{"protocol": "standard"}, {"samples": 25}])
def test_metrics_that_do_not_belong_together_are_refused(tmp_path, paper, change):
    paths = [metrics_file(tmp_path / "0.json", bleu1=1.0), metrics_file(tmp_path / "1.json", bleu1=1.0, **change)]
    with pytest.raises(UserError, match="the metrics of s differ in protocol or number of samples"):
        tables.read_row("s", "t", OURS, paths, paper)


def test_unknown_paper_row_is_refused(tmp_path, paper):
    path = metrics_file(tmp_path / "m.json", bleu1=1.0)
    with pytest.raises(UserError, match="the paper's table has no row 'SEEKER'") as caught:
        tables.read_row("s", "t", "SEEKER", [path], paper)
    assert "SEEK; CASE; ESCM" in caught.value.hint


def test_missing_files_are_named(tmp_path, paper):
    with pytest.raises(UserError, match="gone.csv does not exist"):
        tables.read_paper_table(tmp_path / "gone.csv")
    with pytest.raises(UserError, match="gone.json does not exist"):
        tables.read_row("s", "t", None, [tmp_path / "gone.json"], paper)


def test_markdown_has_three_lines_a_system(tmp_path, paper):
    rows = [tables.read_row(name, f"System {name}", OURS, [metrics_file(tmp_path / name, bleu1=23.0)], paper) for name in "ab"]
    text = tables.as_markdown("Table 1", rows, "A note.")
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert table[0] == ["system", "", *tables.METRICS.values()]
    assert [line[:3] for line in table[2:]] == [
        ["System a", "ours", "23.00"], ["", "paper", "22.05"], ["", "difference", "+0.95"],
        ["System b", "ours", "23.00"], ["", "paper", "22.05"], ["", "difference", "+0.95"],
    ]  # fmt: skip
    assert text.startswith("# Table 1\n\n> A note.\n\n|")
    assert "- System b: 24 test samples, 1 seed, paper protocol" in text
    assert "\n> " not in tables.as_markdown("Table 1", rows, None)


def test_by_the_command_line(tmp_path, repository, step):
    metrics = [metrics_file(tmp_path / f"{i}.json", bleu1=value) for i, value in enumerate([22.0, 23.0])]
    flags = ["--title", "T", "--paper", repository / "resources" / "paper" / "table1.csv", "--system", "s", "Ours, ours", OURS, *metrics]
    flags += ["--system", "z", "Zero", "none", metrics[0], "--csv", tmp_path / "t.csv", "--markdown", tmp_path / "t.md"]
    done = step("make_table.py", *flags)
    assert done.returncode == 0, done.stderr
    lines = {(line["system"], line["metric"]): line for line in csv.DictReader((tmp_path / "t.csv").open())}
    assert (lines["s", "bleu1"]["title"], lines["s", "bleu1"]["ours"], lines["s", "bleu1"]["difference"]) == ("Ours, ours", "22.50", "+0.45")
    assert (lines["z", "bleu1"]["ours"], lines["z", "bleu1"]["paper"]) == ("22.00", "not available")
    assert (tmp_path / "t.md").read_text() in done.stdout
