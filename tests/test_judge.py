"""The judge: its probabilities, its parser, its draw of samples, both modes on real (tiny) models, and the rule."""

import json
import math
import shutil
import sys
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes import kill_when
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import write_manifest
from synth_empathy.data import prompts
from synth_empathy.evaluation import judging
from synth_empathy.inference.engines import EngineSettings, Request, Sampling, open_engine
from synth_empathy.inference.transformers_engine import RowSeededSampling

LOGPROBS = st.lists(st.floats(-60, 0), min_size=3, max_size=3)
TEMPERATURES = st.floats(0.05, 2)
CRITERIA = ("coherence", "naturalness", "empathy")
#: What the marking model writes, and how often.
ODDS = {"1": 0.15, "2": 0.25, "3": 0.5, "x": 0.1}


def samples(count):
    return [
        {"id": f"s{n}", "history": ["i am upset , " * (1 + n % 3) + str(n)], "response": f"oh no , {n} times ?"}
        for n in range(count)
    ]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# Probabilities


@given(logprobs=LOGPROBS, temperature=TEMPERATURES)
def test_probabilities_sum_to_one_and_the_score_lies_between_the_marks(logprobs, temperature):
    found = judging.tempered(logprobs, temperature)
    assert sum(found) == pytest.approx(1) and all(0 <= probability <= 1 for probability in found)
    assert 1 - 1e-9 <= judging.expected(found) <= 3 + 1e-9
    order = sorted(range(3), key=lambda mark: logprobs[mark])
    assert [found[mark] for mark in order] == sorted(found)  # a temperature changes no order


@given(logprobs=LOGPROBS)
def test_temperature_1_leaves_the_probabilities(logprobs):
    plain = [math.exp(value) for value in logprobs]
    assert judging.tempered(logprobs, 1.0) == pytest.approx([value / sum(plain) for value in plain])


@given(logprobs=LOGPROBS, temperature=TEMPERATURES, other=st.floats(-20, 0))
def test_what_the_model_gives_to_other_answers_moves_no_score(logprobs, temperature, other):
    assert judging.tempered([value + other for value in logprobs], temperature) == pytest.approx(
        judging.tempered(logprobs, temperature)
    )


def test_probabilities_are_powers_of_the_inverse_temperature():
    assert judging.tempered([math.log(0.1), math.log(0.2), math.log(0.4)], 0.5) == pytest.approx(
        [1 / 21, 4 / 21, 16 / 21]
    )
    assert judging.tempered([-math.inf, math.log(0.5), -math.inf], 0.8) == [0, 1, 0]


@pytest.mark.parametrize("logprobs", [[-math.inf] * 3, [0.0, math.nan, 0.0]])
def test_a_model_that_computes_nothing_is_refused(logprobs):
    with pytest.raises(UserError, match="not finite"):
        judging.tempered(logprobs, 0.8)


@pytest.mark.parametrize("logprobs", [[-0.1, -0.1, 1e308], [5.0, -1.0, -1.0], [-1.0, 0.02, -1.0]])
def test_a_probability_above_1_is_refused_and_rounding_is_not(logprobs):
    with pytest.raises(UserError, match="no probability is more than 1"):
        judging.entry_of_answer({"logprobs": logprobs}, 0.8)
    assert judging.entry_of_answer({"logprobs": [-9.0, 1e-4, -1e308]}, 0.8)["mark"] == 2


@pytest.mark.parametrize("logits", [[2.0, 1.0, 0.5, 1.5], [-1.0, 0.0, 3.0, 2.0]])
def test_marks_drawn_as_the_engine_draws_have_the_expected_mean(logits):
    """The fourth token is no mark: draws of it are set aside."""
    count = 4000
    processor = RowSeededSampling(range(count), Sampling(temperature=0.8, top_p=1.0, max_tokens=1))
    drawn = processor(torch.tensor(logits).expand(count, -1))
    marks = 1 + drawn[drawn < 3].float()
    logprobs = torch.tensor(logits).log_softmax(dim=0)[:3].tolist()
    error = float(marks.std()) / math.sqrt(len(marks))
    assert abs(float(marks.mean()) - judging.expected(judging.tempered(logprobs, 0.8))) < 5 * error


def test_an_entry_has_its_likeliest_mark_and_what_the_marks_had_together():
    entry = judging.entry_of_answer({"logprobs": [math.log(0.1), math.log(0.3), math.log(0.4)]}, 1.0)
    assert entry == {
        "score": 2.375,
        "mark": 3,
        "probabilities": {"1": 0.125, "2": 0.375, "3": 0.5},
        "mass": 0.8,
        "output": None,
    }
    assert judging.entry_of_answer({"logprobs": [-1.0, -1.0, -2.0]}, 0.8)["mark"] == 1


# The parser


@pytest.mark.parametrize(("text", "mark"), [("3", 3), (" 1\n", 1), ("Score: 2", 2), ("score:3", 3), ("SCORE :\n1", 1)])
def test_a_score_is_parsed(text, mark):
    assert judging.parse_score({"text": text, "finish": "stop"}) == mark


OTHER_TEXTS = ["", "0", "4", "33", "3.", "3/3", "2.5", "three", "Score: 3 points", "I give 3", "1 2", "Score:"]
OTHER_TEXTS += ["3\nbecause", "³", "３"]


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_any_other_text_is_not_a_score(text):
    assert judging.parse_score({"text": text, "finish": "stop"}) is None


def test_an_output_that_was_cut_off_is_not_a_score():
    assert judging.parse_score({"text": "1", "finish": "length"}) is None
    entry = judging.entry_of_completion({"text": "1 or", "finish": "length"})
    assert entry.pop("output") == "1 or"
    assert entry == dict.fromkeys(("score", "mark", "probabilities", "mass"))


# The draw, the rubrics, the summary


@given(
    count=st.integers(1, 40),
    keep=st.one_of(st.none(), st.integers(1, 50)),
    seed=st.integers(0, 5),
    step=st.integers(1, 3),
)
def test_a_draw_is_in_order_and_a_selection_is_judged_where_all_were(count, keep, seed, step):
    everything = samples(count)
    drawn = judging.draw(everything, keep, seed)
    assert len(drawn) == min(keep or count, count) and drawn == [sample for sample in everything if sample in drawn]
    selected = everything[::-step]
    after = judging.draw(selected, keep, seed)
    assert all(sample in after for sample in selected if sample in drawn)


def test_another_seed_draws_other_samples():
    assert judging.draw(samples(100), 10, 0) != judging.draw(samples(100), 10, 1)


@pytest.mark.parametrize("name", CRITERIA)
def test_the_shipped_rubrics_name_three_marks_and_say_that_they_are_ours(repository, name):
    rubric = prompts.load_rubric(repository / f"resources/judge/{name}.yaml")
    assert (rubric["name"], rubric["origin"]) == (name, "ours")
    assert "Figure 4" in rubric["source"].replace("Figures", "Figure")
    assert all(f"\n{mark}: " in rubric["template"] for mark in judging.SCORES) and "\n4: " not in rubric["template"]
    sample = {"id": "s", "history": ["hello {x}", "yes ?", "well"], "response": "I see"}
    [request] = judging.requests([sample], [rubric], 0)
    content = request.messages[0]["content"]
    assert "Speaker: hello {x}\nListener: yes ?\nSpeaker: well\n" in content and "I see" in content
    assert request.id == f"s/{name}"


def probable(one, two, three):
    return judging.entry_of_answer({"logprobs": [math.log(value) for value in (one, two, three)]}, 1.0)


def test_the_summary_of_probabilities():
    rubrics = [{"name": "a", "title": "A"}, {"name": "b", "title": "B"}]
    first = {"id": "s", "criteria": {"a": probable(0.1, 0.2, 0.7), "b": probable(0.25, 0.25, 0.5)}}
    second = {"id": "t", "criteria": {"a": probable(0.5, 0.4, 0.1), "b": probable(0.2, 0.2, 0.6)}}
    found = judging.summarise([first, second], rubrics)
    assert found["scored"] == 2 and list(found["criteria"]) == ["a", "b"]
    assert found["criteria"]["a"] == {
        "title": "A",
        "scored": 2,
        "set_aside": 0,
        "mean": 2.1,
        "sd": round(math.sqrt(0.5), 6),
        "full_share": 0.4,
        "full_share_by_mark": 0.5,
        "shares": {"1": 0.3, "2": 0.3, "3": 0.4},
        "mass": 1.0,
    }
    assert found["all"]["mean"] == pytest.approx((2.6 + 2.25 + 1.6 + 2.4) / 4)
    assert found["all"]["full_share"] == pytest.approx((0.35 + 0.06) / 2)
    assert found["all"]["full_share_by_mark"] == 0.5
    assert judging.summarise([first], rubrics)["all"]["sd"] is None


def test_the_summary_of_draws_leaves_out_what_is_not_a_score_and_counts_it():
    rubrics = [{"name": "a", "title": "A"}, {"name": "b", "title": "B"}]
    rows = [("3", "3"), ("2", "no"), ("3", "1")]
    judged = []
    for texts in rows:
        entries = [judging.entry_of_completion({"text": text, "finish": "stop"}) for text in texts]
        judged.append({"id": str(len(judged)), "criteria": dict(zip("ab", entries))})
    found = judging.summarise(judged, rubrics)
    assert found["scored"] == 2 and found["all"]["mean"] == 2.5
    assert found["all"]["full_share"] == found["all"]["full_share_by_mark"] == 0.5
    a, b = found["criteria"].values()
    assert (b["scored"], b["set_aside"], b["mean"]) == (2, 1, 2)
    assert a["set_aside"] == 0 and a["mass"] is None
    with pytest.raises(UserError, match="no output of the judge on b is a score; the first is 'no'"):
        judging.summarise(judged[1:2], rubrics)


# The engine


def asked(count):
    return [
        Request(f"row{n}", [{"role": "user", "content": "i am so happy today . " * (1 + n % 4)}], seed=n)
        for n in range(count)
    ]


def test_log_probabilities_are_the_models_own_and_do_not_depend_on_the_neighbours(tiny_model):
    engine = open_engine("transformers", tiny_model, EngineSettings(batch_size=4))
    together = {answer.id: answer for answer in engine.answer(asked(6), judging.SCORES)}
    alone = {
        answer.id: answer for request in reversed(asked(6)) for answer in engine.answer([request], judging.SCORES)
    }
    assert together == alone and len(together) == 6
    tokens = engine.chats.tokenizer.convert_tokens_to_ids(list(judging.SCORES))
    prompt = engine.chats.tokens(asked(2)[1], Sampling(0.0, 1.0, 1))
    with torch.inference_mode():
        logits = engine.model(torch.tensor([prompt])).logits[0, -1]
    assert together["row1"].logprobs == pytest.approx(logits.log_softmax(dim=0)[tokens].tolist(), abs=1e-5)
    assert together["row1"].tokens == len(prompt)


def test_a_tokenizer_that_splits_a_mark_is_refused(tiny_model, tmp_path):
    for name, written in {"split": "one", "same": "2", "gone": ""}.items():
        copy = tmp_path / name
        shutil.copytree(tiny_model, copy)
        tokenizer = json.loads((copy / "tokenizer.json").read_text())
        tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "1"}, "content": written}
        (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
        write_manifest(copy, {"kind": "fetched", "name": name})
        with pytest.raises(UserError, match="no token of its own for the answer '[12]' after a prompt") as caught:
            list(open_engine("transformers", copy, EngineSettings()).answer(asked(1), judging.SCORES))
        assert "mode: sampling" in caught.value.hint


# The script


@pytest.fixture(scope="module")
def marking_model(tmp_path_factory):
    from tiny import make_marking_model

    return make_marking_model(tmp_path_factory.mktemp("models") / "marking", ODDS)


@pytest.fixture
def flags(tmp_path):
    """The command line of judge.py on short rubrics, with outputs named after ``output``."""
    rubrics = []
    for name in CRITERIA:
        rubrics.append(tmp_path / f"{name}.yaml")
        template = name + " of {context} and {response}: 1, 2 or 3"
        rubrics[-1].write_text(json.dumps({"name": name, "title": name.title(), "template": template}))

    def command(model, output, rows, more=(), state="state"):
        samples = write_jsonl(tmp_path / f"{output}-samples.jsonl", rows)
        inputs = ["--samples", samples, "--rubrics", *rubrics, "--model", model, "--threads", 1]
        outputs = ["--output", tmp_path / f"{output}.jsonl", "--summary", tmp_path / f"{output}.summary.json"]
        return [*inputs, "--state", tmp_path / state, *outputs, *more]

    return command


@pytest.fixture
def judge(monkeypatch, capsys):
    """Run judge.py in this process, where torch is loaded already; returns what it printed."""
    import judge

    def run(words):
        monkeypatch.setattr(sys, "argv", ["judge.py", *map(str, words)])
        judge.main()
        return capsys.readouterr().out

    return run


def made(tmp_path, output):
    return [(tmp_path / f"{output}.{suffix}").read_bytes() for suffix in ("jsonl", "summary.json", "manifest.json")]


def test_after_a_kill_the_marks_are_those_of_a_calm_run(tmp_path, tiny_model, flags, judge, repository):
    rows = samples(40)
    assert "judge: 90 rows, 0 finished before" in judge(flags(tiny_model, "calm", rows, ["--keep", 30]))
    words = flags(tiny_model, "killed", rows, ["--keep", 30, "--batch-size", 3], state="other")
    command = [sys.executable, repository / "scripts/judge.py", *words]

    def kept():
        return sum(path.read_text().count("\n") for path in (tmp_path / "other").glob("*/*.jsonl"))

    kill_when(lambda: kept() >= 2, command)
    before = kept()
    assert 2 <= before < 90 and not (tmp_path / "killed.jsonl").exists(), "it was to be killed half way"
    again = judge(command[2:])
    assert f"judge: 90 rows, {before} finished before" in again and "90 of 90 rows" in again
    assert made(tmp_path, "killed") == made(tmp_path, "calm")
    judged = read_jsonl(tmp_path / "calm.jsonl")
    ids = [row["id"] for row in judged]
    assert len(ids) == 30 and ids == [row["id"] for row in rows if row["id"] in ids]
    for entry in chain.from_iterable(row["criteria"].values() for row in judged):
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=2e-6)
        assert 1 <= entry["score"] <= 3 and 0 < entry["mass"] < 1
    manifest = json.loads((tmp_path / "calm.manifest.json").read_text())
    assert manifest["step"] == "judge" and manifest["answers"] == ["1", "2", "3"]
    assert "sampling" not in manifest and "to the last digit" in manifest["guarantee"]
    assert manifest["judging"]["samples"] == {"available": 40, "drawn": 30, "scored": 30}
    assert manifest["output"]["rows"] == 90
    deciding = ("evaluation/judging", "inference/chat_template", "inference/transformers_engine")
    assert {"judge.py", *(f"synth_empathy/{name}.py" for name in deciding)} <= manifest["code"].keys()


@pytest.fixture
def both_modes(tmp_path, marking_model, flags, judge):
    """The summaries of one model and 120 samples in both modes."""
    about = ["--note", "a note", "--prompt", "prompt2", "--stage", "before"]
    for mode in judging.MODES:
        judge(flags(marking_model, mode, samples(120), ["--mode", mode, *about]))
    return [json.loads((tmp_path / f"{mode}.summary.json").read_text()) for mode in judging.MODES]


def test_the_shares_are_those_of_the_models_probabilities(both_modes):
    read, drawn = both_modes
    weights = {score: ODDS[score] ** (1 / 0.8) for score in judging.SCORES}
    expected = {score: weight / sum(weights.values()) for score, weight in weights.items()}
    for name in CRITERIA:
        by_probability, by_draw = read["criteria"][name], drawn["criteria"][name]
        assert by_probability["shares"] == pytest.approx(expected, abs=0.01)
        assert by_probability["mass"] == pytest.approx(0.9, abs=0.01)
        assert by_probability["set_aside"] == 0 and 0 < by_draw["set_aside"] < 40
        assert by_draw["scored"] + by_draw["set_aside"] == 120


def test_draws_have_the_mean_and_the_share_of_full_marks_that_the_probabilities_say(both_modes):
    """What the model does not write as a score is set aside; the rest comes out as expected."""
    read, drawn = both_modes
    by_draw = drawn["criteria"].values()
    scores = sum(one["scored"] for one in by_draw)
    mean = sum(one["mean"] * one["scored"] for one in by_draw) / scores
    assert abs(mean - read["all"]["mean"]) < 4 * 0.75 / math.sqrt(scores) and scores > 250
    full = drawn["all"]["full_share"] * drawn["samples"]["scored"]
    expected = read["all"]["full_share"] * drawn["samples"]["scored"]
    assert abs(full - expected) < 4 * math.sqrt(expected)


def test_what_is_no_score_is_kept_and_another_temperature_asks_the_model_nothing(
    both_modes, tmp_path, marking_model, flags, judge
):
    for summary in both_modes:
        assert summary["note"] == "a note"
        assert (summary["prompt"], summary["stage"], summary["judge"]) == ("prompt2", "before", "marking")
    entries = chain.from_iterable(row["criteria"].values() for row in read_jsonl(tmp_path / "sampling.jsonl"))
    assert {entry["output"] for entry in entries if entry["score"] is None} == {"x"}
    again = judge(flags(marking_model, "warm", samples(120), ["--temperature", 1.5]))
    assert "360 rows, 360 finished before" in again


def test_a_judge_that_writes_no_score_is_refused_with_what_to_do(tmp_path, tiny_model, flags, judge):
    with pytest.raises(UserError, match="no output of the judge on coherence is a score") as caught:
        judge(flags(tiny_model, "none", samples(2), ["--mode", "sampling"]))
    assert "mode: probabilities" in caught.value.hint and not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(["--temperature", "0"], "--temperature must be above 0"), (["--no-header"], "after the assistant's header")],
)
def test_flags_that_cannot_be_meant_are_refused(tiny_model, flags, judge, capsys, wrong, message):
    with pytest.raises(SystemExit):
        judge(flags(tiny_model, "none", samples(2), wrong))
    assert message in capsys.readouterr().err


# The rule


def criteria_by_id(path):
    """The entries of each judged sample."""
    return {row["id"]: row["criteria"] for row in read_jsonl(path)}


def test_the_rule_judges_before_and_after_selection(checkout):
    """The demo's own settings and rubrics, on a model of the same name that is smaller still."""
    from tiny import make_tiny_model

    make_tiny_model(checkout.folder / "models/smollm2-135m", "smollm2-135m", reach=4096)
    results = checkout.folder / "results/demo"
    rows = samples(20)
    for path, some in {
        "synthetic/prompt2/samples.jsonl": rows,
        "selected/prompt2/dk20/kcenter/seed0.jsonl": rows[::-2],
    }.items():
        (results / path).parent.mkdir(parents=True)
        write_jsonl(results / path, some)
    targets = [f"results/demo/judged/prompt2/{stage}/seed0.summary.json" for stage in ("before", "dk20-kcenter")]
    demo = ["--cores", "2", "--configfile", "config/demo.yaml", "--allowed-rules", "judge", "--"]
    done = checkout.snakemake(*demo, *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = (json.loads((checkout.folder / target).read_text()) for target in targets)
    assert (before["samples"]["available"], after["samples"]["available"]) == (20, 10)
    assert before["samples"]["drawn"] == before["samples"]["scored"] == after["samples"]["drawn"] == 8
    assert (
        list(before["criteria"]) == list(CRITERIA) and before["stage"] == "before" and after["stage"] == "dk20-kcenter"
    )
    assert before["note"] == after["note"] and "too small to judge" in before["note"]
    paths = [checkout.folder / target.replace("summary.json", "jsonl") for target in targets]
    first, second = map(criteria_by_id, paths)
    shared = first.keys() & second.keys()
    assert shared and all(first[name] == second[name] for name in shared)
    assert "Nothing to be done" in checkout.snakemake("-n", *demo, *targets).stdout
