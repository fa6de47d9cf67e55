"""The paper's claims: the list itself, what the paper's own numbers say, and what a run's results say."""

import copy
import csv
import itertools
import json
import re
import statistics
from functools import cache

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy import systems
from synth_empathy.claims import claim_list, claim_report, kinds, run_results, verdicts
from synth_empathy.claims.quantities import Missing, Value
from synth_empathy.claims.run_results import Results
from synth_empathy.core.errors import UserError
from synth_empathy.reporting import cells, paper_values
from synth_empathy.reporting.paper_values import PAPER_CRITERIA


@cache
def shipped():
    """The shipped list; nothing here changes it."""
    return claim_list.load()


@pytest.fixture(scope="module")
def known():
    return shipped()


@pytest.fixture(scope="module")
def paper(known):
    return known.paper()


# ---------------------------------------------------------------- the list of claims


def test_the_shipped_list_is_valid_and_every_claim_is_testable(known):
    assert len(known.claims) > 40
    for claim in known.claims:
        assert list(claim_list.instances(claim["test"], known.systems))


def test_the_systems_of_the_claims_have_names_that_results_have(known):
    for system in known.systems.values():
        assert re.fullmatch(systems.NAME, system["base"]) and re.fullmatch(
            systems.TRAINING_SET, system["training_set"]
        )


def test_the_verdict_of_the_papers_own_numbers_is_recorded_as_computed(known, paper):
    for claim in known.claims:
        assert verdicts.own_verdict(claim, known, paper) == claim["in_the_papers_own_numbers"], claim["id"]
    recorded = {claim["in_the_papers_own_numbers"] for claim in known.claims}
    assert recorded == set(verdicts.OWN.values())


def test_a_quantity_that_the_paper_bounds_is_an_interval(paper):
    share = paper.value("judged llama3-70b-instruct/prompt2/dk60-kcenter full_share")
    assert 0.95 < share.low < 0.950001 and share.high == 1
    assert paper.value("human seek loss") == Value(0.0, 34.0)
    assert paper.value("cell qwen1.5-7b-chat/ed+prompt2-dk60-kcenter cider") == Value.of(26.96)
    assert isinstance(paper.value("cell seek/authors-code cider"), Missing)


def letters(text):
    """A text without case, line breaks, markup and the spaces that a conversion from PDF leaves."""
    return re.sub(r"[\W_]+", "", text.casefold())


def test_quotations_are_the_papers(known, shared):
    text = letters((shared / "paper" / "synth-empathy.md").read_text(encoding="utf-8"))
    for claim in known.claims:
        assert letters(claim["quote"]) in text, claim["id"]


def test_the_shipped_numbers_of_the_papers_figures_are_the_given_ones(repository, shared):
    for name in ("figure5.csv", "figure7.csv"):
        ours = (repository / "resources" / "paper" / name).read_text()
        assert ours == (shared / "paper" / "tables" / name).read_text()


def test_figures_in_notes_and_reasons_follow_from_the_papers_tables(repository, known):
    table2 = paper_values.read_table(repository / "resources" / "paper" / "table2.csv")
    metrics = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge2", "rougeL", "cider")
    rows = list(table2.values())  # five rows of one series after the other, by rising threshold
    pairs = [(a, b) for start in range(0, len(rows), 5) for a, b in itertools.pairwise(rows[start : start + 5])]
    changes = sorted(abs(b[m] - a[m]) / a[m] for a, b in pairs for m in metrics)
    reason = next(claim for claim in known.claims if claim["id"] == "table1-values")["tolerance"]["reason"]
    assert f"{statistics.median(changes):.1%}".replace("%", " %") in reason
    assert f"{statistics.quantiles(changes, n=4)[2]:.1%}".replace("%", " %") in reason
    with (repository / "resources" / "paper" / "figure7.csv").open() as file:
        shares = [float(row[c]) for row in csv.DictReader(file) for c in ("win_pct", "loss_pct", "tie_pct") if row[c]]
    assert len(shares) == count_multiples(shares, 2400) == 9
    assert max(count_multiples(shares, 200), count_multiples(shares, 600)) < 9


def count_multiples(percentages, n):
    """How many percentages, given to one decimal, are a whole number of n judgements."""
    return sum(round(100 * round(x * n / 100) / n, 1) == x for x in percentages)


def broken(document, change):
    document = copy.deepcopy(document)
    change(document)
    return document


def claim_of(document, name="table1-best-cider"):
    return next(claim for claim in document["claims"] if claim["id"] == name)


FAULTS = {
    "unknown kind": (
        lambda d: claim_of(d)["test"].update(kind="best_off"),
        ["claim table1-best-cider: test: kind: there is no 'best_off'", "'best_of'"],
    ),
    "no place": (lambda d: claim_of(d).pop("place"), ["claim table1-best-cider: the key 'place' is missing"]),
    "tolerance without reason": (
        lambda d: claim_of(d)["tolerance"].pop("reason"),
        ["claim table1-best-cider: tolerance: the key 'reason' is missing"],
    ),
    "negative tolerance": (
        lambda d: claim_of(d)["tolerance"].update(value=-1),
        ["claim table1-best-cider: tolerance: value: -1 is out of range"],
    ),
    "operand missing": (
        lambda d: claim_of(d)["test"].pop("others"),
        ["claim table1-best-cider: test: the kind best_of needs 'others'"],
    ),
    "unknown operand": (
        lambda d: claim_of(d)["test"].update(othres=[]),
        ["the kind best_of has no 'othres'", "did you mean 'others'?"],
    ),
    "list missing": (
        lambda d: claim_of(d)["test"].update(others="cell seek cider"),
        ["others: the kind best_of takes a list"],
    ),
    "unknown metric": (
        lambda d: claim_of(d)["test"].update(of="cell ours ciderr"),
        ["'cell qwen1.5-7b-chat/", "ciderr' is not a quantity"],
    ),
    "unknown system": (
        lambda d: claim_of(d)["test"].update(of="cell our cider"),
        ["'cell our cider' is not a quantity"],
    ),
    "brace that nothing fills": (
        lambda d: claim_of(d)["test"].update(of="cell ours {metrik}"),
        ["a quantity has a name in braces", "metrik"],
    ),
    "peak outside": (
        lambda d: claim_of(d, "table2-peaks-at-60")["test"].update(at=62),
        ["claim table2-peaks-at-60: test: at: 62 is not in over"],
    ),
    "more parts than there are": (
        lambda d: claim_of(d)["test"].update(holds_if=2),
        ["holds_if: 2 of 1 parts cannot hold"],
    ),
    "unequal lists": (
        lambda d: claim_of(d, "ed-split")["test"].update(values=[8, 2]),
        ["claim ed-split: test: values: 2 for 3 quantities"],
    ),
    "unknown cost": (lambda d: claim_of(d).update(cost="table11"), ["cost: there is no 'table11'", "'table1'"]),
    "unknown condition": (
        lambda d: claim_of(d).update(needs=["generators"]),
        ["needs: there is no condition 'generators'", "'generator'"],
    ),
    "id twice": (lambda d: claim_of(d).update(id="ed-split"), ["claim ed-split: 2 claims have this id"]),
    "condition that asks nothing": (
        lambda d: d["conditions"]["generator"].pop("hold"),
        ["conditions: generator: the key 'hold' is missing"],
    ),
    "unknown verdict": (
        lambda d: claim_of(d).update(in_the_papers_own_numbers="maybe"),
        ["'maybe' is not one of holds, does not hold, cannot be told"],
    ),
    "no claims": (lambda d: d.update(claims=[]), ["claims: "]),
}


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(claim_list.CLAIMS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_list_with_a_fault_is_refused_with_its_sentence(tmp_path, document, name):
    change, fragments = FAULTS[name]
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(broken(document, change)), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        claim_list.load(path)
    for fragment in fragments:
        assert fragment in caught.value.problem
    assert "docs/claims.md" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"a: [", b"\xff\xfe"])
def test_a_list_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "claims.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="claims.yaml(, line [0-9]+: not YAML| does not exist)"):
        claim_list.load(path)


# ---------------------------------------------------------------- a run's results

PAPERS_GENERATOR = {"made_by": {"models": ["llama3-70b-instruct"], "seed_samples": 40250, "samples_per_seed": 5}}
WRITTEN_BY = "synthetic/prompt2/parse_summary.json"


class Run:
    """A made results folder, whose synthetic dialogues the paper's model wrote."""

    def __init__(self, folder):
        self.folder = folder
        self.write(WRITTEN_BY, PAPERS_GENERATOR)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return path

    def cell(self, system, metric, value, /, table="table2", by_seed=None, **changes):
        base, training_set = system.split("/")
        is_count = metric in cells.COUNTS
        cell = {
            "table": table, "base": base, "training_set": training_set, "metric": metric, "title": system,
            "value": value, "why_null": None, "by_seed": {"0": value} if by_seed is None else by_seed, "sd": None,
            "paper": None, "difference": None, "protocol": None if is_count else "paper",
            "test_samples": None if is_count else 5255, "empty_predictions": 0, "instead": None,
        }  # fmt: skip
        return self.write(f"cells/{table}/{system}/{metric}.json", cell | changes)

    def checked(self):
        known = shipped()
        return {claim["id"]: claim for claim in verdicts.check_all(known, Results(self.folder, known.systems))}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "results" / "mine")


@pytest.fixture
def papers_run(run, repository):
    """A run whose cells are the paper's own Table 2."""
    for system, values in paper_values.read_table(repository / "resources" / "paper" / "table2.csv").items():
        for metric, value in values.items():
            run.cell(system, metric, value)
    return run


def test_a_run_with_the_papers_numbers_has_the_verdicts_of_the_papers_numbers(papers_run, known):
    checked = papers_run.checked()
    table2 = [claim for claim in known.claims if claim["target"] in ("table2", "figure8")]
    assert len(table2) > 12
    for claim in table2:
        assert checked[claim["id"]]["verdict"] == claim["in_the_papers_own_numbers"], claim["id"]


QWEN2 = "qwen1.5-7b-chat/ed+prompt2-dk{}-kcenter"


def test_a_claim_that_the_results_refute_does_not_hold_and_says_why(papers_run):
    papers_run.cell(QWEN2.format(65), "cider", 27.5)
    claim = papers_run.checked()["table2-peaks-at-60"]
    assert claim["verdict"] == "does not hold"
    assert claim["found"] == "1 of 3 parts: qwen1.5-7b-chat/ed+prompt2: 60 against 65: 26.96 is not above 27.5"
    assert [part["holds"] for part in claim["parts"]] == ["holds", "holds", "does not hold"]
    assert papers_run.checked()["table2-qwen-prompt1-rises-and-falls"]["verdict"] == "holds"


def test_a_claim_that_known_values_refute_does_not_hold_even_if_others_are_missing(run):
    run.cell(QWEN2.format(60), "cider", 20.0)
    run.cell(QWEN2.format(70), "cider", 21.0)
    assert run.checked()["table2-peaks-at-60"]["verdict"] == "does not hold"
    assert run.checked()["table2-decline-prompt2"]["verdict"] == "does not hold"


UNTESTED = {
    "no cell": (
        {},
        lambda run, path: path.unlink(),
        "there is no cell qwen1.5-7b-chat/ed+prompt2-dk70-kcenter/cider.json",
    ),
    "empty cell": (
        {"value": None, "why_null": "it was left out", "by_seed": {}},
        None,
        "cider.json is empty: it was left out",
    ),
    "other protocol": ({"protocol": "standard"}, None, "is by the standard protocol, not by the paper's"),
    "cut test set": ({"test_samples": 24}, None, "is of 24 test samples, the paper's of 5,255"),
    "tables that disagree": (
        {},
        lambda run, path: run.cell(QWEN2.format(70), "cider", 1.0, table="table4"),
        "disagree: build both tables again",
    ),
}


@pytest.mark.parametrize("name", UNTESTED)
def test_a_value_that_tests_no_claim_leaves_it_not_tested_with_the_reason(papers_run, name):
    changes, after, reason = UNTESTED[name]
    path = papers_run.cell(QWEN2.format(70), "cider", 25.34, **changes)
    if after:
        after(papers_run, path)
    claim = papers_run.checked()["table2-decline-prompt2"]
    assert claim["verdict"] == "not tested" and reason in claim["found"]


def test_a_run_with_other_systems_tests_no_claim_on_the_papers(run):
    run.cell("smollm2-135m/ed+prompt2-dk60-kcenter", "cider", 30.0)
    claim = run.checked()["table2-peaks-at-60"]
    assert claim["verdict"] == "not tested"
    assert "this run's systems are smollm2-135m, and the claim names qwen1.5-7b-chat" in claim["found"]


CONDITIONS = {
    "another generator": (
        {"made_by": {"models": ["smollm2-135m"]}},
        'made_by: models is ["smollm2-135m"], not ["llama3-70b-instruct"]',
    ),
    "two generators": (
        {"made_by": {"models": ["llama3-70b-instruct", "smollm2-135m"]}},
        '"smollm2-135m"], not ["llama3-70b-instruct"]',
    ),
    "older counts": ({"outputs": 5}, "made_by: models is null"),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("prompt", ["prompt1", "prompt2"])
def test_a_run_made_by_other_means_tests_no_claim_that_needs_the_papers(papers_run, name, prompt):
    """The files' own record decides, not the last configuration."""
    document, fragment = CONDITIONS[name]
    papers_run.write("config.yaml", yaml.safe_dump({"generation": {"model": "llama3-70b-instruct"}}))
    papers_run.write(f"synthetic/{prompt}/parse_summary.json", document)
    claim = papers_run.checked()["table2-peaks-at-60"]
    assert claim["verdict"] == "not tested" and claim["parts"] == []
    reason = "another model than the paper's wrote this run's synthetic dialogues"
    assert claim["found"].startswith(f"{reason} (synthetic/{prompt}/parse_summary.json: ")
    assert fragment in claim["found"]


def test_a_run_without_a_record_of_what_made_it_tests_no_claim_that_needs_the_record(papers_run):
    (papers_run.folder / WRITTEN_BY).unlink()
    claim = papers_run.checked()["table2-peaks-at-60"]
    assert claim["verdict"] == "not tested" and claim["parts"] == []
    file = "synthetic/*/parse_summary.json"
    assert claim["found"] == f"there is no {file}, which would say which model wrote this run's synthetic dialogues"


def test_a_difference_within_the_variation_over_seeds_is_no_order(papers_run):
    llama = "llama3-8b-instruct/ed+prompt1-dk{}-kcenter"
    papers_run.cell(llama.format(60), "cider", 24.34, by_seed={"0": 24.0, "1": 24.68})
    papers_run.cell(llama.format(65), "cider", 24.26, by_seed={"0": 24.6, "1": 23.92})
    claim = papers_run.checked()["table2-llama-prompt1-rises-and-falls"]
    assert claim["verdict"] == "does not hold"
    limit = "more than 1.36 (2 standard errors over 2 seeds)"
    assert f"60 against 65: 24.34 is not above 24.26 by {limit}" in claim["found"]


def judged(run, stage, seed, *, mean, share, judge="llama3-70b-instruct", criteria=PAPER_CRITERIA):
    """Write a judge's summary."""
    summary = {"judge": judge, "criteria": dict.fromkeys(criteria, {}), "all": {"mean": mean, "full_share": share}}
    run.write(f"judged/prompt2/{stage}/seed{seed}.summary.json", summary)


def test_the_judges_means_are_tested_over_seeds_and_another_judges_are_not(run):
    judged(run, "before", 0, mean=2.6, share=0.7)
    for seed, mean in enumerate([2.80, 2.90]):
        judged(run, "dk60-kcenter", seed, mean=mean, share=0.96)
    checked = run.checked()
    verdicts_of_figure5 = {checked[f"figure5-{name}"]["verdict"] for name in ("improves", "mean-after", "full-marks")}
    assert verdicts_of_figure5 == {"holds"}
    judged(run, "before", 0, mean=2.95, share=0.7)
    assert run.checked()["figure5-improves"]["verdict"] == "does not hold"
    judged(run, "dk60-kcenter", 1, mean=2.9, share=0.96, judge="smollm2-135m")
    claim = run.checked()["figure5-full-marks"]
    assert claim["verdict"] == "not tested"
    assert "is by smollm2-135m, and the claim is about llama3-70b-instruct" in claim["found"]


@pytest.mark.parametrize(
    "criteria", [(*PAPER_CRITERIA, "helpfulness"), PAPER_CRITERIA[:2], (*PAPER_CRITERIA[:2], "helpfulness")]
)
def test_a_mean_over_other_criteria_is_no_test_of_the_papers(run, criteria):
    judged(run, "before", 0, mean=2.65, share=0.7, criteria=criteria)
    judged(run, "dk60-kcenter", 0, mean=2.88, share=0.96, criteria=criteria)
    checked = run.checked()
    for name in ("mean-before", "mean-after", "improves", "full-marks"):
        claim = checked[f"figure5-{name}"]
        assert claim["verdict"] == "not tested"
        assert f"is over the criteria {', '.join(criteria)}, and the paper's over" in claim["found"]
    judged(run, "before", 0, mean=2.65, share=0.7, criteria=reversed(PAPER_CRITERIA))
    assert run.checked()["figure5-mean-before"]["verdict"] == "holds"


def human(run, rows, counted="judgements", made_up="no"):
    """Write Figure 7's counts: wins, ties and losses against each baseline."""
    lines = ["baseline,criterion,counted,total,win,tie,loss,made_up"]
    for name, row in rows.items():
        counts = ",".join(map(str, row))
        lines += [f"{name},{criterion},{counted},{sum(row)},{counts},{made_up}" for criterion in ("empathy", "all")]
    run.write("figures/figure7.csv", "\n".join(lines) + "\n")


def test_the_human_test_is_read_from_its_counts(run):
    human(run, {"Qwen1.5-7B-F.T.": (744, 1181, 475), "LLaMA3-8B-F.T.": (600, 1000, 800)})
    checked = run.checked()
    assert checked["figure7-qwen"]["verdict"] == "holds" and checked["figure7-llama"]["verdict"] == "does not hold"
    assert checked["figure7-competitive"]["verdict"] == "does not hold"
    assert "25 is not above 33.3333" in checked["figure7-competitive"]["found"]
    assert "has no judgements against seek" in checked["figure7-win-rates"]["found"]
    human(run, {"Qwen1.5-7B-F.T.": (744, 1181, 475)}, counted="majority")
    assert "counts majorities" in run.checked()["figure7-qwen"]["found"]


def test_made_up_judgements_test_nothing(run):
    human(run, {"Qwen1.5-7B-F.T.": (744, 1181, 475)}, made_up="yes")
    claim = run.checked()["figure7-qwen"]
    assert claim["verdict"] == "not tested" and "made up" in claim["found"]


def test_generated_samples_are_counted(run):
    run.write("synthetic/prompt1/parse_summary.json", PAPERS_GENERATOR)
    run.write("synthetic/prompt2/samples.jsonl", "{}\n" * 250_001)
    assert run.checked()["generated-by-one-prompt"]["verdict"] == "holds"
    assert "there is no synthetic/prompt1/samples.jsonl" in run.checked()["generated-by-both-prompts"]["found"]
    run.write("synthetic/prompt1/samples.jsonl", "")
    run.write("synthetic/prompt2/samples.jsonl", "{}\n" * 250_000)
    assert run.checked()["generated-by-one-prompt"]["verdict"] == "does not hold"
    assert run.checked()["generated-by-both-prompts"]["found"] == "250,000 is not above 250,000"
    run.write(WRITTEN_BY, {"made_by": PAPERS_GENERATOR["made_by"] | {"seed_samples": 1000}})
    assert "dialogues for a part of ED's samples only" in run.checked()["generated-by-one-prompt"]["found"]


def split_of_ed(split, conversations, utterances, emotions):
    """A split's part of the report, and its samples: one for each conversation."""
    sample = {"turn": 0, "history": ["a"], "response": "b"}
    records = [
        sample | {"id": f"{split}/{i}/0", "conv_id": str(i), "emotion": emotion} for i, emotion in enumerate(emotions)
    ]
    counts = {"samples": len(records), "kept": len(records)}
    return {"conversations": conversations, "utterances": utterances} | counts, records


def ed(run, emotions):
    """ED's own counts, with other samples."""
    sizes = {"train": (19534, 84170), "valid": (2768, 12073), "test": (2546, 10969)}
    made = {split: split_of_ed(split, *sizes[split], emotions) for split in sizes}
    for split, (_, records) in made.items():
        run.write(f"ed/{split}.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    hashes = {place.split(": ")[0]: value for place, value in shipped().conditions["real-ed"]["hold"].items()}
    return {split: report | {"content_sha256": hashes[split]} for split, (report, _) in made.items()}


def test_eds_own_counts_are_tested(run):
    report = ed(run, [f"emotion{i}" for i in range(32)])
    run.write("ed/report.json", report)
    checked = run.checked()
    claims_on_ed = ["ed-conversations", "ed-turns", "ed-labels", "ed-labels-even", "ed-split"]
    found = {name: claim["verdict"] for name, claim in checked.items() if name.startswith("ed-")}
    assert found == dict.fromkeys(claims_on_ed, "holds")
    ed(run, ["joy"] * 3 + ["anger"])
    checked = run.checked()
    assert checked["ed-labels"]["verdict"] == checked["ed-labels-even"]["verdict"] == "does not hold"
    assert "3 is not at most 2" in checked["ed-labels-even"]["found"]


def test_a_part_of_ed_tests_its_size_and_not_its_labels(run):
    report = ed(run, ["joy"])
    report["train"]["samples"] = 40250
    run.write("ed/report.json", report)
    checked = run.checked()
    assert checked["ed-conversations"]["verdict"] == "holds"
    assert checked["ed-labels"]["verdict"] == "not tested"
    assert "holds a part of the split only" in checked["ed-labels"]["found"]


def test_our_own_sample_is_not_ed(run):
    report = ed(run, ["joy"])
    report["valid"]["content_sha256"] = "0"
    run.write("ed/report.json", report)
    claim = run.checked()["ed-conversations"]
    assert claim["verdict"] == "not tested"
    assert "is not ED as published (ed/report.json: valid: content_sha256 is" in claim["found"]


def test_the_digest_changes_with_every_file_that_a_claim_may_rest_on(run, tmp_path):
    """A file of each kind, added, changed and taken away; another file changes nothing."""
    (run.folder / WRITTEN_BY).unlink()
    empty = run_results.digest(run.folder)
    added = [
        run.cell(QWEN2.format(60), "cider", 26.96),
        run.write("judged/prompt2/before/seed0.summary.json", {}),
        run.write("figures/figure7.csv", "a"),
        run.write(WRITTEN_BY, {}),
        run.write("synthetic/prompt2/samples.jsonl", "{}\n" * 400_000),  # larger than what is read whole
        run.write("ed/report.json", {}),
        run.write("ed/train.jsonl", "{}\n"),
    ]
    seen = {empty}
    for path in added:
        for text in (path.read_text() + " ", path.read_text() + "  "):
            path.write_text(text)
            seen.add(run_results.digest(run.folder))
    assert len(seen) == 1 + 2 * len(added)
    before = run_results.digest(run.folder)
    run.write("logs/anything.log", "a")
    assert run_results.digest(run.folder) == before
    for path in added:
        path.unlink()
    assert run_results.digest(run.folder) == empty


@settings(max_examples=30)
@given(st.lists(st.sampled_from([True, False, None]), min_size=2, max_size=8), st.integers(1, 8))
def test_as_many_parts_as_a_claim_needs_must_hold(answers, needed):
    needed = min(needed, len(answers))
    outcomes = [kinds.Outcome(verdict, f"part {i}") for i, verdict in enumerate(answers)]
    least, most = answers.count(True), answers.count(True) + answers.count(None)
    expected = None
    if least >= needed or most < needed:
        expected = least >= needed
    assert verdicts.combined(outcomes, needed).holds is expected


# ---------------------------------------------------------------- by the command line, and as a target


def test_by_the_command_line(papers_run, step):
    done = step("check_claims.py", "--results", papers_run.folder, "--note", "A note.")
    assert done.returncode == 0, done.stderr
    text = (papers_run.folder / "claims.md").read_text()
    report = json.loads((papers_run.folder / "claims.json").read_text())
    assert text.startswith("# The paper's claims, tested on results/mine\n\n> A note.\n")
    assert sum(report["counts"].values()) == len(report["claims"]) and report["counts"]["does not hold"] == 1
    assert "- `table1`: table1-values, table1-best-bleu" in text and "91.8 GPU-hours" in text
    assert "- `results/mine/ed/report.json`: ed-conversations" in text
    assert "results/paper/ed" not in text.split("## Not tested")[1].split("Needs")[0]
    rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {7} and len(rows) == len(report["claims"]) + 2
    assert "does not hold  table2-best-threshold-in-every-metric: " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_long_verdict_is_wrapped_under_its_own_column(capsys):
    claim_report.print_verdicts([{"id": "ed-split", "verdict": "not tested", "found": "word " * 40 + "w" * 120}])
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("not tested     ed-split: word") and last.startswith("1 claims: ")
    assert all(line.startswith(" " * 15 + "w") for line in lines[1:]) and max(map(len, lines)) == 100


@pytest.mark.parametrize(
    ("flags", "status", "fragments"),
    [
        ([], 0, []),
        (
            ["--fail-on", "does-not-hold"],
            1,
            ["1 of ", "claims: does-not-hold: table2-best-threshold-in-every-metric", "What to do: "],
        ),
        (["--fail-on", "not-tested"], 1, ["ed-conversations", "What to do: "]),
        (["--fail-on", "holds"], 2, ["invalid choice"]),
    ],
)
def test_no_verdict_fails_unless_asked(papers_run, step, flags, status, fragments):
    done = step("check_claims.py", "--results", papers_run.folder, *flags)
    assert done.returncode == status
    for fragment in fragments:
        assert fragment in done.stderr
    assert (papers_run.folder / "claims.md").exists() == (status != 2)


@pytest.mark.parametrize(
    ("spoil", "fragments"),
    [
        (lambda run: ["--results", run.folder / "gone"], ["gone is not a folder", "give a run's results"]),
        (lambda run: ["--results", run.folder, "--claims", run.folder / "gone.yaml"], ["gone.yaml does not exist"]),
        (
            lambda run: (
                run.write(f"cells/table2/{QWEN2.format(60)}/cider.json", {"value": 1}) and ["--results", run.folder]
            ),
            ["cider.json is not a cell"],
        ),
        (lambda run: run.write(WRITTEN_BY, "a: [") and ["--results", run.folder], ["parse_summary.json"]),
    ],
)
def test_a_file_that_cannot_be_read_is_named(run, step, spoil, fragments):
    done = step("check_claims.py", *spoil(run))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    for fragment in (*fragments, "error: ", "What to do: "):
        assert fragment in done.stderr
    assert not (run.folder / "claims.md").exists()


def test_as_a_target_it_makes_nothing_else_and_runs_again_when_results_changed(checkout):
    """Without results no claim is tested; then there are cells; then the configuration lets a claim fail the run."""
    done = checkout.snakemake("--cores", "1", "check_claims")
    assert done.returncode == 0, done.stdout + done.stderr
    results = checkout.folder / "results" / "paper"
    report = json.loads((results / "claims.json").read_text())
    assert report["counts"] == {"holds": 0, "does not hold": 0, "not tested": len(report["claims"])}
    made = {path.relative_to(results).parts[0] for path in results.rglob("*") if path.suffix != ".sha256"}
    assert made == {"claims.md", "claims.json", "config.yaml", "logs"}
    line = "not tested     ed-conversations: there is no ed/report.json, which would say whether this run's data"
    assert line in done.stdout and f"{len(report['claims'])} claims: 0 holds" in done.stdout
    again = checkout.snakemake("-n", "check_claims")
    assert "report_claims" not in again.stdout + again.stderr

    made_run = Run(results)
    made_run.cell(QWEN2.format(60), "cider", 20.0)
    made_run.cell(QWEN2.format(70), "cider", 21.0)
    done = checkout.snakemake("--cores", "1", "check_claims")
    assert done.returncode == 0 and "params have changed" in (done.stdout + done.stderr).lower()
    assert json.loads((results / "claims.json").read_text())["counts"]["does not hold"] > 0

    (checkout.folder / "strict.yaml").write_text("claims: {fail: true}\n")
    done = checkout.snakemake("--cores", "1", "--configfile", "strict.yaml", "--", "check_claims")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "claims: does-not-hold: " in output and "Traceback" not in output
    assert "**does not hold**" in (results / "claims.md").read_text()  # the report is written in any case


def test_in_the_demo_every_claim_is_not_tested_for_its_reason(run, repository):
    run.write("ed/report.json", ed(run, ["joy"]) | {"train": {"content_sha256": "of the sample"}})
    run.write(WRITTEN_BY, {"made_by": {"models": ["smollm2-135m"], "seed_samples": 20, "samples_per_seed": 1}})
    run.cell("smollm2-135m/ed+prompt2-dk20-kcenter", "cider", 5.0, table="table1", test_samples=24)
    judged(run, "before", 0, mean=2.0, share=0.1, judge="smollm2-135m")
    human(run, {"Qwen1.5-7B-F.T.": (2, 1, 1)}, made_up="yes")
    checked = run.checked()
    assert {claim["verdict"] for claim in checked.values()} == {"not tested"}
    assert 'models is ["smollm2-135m"]' in checked["table1-best-cider"]["found"]
    assert "not ED as published" in checked["ed-split"]["found"]
    assert "nobody judged" in checked["figure7-qwen"]["found"]
