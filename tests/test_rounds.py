"""From a generator's text to rounds and samples: texts as models write them, and random rounds written out and read back."""

import hashlib
import itertools
import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synth_empathy.data import rounds
from synth_empathy.data.rounds import REASONS, parse_rounds, sample_turns

LIMIT = 120
ONE = [("I lost my dog.", "I am so sorry.")]
TWO = [*ONE, ("He was old, but still.", "It hurts all the same.")]

#: name: (text, finish, rounds, reason)
OUTPUTS = {
    "plain": ("Context: I lost my dog.\nResponse: I am so sorry.", "stop", ONE, None),
    "round headers": (
        "Round 1:\nContext: I lost my dog.\nResponse: I am so sorry.\n\nRound 2:\nContext: He was old, but still.\nResponse: It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "markdown bold, as Llama writes it": (
        "**Round 1:**\n**Context:** I lost my dog.\n**Response:** I am so sorry.\n\n"
        "**Round 2:**\n**Context:** He was old, but still.\n**Response:** It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "bold headers and a blank line": (
        "**Round 1**\n\n**Context:** I lost my dog.\n\n**Response:** I am so sorry.\n\n"
        "**Round 2**\n\n**Context:** He was old, but still.\n\n**Response:** It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "colon outside the bold": (
        "### Round 1\n- **Context**: I lost my dog.\n- **Response**: I am so sorry.",
        "stop",
        ONE,
        None,
    ),
    "italic labels": ("Round 1:\n*Context:* I lost my dog.\n*Response:* I am so sorry.", "stop", ONE, None),
    "underscores and quote marks": (
        "> __Context:__ I lost my dog.\n> __Response:__ I am so sorry.",
        "stop",
        ONE,
        None,
    ),
    "bold turns": ("Round 1:\nContext:\n**I lost my dog.**\nResponse:\n*I am so sorry.*", "stop", ONE, None),
    "round header with a title": (
        "**Round 1: A loss**\n\nContext: I lost my dog.\nResponse: I am so sorry.",
        "stop",
        ONE,
        None,
    ),
    "round header without a colon": ("Round 1\nContext: I lost my dog.\nResponse: I am so sorry.", "stop", ONE, None),
    "numbered labels": (
        "Context 1: I lost my dog.\nResponse 1: I am so sorry.\nContext 2: He was old, but still.\nResponse 2: It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "capitals": ("CONTEXT: I lost my dog.\nRESPONSE: I am so sorry.", "stop", ONE, None),
    "indented": ("  Context: I lost my dog.\n\tResponse: I am so sorry.", "stop", ONE, None),
    "windows line ends": ("Round 1:\r\nContext: I lost my dog.\r\nResponse: I am so sorry.\r\n", "stop", ONE, None),
    "turns below their labels": ("Context:\nI lost my dog.\n\nResponse:\nI am so sorry.", "stop", ONE, None),
    "intro and closing paragraphs": (
        "Here are three rounds of new context: enjoy!\n\nRound 1:\nContext: I lost my dog.\nResponse: I am so sorry.\n\nLet me know if you want more!",
        "stop",
        ONE,
        None,
    ),
    "rules between rounds": (
        "Context: I lost my dog.\nResponse: I am so sorry.\n\n---\n\nContext: He was old, but still.\nResponse: It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "straight quotes": ('Context: "I lost my dog."\nResponse: "I am so sorry."', "stop", ONE, None),
    "curly quotes": ("Context: “I lost my dog.”\nResponse: “I am so sorry.”", "stop", ONE, None),
    "quotes in bold": ('**Context:** "I lost my dog."\n**Response:** "I am so sorry."', "stop", ONE, None),
    "two quotations are no pair of quotes": (
        'Context: "Oh," he said, "no"\nResponse: ok',
        "stop",
        [('"Oh," he said, "no"', "ok")],
        None,
    ),
    "two curly quotations are no pair": (
        "Context: “Oh,” he said, “no”\nResponse: ok",
        "stop",
        [("“Oh,” he said, “no”", "ok")],
        None,
    ),
    "a turn over several lines": ("Context: I lost\nmy   dog.\nResponse: I am\n so sorry.", "stop", ONE, None),
    "a label in mid-line is none": ("Context: I lost my dog. Response: I am so sorry.", "stop", [], "out_of_order"),
    "only labels in mid-line": (
        "Well, the Context: I lost my dog. The Response: I am so sorry.",
        "stop",
        [],
        "no_rounds",
    ),
    "the word round in a turn": (
        "Context: a golf\nround was lost\nResponse: oh",
        "stop",
        [("a golf round was lost", "oh")],
        None,
    ),
    "the word context in a turn": (
        "Context: out of context it hurts\nResponse: oh",
        "stop",
        [("out of context it hurts", "oh")],
        None,
    ),
    "chatter": ("I am sorry to hear that. Tell me more.", "stop", [], "no_rounds"),
    "empty": ("", "stop", [], "no_rounds"),
    "only a round header": ("Round 1:", "stop", [], "no_rounds"),
    "dots": ("Context: ...\nResponse: I am so sorry.", "stop", [], "placeholder"),
    "field name in brackets": ("Context: [context]\nResponse: [response]", "stop", [], "placeholder"),
    "field name in angle brackets": ("Context: <new context>\nResponse: ok", "stop", [], "placeholder"),
    "field name in braces": ("Context: ok\nResponse: {response}", "stop", [], "placeholder"),
    "empty turn": ("Context:\nResponse: I am so sorry.", "stop", [], "placeholder"),
    "only markup": ("Context: ***\nResponse: I am so sorry.", "stop", [], "placeholder"),
    "placeholder later": (
        "Context: I lost my dog.\nResponse: I am so sorry.\nContext: ...\nResponse: ...\nContext: a\nResponse: b",
        "stop",
        ONE,
        "placeholder",
    ),
    "response first": ("Response: I am so sorry.\nContext: I lost my dog.\nResponse: oh", "stop", [], "out_of_order"),
    "two contexts": ("Context: I lost my dog.\nContext: I lost my dog.\nResponse: oh", "stop", [], "out_of_order"),
    "two responses": ("Context: I lost my dog.\nResponse: I am so sorry.\nResponse: oh", "stop", ONE, "out_of_order"),
    "context without response": (
        "Context: I lost my dog.\nResponse: I am so sorry.\nContext: He was old",
        "stop",
        ONE,
        "out_of_order",
    ),
    "cut within a response": (
        "Context: I lost my dog.\nResponse: I am so sorry.\nContext: He was old, but still.\nResponse: It hurts all the",
        "length",
        ONE,
        "cut_short",
    ),
    "cut within a context": (
        "Context: I lost my dog.\nResponse: I am so sorry.\nContext: He was",
        "length",
        ONE,
        "cut_short",
    ),
    "cut within the only round": ("Context: I lost my dog.\nResponse: I am", "length", [], "cut_short"),
    "cut, but bad before": ("Response: a\nContext: b\nResponse: c\nContext: d", "length", [], "out_of_order"),
    "cut before any label": ("I would be glad to", "length", [], "no_rounds"),
    "many words": ("Context: " + "so " * 121 + "\nResponse: oh", "stop", [], "runs_on"),
    "many words, cut": ("Context: a\nResponse: " + "so " * 121, "length", [], "runs_on"),
    "as many words as allowed": (
        "Context: " + "so " * 119 + "so\nResponse: oh",
        "stop",
        [(("so " * 120).strip(), "oh")],
        None,
    ),
    "further speakers": ("Context: I am sad. Listener: why? Speaker: because\nResponse: oh", "stop", [], "runs_on"),
    "user and assistant": ("Context: a\nResponse: b\nUser: c\nAssistant: d", "stop", [], "runs_on"),
}


def pairs(parsed):
    return [(one["context"], one["response"]) for one in parsed.rounds]


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_as_models_write_them(name):
    text, finish, expected, reason = OUTPUTS[name]
    parsed = parse_rounds(text, finish, LIMIT)
    assert (pairs(parsed), parsed.reason) == (expected, reason)


def test_every_reason_is_reachable():
    found = {parse_rounds(text, finish, LIMIT).reason for text, finish, _, _ in OUTPUTS.values()}
    assert found == {*REASONS, None}


def test_the_word_limit_is_an_argument():
    text = "Context: one two three\nResponse: four"
    assert parse_rounds(text, "stop", 3).reason is None
    assert parse_rounds(text, "stop", 2).reason == "runs_on"


# Random rounds

WORD = st.builds(
    "{}{}".format,
    st.text("abcdeiXYZßé'", min_size=1, max_size=6).filter(lambda word: word.strip("'")),
    st.sampled_from(["", "", ",", ".", "!", "?"]),
)
TURN = st.lists(WORD, min_size=1, max_size=15).map(" ".join)
ROUNDS = st.lists(st.tuples(TURN, TURN), min_size=1, max_size=6)
LABELS = st.sampled_from(
    ["{}: ", "{} {n}: ", "**{}:** ", "**{} {n}:** ", "- **{}**: ", "*{}:* ", "_{}:_ ", "{}:\n", "> {}: "]
)
HEADERS = st.sampled_from(
    ["", "Round {n}:\n", "**Round {n}:**\n", "### Round {n}\n", "Round {n}\n\n", "**Round {n}: On the way**\n\n"]
)
GAPS = st.sampled_from(["\n", "\n\n", "\n\n---\n\n", " \n\n\n"])


def written(turns, label, header, gap, before="", after=""):
    parts = []
    for number, (context, response) in enumerate(turns, start=1):
        lines = [
            header.format(n=number),
            label.format("Context", n=number),
            context,
            "\n",
            label.format("Response", n=number),
            response,
        ]
        parts.append("".join(lines))
    return before + gap.join(parts) + after


@settings(max_examples=150, deadline=None)
@given(
    ROUNDS,
    LABELS,
    HEADERS,
    GAPS,
    st.sampled_from(["", "Here you go:\n\n", "Sure!\n"]),
    st.sampled_from(["", "\n", "\n\nI hope this helps!"]),
)
def test_written_rounds_are_read_back(turns, label, header, gap, before, after):
    text = written(turns, label, header, gap, before, after)
    assert parse_rounds(text, "stop", LIMIT) == rounds.Parsed([{"context": c, "response": r} for c, r in turns], None)
    # Cut at max_tokens, the last round is not trusted, and no other is lost.
    cut = parse_rounds(text, "length", LIMIT)
    assert (pairs(cut), cut.reason) == (turns[:-1], "cut_short")


@settings(max_examples=100, deadline=None)
@given(ROUNDS, LABELS, HEADERS, st.data())
def test_rounds_before_a_bad_one_stay_and_those_after_go(turns, label, header, data):
    place = data.draw(st.integers(0, len(turns) - 1))
    side, bad = data.draw(st.sampled_from([0, 1])), data.draw(st.sampled_from(["...", "[context]", "so listener: no"]))
    spoilt = [*turns[:place], ((bad, turns[place][1]), (turns[place][0], bad))[side], *turns[place + 1 :]]
    parsed = parse_rounds(written(spoilt, label, header, "\n\n"), "stop", LIMIT)
    assert (pairs(parsed), parsed.reason) == (turns[:place], "runs_on" if "listener" in bad else "placeholder")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*'\n *_>-#.[]"“”', "Context", "Response", "Round", ":", " 1", "so sad", "I am\n"]),
        max_size=40,
    ).map("".join),
    st.booleans(),
)
def test_any_text_is_read_without_a_fault(text, cut):
    parsed = parse_rounds(text, "length" if cut else "stop", LIMIT)
    assert parsed.reason in {*REASONS, None}
    assert parsed.rounds or parsed.reason
    for turn in (turn for pair in pairs(parsed) for turn in pair):
        assert turn == " ".join(turn.split())
        assert any(character.isalnum() for character in turn)


# The patterns that the parser had before its time grew as a text's length does: slow, and the reference for the others

OLD_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)"
OLD_LABEL = re.compile(
    rf"^[\s>*#_\-]*(?:(?:round\s*)?{OLD_NUMBER}[ \t*_]*[:.)\-][ \t*_]*)?(round|context|response)[ \t*_]*{OLD_NUMBER}?[ \t*_]*:[ \t*_]*",
    re.IGNORECASE | re.MULTILINE,
)
OLD_BARE_ROUND = re.compile(rf"^[\s>*#_\-]*round\s*{OLD_NUMBER}[\s*_.:]*$", re.IGNORECASE | re.MULTILINE)
OLD_SPEAKER = re.compile(r"\b(context|response|speaker|listener|user|assistant)\s*:", re.IGNORECASE)

#: What the patterns are made of; "ſ" and "ı" are an s and an i where case does not count.
TOKENS = [
    *"\n \t*_>#-.:)1x\"[]", "\n\n", "**", "12", "One", "six", "round", "Round ", "Context", "context:", "Response", "RESPONSE:", "ſ", "ı",
    "\x1c", "\x85", "\u2028", "\r\n", "٣", "“", "”", "Speaker", "user:", "word ", "Context: a\n", "Response: b\n", "Round 1\n",
]  # fmt: skip
HARD = st.lists(st.sampled_from(TOKENS), max_size=24).map("".join)


@settings(max_examples=600, deadline=None)
@given(HARD)
@example("\n\n - \n#Round 1\n\n**Context:** a\n\n\n2. Response: b")
@example("Round 1\n\nRound 2 . \n * \nround\n\n3: response 4 : a")
@example("round 1: round 2: context: a\nround 1: x\nround 1 one: y")
def test_labels_and_headers_are_found_where_the_slow_patterns_find_them(text):
    headed = OLD_BARE_ROUND.sub("round:", text)
    assert rounds.BARE_ROUND.sub(rounds.as_label, text) == headed
    expected = [(found.span(), found[1]) for found in OLD_LABEL.finditer(headed)]
    assert [(found.span(), found[1]) for found in rounds.LABEL.finditer(headed) if found[1]] == expected
    assert [found.span() for found in rounds.SPEAKER.finditer(text)] == [
        found.span() for found in OLD_SPEAKER.finditer(text)
    ]


def around_a_label(before, label, after):
    """A label among much markup, as the parts of ``spelt``."""
    return [(before, 0.5), (label, 0), (after, 0.5)]


def around_a_header(before, inside, after):
    """A round's header that does not end its line, likewise."""
    return [("\n", 0.3), (before, 0), ("round", 0), (inside, 0.3), ("1", 0), (after, 0.3), ("x", 0)]


#: Families of texts: every token, and every two, over and over; one behind another; and what the old patterns took longest for.
LONG = 8000
HOSTILE = {
    "over and over": [[(one + other, 1)] for one, other in itertools.product(TOKENS, ["", *TOKENS])],
    "behind another": [[(one, 0), (other, 1)] for one, other in itertools.product(TOKENS, TOKENS)],
    "around a label": list(
        map(around_a_label, *zip(*itertools.product("\n *-", ["Context", "Round", "1"], "\n* 1:")))
    ),
    "around a header": list(map(around_a_header, *zip(*itertools.product("* -", "\n *", "\n *.")))),
}


def spelt(parts, length):
    """A text of some length: each part over and over for its share of it, at least once."""
    return "".join(part * max(1, int(share * length / len(part))) for part, share in parts)


def seconds(text, runs):
    """The shortest time of several to parse a text."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        parse_rounds(text, "stop", LIMIT)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("family", HOSTILE)
def test_the_time_grows_as_the_text_does(family):
    """Of 8 times the text: 8 times as long where growth is linear, 64 times where it is quadratic.

    Times under 20 ms are not compared: a quadratic pattern takes some 50 ms and more for so many characters, and the
    parser a few at most.
    """
    for parts in HOSTILE[family]:
        if seconds(spelt(parts, LONG), 1) > 0.02:
            short, long = (seconds(spelt(parts, length), 7) for length in (LONG // 8, LONG))
            assert long < 0.02 or long < 30 * short, f"{parts}: {short:.4f} s grow to {long:.4f} s"


def test_the_output_that_took_22_seconds_is_parsed_at_once():
    assert seconds("\n" * 800 + "Context" + "*" * 3200, 1) < 1


# By the command line: what the counts say of who wrote the outputs


@pytest.fixture
def shards(tmp_path):
    """Two shards of outputs with their manifests, as generate.py writes them."""
    for shard, model in enumerate(("a-model", "b-model")):
        text = "Round 1:\nContext: I lost my keys again.\nResponse: Oh no, where did you last see them?\n"
        row = {
            "id": f"s{shard}/p/pass0",
            "seed_id": f"s{shard}",
            "pass": 0,
            "text": text,
            "tokens": 20,
            "finish": "stop",
        }
        content = json.dumps(row) + "\n"
        (tmp_path / f"{shard}.jsonl").write_text(content)
        manifest = {"model": {"name": model}, "output": {"sha256": hashlib.sha256(content.encode()).hexdigest()}}
        (tmp_path / f"{shard}.manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def parse_shards(step, folder, *flags):
    made = [word for name in ("dialogues", "rejected", "summary") for word in (f"--{name}", folder / "out" / name)]
    return step("parse_rounds.py", "--outputs", *(folder / f"{shard}.jsonl" for shard in range(2)), *made, *flags)


def test_the_counts_name_every_model_that_wrote_and_after_how_many_samples(step, shards):
    done = parse_shards(step, shards)
    assert done.returncode == 0, done.stderr
    assert json.loads((shards / "out/summary").read_text())["made_by"] == {
        "models": ["a-model", "b-model"],
        "seed_samples": 2,
        "samples_per_seed": 1,
    }
    assert "outputs in: 2 = dialogues out: 2 + outputs rejected: 0\n" in done.stdout


def test_outputs_without_manifests_are_taken_where_that_is_asked_for(step, shards):
    """Made elsewhere: nobody says which model wrote the one; the other's manifest is checked all the same."""
    (shards / "0.manifest.json").unlink()
    done = parse_shards(step, shards)
    assert (
        done.returncode == 1
        and "0.jsonl has no manifest beside it" in done.stderr
        and "give --without-manifests" in done.stderr
    )
    assert not (shards / "out").exists()
    assert parse_shards(step, shards, "--without-manifests").returncode == 0
    assert json.loads((shards / "out/summary").read_text())["made_by"]["models"] == ["b-model"]
    (shards / "1.manifest.json").write_text("{}")
    assert "1.manifest.json is not the manifest of" in parse_shards(step, shards, "--without-manifests").stderr
    for manifest in shards.glob("*.manifest.json"):
        manifest.unlink()
    assert parse_shards(step, shards, "--without-manifests").returncode == 0
    assert json.loads((shards / "out/summary").read_text())["made_by"]["models"] == []


def row(name, text):
    return {"id": name, "seed_id": "s", "pass": 0, "text": text, "tokens": 3, "finish": "stop"}


GOOD_TEXT = "Context: I lost my keys.\nResponse: Oh no!"


def test_every_output_becomes_a_dialogue_or_is_counted_with_its_reason(step, tmp_path):
    texts = {"a": GOOD_TEXT, "b": "hello", "c": "Context: ...\nResponse: oh", "d": f"{GOOD_TEXT}\nContext: and then"}
    (tmp_path / "o.jsonl").write_text("".join(json.dumps(row(name, text)) + "\n" for name, text in texts.items()))
    made = [word for name in ("dialogues", "rejected", "summary") for word in (f"--{name}", tmp_path / name)]
    done = step("parse_rounds.py", "--without-manifests", "--outputs", tmp_path / "o.jsonl", *made)
    assert "outputs in: 4 = dialogues out: 2 + outputs rejected: 2\n" in done.stdout, done.stderr
    ids = [[json.loads(line)["id"] for line in (tmp_path / name).open()] for name in ("dialogues", "rejected")]
    assert ids == [["a", "d"], ["b", "c"]]
    summary = json.loads((tmp_path / "summary").read_text())
    assert (summary["outputs"], summary["dialogues"], summary["rejected"]) == (
        4,
        2,
        {"no_rounds": 1, "placeholder": 1},
    )


@pytest.mark.parametrize("again", ["o.jsonl", "p.jsonl"])
def test_an_output_that_is_given_twice_is_refused(step, tmp_path, again):
    for name in ("o.jsonl", "p.jsonl"):
        (tmp_path / name).write_text(json.dumps(row("a", GOOD_TEXT)) + "\n")
    made = [word for name in ("dialogues", "rejected", "summary") for word in (f"--{name}", tmp_path / "out" / name)]
    done = step("parse_rounds.py", "--without-manifests", "--outputs", tmp_path / "o.jsonl", tmp_path / again, *made)
    assert (
        done.returncode == 1
        and f"{again}, line 1: the id 'a' stands in" in done.stderr
        and not (tmp_path / "out").exists()
    )


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        (
            lambda manifest: manifest.write_text(manifest.with_name("0.manifest.json").read_text()),
            "1.manifest.json is not the manifest of",
        ),
        (lambda manifest: manifest.write_text("[]"), "1.manifest.json is not the manifest of"),
        (lambda manifest: manifest.unlink(), "1.manifest.json does not exist"),
        (
            lambda manifest: (manifest.unlink(), manifest.with_name("1.jsonl").write_text("")),
            "1.manifest.json does not exist",
        ),
        (lambda manifest: manifest.with_name("1.jsonl").write_text(""), "1.manifest.json is not the manifest of"),
        (lambda manifest: manifest.with_name("1.jsonl").unlink(), "1.jsonl does not exist"),
        (
            lambda manifest: manifest.write_text(manifest.read_text().replace("name", "title")),
            "does not say which model wrote",
        ),
    ],
)
def test_manifests_of_other_outputs_are_refused(step, shards, spoil, fragment):
    spoil(shards / "1.manifest.json")
    done = parse_shards(step, shards)
    assert (
        done.returncode == 1
        and fragment in done.stderr
        and "What to do: " in done.stderr
        and "Traceback" not in done.stderr
    )
    assert not (shards / "out").exists()


# Samples


def dialogue(length, name="train/a/0/prompt2/pass0"):
    return {"id": name, "rounds": [{"context": f"c{i}", "response": f"r{i}"} for i in range(length)]}


BOUNDS = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 7), BOUNDS, st.integers(0, 50), st.text(max_size=5))
def test_what_a_sample_shows_and_answers(length, bounds, seed, name):
    matched, released = (sample_turns(dialogue(length, name), mode, seed, bounds) for mode in ("matched", "released"))
    shown = matched["history_rounds"]
    assert matched["history"] == [turn for i in range(shown) for turn in (f"c{i}", f"r{i}")] + [f"c{shown}"]
    assert matched["response"] == f"r{shown}"  # answers the context shown last
    assert matched["target_round"] == shown
    assert released == matched | {"response": f"r{length - 1}", "target_round": length - 1}
    assert min(bounds[0], length - 1) <= shown <= min(bounds[1], length - 1)
    assert matched["id"] == name


@pytest.mark.parametrize(
    ("found", "fragment"),
    [
        ([], "line 2: the dialogue 'x' has no rounds"),
        ([[]], "line 2: round 1 of 'x' is no context and response"),
        (["text"], "line 2: round 1 of 'x' is no context and response"),
        ([{"context": "a", "response": "b"}, {"context": "a"}], "line 2: round 2 of 'x' is no context and response"),
        ([{"context": "a", "response": None}], "line 2: round 1 of 'x' is no context and response"),
        ([{"context": ["a"], "response": "b"}], "line 2: round 1 of 'x' is no context and response"),
        ({"context": "a", "response": "b"}, "line 2: the field 'rounds' is dict"),
    ],
)
def test_dialogues_that_are_none_are_refused(step, tmp_path, found, fragment):
    rows = [dialogue(2), {"id": "x", "rounds": found}]
    (tmp_path / "dialogues.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    done = step("sample_turns.py", "--dialogues", tmp_path / "dialogues.jsonl", "--output", tmp_path / "samples.jsonl")
    assert done.returncode == 1 and f"dialogues.jsonl, {fragment}" in done.stderr and "What to do: " in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "samples.jsonl").exists()


@pytest.mark.parametrize(("history", "said"), [((-1, -1), "-1"), ((2, 1), "--min-history 2 is above --max-history 1")])
def test_a_history_that_cannot_be_drawn_is_refused(step, tmp_path, history, said):
    (tmp_path / "dialogues.jsonl").write_text(json.dumps(dialogue(2)) + "\n")
    flags = ["--dialogues", tmp_path / "dialogues.jsonl", "--output", tmp_path / "samples.jsonl"]
    done = step("sample_turns.py", *flags, f"--min-history={history[0]}", f"--max-history={history[1]}")
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "samples.jsonl").exists()


def test_all_history_lengths_are_drawn_about_equally():
    drawn = [sample_turns(dialogue(6, f"row{i}"), "matched", 0, (1, 3))["history_rounds"] for i in range(3000)]
    assert {length: 900 < drawn.count(length) < 1100 for length in set(drawn)} == {1: True, 2: True, 3: True}


def test_the_draw_depends_on_seed_and_id_alone():
    names = [f"row{i}" for i in range(50)]
    draws = [sample_turns(dialogue(6, name), "matched", 0, (0, 5))["history_rounds"] for name in names]
    backwards = [sample_turns(dialogue(6, name), "matched", 0, (0, 5))["history_rounds"] for name in reversed(names)]
    assert draws == backwards[::-1]
    other_words = {"id": "row0", "rounds": [{"context": f"x{i}", "response": "y"} for i in range(6)]}
    assert sample_turns(other_words, "matched", 0, (0, 5))["history_rounds"] == draws[0]
    assert [sample_turns(dialogue(6, name), "matched", 1, (0, 5))["history_rounds"] for name in names] != draws
    assert len(set(draws)) == 6


def test_a_dialogue_of_one_round_shows_its_context_only():
    for mode in ("matched", "released"):
        sample = sample_turns(dialogue(1), mode, 0, (1, 3))
        assert (sample["history"], sample["response"]) == (["c0"], "r0")
