"""Paired bootstrap resampling against sacreBLEU's own and against metrics computed anew on the drawn texts."""

import csv
import hashlib
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_scores import protocol_scores
from references import plain_cider
from synth_empathy.core.errors import UserError
from synth_empathy.evaluation import bootstrap, metrics
from synth_empathy.evaluation.bootstrap import Output
from synth_empathy.evaluation.metrics import bleu
from synth_empathy.reporting import comparison_table

WORDS = "i you am so sorry happy that is bad what happened to him".split()
TEXT = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
#: Rows of two systems' predictions and the reference.
CORPUS = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=2, max_size=8)
OVERLAP = ["bleu1", "bleu2", "bleu3", "bleu4", "dist1", "dist2", "rouge1", "rouge2", "rougeL", "cider"]


def output(predictions, references, bertscore=None, name="responses.jsonl"):
    texts = {"predictions": list(predictions), "references": list(references)}
    return Output(path=name, ids=list(range(len(predictions))), **texts, bertscore=bertscore or {})


def made_up(rows, seed):
    """Rows of (better, worse, reference): predictions that keep some words of the reference."""
    random = np.random.default_rng(seed)

    def text(length):
        return [WORDS[place] for place in random.integers(len(WORDS), size=length)]

    def like(words, kept):
        return " ".join(word if random.random() < kept else text(1)[0] for word in words)

    references = [text(random.integers(5, 15)) for _ in range(rows)]
    return [(like(words, 0.65), like(words, 0.6), " ".join(words)) for words in references]


def drawn_values(scorer_list, counts):
    """The scores of one output's draws."""
    return bootstrap.scores_of_output(scorer_list, counts)


def compare(system, baseline, references, *, protocol="paper", draws=100, seed=0):
    """The comparison of two systems' predictions, one seed each."""
    sides = [output(system, references)], [output(baseline, references)]
    return bootstrap.compare(*sides, protocol=protocol, draws=draws, seed=seed)


# Against metrics computed anew


@settings(max_examples=15, deadline=None)
@given(CORPUS, st.integers(0, 9), st.sampled_from(metrics.PROTOCOLS))
def test_every_draws_scores_are_those_of_the_drawn_texts(rows, seed, protocol):
    predictions, _, references = zip(*rows)
    bert = np.random.default_rng(seed).normal(size=len(rows))
    [counts] = bootstrap.drawn(len(rows), 4, seed)
    found = drawn_values(bootstrap.scorers(protocol, output(predictions, references, {"bert_f1": bert})), counts)
    assert list(found) == [*OVERLAP, "bert_f1"]
    words = [text.split() for text in references]
    for draw, times in enumerate(counts.astype(int)):
        chosen = np.repeat(np.arange(len(rows)), times)
        assert len(chosen) == len(rows)
        texts = [predictions[row] for row in chosen], [references[row] for row in chosen]
        anew = protocol_scores(protocol, *texts)
        anew["bert_f1"] = bert[chosen].mean()
        tokens = ([*map(str.split, column)] for column in texts)
        anew["cider"] = plain_cider(*tokens, idf_of=words)
        assert {metric: values[draw] for metric, values in found.items()} == pytest.approx(anew, abs=1e-9)


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_means_are_the_metrics_of_all_samples(protocol):
    better, worse, references = zip(*made_up(30, 1))
    found = compare(better, worse, references, protocol=protocol)
    for side, predictions in (("system", better), ("baseline", worse)):
        expected = protocol_scores(protocol, predictions, references)
        assert {metric: entry[side]["mean"] for metric, entry in found.items()} == pytest.approx(expected, abs=1e-9)
    for entry in found.values():
        assert entry["difference"] == entry["system"]["mean"] - entry["baseline"]["mean"]


def test_several_seeds_are_scored_on_the_same_draws_and_their_mean_is_compared():
    first, second, references = zip(*made_up(25, 2))
    third = made_up(25, 3)
    third = [row[0] for row in third]
    systems, baselines = [output(first, references), output(second, references)], [output(third, references)]
    found = bootstrap.compare(systems, baselines, protocol="paper", draws=150, seed=7)
    counts = np.concatenate(list(bootstrap.drawn(25, 150, 7)))
    scores = [drawn_values(bootstrap.scorers("paper", one), counts) for one in (*systems, *baselines)]
    for metric, entry in found.items():
        differences = (scores[0][metric] + scores[1][metric]) / 2 - scores[2][metric]
        by_seed = entry["system"]["by_seed"]
        assert entry["system"]["mean"] == pytest.approx(np.mean(by_seed)) and len(by_seed) == 2
        assert entry["p"] == bootstrap.p_value(differences, entry["difference"])
        extreme = np.abs(differences - differences.mean()) >= abs(entry["difference"])
        assert entry["p_two_sided"] == (np.sum(extreme) + 1) / 151
        ranked = np.sort(differences) - differences.mean() + entry["difference"]
        assert entry["interval"] == pytest.approx([ranked[3], ranked[146]])  # 150 draws: 3 beyond each end


# Against sacreBLEU


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
@pytest.mark.parametrize(("rows", "draws"), [(200, 300), (60, 1000)])
def test_bleus_p_and_interval_are_sacrebleus(monkeypatch, protocol, rows, draws):
    """The same draws from the same seed: the same p; the interval to sacreBLEU's single precision."""
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    monkeypatch.setenv("SACREBLEU_SEED", "77")
    better, worse, references = map(list, zip(*made_up(rows, 4)))
    found = compare(better, worse, references, protocol=protocol, draws=draws, seed=77)
    ps = set()
    for order in (1, 2, 3, 4):
        metric = BLEU(max_ngram_order=order, force=True, **bleu.SETTINGS[protocol])
        named = [("baseline", worse), ("system", better)]
        _, scores = PairedTest(named, {"BLEU": metric}, [references], test_type="bs", n_samples=draws)()
        baseline, system = scores["BLEU"]
        entry = found[f"bleu{order}"]
        assert entry["p"] == system.p_value
        for side, theirs in (("system", system), ("baseline", baseline)):
            low, high = entry[side]["interval"]
            assert (entry[side]["mean"], entry[side]["mean_of_draws"], (high - low) / 2) == pytest.approx(
                (theirs.score, theirs.mean, theirs.ci), abs=2e-5
            )
        ps.add(entry["p"])
    assert len(ps) > 1 and min(ps) < 1


def test_systems_that_no_draw_tells_apart_have_p_1_where_sacrebleu_has_its_least(monkeypatch):
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    texts, _, references = map(list, zip(*made_up(20, 5)))
    found = compare(texts, texts, references)
    for entry in found.values():
        assert (entry["p"], entry["p_two_sided"], entry["difference"], entry["interval"]) == (
            1.0,
            1.0,
            0.0,
            [0.0, 0.0],
        )
    named, metric = [("a", texts), ("b", texts)], {"BLEU": BLEU(force=True)}
    _, scores = PairedTest(named, metric, [references], test_type="bs", n_samples=100)()
    assert scores["BLEU"][1].p_value == pytest.approx(1 / 101)


# What p and the interval should be


def test_the_two_sided_p_holds_its_level_sacrebleus_does_not_and_both_see_a_difference():
    """At 5 % a test should reject 5 % of true null hypotheses: 30 of 600, and over 52 with probability 0.0001."""
    random = np.random.default_rng(6)
    rejected = {shift: np.zeros(3, dtype=int) for shift in (0.0, 0.5)}
    for shift, counted in rejected.items():
        for trial in range(600):
            difference = random.normal(shift, 1, size=80)
            draws = np.concatenate(list(bootstrap.drawn(80, 200, trial))) @ difference / 80
            low, high = bootstrap.interval(draws, difference.mean())
            two_sided = bootstrap.p_two_sided(draws, difference.mean()) < 0.05
            by_sacrebleu = bootstrap.p_value(draws, difference.mean()) < 0.05
            counted += [two_sided, by_sacrebleu, not low < 0 < high]
    assert 12 <= rejected[0.0][0] <= 52 < rejected[0.0][1]
    assert 12 <= rejected[0.0][2] <= 60  # the interval excludes 0 as often
    assert min(rejected[0.5]) > 580


def test_the_interval_lies_around_the_value_for_distinct_too():
    """Draws repeat samples and have fewer distinct n-grams: without the shift the interval would miss the value."""
    random = np.random.default_rng(8)

    def texts(vocabulary):
        rows = random.integers(vocabulary, size=(150, 9)).astype(str)
        return list(map(" ".join, rows))

    many, few = texts(3000), texts(300)
    entry = compare(many, few, many, draws=200)["dist1"]
    drawn = entry["system"]["mean_of_draws"] - entry["baseline"]["mean_of_draws"]
    low, high = entry["interval"]
    assert low < entry["difference"] < high and not low < drawn < high
    assert entry["p"] == pytest.approx(1 / 201)


def test_the_same_seed_gives_the_same_and_another_one_other_draws():
    better, worse, references = zip(*made_up(20, 9))
    first, again, other = (compare(better, worse, references, draws=130, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert all(first[metric]["difference"] == other[metric]["difference"] for metric in OVERLAP)


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(2, 30), draws=st.integers(1, 250), seed=st.integers(0, 99))
def test_draws_in_parts_are_those_of_one_go(samples, draws, seed):
    chosen = np.random.default_rng(seed).choice(samples, size=(draws, samples), replace=True)
    expected = np.stack([np.bincount(row, minlength=samples) for row in chosen])
    assert np.array_equal(np.concatenate(list(bootstrap.drawn(samples, draws, seed))), expected)


def test_corpora_without_a_word_compare_as_equal_to_0():
    found = compare(["", ""], ["", ""], ["a b", "c"])
    assert {(entry["system"]["mean"], entry["p"]) for entry in found.values()} == {(0.0, 1.0)}


# The table


def by_hand():
    """A comparison of 40 draws with the differences 1 to 40: their mean is 20.5, and one lies beyond each end.

    The system's seeds have 30 and 20, the baseline 15: the difference is 10, and the interval, moved by 10 - 20.5, is
    2 - 10.5 to 39 - 10.5. As far from 20.5 as 10 is from 0 lie 1 to 10 and 31 to 40: p is (20 + 1) / 41; sacreBLEU's
    counts the latter alone: (10 + 1) / 41.
    """
    draws = np.arange(1.0, 41.0)
    entry = bootstrap.comparison(
        np.array([[30.0], [20.0]]), np.array([[15.0]]), np.stack([draws, draws]), np.zeros((1, 40))
    )
    bert = {
        "system": {"mean": 12.345},
        "baseline": {"mean": 1012.3},
        "difference": -999.955,
        "interval": [-1000.0, -1e-9],
        "p": 1 / 100001,
        "p_two_sided": 1.0,
    }
    about = {"protocol": "paper", "draws": 40, "seed": 3, "seeds": {"system": 2, "baseline": 1}, "samples": 1234}
    names = {"system": "m/ed+x", "baseline": "m/ed"}
    return names | about | {"metrics": {"bleu1": entry, "bert_f1 by tiny, layer 2": bert}}


def test_the_csv_is_that_worked_out_by_hand():
    assert comparison_table.as_csv(by_hand()) == (
        "system,baseline,metric,mean_system,mean_baseline,difference,low,high,p_two_sided,p_sacrebleu,"
        "test_samples,draws,seeds_system,seeds_baseline,protocol,remark,note\n"
        "m/ed+x,m/ed,B-1,25.0000,15.0000,+10.0000,-8.5000,+28.5000,0.5122,0.2683,1234,40,2,1,paper,,\n"
        'm/ed+x,m/ed,"BERT-F1 by tiny, layer 2",12.3450,1012.3000,-999.9550,-1000.0000,+0.0000,1.0000,1e-05,'
        "1234,40,2,1,paper,not the paper's BERTScore,\n"
    )


def test_the_markdown_says_what_is_compared_on_what_and_how_to_read_it():
    lines = comparison_table.as_markdown(by_hand(), "made up").splitlines()
    assert lines[:4] == ["# m/ed+x against m/ed", "", "> made up", ""]
    assert "40 draws (seed 3) of 1,234 test samples, paper protocol" in lines[4]
    assert "2 seeds of the system and 1 seed of the baseline" in lines[4]
    assert lines[6:10] == [
        "| metric | system | baseline | difference | 95 % interval | p, two-sided | p, sacreBLEU's |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| B-1 | 25.00 | 15.00 | +10.00 | -8.50 to +28.50 | 0.5122 | 0.2683 |",
        "| BERT-F1 by tiny, layer 2 | 12.35 | 1012.30 | -999.96 | -1000.00 to +0.00 | 1.0000 | 1e-05 |",
    ]
    assert lines[11].startswith("p, two-sided: how often the choice of test samples alone")
    assert lines[12:] == ["", comparison_table.OTHER_MODEL]
    assert "> " not in comparison_table.as_markdown(by_hand())


def test_what_is_said_of_bertscore_follows_from_whose_it_is():
    document = by_hand()
    entry = document["metrics"].pop("bert_f1 by tiny, layer 2")
    assert comparison_table.as_markdown(document).endswith(f"\n{comparison_table.NO_BERTSCORE}\n")
    document["metrics"]["bert_f1"] = entry
    assert comparison_table.as_markdown(document).endswith(f"\n{comparison_table.READING}\n")


# Speed


def test_a_thousand_draws_of_5255_samples_take_seconds():
    """Measured at 4 s on two cores; a minute is the limit."""
    better, worse, references = zip(*made_up(5255, 10))
    sides = []
    for predictions in (better, worse):
        means = metrics.mean_scorer({"rouge1": list(range(5255)), "cider": list(range(5255))})
        corpus = metrics.Corpus(list(predictions), list(references), "standard")
        sides.append([metrics.METRICS["bleu"].scorer(corpus), metrics.METRICS["distinct"].scorer(corpus), means])
    start = time.process_time()
    for counts in bootstrap.drawn(5255, 1000, 0):
        for side in sides:
            bootstrap.scores_of([side], counts)
    assert time.process_time() - start < 60


# The script


ROWS = [(f"s{number}", *row) for number, row in enumerate(made_up(12, 11))]


def responses(path, column, rows=ROWS, **change):
    """Write one system's responses: column 1 or 2 of the rows."""
    records = [{"id": row[0], "prediction": row[column], "reference": row[3]} | change for row in rows]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def bertscore(path, responses, shift=0.0, **change):
    """Write a BERTScore sample by sample, made up."""
    numbers = [shift + number for number in range(len(ROWS))]
    values = {"ids": [row[0] for row in ROWS]} | dict.fromkeys(("p", "r", "f1"), numbers)
    digest = hashlib.sha256(responses.read_bytes()).hexdigest()
    record = {"protocol": "paper", "samples": 12, "responses_sha256": digest, "bert_f1": 1.0, "by_sample": values}
    path.write_text(json.dumps(record | change))
    return path


@pytest.fixture
def two(tmp_path):
    return [responses(tmp_path / f"{name}.jsonl", column) for name, column in (("system", 1), ("baseline", 2))]


def flags(two, tmp_path, *more):
    test = ["--protocol", "paper", "--draws", 100, "--output", tmp_path / "out.json"]
    return ["--system", two[0], "--baseline", two[1], *test, *more]


@pytest.fixture
def compared(two, tmp_path, step):
    """The script's outputs and what it printed: one seed a side, BERTScore, a note."""
    scores = [bertscore(tmp_path / f"{path.stem}-bertscore.json", path, shift) for path, shift in zip(two, (1.0, 0.0))]
    more = ["--system-bertscore", scores[0], "--baseline-bertscore", scores[1], "--system-name", "ours", "--seed", 3]
    more += ["--csv", tmp_path / "out.csv", "--markdown", tmp_path / "out.md", "--note", "a note"]
    done = step("compare_systems.py", *flags(two, tmp_path, *more))
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "out.json").read_text()), done.stdout


def test_by_the_command_line(compared, two):
    found, printed = compared
    assert (found["system"], found["baseline"]) == ("ours", str(two[1]))
    assert (found["seeds"], found["samples"]) == ({"system": 1, "baseline": 1}, 12)
    assert (found["draws"], found["seed"], found["protocol"]) == (100, 3, "paper") and "Koehn" in found["test"]
    assert set(found["metrics"]) == {*OVERLAP, "bert_p", "bert_r", "bert_f1"}
    entry = found["metrics"]["bert_f1"]
    assert (entry["difference"], entry["interval"]) == (1.0, pytest.approx([1.0, 1.0]))
    assert entry["p"] == pytest.approx(1 / 101)
    assert f"bert_f1: 6.50 against 5.50, +1.00 to +1.00, p = {1 / 101:.4f}, two-sided {1 / 101:.4f}" in printed


def test_the_scripts_tables_have_the_numbers_of_its_document(compared, two, tmp_path):
    with open(tmp_path / "out.csv", newline="") as file:
        lines = {line["metric"]: line for line in csv.DictReader(file)}
    headings = "B-1 B-2 B-3 B-4 Dist-1 Dist-2 R-1 R-2 R-L CIDEr BERT-P BERT-R BERT-F1"
    assert list(lines) == headings.split()
    assert lines["BERT-F1"] == {
        "system": "ours", "baseline": str(two[1]), "metric": "BERT-F1",
        "mean_system": "6.5000", "mean_baseline": "5.5000",
        "difference": "+1.0000", "low": "+1.0000", "high": "+1.0000",
        "p_two_sided": "0.0099", "p_sacrebleu": "0.0099", "test_samples": "12", "draws": "100",
        "seeds_system": "1", "seeds_baseline": "1", "protocol": "paper", "remark": "", "note": "a note",
    }  # fmt: skip
    for line, entry in zip(lines.values(), compared[0]["metrics"].values()):
        changes = [float(line[key]) for key in ("difference", "low", "high")]
        assert changes == pytest.approx([entry["difference"], *entry["interval"]], abs=5e-5)
        ps = [float(line[key]) for key in ("p_two_sided", "p_sacrebleu")]
        assert ps == pytest.approx([entry["p_two_sided"], entry["p"]], abs=5e-5)
    text = (tmp_path / "out.md").read_text()
    assert text.startswith(f"# ours against {two[1]}\n\n> a note\n")
    assert "| BERT-F1 | 6.50 | 5.50 | +1.00 | +1.00 to +1.00 | 0.0099 | 0.0099 |" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows[:-1], "has 11 samples, "),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "sample 1 is 's1' in "),
        (lambda rows: [("t0", *rows[0][1:]), *rows[1:]], "sample 1 is 't0' in "),
        (lambda rows: [*rows[:-1], (*rows[-1][:3], "other")], "sample 's11' has another reference in "),
        (lambda rows: [*rows[:-1], rows[0]], "line 12: id 's0' is on line 1"),
        (lambda rows: [], "has no responses to score"),
    ],
)
def test_outputs_that_are_not_paired_are_refused(two, tmp_path, step, change, reason):
    responses(two[1], 2, change(ROWS))
    done = step("compare_systems.py", *flags(two, tmp_path))
    assert done.returncode == 1 and reason in done.stderr and "baseline.jsonl" in done.stderr
    assert "What to do: " in done.stderr and "Traceback" not in done.stderr and not (tmp_path / "out.json").exists()


def refusal(two, bertscores=None):
    """Why the outputs are refused."""
    with pytest.raises(UserError) as caught:
        pairs = zip(two, bertscores or [None, None])
        bootstrap.check_paired([bootstrap.read_output(path, score, "paper") for path, score in pairs])
    assert caught.value.hint
    return caught.value.problem


def test_bertscore_that_does_not_belong_is_refused(two, tmp_path):
    scores = [bertscore(tmp_path / f"{path.stem}-bertscore.json", path) for path in two]
    assert "is not the BERTScore of" in refusal(two, scores[::-1])
    assert "not of one model and layer: none against bert_p" in refusal(two, [scores[0], None])
    bertscore(scores[1], two[1], bertscore_other={"model": "m", "layer": 5})
    assert "bert_p by m, layer 5" in refusal(two, scores)
    bertscore(scores[1], two[1], protocol="standard")
    assert "is not the BERTScore of" in refusal(two, scores)
    bertscore(scores[1], two[1], by_sample=None)
    assert "does not hold BERTScore sample by sample" in refusal(two, scores)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"p": 0.5}, "a number for every sample"),
        ({"p": [0.5]}, "a number for every sample"),
        ({"r": ["x"] * 12}, "by_sample: r"),
        ({"f1": [1e300] * 12}, "by_sample: f1"),
        ({"f1": [True] * 12}, "by_sample: f1"),
        ({"ids": None}, "is not the BERTScore of"),
    ],
)
def test_bertscore_without_a_number_for_every_sample_is_refused(two, tmp_path, change, reason):
    score = bertscore(tmp_path / "score.json", two[0])
    values = json.loads(score.read_text())["by_sample"]
    assert reason in refusal(two[:1], [bertscore(score, two[0], by_sample=values | change)])


@pytest.mark.parametrize(
    "other", [None, {}, [], "m", {"model": "m"}, {"model": "m", "layer": "5"}, {"model": 3, "layer": 5}]
)
def test_bertscore_by_a_model_that_it_does_not_name_is_not_taken_for_the_papers(two, tmp_path, other):
    score = bertscore(tmp_path / "score.json", two[0], bertscore_other=other)
    assert "by which model and layer" in refusal(two[:1], [score])


def test_one_sample_is_refused(two):
    for path in two:
        responses(path, 1, ROWS[:1])
    assert "has one sample" in refusal(two)


def test_a_system_against_itself_and_bertscore_of_some_seeds_are_refused(two, tmp_path, step):
    done = step("compare_systems.py", *flags([two[0], two[0]], tmp_path))
    assert done.returncode == 1 and "is compared with itself" in done.stderr
    too_many = ["--system-bertscore", two[0], two[1]]
    done = step("compare_systems.py", *flags(two, tmp_path, *too_many))
    assert done.returncode == 1 and "--system has 1 files and --system-bertscore 2" in done.stderr


# The rule


def test_the_rule_compares_with_real_bertscores(checkout):
    """From responses that are there, and are newer than model and samples: what made them is not asked for again."""
    words = ["--cores", "2", "--configfile", "config/demo.yaml", "few.yaml", "--"]
    (checkout.folder / "few.yaml").write_text("comparison: {draws: 100}\ndatasets: {ed: {keep: {test: 6}}}\n")
    results = checkout.folder / "results/demo"
    done = checkout.snakemake(*words, "models/all-minilm-l6-v2/manifest.json", "results/demo/ed/test_ids.json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [(name, *row[1:]) for name, row in zip(json.loads((results / "ed/test_ids.json").read_text()), ROWS)]
    for training_set, column in (("ed+prompt2-dk20-kcenter", 1), ("ed", 2)):
        path = results / f"responses/smollm2-135m/{training_set}/seed0/test.jsonl"
        path.parent.mkdir(parents=True)
        responses(path, column, rows)
    done = checkout.snakemake(*words, "comparisons")
    assert done.returncode == 0 and "train_model" not in done.stdout + done.stderr, done.stdout + done.stderr
    found = json.loads(
        (results / "comparisons/smollm2-135m/ed+prompt2-dk20-kcenter/against-ed/paper.json").read_text()
    )
    assert (found["system"], found["baseline"]) == ("smollm2-135m/ed+prompt2-dk20-kcenter", "smollm2-135m/ed")
    assert (found["seeds"], found["samples"], found["draws"]) == ({"system": 1, "baseline": 1}, 6, 100)
    name = "bert_f1 by all-minilm-l6-v2, layer 5"
    assert set(found["metrics"]) == {*OVERLAP, *(name.replace("f1", part) for part in ("p", "r", "f1"))}
    for side, training_set in (("system", "ed+prompt2-dk20-kcenter"), ("baseline", "ed")):
        scores = json.loads((results / f"metrics/smollm2-135m/{training_set}/seed0/paper-bertscore.json").read_text())
        assert found["metrics"][name][side]["mean"] == pytest.approx(scores["bertscore_other"]["f1"])
    folder = results / "comparisons/smollm2-135m/ed+prompt2-dk20-kcenter/against-ed"
    assert "BERT-F1 by all-minilm-l6-v2, layer 5" in (folder / "paper.csv").read_text()
    shown = (folder / "paper.md").read_text()
    assert shown.startswith("# smollm2-135m/ed+prompt2-dk20-kcenter against smollm2-135m/ed\n\n> This is the demo: ")
    assert shown.endswith(f"\n{comparison_table.OTHER_MODEL}\n")
    done = checkout.snakemake(*words[:5], "--report", "report.html", "--", "comparisons")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (checkout.folder / "report.html").read_text()
    trained = "smollm2-135m trained on ed+prompt2-dk20-kcenter is compared with the same base model trained on ed,"
    for fragment in ("Comparisons", "paper.csv", trained, "This is the demo: "):
        assert fragment in report


def test_the_rule_takes_every_seed_and_no_bertscore_where_that_is_left_out(checkout):
    (checkout.folder / "seeds.yaml").write_text("seeds: [0, 4]\nevaluation: {bertscore: {model: null}}\n")
    words = ["-n", "-p", "--configfile", "config/demo.yaml", "seeds.yaml", "--", "comparisons"]
    done = checkout.snakemake(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = " ".join(done.stdout.split())
    for side, system in (("system", "smollm2-135m/ed+prompt2-dk20-kcenter"), ("baseline", "smollm2-135m/ed")):
        files = " ".join(f"results/demo/responses/{system}/seed{seed}/test.jsonl" for seed in (0, 4))
        assert f" --{side} {files} --{side}-bertscore --{side}-name {system} " in printed
    assert "evaluate_bertscore" not in done.stdout
