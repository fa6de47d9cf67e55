"""Claims on results that are damaged: not tested with the reason, or refused with the file's name; never anything else."""

import json
import shutil

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from synth_empathy.claims import claims, evidence, kinds
from synth_empathy.claims.evidence import Missing, Paper, Results, Value
from synth_empathy.claims.kinds import Scale
from synth_empathy.core.errors import UserError

OURS = "qwen1.5-7b-chat/ed+prompt2-dk60-kcenter"
CELL = {
    "table": "table2", "base": "qwen1.5-7b-chat", "training_set": "ed+prompt2-dk60-kcenter", "metric": "cider", "title": "ours", "value": 26.9,
    "why_null": None, "by_seed": {"0": 26.8, "1": 27.0}, "sd": 0.1, "paper": 26.96, "difference": 0.0, "protocol": "paper", "test_samples": 5255,
    "empty_predictions": 0, "instead": None,
}  # fmt: skip
PART = {"conversations": 2, "utterances": 9, "samples": 1, "kept": 1, "content_sha256": "0" * 64}
SAMPLE = {"id": "a", "conv_id": "c", "turn": 1, "emotion": "sad", "history": ["a"], "response": "b"}
JUDGED = {
    "judge": "j",
    "criteria": {"coherence": {}, "naturalness": {}, "empathy": {}},
    "all": {"mean": 2.6, "full_share": 0.7},
}
#: Each file's path, its content, and a quantity that rests on it.
FILES = {
    f"cells/table2/{OURS}/cider.json": (CELL, f"cell {OURS} cider"),
    "judged/prompt2/before/seed0.summary.json": (JUDGED, "judged j/prompt2/before mean"),
    "synthetic/prompt2/parse_summary.json": (
        {"outputs": 5, "dialogues": 4, "made_by": {"models": ["m"]}},
        "generated prompt2 outputs",
    ),
    "ed/report.json": (dict.fromkeys(("train", "valid", "test"), PART), "ed conversations"),
}
HUMAN = "baseline,criterion,counted,win,loss,tie,total,made_up\nSEEK,all,judgements,6,3,1,10,no\n"


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


@pytest.fixture(scope="module")
def known():
    return claims.load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that has a file of each kind."""
    folder = tmp_path_factory.mktemp("run")
    for name, (document, _) in FILES.items():
        write(folder, name, json.dumps(document))
    write(folder, "figures/figure7.csv", HUMAN)
    for split in evidence.SPLITS:
        write(folder, f"ed/{split}.jsonl", json.dumps(SAMPLE) + "\n")
    return folder


def said(known, folder, quantity):
    """A quantity of a run, or the sentence instead of it."""
    try:
        return Results(folder, known.systems).value(quantity)
    except UserError as error:
        assert str(folder) in error.problem and error.hint
        return error


def test_the_run_is_whole(known, whole):
    for quantity in (*(quantity for _, quantity in FILES.values()), "human seek win", "ed labels"):
        assert isinstance(said(known, whole, quantity), Value), quantity


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[[1]]",
        "null",
        "5",
        '"a"',
        "{",
        '{"all": [], "judge": "j"}',
        '{"train": [], "valid": 5, "test": null}',
    ],
)
def test_a_damaged_file_gives_no_number(known, whole, tmp_path, name, content):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    write(folder, name, content)
    assert isinstance(said(known, folder, FILES[name][1]), UserError)
    try:
        claims.check_all(known, Results(folder, known.systems))
    except UserError as error:
        assert name in error.problem


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_a_files_place_is_no_file(known, whole, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert isinstance(said(known, folder, FILES[name][1]), Missing)
    assert evidence.digest(folder) != evidence.digest(whole)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_in_a_file_of_results_is_taken_or_told(known, whole, tmp_path_factory, data):
    name = data.draw(st.sampled_from(list(FILES)))
    document, quantity = FILES[name]
    hurt = data.draw(hostile.damaged(document))
    try:
        text = json.dumps(hurt)
    except (TypeError, ValueError):  # JSON cannot hold it
        return
    folder = tmp_path_factory.mktemp("hurt") / "run"
    write(folder, name, text)
    found = said(known, folder, quantity)
    assert not isinstance(found, Value) or abs(found.low) <= 1e16 and abs(found.high) <= 1e16
    try:
        checked = claims.check_all(known, Results(folder, known.systems))
    except UserError:
        return
    claims.as_markdown("run", None, checked)


@pytest.mark.parametrize(
    "text",
    ["baseline,criterion\nSEEK,all\n", "", HUMAN.replace(",6,", ",six,"), HUMAN.replace(",10,", ",0,"), HUMAN.replace(",10,", ",5,"),
     HUMAN.replace("6,3,1,10,no", "6"),
     HUMAN.replace("SEEK", "\udce9"), HUMAN.replace(",6,", f",{'9' * 5000},"), HUMAN.replace(",all,", f",{'a' * 200_000},")],
)  # fmt: skip
def test_damaged_judgements_of_people_give_no_number(known, tmp_path, text):
    write(tmp_path, "figures/figure7.csv", "")
    (tmp_path / "figures/figure7.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert isinstance(said(known, tmp_path, "human seek win"), UserError | Missing)


def test_conversations_without_any_sample_have_no_labels(known, whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for split in evidence.SPLITS:
        write(folder, f"ed/{split}.jsonl", "")
    assert said(known, folder, "ed labels") == Missing("ed/*.jsonl hold no samples")


@pytest.mark.parametrize("cell", ["", "2,65", "nan", ">", ">>1", "1e999", "-1"])
def test_the_papers_figures_are_numbers(known, tmp_path, cell):
    (tmp_path / "figure5.csv").write_text(
        f'stage,mean_score_of_coherence_naturalness_empathy,share_with_full_marks\nbefore selection,"{cell}",\n'
    )
    (tmp_path / "figure7.csv").write_text(f'baseline,win_pct,loss_pct,tie_pct\nSEEK,"{cell}",,\n')
    paper = Paper(tmp_path, known.systems)
    for quantity in ("judged j/prompt2/before mean", "human seek win"):
        try:
            assert paper.value(quantity) and cell == ""
        except UserError as error:
            assert "is no number" in error.problem or (cell == "-1" and "which is not from 0" in error.problem)
    assert isinstance(paper.value("human nobody win"), Missing)
    with pytest.raises(UserError, match="figure5.csv has no stage 'after selection'"):
        paper.value("judged j/prompt2/after mean")


def test_a_decline_from_nothing_is_not_known():
    class Zero:
        def value(self, quantity):
            return Value.of(0.0)

    outcome = kinds.declines_slightly({"first": "a", "last": "b", "at_most": 0.1}, Scale(Zero(), Zero(), 0.0))
    assert outcome.holds is None and "has no share" in outcome.said


# The list of claims


def changed(name, **operands):
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
        "'judged j/**x/before mean' is no quantity",
    ),
    "a name that leaves the run": (
        changed("figure5-mean-before", of="judged j/../before mean"),
        "'judged j/../before mean' is no quantity",
    ),
    "a pattern that no file system takes": (
        lambda d: d["conditions"]["generator"].update(files="x" * 5000),
        "is no pattern of files below",
    ),
    "a pattern that leaves the run": (
        lambda d: d["conditions"]["generator"].update(files="../*"),
        "conditions: generator: files: '../*' is no pattern",
    ),
    "a pattern of the whole machine": (
        lambda d: d["conditions"]["generator"].update(files="/etc/*"),
        "'/etc/*' is no pattern",
    ),
    "a pattern that pathlib refuses": (
        lambda d: d["conditions"]["generator"].update(files="a/**b"),
        "'a/**b' is no pattern",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_would_fail_later_is_refused_at_once(tmp_path, name):
    change, problem = LISTS[name]
    document = yaml.safe_load(claims.CLAIMS.read_text(encoding="utf-8"))
    change(document)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        claims.load(tmp_path / "claims.yaml")
    assert problem in caught.value.problem


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_value_anywhere_in_the_list_is_taken_or_told(whole, tmp_path_factory, data):
    document = yaml.safe_load(claims.CLAIMS.read_text(encoding="utf-8"))
    document["claims"] = document["claims"][::7]
    hurt = data.draw(hostile.damaged(document))
    path = tmp_path_factory.mktemp("list") / "claims.yaml"
    try:
        path.write_text(yaml.safe_dump(hurt), encoding="utf-8")
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):  # YAML cannot hold it
        return
    try:
        known = claims.load(path)
        claims.check_all(known, Results(whole, known.systems))
        paper = known.paper()
        verdicts = {claims.own_verdict(claim, known, paper) for claim in known.claims}
    except UserError as error:
        assert error.hint
    else:
        assert verdicts <= set(claims.OWN.values())


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
def test_a_damaged_report_is_told(tmp_path, step, report):
    (tmp_path / "claims.json").write_text(report)
    done = step("print_claims.py", "--report", tmp_path / "claims.json")
    assert done.returncode == 1 and "claims.json is no" in done.stderr and "Traceback" not in done.stderr
