"""Other systems' outputs: results.txt and JSON Lines, irregular ones too, aligned to our test samples by content."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.baselines import outputs
from synth_empathy.baselines.outputs import Output
from synth_empathy.core.errors import UserError

DIALOGUES = [
    (["my dog ran off .", "oh no . when ?", "this morning ."], "i hope you find him soon ."),
    (["i passed my exam !"], "well done !"),
    (["she baked me a cake ."], "well done !"),
    (["i ca n't sleep .", "why is that ?", "it 's the noise ."], "have you tried ear plugs ?"),
    (["we are moving to spain ."], "that is exciting !"),
]
SAMPLES = [
    {"id": f"test/c{n}/0", "history": history, "response": response} for n, (history, response) in enumerate(DIALOGUES)
]
LINE = "---------------------------------------------------------------"


def block(n, prediction=None, context=None, without=()):
    """A sample as the MoEL/EmpDG code prints it, without some of its lines."""
    history, response = DIALOGUES[n]
    answer = f"answer {n} . " if prediction is None else prediction
    lines = {"Emotion": " sad", "Pred Emotions": " sad, afraid", "x_intent": "['to rest']"}
    lines |= {"Context": context or repr(history), "Beam": "not this .", "Greedy": answer, "Ref": response}
    return "".join(f"{name}:{text}\n" for name, text in lines.items() if name not in without) + f"{LINE}\n"


def results(tmp_path, *blocks, head="EVAL\tLoss\tPPL\tAccuracy\n3.1\t2.2\t9.0\t0.4\n"):
    path = tmp_path / "results.txt"
    path.write_text(head + "".join(blocks), encoding="utf-8")
    return path


def aligned(path):
    """Each sample's prediction or None, and the report."""
    contents = outputs.read_outputs(path)
    alignment = outputs.align(SAMPLES, contents.outputs)
    predictions = [output and output.prediction for output in alignment.outputs]
    return predictions, outputs.report(path, SAMPLES, contents, alignment)


ANSWERS = [f"answer {n} ." for n in range(5)]


def test_a_results_file_in_our_order(tmp_path):
    predictions, report = aligned(results(tmp_path, *map(block, range(5))))
    assert predictions == ANSWERS
    assert report["by"] == {"reference and context": 5} and report["outputs"] == report["aligned"] == 5
    assert not report["samples_without_output"] and not report["outputs_without_sample"]
    assert not report["incomplete_entries"]


def test_another_order_and_references_that_repeat(tmp_path):
    predictions, _ = aligned(results(tmp_path, *map(block, (4, 2, 1, 3, 0))))
    assert predictions == ANSWERS


def test_our_responses_have_our_ids_order_and_references(tmp_path):
    contents = outputs.read_outputs(results(tmp_path, *map(block, (4, 2, 3, 0))))
    rows = list(outputs.responses(SAMPLES, outputs.align(SAMPLES, contents.outputs)))
    assert [row["id"] for row in rows] == [f"test/c{n}/0" for n in (0, 2, 3, 4)]
    assert all(set(row) == {"id", "prediction", "reference"} for row in rows)
    assert [row["reference"] for row in rows] == [DIALOGUES[n][1] for n in (0, 2, 3, 4)]


@pytest.mark.parametrize("line", ["Greedy", "Ref"])
@pytest.mark.parametrize("dashes", [True, False])
def test_a_missing_line_affects_only_its_own_sample(tmp_path, line, dashes):
    text = "".join([block(0), block(1, without=(line,)), *map(block, (2, 3, 4))])
    path = results(tmp_path, text if dashes else text.replace(f"{LINE}\n", ""))
    predictions, report = aligned(path)
    assert predictions == [ANSWERS[0], None, *ANSWERS[2:]]
    assert [one["id"] for one in report["samples_without_output"]] == ["test/c1/0"]
    [incomplete] = report["incomplete_entries"]
    assert incomplete["lacks"] == [line]
    assert path.read_text().split("\n")[incomplete["line"] - 1].startswith("Context:['i passed")


def test_a_missing_context_is_found_by_its_reference(tmp_path):
    predictions, report = aligned(results(tmp_path, block(0, without=("Context",)), *map(block, range(1, 5))))
    assert predictions == ANSWERS
    assert report["by"] == {"reference": 1, "reference and context": 4}


def test_contexts_of_merged_and_of_cut_conversations_are_found_by_their_end(tmp_path):
    merged = repr(["an earlier talk .", "that ended .", *DIALOGUES[2][0]])
    cut = repr(DIALOGUES[0][0][-1:])
    blocks = [block(0, context=cut), block(2, context=merged), *map(block, (1, 3, 4))]
    predictions, report = aligned(results(tmp_path, *blocks))
    assert predictions == ANSWERS
    assert report["by"] == {"reference and context": 3, "reference and end of context": 2}


def test_another_context_is_accepted_only_for_a_unique_reference(tmp_path):
    others = [block(n, context="['something else']") for n in (0, 1)]
    predictions, report = aligned(results(tmp_path, *others, *map(block, (2, 3, 4))))
    assert predictions == [ANSWERS[0], None, *ANSWERS[2:]]
    assert [one["reference"] for one in report["outputs_without_sample"]] == ["well done !"]


def test_a_context_that_is_no_list_is_read_as_text(tmp_path):
    blocks = [block(n, context=" " + " </s> ".join(DIALOGUES[n][0])) for n in range(5)]
    predictions, report = aligned(results(tmp_path, *blocks))
    assert predictions == ANSWERS and report["by"] == {"reference and context": 5}


@pytest.mark.parametrize(
    "text",
    [
        "{[1]}", "{{}: 1}", "[1]", "['a', 2]", "None", "\0", "9" * 5000, "f'{x}'", "('a',)", "['a'",
        *(sign * 100_000 for sign in "-[({~"), "1+" * 100_000 + "1", "[" * 90 + "]" * 90, "not " * 100_000 + "1",
        "a" + "[0]" * 100_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_context_that_is_not_a_list_of_texts_is_not_changed(tmp_path, text):
    assert outputs.turns_of(text) == text
    predictions, report = aligned(results(tmp_path, block(0, context=text), *map(block, range(1, 5))))
    assert predictions == ANSWERS and report["by"] == {"reference": 1, "reference and context": 4}


def test_outputs_without_a_sample_are_reported(tmp_path):
    extra = block(3).replace(DIALOGUES[3][1], "a reference of nobody .")
    predictions, report = aligned(results(tmp_path, *map(block, range(5)), extra))
    assert predictions == ANSWERS
    assert report["outputs_without_sample"] == [{"line": 46, "reference": "a reference of nobody ."}]


def test_a_duplicate_does_not_become_another_samples_output(tmp_path):
    predictions, report = aligned(
        results(tmp_path, block(0), block(1), block(1, prediction="again"), block(3), block(4))
    )
    assert predictions == [*ANSWERS[:2], None, *ANSWERS[3:]]
    assert len(report["outputs_without_sample"]) == len(report["samples_without_output"]) == 1


def test_an_empty_prediction_is_kept_and_reported(tmp_path):
    predictions, report = aligned(results(tmp_path, *(block(n, prediction="" if n == 3 else None) for n in range(5))))
    assert predictions == [*ANSWERS[:3], "", ANSWERS[4]]
    assert report["empty_predictions"] == ["test/c3/0"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("why did n't you ?", "why did n't you?"),
        ("i 'm here .", "I am here."),
        ("they said `` no '' .", 'they said "no".'),
        ("people really should n't .", "people really shouldn 't ."),
        ("that is great .", "that's  great ."),
    ],
)
def test_texts_are_compared_without_differences_of_preparation(ours, theirs):
    assert outputs.key(ours) == outputs.key(theirs)


def test_texts_that_differ_stay_different():
    assert outputs.key("i am fine .") != outputs.key("i am fine !") != outputs.key("am i fine !")


@pytest.mark.parametrize(
    ("text", "fragment"),
    [("", "holds no output"), ("Context:['a']\nGreedy:b\n", "holds no output"), ("\udcff", "is not UTF-8")],
)
def test_a_file_without_outputs_is_refused(tmp_path, text, fragment):
    path = tmp_path / "results.txt"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=fragment):
        outputs.read_outputs(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        outputs.read_outputs(tmp_path / "results.txt")


def test_json_lines_with_and_without_contexts(tmp_path):
    path = tmp_path / "outputs.jsonl"
    rows = [
        {"id": 7, "prediction": f"answer {n} .", "reference": response, "context": history}
        for n, (history, response) in enumerate(DIALOGUES)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    assert aligned(path)[0] == ANSWERS
    for row in rows:
        del row["context"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    predictions, report = aligned(path)
    assert predictions == ANSWERS and report["by"] == {"reference": 3, "reference, by order": 2}
    path.write_text(json.dumps(rows[0] | {"context": [1]}) + "\n")
    with pytest.raises(UserError, match="line 1: the field 'context' is neither"):
        outputs.read_outputs(path)


TEXTS = st.lists(st.sampled_from("a b c it's can't ! . ``".split()), min_size=1, max_size=3).map(" ".join)


PAIRS = st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS)


def key_of(pair):
    history, response = pair
    return outputs.key(response), outputs.key(" ".join(history))


@given(st.data(), st.lists(PAIRS, min_size=1, max_size=12, unique_by=key_of))
def test_any_permutation_aligns(data, dialogues):
    samples = []
    for n, (history, response) in enumerate(dialogues):
        samples.append({"id": str(n), "history": history, "response": response})
    order = data.draw(st.permutations(range(len(samples))))
    permuted = []
    for line, n in enumerate(order):
        permuted.append(Output(line, str(n), samples[n]["response"].upper(), "".join(samples[n]["history"])))
    alignment = outputs.align(samples, permuted)
    assert [output.prediction for output in alignment.outputs] == [sample["id"] for sample in samples]
    assert not alignment.unused
    assert alignment.by == {"reference and context": len(samples)}


@given(st.data(), st.lists(TEXTS, min_size=1, max_size=12))
def test_without_contexts_every_prediction_keeps_its_reference(data, references):
    samples = [{"id": str(n), "history": ["a"], "response": reference} for n, reference in enumerate(references)]
    order = data.draw(st.permutations(range(len(samples))))
    alignment = outputs.align(samples, [Output(line, str(n), references[n]) for line, n in enumerate(order)])
    assert None not in alignment.outputs and not alignment.unused
    assert Counter(int(output.prediction) for output in alignment.outputs) == Counter(range(len(samples)))
    for sample, output in zip(samples, alignment.outputs):
        assert outputs.key(output.reference) == outputs.key(sample["response"])


def run(step, tmp_path, path, *flags):
    samples = tmp_path / "test.jsonl"
    samples.write_text("".join(json.dumps(sample) + "\n" for sample in SAMPLES))
    made = ["--responses", tmp_path / "responses.jsonl", "--alignment", tmp_path / "alignment.json"]
    return step("read_outputs.py", "--outputs", path, "--samples", samples, *made, *flags)


def test_mismatches_above_the_limit_are_refused_and_shown(tmp_path, step):
    path = results(tmp_path, *map(block, (0, 1, 3, 4)))
    done = run(step, tmp_path, path, "--unaligned", "0.1")
    assert done.returncode == 1
    assert "1 of 5 test samples have no output, and 0 outputs have no sample;" in done.stderr
    assert "the configuration accepts 10.0%" in done.stderr and "What to do: " in done.stderr
    assert "id test/c2/0, reference well done !" in done.stdout
    assert not (tmp_path / "responses.jsonl").exists()
    done = run(step, tmp_path, path, "--unaligned", "0.2")
    assert done.returncode == 0, done.stderr
    assert "4 of 5 test samples have an output" in done.stdout
    written = [json.loads(line)["id"] for line in (tmp_path / "responses.jsonl").read_text().splitlines()]
    assert written == [f"test/c{n}/0" for n in (0, 1, 3, 4)]
    unanswered = json.loads((tmp_path / "alignment.json").read_text())["samples_without_output"]
    assert unanswered == [{"id": "test/c2/0", "reference": "well done !"}]


def test_control_characters_of_a_reference_are_escaped_in_the_log(tmp_path, step):
    path = results(tmp_path, *map(block, range(5)), block(3).replace(DIALOGUES[3][1], "\x1b[2J\x9b1m gone \u202e"))
    done = run(step, tmp_path, path, "--part")
    assert done.returncode == 0 and r"reference \x1b[2J\x9b1m gone \u202e" in done.stdout and "\x1b" not in done.stdout


def test_outputs_for_the_rest_of_the_split_are_not_mismatches_of_a_part(tmp_path, step):
    rest = [block(3).replace(DIALOGUES[3][1], f"a reference of the rest {n} .") for n in range(8)]
    path = results(tmp_path, *map(block, range(5)), *rest)
    refused, accepted = run(step, tmp_path, path), run(step, tmp_path, path, "--part")
    assert refused.returncode == 1 and "8 outputs have no sample" in refused.stderr
    assert accepted.returncode == 0, accepted.stderr


def test_outputs_of_other_samples_are_refused_at_any_limit(tmp_path, step):
    path = results(tmp_path, block(0).replace(DIALOGUES[0][1], "a reference of nobody ."))
    done = run(step, tmp_path, path, "--unaligned", "1", "--part")
    assert done.returncode == 1 and "none of its 1 outputs belongs to one of the 5 test samples" in done.stderr
    assert "accepts" not in done.stderr and not (tmp_path / "responses.jsonl").exists()


@given(st.floats(0, 1), st.booleans(), st.integers(0, 3), st.integers(0, 3))
def test_more_mismatches_than_the_limit_are_refused(limit, part, unanswered, unused):
    """Of four samples, ``unanswered`` have no output, and ``unused`` outputs have no sample."""
    mismatches = {"samples_without_output": [{}] * unanswered, "outputs_without_sample": [{}] * unused}
    counts = {"test_samples": 4, "outputs": 4 - unanswered + unused, "aligned": 4 - unanswered}
    report = {"file": "f", **counts, **mismatches}
    refused = max(unanswered, 0 if part else unused) > 4 * limit
    try:
        outputs.check(report, limit, part)
    except UserError as error:
        assert refused and f"{unanswered} of 4 test samples have no output" in error.problem
    else:
        assert not refused
    with pytest.raises(UserError, match="none of its 2 outputs belongs to one of the 4 test samples"):
        outputs.check(report | {"aligned": 0, "outputs": 2}, limit, part)


@pytest.fixture(scope="module")
def test_split(shared):
    from synth_empathy.data.readers import empathetic_dialogues

    return empathetic_dialogues.prepare_split(shared / "ed" / "empatheticdialogues" / "test.csv", "test").samples


@pytest.mark.parametrize(("system", "same_text"), [("kemp", 5255), ("moel", 5167)])
def test_published_outputs_align_although_some_references_differ(shared, test_split, system, same_text):
    path = shared / "predictions" / f"{system}.jsonl"
    contents = outputs.read_outputs(path)
    alignment = outputs.align(test_split, contents.outputs)
    report = outputs.report(path, test_split, contents, alignment)
    assert (report["test_samples"], report["outputs"], report["aligned"]) == (5255, 5255, 5255)
    assert report["same_reference_text"] == same_text
    assert report["by"] == {"reference": 5166, "reference, by order": 89}
    assert [output.line for output in alignment.outputs] == list(range(1, 5256))
