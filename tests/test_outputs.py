"""Other systems' outputs: results.txt and JSON Lines as they come, odd ones too, aligned to our test samples by content."""

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


def block(n, prediction=None, context=None, **without):
    """A sample as the family's code prints it; without: lines to leave out."""
    history, response = DIALOGUES[n]
    lines = {
        "Emotion": " sad", "Pred Emotions": " sad, afraid", "x_intent": "['to rest']", "Context": context or repr(history),
        "Beam": "not this one .", "Greedy": f"answer {n} . " if prediction is None else prediction, "Ref": response,
    }  # fmt: skip
    return (
        "".join(f"{name}:{text}\n" for name, text in lines.items() if name not in without.get("without", ()))
        + f"{LINE}\n"
    )


def results(tmp_path, *blocks, head="EVAL\tLoss\tPPL\tAccuracy\n3.1\t2.2\t9.0\t0.4\n"):
    path = tmp_path / "results.txt"
    path.write_text(head + "".join(blocks), encoding="utf-8")
    return path


def aligned(path):
    read = outputs.read_outputs(path)
    alignment = outputs.align(SAMPLES, read.outputs)
    return [output and output.prediction for output in alignment.found], outputs.report(path, SAMPLES, read, alignment)


ANSWERS = [f"answer {n} ." for n in range(5)]


def test_a_results_file_in_our_order(tmp_path):
    found, report = aligned(results(tmp_path, *map(block, range(5))))
    assert found == ANSWERS
    assert report["by"] == {"reference and context": 5} and report["outputs"] == report["aligned"] == 5
    assert (
        not report["samples_without_output"]
        and not report["outputs_without_sample"]
        and not report["incomplete_entries"]
    )


def test_another_order_and_references_that_repeat(tmp_path):
    found, _ = aligned(results(tmp_path, *map(block, (4, 2, 1, 3, 0))))
    assert found == ANSWERS


def test_our_responses_have_our_ids_order_and_references(tmp_path):
    read = outputs.read_outputs(results(tmp_path, *map(block, (4, 2, 3, 0))))
    rows = list(outputs.responses(SAMPLES, outputs.align(SAMPLES, read.outputs)))
    assert [row["id"] for row in rows] == [f"test/c{n}/0" for n in (0, 2, 3, 4)]
    assert all(set(row) == {"id", "prediction", "reference"} for row in rows)
    assert [row["reference"] for row in rows] == [DIALOGUES[n][1] for n in (0, 2, 3, 4)]


@pytest.mark.parametrize("line", ["Greedy", "Ref"])
@pytest.mark.parametrize("dashes", [True, False])
def test_a_missing_line_costs_its_own_sample_alone(tmp_path, line, dashes):
    text = "".join([block(0), block(1, without=(line,)), *map(block, (2, 3, 4))])
    path = results(tmp_path, text if dashes else text.replace(f"{LINE}\n", ""))
    found, report = aligned(path)
    assert found == [ANSWERS[0], None, *ANSWERS[2:]]
    assert [one["id"] for one in report["samples_without_output"]] == ["test/c1/0"]
    [incomplete] = report["incomplete_entries"]
    assert incomplete["lacks"] == [line]
    assert path.read_text().split("\n")[incomplete["line"] - 1].startswith("Context:['i passed")


def test_a_missing_context_is_found_by_its_reference(tmp_path):
    found, report = aligned(results(tmp_path, block(0, without=("Context",)), *map(block, range(1, 5))))
    assert found == ANSWERS
    assert report["by"] == {"reference": 1, "reference and context": 4}


def test_contexts_of_merged_and_of_cut_conversations_are_found_by_their_end(tmp_path):
    merged = repr(["an earlier talk .", "that ended .", *DIALOGUES[2][0]])
    cut = repr(DIALOGUES[0][0][-1:])
    found, report = aligned(
        results(tmp_path, block(0, context=cut), block(2, context=merged), block(1), block(3), block(4))
    )
    assert found == ANSWERS
    assert report["by"] == {"reference and context": 3, "reference and end of context": 2}


def test_another_context_is_taken_only_where_the_reference_stands_once(tmp_path):
    found, report = aligned(
        results(
            tmp_path,
            block(0, context="['something else']"),
            block(1, context="['something else']"),
            *map(block, (2, 3, 4)),
        )
    )
    assert found == [ANSWERS[0], None, *ANSWERS[2:]]
    assert [one["reference"] for one in report["outputs_without_sample"]] == ["well done !"]


def test_a_context_that_is_no_list_is_read_as_text(tmp_path):
    found, report = aligned(
        results(tmp_path, *(block(n, context=" " + " </s> ".join(DIALOGUES[n][0])) for n in range(5)))
    )
    assert found == ANSWERS and report["by"] == {"reference and context": 5}


@pytest.mark.parametrize(
    "text",
    [
        "{[1]}", "{{}: 1}", "[1]", "['a', 2]", "None", "\0", "9" * 5000, "f'{x}'", "('a',)", "['a'",
        *(sign * 100_000 for sign in "-[({~"), "1+" * 100_000 + "1", "[" * 90 + "]" * 90, "not " * 100_000 + "1", "a" + "[0]" * 100_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_context_that_is_no_list_of_texts_is_a_text_whatever_python_says_of_it(tmp_path, text):
    assert outputs.turns_of(text) == text
    found, report = aligned(results(tmp_path, block(0, context=text), *map(block, range(1, 5))))
    assert found == ANSWERS and report["by"] == {"reference": 1, "reference and context": 4}


def test_too_many_outputs_are_left_over_and_named(tmp_path):
    extra = block(3).replace(DIALOGUES[3][1], "a reference of nobody .")
    found, report = aligned(results(tmp_path, *map(block, range(5)), extra))
    assert found == ANSWERS
    assert [(one["line"], one["reference"]) for one in report["outputs_without_sample"]] == [
        (46, "a reference of nobody .")
    ]


def test_a_duplicate_does_not_become_another_samples_output(tmp_path):
    found, report = aligned(results(tmp_path, block(0), block(1), block(1, prediction="again"), block(3), block(4)))
    assert found == [*ANSWERS[:2], None, *ANSWERS[3:]]
    assert len(report["outputs_without_sample"]) == len(report["samples_without_output"]) == 1


def test_an_empty_prediction_stays_and_is_named(tmp_path):
    found, report = aligned(results(tmp_path, *(block(n, prediction="" if n == 3 else None) for n in range(5))))
    assert found == [*ANSWERS[:3], "", ANSWERS[4]]
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
def test_texts_are_compared_without_what_preparations_of_ed_differ_in(ours, theirs):
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
    path.write_text("".join(json.dumps({key: row[key] for key in ("prediction", "reference")}) + "\n" for row in rows))
    found, report = aligned(path)
    assert found == ANSWERS and report["by"] == {"reference": 3, "reference, by order": 2}
    path.write_text(json.dumps(rows[0] | {"context": [1]}) + "\n")
    with pytest.raises(UserError, match="line 1: the field 'context' is neither"):
        outputs.read_outputs(path)


TEXTS = st.lists(st.sampled_from("a b c it's can't ! . ``".split()), min_size=1, max_size=3).map(" ".join)


@given(
    st.data(),
    st.lists(
        st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS),
        min_size=1,
        max_size=12,
        unique_by=lambda one: (outputs.key(one[1]), outputs.key(" ".join(one[0]))),
    ),
)
def test_any_permutation_aligns(data, dialogues):
    samples = [
        {"id": str(n), "history": history, "response": response} for n, (history, response) in enumerate(dialogues)
    ]
    order = data.draw(st.permutations(range(len(samples))))
    named = [
        Output(line, str(n), samples[n]["response"].upper(), "".join(samples[n]["history"]))
        for line, n in enumerate(order)
    ]
    alignment = outputs.align(samples, named)
    assert [output.prediction for output in alignment.found] == [
        sample["id"] for sample in samples
    ] and not alignment.unused
    assert alignment.by == {"reference and context": len(samples)}


@given(st.data(), st.lists(TEXTS, min_size=1, max_size=12))
def test_without_contexts_every_prediction_keeps_its_reference(data, references):
    samples = [{"id": str(n), "history": ["a"], "response": reference} for n, reference in enumerate(references)]
    order = data.draw(st.permutations(range(len(samples))))
    alignment = outputs.align(samples, [Output(line, str(n), references[n]) for line, n in enumerate(order)])
    assert None not in alignment.found and not alignment.unused
    assert Counter(int(output.prediction) for output in alignment.found) == Counter(range(len(samples)))
    for sample, output in zip(samples, alignment.found):
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
    assert (
        "1 of 5 test samples have no output, 0 outputs no sample; the configuration takes 10.0%" in done.stderr
        and "What to do: " in done.stderr
    )
    assert "id test/c2/0, reference well done !" in done.stdout
    assert not (tmp_path / "responses.jsonl").exists()
    done = run(step, tmp_path, path, "--unaligned", "0.2")
    assert done.returncode == 0, done.stderr
    assert "4 of 5 test samples have an output" in done.stdout
    assert [json.loads(line)["id"] for line in (tmp_path / "responses.jsonl").open()] == [
        f"test/c{n}/0" for n in (0, 1, 3, 4)
    ]
    assert json.loads((tmp_path / "alignment.json").read_text())["samples_without_output"] == [
        {"id": "test/c2/0", "reference": "well done !"}
    ]


def test_references_of_others_do_not_act_on_the_terminal_that_shows_them(tmp_path, step):
    path = results(tmp_path, *map(block, range(5)), block(3).replace(DIALOGUES[3][1], "\x1b[2J\x9b1m gone \u202e"))
    done = run(step, tmp_path, path, "--part")
    assert done.returncode == 0 and r"reference \x1b[2J\x9b1m gone \u202e" in done.stdout and "\x1b" not in done.stdout


def test_outputs_for_the_rest_of_the_split_are_no_mismatch_of_a_part(tmp_path, step):
    rest = [block(3).replace(DIALOGUES[3][1], f"a reference of the rest {n} .") for n in range(8)]
    path = results(tmp_path, *map(block, range(5)), *rest)
    refused, taken = run(step, tmp_path, path), run(step, tmp_path, path, "--part")
    assert refused.returncode == 1 and "8 outputs no sample" in refused.stderr
    assert taken.returncode == 0, taken.stderr


def test_outputs_of_something_else_are_refused_whatever_the_limit(tmp_path, step):
    path = results(tmp_path, block(0).replace(DIALOGUES[0][1], "a reference of nobody ."))
    done = run(step, tmp_path, path, "--unaligned", "1", "--part")
    assert done.returncode == 1 and "none of its 1 outputs belongs to one of the 5 test samples" in done.stderr
    assert "takes" not in done.stderr and not (tmp_path / "responses.jsonl").exists()


@given(st.floats(0, 1), st.booleans(), st.integers(0, 3), st.integers(0, 3))
def test_what_is_refused_and_why(limit, part, alone, unused):
    """Of four samples, so many without an output, and so many outputs of nobody."""
    names = {"samples_without_output": [{}] * alone, "outputs_without_sample": [{}] * unused}
    found = {"file": "f", "test_samples": 4, "outputs": 4 - alone + unused, "aligned": 4 - alone, **names}
    refused = max(alone, 0 if part else unused) > 4 * limit
    try:
        outputs.check(found, limit, part)
    except UserError as error:
        assert refused and f"{alone} of 4 test samples have no output" in error.problem
    else:
        assert not refused
    with pytest.raises(UserError, match="none of its 2 outputs belongs to one of the 4 test samples"):
        outputs.check(found | {"aligned": 0, "outputs": 2}, limit, part)


@pytest.fixture(scope="module")
def test_split(shared):
    from synth_empathy.data import empathetic_dialogues

    return empathetic_dialogues.prepare_split(shared / "ed" / "empatheticdialogues" / "test.csv", "test").samples


@pytest.mark.parametrize(("system", "same_text"), [("kemp", 5255), ("moel", 5167)])
def test_published_outputs_all_align_though_their_references_are_not_the_same_text(
    shared, test_split, system, same_text
):
    path = shared / "predictions" / f"{system}.jsonl"
    read = outputs.read_outputs(path)
    alignment = outputs.align(test_split, read.outputs)
    report = outputs.report(path, test_split, read, alignment)
    assert (report["test_samples"], report["outputs"], report["aligned"]) == (5255, 5255, 5255)
    assert report["same_reference_text"] == same_text
    assert report["by"] == {"reference": 5166, "reference, by order": 89}
    assert [output.line for output in alignment.found] == list(range(1, 5256))
