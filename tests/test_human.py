"""Human judgements: counted as by hand, refused where they cannot be meant; what the paper's percentages can count."""

import csv
import io
import json
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core import records
from synth_empathy.core.errors import UserError
from synth_empathy.evaluation import human
from synth_empathy.reporting import paper_values

VERDICT = st.sampled_from(human.VERDICTS)


def judgement(example="e0", baseline="SEEK", criterion="coherence", evaluator="v0", verdict="win", **rest):
    place = {"example": example, "baseline": baseline, "criterion": criterion, "evaluator": evaluator}
    return place | {"verdict": verdict} | rest


def whole(baseline="SEEK", examples=2, evaluators=3, verdict="win"):
    """Every judgement of a design."""
    return [
        judgement(f"e{e}", baseline, criterion, f"v{v}", verdict=verdict)
        for e, criterion, v in product(range(examples), human.CRITERIA, range(evaluators))
    ]


def written(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@given(st.data(), st.integers(1, 4), st.integers(1, 4))
def test_counts_are_those_by_hand_and_shares_sum_to_100(data, examples, evaluators):
    records = [record | {"verdict": data.draw(VERDICT)} for record in whole(examples=examples, evaluators=evaluators)]
    records = data.draw(st.permutations(records))
    single, most = (human.results(records, ["SEEK"], count)[0] for count in human.COUNTS)
    for criterion in (*human.CRITERIA, human.ALL):
        judged = [record for record in records if criterion in (record["criterion"], human.ALL)]
        assert single.counts[criterion] == Counter(record["verdict"] for record in judged)
        votes = Counter()
        for panel in {(record["example"], record["criterion"]) for record in judged}:
            verdicts = [r["verdict"] for r in judged if (r["example"], r["criterion"]) == panel]
            numbers = list(map(verdicts.count, human.VERDICTS))
            first = human.VERDICTS[numbers.index(max(numbers))]
            votes["tie" if numbers.count(max(numbers)) > 1 else first] += 1
        assert most.counts[criterion] == votes
        for result in (single, most):
            assert sum(result.shares(criterion).values()) == pytest.approx(100)
    assert (single.counts[human.ALL].total(), most.counts[human.ALL].total()) == (
        4 * examples * evaluators,
        4 * examples,
    )
    assert (single.examples, single.evaluators) == (examples, evaluators)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ("win", "win"),
        ("win loss", "tie"),
        ("win win loss", "win"),
        ("win tie loss", "tie"),
        ("loss loss tie", "loss"),
        ("tie tie win", "tie"),
    ],
)
def test_a_majority_is_the_verdict_of_the_most_or_a_tie(verdicts, expected):
    assert human.majority(verdicts.split()) == expected


BAD = {
    "unknown verdict": (
        [judgement(), judgement(evaluator="v1", verdict="lose")],
        ["line 2: there is no verdict 'lose'", "did you mean 'loss'?"],
    ),
    "verdict in capitals": ([judgement(verdict="Win")], ["line 1: there is no verdict 'Win'"]),
    "unknown criterion": ([judgement(criterion="fluency")], ["there is no criterion 'fluency'", "informativeness"]),
    "unknown baseline": ([judgement(), judgement(baseline="seek")], ["line 2: there is no baseline 'seek'"]),
    "duplicate": (
        [judgement(), judgement(evaluator="v1"), judgement(verdict="loss")],
        ["line 3: this evaluator judged this example", "line 1 already"],
    ),
    "no judgement for a baseline": (whole(), ["has no judgement against CASE", "human: baselines"]),
    "empty file": ([], ["has no judgement against SEEK, CASE"]),
    "missing field": ([{"example": "e0"}], ["line 1: the field 'baseline' is missing"]),
    "number for a name": ([judgement(evaluator=3)], ["line 1: the field 'evaluator' is int, not str"]),
    "made up in words": ([judgement(made_up="yes")], ["line 1: the field 'made_up' is neither true nor false"]),
}


@pytest.mark.parametrize("name", BAD)
def test_judgements_that_cannot_be_meant_are_refused(tmp_path, name):
    records, fragments = BAD[name]
    with pytest.raises(UserError) as caught:
        human.read_judgements(written(tmp_path / "j.jsonl", records), ["SEEK", "CASE"])
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_examples_are_test_samples_unless_the_judgement_is_made_up(tmp_path):
    records = [judgement("e0"), judgement("e9", made_up=True), judgement("e1")]
    path = written(tmp_path / "j.jsonl", records)
    assert (
        human.read_judgements(path, ["SEEK"], {"e0", "e1", "e2"}) == human.read_judgements(path, ["SEEK"]) == records
    )
    for made_up in ({"made_up": False}, {}):
        path = written(tmp_path / "j.jsonl", [*records, judgement("e8", **made_up)])
        with pytest.raises(UserError, match="line 4: the example 'e8' is none of this run's 3 test samples") as caught:
            human.read_judgements(path, ["SEEK"], {"e0", "e1", "e2"})
        assert "test.jsonl of the data set" in caught.value.hint


def test_test_ids_are_a_list_of_names(tmp_path):
    path = tmp_path / "ids.json"
    path.write_text(json.dumps(["e0", "e1"]))
    assert records.read_test_ids(path) == ["e0", "e1"]
    for content in ({"e0": 1}, [1, 2], [["e0"], "e1"], ["e0", "e1", "e0"], [], "e0", None):
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match="is not a list of test samples' ids"):
            records.read_test_ids(path)
    with pytest.raises(UserError, match="does not exist"):
        records.read_test_ids(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (whole()[:-1], "against SEEK, e1 has 2 of 3 judgements of continuity .1 such cases."),
        (
            [r for r in whole() if (r["example"], r["criterion"]) != ("e1", "empathy")],
            "e1 has 0 of 3 judgements of empathy",
        ),
        ([*whole(), judgement("e0", evaluator="v9")], "e0 has 3 of 4 judgements of empathy .7 such cases."),
        (
            [r for r in whole() if r["criterion"] != "coherence"],
            "e0 has 0 of 3 judgements of coherence .2 such cases.",
        ),
    ],
)
def test_examples_that_would_not_weigh_alike_are_refused(records, message):
    for count in human.COUNTS:
        with pytest.raises(UserError, match=message):
            human.results(records, ["SEEK"], count)


def test_baselines_may_differ_in_examples_and_evaluators(tmp_path):
    path = written(tmp_path / "j.jsonl", whole() + whole("CASE", 5, 1, "tie"))
    results = human.results(human.read_judgements(path, ["CASE", "SEEK"]), ["CASE", "SEEK"], "judgements")
    assert [(r.baseline, r.examples, r.evaluators, r.shares()) for r in results] == [
        ("CASE", 5, 1, {"win": 0, "tie": 100, "loss": 0}), ("SEEK", 2, 3, {"win": 100, "tie": 0, "loss": 0}),
    ]  # fmt: skip


def test_the_table_has_each_criterion_and_the_papers_numbers_for_all_of_them():
    results = human.results(whole(examples=1, verdict="loss"), ["SEEK"], "judgements")
    lines = list(csv.DictReader(io.StringIO(human.as_csv(results, "judgements", {"SEEK": {"win": 66.0}}))))
    assert [line["criterion"] for line in lines] == [*human.CRITERIA, "all"]
    assert [(line["total"], line["loss"], line["loss_pct"], line["win_pct"]) for line in lines] == [
        ("3", "3", "100.00", "0.00")
    ] * 4 + [("12", "12", "100.00", "0.00")]
    assert [line["paper_win_pct"] for line in lines] == ["not available"] * 4 + ["66.0"]
    assert {line["paper_tie_pct"] for line in lines} == {"not available"}
    assert [line["difference_win_pct"] for line in lines] == ["not available"] * 4 + ["-66.00"]
    assert {line["difference_loss_pct"] for line in lines} == {"not available"}


def test_the_tables_last_column_says_of_which_baselines_judgements_are_made_up():
    records = [*whole(), *whole("CASE", examples=1), *whole("ESCM", examples=1)]
    records[-1]["made_up"], records[0]["made_up"] = True, False
    text = human.as_csv(human.results(records, ["SEEK", "CASE", "ESCM"], "majority"), "majority", {})
    assert text.splitlines()[0].endswith(",examples,evaluators,made_up,note")
    lines = [(line["baseline"], line["made_up"]) for line in csv.DictReader(io.StringIO(text))]
    assert lines == [("SEEK", "no")] * 5 + [("CASE", "no")] * 5 + [("ESCM", "yes")] * 5


def test_the_shipped_judgements_say_that_they_are_made_up(repository):
    baselines = ["SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T."]
    records = human.read_judgements(repository / "resources/sample/made-up-judgements.jsonl", baselines)
    assert all(record["made_up"] is True for record in records)
    assert human.made_up(records[:1]) and not human.made_up([judgement(), judgement(made_up=False)])
    assert [(r.examples, r.evaluators) for r in human.results(records, baselines, "judgements")] == [(4, 3)] * 5


def tenth(count, total):
    """A percentage rounded to one decimal."""
    return float((Decimal(100 * count) / total).quantize(Decimal("0.1"), ROUND_HALF_UP))


def fits(shares, total):
    """Whether counts of a total can give all of a baseline's printed percentages, each rounded by itself."""
    wins = counts_of(shares["win"], total)
    if len(shares) == 1:
        return bool(wins)
    pairs = product(wins, counts_of(shares["loss"], total))
    return any(tenth(total - win - loss, total) == shares["tie"] for win, loss in pairs)


def counts_of(percentage, total):
    """The counts of a total that a printed percentage can stand for."""
    return [count for count in range(total + 1) if tenth(count, total) == percentage]


def test_only_single_judgements_can_give_all_of_the_papers_percentages(repository):
    """3 evaluators x 4 criteria x 200 examples: what docs/human-evaluation.md gives as the reason for the default."""
    paper = paper_values.read_figure7(repository / "resources/paper/figure7.csv")

    def unfit(total):
        return [name for name, shares in paper.items() if not fits(shares, total)]

    assert unfit(200) == ["CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T."]
    assert unfit(600) == ["ESCM", "LLaMA3-8B-F.T."]
    assert unfit(800) == ["Qwen1.5-7B-F.T."]
    assert unfit(2400) == []
    for shares in paper.values():
        assert all(counts_of(value, 800) for verdict, value in shares.items() if verdict != "tie")
