"""Claims on damaged results: not tested, with the reason, or refused, with the file's name; never anything else."""

import json
import shutil

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from synth_empathy.claims import claim_list, claim_report, kinds, run_results, verdicts
from synth_empathy.claims.kinds import Scale
from synth_empathy.claims.paper_numbers import Paper
from synth_empathy.claims.quantities import Missing, Value
from synth_empathy.claims.run_results import Results
from synth_empathy.core.errors import UserError

OURS = "qwen1.5-7b-chat/ed+prompt2-dk60-kcenter"
CELL = {
    "table": "table2", "base": "qwen1.5-7b-chat", "training_set": "ed+prompt2-dk60-kcenter", "metric": "cider",
    "title": "ours", "value": 26.9, "why_null": None, "by_seed": {"0": 26.8, "1": 27.0}, "sd": 0.1, "paper": 26.96,
    "difference": 0.0, "protocol": "paper", "test_samples": 5255, "empty_predictions": 0, "instead": None,
}  # fmt: skip
PART = {"conversations": 2, "utterances": 9, "samples": 1, "kept": 1, "content_sha256": "0" * 64}
SAMPLE = {"id": "a", "conv_id": "c", "turn": 1, "emotion": "sad", "history": ["a"], "response": "b"}
JUDGED = {
    "judge": "j",
    "criteria": {"coherence": {}, "naturalness": {}, "empathy": {}},
    "all": {"mean": 2.6, "full_share": 0.7},
}
PARSED = {"outputs": 5, "dialogues": 4, "made_by": {"models": ["m"]}}
#: Each file's path, its content, and a quantity that depends on it.
FILES = {
    f"cells/table2/{OURS}/cider.json": (CELL, f"cell {OURS} cider"),
    "judged/prompt2/before/seed0.summary.json": (JUDGED, "judged j/prompt2/before mean"),
    "synthetic/prompt2/parse_summary.json": (PARSED, "generated prompt2 outputs"),
    "ed/report.json": (dict.fromkeys(("train", "valid", "test"), PART), "ed conversations"),
}
HUMAN = "baseline,criterion,counted,win,loss,tie,total,made_up\nSEEK,all,judgements,6,3,1,10,no\n"


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


@pytest.fixture(scope="module")
def known():
    return claim_list.load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that has a file of each kind."""
    folder = tmp_path_factory.mktemp("run")
    for name, (document, _) in FILES.items():
        write(folder, name, json.dumps(document))
    write(folder, "figures/figure7.csv", HUMAN)
    for split in run_results.SPLITS:
        write(folder, f"ed/{split}.jsonl", json.dumps(SAMPLE) + "\n")
    return folder


def value_or_error(known, folder, quantity):
    """A quantity of a run, or the error that names the damaged file."""
    try:
        return Results(folder, known.systems).value(quantity)
    except UserError as error:
        assert str(folder) in error.problem and error.hint
        return error


def test_the_run_is_whole(known, whole):
    for quantity in (*(quantity for _, quantity in FILES.values()), "human seek win", "ed labels"):
        assert isinstance(value_or_error(known, whole, quantity), Value), quantity


DAMAGED_JSON = [
    "", "{}", "[]", "[[1]]", "null", "5", '"a"', "{", '{"all": [], "judge": "j"}',
    '{"train": [], "valid": 5, "test": null}',
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", DAMAGED_JSON)
def test_a_damaged_file_gives_no_number(known, whole, tmp_path, name, content):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    write(folder, name, content)
    assert isinstance(value_or_error(known, folder, FILES[name][1]), UserError)
    try:
        verdicts.check_all(known, Results(folder, known.systems))
    except UserError as error:
        assert name in error.problem


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_a_missing_file(known, whole, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert isinstance(value_or_error(known, folder, FILES[name][1]), Missing)
    assert run_results.digest(folder) != run_results.digest(whole)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_in_a_results_file_is_taken_or_refused_with_an_error(known, whole, tmp_path_factory, data):
    name = data.draw(st.sampled_from(list(FILES)))
    document, quantity = FILES[name]
    changed_document = data.draw(hostile.damaged(document))
    try:
        text = json.dumps(changed_document)
    except (TypeError, ValueError):  # JSON cannot hold it
        return
    folder = tmp_path_factory.mktemp("damaged") / "run"
    write(folder, name, text)
    value = value_or_error(known, folder, quantity)
    assert not isinstance(value, Value) or abs(value.low) <= 1e16 and abs(value.high) <= 1e16
    try:
        checked = verdicts.check_all(known, Results(folder, known.systems))
    except UserError:
        return
    claim_report.as_markdown("run", None, checked)


DAMAGED_HUMAN = [
    "",
    "baseline,criterion\nSEEK,all\n",
    HUMAN.replace(",6,", ",six,"),
    HUMAN.replace(",10,", ",0,"),
    HUMAN.replace(",10,", ",5,"),
    HUMAN.replace("6,3,1,10,no", "6"),
    HUMAN.replace("SEEK", "\udce9"),
    HUMAN.replace(",6,", f",{'9' * 5000},"),
    HUMAN.replace(",all,", f",{'a' * 200_000},"),
]


@pytest.mark.parametrize("text", DAMAGED_HUMAN)
def test_damaged_human_judgements_give_no_number(known, tmp_path, text):
    write(tmp_path, "figures/figure7.csv", "")
    (tmp_path / "figures/figure7.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert isinstance(value_or_error(known, tmp_path, "human seek win"), UserError | Missing)


def test_conversations_without_any_sample_have_no_labels(known, whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for split in run_results.SPLITS:
        write(folder, f"ed/{split}.jsonl", "")
    assert value_or_error(known, folder, "ed labels") == Missing("ed/*.jsonl hold no samples")


@pytest.mark.parametrize("cell", ["", "2,65", "nan", ">", ">>1", "1e999", "-1"])
def test_the_values_of_the_papers_figures_are_numbers(known, tmp_path, cell):
    (tmp_path / "figure5.csv").write_text(
        f'stage,mean_score_of_coherence_naturalness_empathy,share_with_full_marks\nbefore selection,"{cell}",\n'
    )
    (tmp_path / "figure7.csv").write_text(f'baseline,win_pct,loss_pct,tie_pct\nSEEK,"{cell}",,\n')
    paper = Paper(tmp_path, known.systems)
    for quantity in ("judged j/prompt2/before mean", "human seek win"):
        try:
            assert paper.value(quantity) and cell == ""
        except UserError as error:
            assert "is not a number" in error.problem or (cell == "-1" and "which is not from 0" in error.problem)
    assert isinstance(paper.value("human nobody win"), Missing)
    with pytest.raises(UserError, match="figure5.csv has no stage 'after selection'"):
        paper.value("judged j/prompt2/after mean")


def test_a_decline_from_zero_is_unknown():
    class Zero:
        def value(self, quantity):
            return Value.of(0.0)

    outcome = kinds.declines_slightly({"first": "a", "last": "b", "at_most": 0.1}, Scale(Zero(), Zero(), 0.0))
    assert outcome.holds is None and "has no share" in outcome.finding


# The list of claims


def changed(name, **operands):
    """A change of a list of claims: other operands for the test of one claim."""

    def change(document):
        next(claim for claim in document["claims"] if claim["id"] == name)["test"].update(operands)

    return change


LISTS = {
    "a number for a series": (
        changed("table2-peaks-at-60", over=5),
        "claim table2-peaks-at-60: test: over: 5 is of the wrong type",
    ),
    "a text for a value": (changed("ed-split", values="8"), "claim ed-split: test: values: '8' is of the wrong type"),
    "a number for a quantity": (
        changed("table1-best-cider", of=5),
        "claim table1-best-cider: test: of: 5 is of the wrong type",
    ),
    "an attribute in braces": (
        changed("table1-best-cider", of="cell ours {x.__class__}"),
        "a name in braces that neither each nor over gives: 'x.__class__'",
    ),
    "a conversion in braces": (
        changed("table1-best-cider", of="cell ours {x!r}"),
        "a name in braces that neither each nor over gives: 'x'",
    ),
    "a width in braces": (
        changed("table1-best-cider", of="cell ours {x:>9999999999}"),
        "a name in braces that neither each nor over gives: 'x'",
    ),
    "braces that do not pair": (
        changed("table1-best-cider", of="cell ours {x"),
        "a quantity has braces that do not pair",
    ),
    "more parts than anybody reads": (
        changed("table1-best-cider", each={n: list(range(30)) for n in ("metric", "a", "b")}),
        "it makes 27000 parts",
    ),
    "shares of nothing": (
        changed("ed-split", values=[0, 0, 0]),
        "claim ed-split: test: values: shares need a sum above 0",
    ),
    "a name that glob takes for many": (
        changed("figure5-mean-before", of="judged j/**x/before mean"),
        "'judged j/**x/before mean' is not a quantity",
    ),
    "a name that leaves the run": (
        changed("figure5-mean-before", of="judged j/../before mean"),
        "'judged j/../before mean' is not a quantity",
    ),
    "a pattern that no file system takes": (
        lambda d: d["conditions"]["generator"].update(files="x" * 5000),
        "is not a pattern of files below",
    ),
    "a pattern that leaves the run": (
        lambda d: d["conditions"]["generator"].update(files="../*"),
        "conditions: generator: files: '../*' is not a pattern",
    ),
    "a pattern of the whole machine": (
        lambda d: d["conditions"]["generator"].update(files="/etc/*"),
        "'/etc/*' is not a pattern",
    ),
    "a pattern that pathlib refuses": (
        lambda d: d["conditions"]["generator"].update(files="a/**b"),
        "'a/**b' is not a pattern",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_would_fail_later_is_refused_when_it_is_read(tmp_path, name):
    change, problem = LISTS[name]
    document = yaml.safe_load(claim_list.CLAIMS.read_text(encoding="utf-8"))
    change(document)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        claim_list.load(tmp_path / "claims.yaml")
    assert problem in caught.value.problem


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_value_anywhere_in_the_list_is_taken_or_refused_with_an_error(whole, tmp_path_factory, data):
    document = yaml.safe_load(claim_list.CLAIMS.read_text(encoding="utf-8"))
    document["claims"] = document["claims"][::7]
    changed_document = data.draw(hostile.damaged(document))
    path = tmp_path_factory.mktemp("list") / "claims.yaml"
    try:
        path.write_text(yaml.safe_dump(changed_document), encoding="utf-8")
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):  # YAML cannot hold it
        return
    try:
        known = claim_list.load(path)
        verdicts.check_all(known, Results(whole, known.systems))
        paper = known.paper()
        own = {verdicts.own_verdict(claim, known, paper) for claim in known.claims}
    except UserError as error:
        assert error.hint
    else:
        assert own <= set(verdicts.OWN.values())


@pytest.mark.parametrize(
    "report",
    [
        "",
        "[]",
        "{}",
        '{"claims": {}}',
        '{"claims": [1]}',
        '{"claims": [{"id": "a", "verdict": "holds"}]}',
        '{"claims": [{"id": "a", "verdict": [], "found": "b"}]}',
    ],
)
def test_a_damaged_report_is_refused(tmp_path, step, report):
    (tmp_path / "claims.json").write_text(report)
    done = step("print_claims.py", "--report", tmp_path / "claims.json")
    assert done.returncode == 1 and "claims.json is no" in done.stderr and "Traceback" not in done.stderr
