"""Cells: one value of a table, its seeds, the paper's value, and what is missing or does not agree."""

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import write_json
from synth_empathy.reporting import cells

PLACE = {"table": "table2", "base": "b", "training_set": "ed+prompt2-dk60-kcenter"}
PLACE |= {"metric": "cider", "title": "A title"}


def document(**values):
    return {"protocol": "paper", "samples": 24} | values


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=6), st.none() | st.floats(-100, 100))
def test_a_cell_has_the_seeds_mean_their_deviation_and_the_difference_to_the_paper(values, paper):
    documents = {str(seed): document(cider=value) for seed, value in enumerate(values)}
    cell = cells.make_cell(PLACE, documents, paper, None)
    assert cell.value == pytest.approx(statistics.fmean(values)) and list(cell.by_seed.values()) == values
    assert cell.sd == (pytest.approx(statistics.stdev(values)) if len(values) > 1 else None)
    assert cell.paper == paper and cell.difference == (None if paper is None else pytest.approx(cell.value - paper))
    assert (cell.protocol, cell.test_samples, cell.why_null, cell.instead) == ("paper", 24, None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": "12"}, "value is str"),
        ({"value": True}, "value is bool"),
        ({"value": 10**400}, "value is 1000"),
        ({"value": None}, "neither a value nor a reason"),
        ({"title": 3}, "title is int, not str"),
        ({"by_seed": []}, "by_seed is list"),
        ({"by_seed": {"0": "x"}}, "other than numbers"),
        ({"by_seed": {"0": 1e300}}, "other than numbers"),
        ({"why_null": ["x"]}, "why_null is list"),
        ({"instead": {"model": "m"}}, "instead needs model, layer, value"),
        ({"test_samples": 1.5}, "test_samples is float"),
        ({"empty_predictions": None}, "empty_predictions is NoneType"),
    ],
)
def test_a_cell_with_a_value_of_another_type_is_refused_by_its_field(tmp_path, change, reason):
    cell = cells.make_cell(PLACE, {"0": document(cider=1.0)}, None, None)
    (tmp_path / "cell.json").write_text(json.dumps(vars(cell) | change))
    with pytest.raises(UserError, match=reason):
        cells.read_cell(tmp_path / "cell.json")
    cells.write_cell(tmp_path / "cell.json", cell)
    assert cells.read_cell(tmp_path / "cell.json") == cell


def test_counts_have_neither_protocol_nor_test_samples():
    counts = {"samples_quality": 7, "samples_selected": 6}
    cell = cells.make_cell(PLACE | {"metric": "samples_quality"}, {"0": counts}, 10, None)
    assert (cell.value, cell.difference, cell.protocol, cell.test_samples) == (7, -3, None, None)


def test_bertscore_of_another_model_is_not_the_papers_and_stands_beside_it():
    def other(f1, layer=5):
        return document(bertscore_other={"model": "all-minilm", "layer": layer, "p": 1.0, "r": 2.0, "f1": f1})

    place = PLACE | {"metric": "bert_f1"}
    cell = cells.make_cell(place, {"0": other(10.0), "1": other(20.0)}, 19.4, None)
    assert cell.value is None and cell.difference is None and cell.paper == 19.4 and "not the paper's" in cell.why_null
    assert cell.instead == {"model": "all-minilm", "layer": 5, "value": 15.0}
    assert cells.make_cell(place, {"0": other(10.0), "1": other(20.0, layer=6)}, 19.4, None).instead is None
    assert cells.make_cell(place, {"0": document(bert_f1=12.0)}, 19.4, None).value == 12.0


def test_what_is_left_out_says_why():
    cell = cells.make_cell(PLACE | {"metric": "bert_p"}, {}, 20.5, "the configuration leaves BERTScore out")
    assert (cell.value, cell.paper, cell.why_null) == (None, 20.5, "the configuration leaves BERTScore out")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (document(cider=1.0, samples=25), "b/ed+prompt2-dk60-kcenter differ in samples between seeds"),
        (document(cider=1.0, protocol="standard"), "differ in protocol between seeds"),
        (document(bleu1=1.0), "b/ed+prompt2-dk60-kcenter, seed 1, have no 'cider'"),
    ],
)
def test_documents_that_do_not_belong_together_are_refused(second, message):
    with pytest.raises(UserError) as caught:
        cells.make_cell(PLACE, {"0": document(cider=1.0), "1": second}, None, None)
    assert message in str(caught.value)


def test_a_cells_file_is_read_as_it_was_written_and_nothing_else_is(tmp_path):
    cell = cells.make_cell(PLACE, {"0": document(cider=1.5)}, 2.0, None)
    cells.write_cell(tmp_path / "cider.json", cell)
    assert cells.read_cell(tmp_path / "cider.json") == cell
    broken = json.loads((tmp_path / "cider.json").read_text())
    del broken["sd"]
    write_json(tmp_path / "cider.json", broken)
    with pytest.raises(UserError, match="is not a cell"):
        cells.read_cell(tmp_path / "cider.json")
    with pytest.raises(UserError, match="gone.json does not exist"):
        cells.read_cell(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([document()], "not a JSON object"),
        (document(cider={"a": 1.0}), "cider is dict, not float"),
        (document(cider=10**400), "cider is 1000"),
        (document(protocol={}), "protocol is dict"),
        (document(samples=[24]), "samples is list"),
        (document(samples=-1), "samples is -1"),
        (document(samples_quality=0.5), "samples_quality is float"),
        (document(empty_predictions=[]), "empty_predictions is list"),
        (document(empty_predictions={}), "empty_predictions has no count"),
        (document(empty_predictions={"count": "1"}), "count is str"),
        (document(bertscore_other=[]), "bertscore_other is list"),
        (document(bertscore_other={"model": "m"}), "bertscore_other has no layer"),
    ],
)
def test_a_metrics_file_with_a_value_of_another_kind_is_refused_by_its_field(tmp_path, content, reason):
    (tmp_path / "0.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"0.json is not a metrics file: .*{reason}"):
        cells.read_document(tmp_path / "0.json")


def test_by_the_command_line(tmp_path, repository, step):
    for seed, value in enumerate([20.0, 22.0]):
        (tmp_path / f"{seed}.json").write_text(json.dumps(document(cider=value, bleu1=3.0)))
    row = "qwen1.5-7b-chat/ed+prompt1-dk60-kcenter"
    base, training_set = row.split("/")
    flags = ["--table", "table2", "--base", base, "--training-set", training_set, "--title", "Q, it is"]
    flags += ["--paper", repository / "resources/paper/table2.csv", "--paper-row", row, "--output", tmp_path / "c"]
    seeds = ["--seed", 0, tmp_path / "0.json", "--seed", 1, tmp_path / "1.json"]
    done = step("make_cells.py", *flags, "--metrics", "cider", "bleu1", *seeds)
    assert done.returncode == 0, done.stderr
    cell = cells.read_cell(tmp_path / "c/cider.json")
    assert (cell.value, cell.paper, cell.title) == (21.0, 25.07, "Q, it is")
    assert cell.difference == pytest.approx(-4.07)
    assert cells.read_cell(tmp_path / "c/bleu1.json").paper == 22.48
    assert step("make_cells.py", *flags, "--metrics", "cider").returncode == 2


def test_samples_are_counted_after_both_selections(tmp_path, step):
    for name, count in (("passed", 5), ("selected", 4)):
        rows = [{"id": f"s{n}", "history": ["a"], "response": "b"} for n in range(count)]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = [
        "--passed",
        tmp_path / "passed",
        "--selected",
        tmp_path / "selected",
        "--output",
        tmp_path / "counts.json",
    ]
    done = step("count_samples.py", *paths)
    assert done.returncode == 0, done.stderr
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts == {"samples_quality": 5, "samples_selected": 4}
