"""Rounds parsed from texts as models write them, and from random rounds written out; samples drawn from rounds."""

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
        "Round 1:\nContext: I lost my dog.\nResponse: I am so sorry.\n\n"
        "Round 2:\nContext: He was old, but still.\nResponse: It hurts all the same.",
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
        "Context 1: I lost my dog.\nResponse 1: I am so sorry.\n"
        "Context 2: He was old, but still.\nResponse 2: It hurts all the same.",
        "stop",
        TWO,
        None,
    ),
    "capitals": ("CONTEXT: I lost my dog.\nRESPONSE: I am so sorry.", "stop", ONE, None),
    "indented": ("  Context: I lost my dog.\n\tResponse: I am so sorry.", "stop", ONE, None),
    "windows line ends": ("Round 1:\r\nContext: I lost my dog.\r\nResponse: I am so sorry.\r\n", "stop", ONE, None),
    "turns below their labels": ("Context:\nI lost my dog.\n\nResponse:\nI am so sorry.", "stop", ONE, None),
    "intro and closing paragraphs": (
        "Here are three rounds of new context: enjoy!\n\n"
        "Round 1:\nContext: I lost my dog.\nResponse: I am so sorry.\n\n"
        "Let me know if you want more!",
        "stop",
        ONE,
        None,
    ),
    "rules between rounds": (
        "Context: I lost my dog.\nResponse: I am so sorry.\n\n---\n\n"
        "Context: He was old, but still.\nResponse: It hurts all the same.",
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
        "Context: I lost my dog.\nResponse: I am so sorry.\n"
        "Context: He was old, but still.\nResponse: It hurts all the",
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
    return [(pair["context"], pair["response"]) for pair in parsed.rounds]


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_as_models_write_them(name):
    text, finish, expected, reason = OUTPUTS[name]
    parsed = parse_rounds(text, finish, LIMIT)
    assert (pairs(parsed), parsed.reason) == (expected, reason)


def test_every_reason_is_reachable():
    reasons = {parse_rounds(text, finish, LIMIT).reason for text, finish, _, _ in OUTPUTS.values()}
    assert reasons == {*REASONS, None}


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


def written(turns, label, header, gap):
    parts = []
    for number, (context, response) in enumerate(turns, start=1):
        first = header.format(n=number) + label.format("Context", n=number) + context
        parts.append(f"{first}\n{label.format('Response', n=number)}{response}")
    return gap.join(parts)


FORMS = st.tuples(LABELS, HEADERS, GAPS)
INTRODUCTIONS = st.sampled_from(["", "Here you go:\n\n", "Sure!\n"])
CLOSINGS = st.sampled_from(["", "\n", "\n\nI hope this helps!"])


@settings(max_examples=150, deadline=None)
@given(ROUNDS, FORMS, INTRODUCTIONS, CLOSINGS)
def test_written_rounds_are_read_back(turns, form, introduction, closing):
    text = introduction + written(turns, *form) + closing
    assert parse_rounds(text, "stop", LIMIT) == rounds.Parsed([{"context": c, "response": r} for c, r in turns], None)
    # In a text cut at max_tokens, the last round is not used, and all others are.
    cut = parse_rounds(text, "length", LIMIT)
    assert (pairs(cut), cut.reason) == (turns[:-1], "cut_short")


@settings(max_examples=100, deadline=None)
@given(ROUNDS, LABELS, HEADERS, st.data())
def test_only_rounds_before_a_bad_one_are_used(turns, label, header, data):
    place = data.draw(st.integers(0, len(turns) - 1))
    side, bad = data.draw(st.sampled_from([0, 1])), data.draw(st.sampled_from(["...", "[context]", "so listener: no"]))
    with_a_bad_one = [*turns[:place], ((bad, turns[place][1]), (turns[place][0], bad))[side], *turns[place + 1 :]]
    parsed = parse_rounds(written(with_a_bad_one, label, header, "\n\n"), "stop", LIMIT)
    assert (pairs(parsed), parsed.reason) == (turns[:place], "runs_on" if "listener" in bad else "placeholder")


PIECES = [*'\n *_>-#.[]"“”', "Context", "Response", "Round", ":", " 1", "so sad", "I am\n"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.booleans())
def test_any_text_gives_clean_turns_or_a_reason(text, cut):
    parsed = parse_rounds(text, "length" if cut else "stop", LIMIT)
    assert parsed.reason in {*REASONS, None}
    assert parsed.rounds or parsed.reason
    for turn in itertools.chain.from_iterable(pairs(parsed)):
        assert turn == " ".join(turn.split())
        assert any(character.isalnum() for character in turn)


# The parser's earlier patterns, whose time is quadratic in the text's length: the reference for the present ones

OLD_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)"
OLD_LABEL = re.compile(
    rf"^[\s>*#_\-]*(?:(?:round\s*)?{OLD_NUMBER}[ \t*_]*[:.)\-][ \t*_]*)?"
    rf"(round|context|response)[ \t*_]*{OLD_NUMBER}?[ \t*_]*:[ \t*_]*",
    re.IGNORECASE | re.MULTILINE,
)
OLD_BARE_ROUND = re.compile(rf"^[\s>*#_\-]*round\s*{OLD_NUMBER}[\s*_.:]*$", re.IGNORECASE | re.MULTILINE)
OLD_SPEAKER = re.compile(r"\b(context|response|speaker|listener|user|assistant)\s*:", re.IGNORECASE)

#: The parts of the patterns; without case, "ſ" and "ı" match s and i.
TOKENS = [
    *"\n \t*_>#-.:)1x\"[]", "\n\n", "**", "12", "One", "six", "round", "Round ", "Context", "context:", "Response",
    "RESPONSE:", "ſ", "ı", "\x1c", "\x85", "\u2028", "\r\n", "٣", "“", "”", "Speaker", "user:", "word ",
    "Context: a\n", "Response: b\n", "Round 1\n",
]  # fmt: skip
HARD = st.lists(st.sampled_from(TOKENS), max_size=24).map("".join)


@settings(max_examples=600, deadline=None)
@given(HARD)
@example("\n\n - \n#Round 1\n\n**Context:** a\n\n\n2. Response: b")
@example("Round 1\n\nRound 2 . \n * \nround\n\n3: response 4 : a")
@example("round 1: round 2: context: a\nround 1: x\nround 1 one: y")
def test_labels_and_headers_are_found_where_the_slow_patterns_find_them(text):
    with_labels = OLD_BARE_ROUND.sub("round:", text)
    assert rounds.BARE_ROUND.sub(rounds.header_to_label, text) == with_labels
    expected = [(match.span(), match[1]) for match in OLD_LABEL.finditer(with_labels)]
    assert [(match.span(), match[1]) for match in rounds.LABEL.finditer(with_labels) if match[1]] == expected
    speakers = [match.span() for match in OLD_SPEAKER.finditer(text)]
    assert [match.span() for match in rounds.SPEAKER.finditer(text)] == speakers


def around_a_label(before, label, after):
    """A label among much markup, as the parts of ``repeated``."""
    return [(before, 0.5), (label, 0), (after, 0.5)]


def around_a_header(before, inside, after):
    """A round's header that does not end its line, as the parts of ``repeated``."""
    return [("\n", 0.3), (before, 0), ("round", 0), (inside, 0.3), ("1", 0), (after, 0.3), ("x", 0)]


LONG = 8000
#: Kinds of texts: each token and each pair of tokens repeated; a token followed by a repeated one; and the texts on
#: which the earlier patterns were slowest.
HOSTILE = {
    "repeated": [[(one + other, 1)] for one, other in itertools.product(TOKENS, ["", *TOKENS])],
    "followed by repeated": [[(one, 0), (other, 1)] for one, other in itertools.product(TOKENS, TOKENS)],
    "around a label": list(
        itertools.starmap(around_a_label, itertools.product("\n *-", ["Context", "Round", "1"], "\n* 1:"))
    ),
    "around a header": list(itertools.starmap(around_a_header, itertools.product("* -", "\n *", "\n *."))),
}


def repeated(parts, length):
    """A text of some length: each part is repeated for its share of the length, at least once."""
    return "".join(part * max(1, int(share * length / len(part))) for part, share in parts)


def seconds(text, runs):
    """The shortest time of several runs to parse a text."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        parse_rounds(text, "stop", LIMIT)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_time_is_linear_in_the_length(kind):
    """8 times the text takes 8 times as long if the time is linear, and 64 times if it is quadratic.

    Times under 20 ms are not compared: for so many characters a quadratic pattern takes 50 ms or more, and the parser
    a few milliseconds.
    """
    for parts in HOSTILE[kind]:
        if seconds(repeated(parts, LONG), 1) > 0.02:
            short, long = (seconds(repeated(parts, length), 7) for length in (LONG // 8, LONG))
            assert long < 0.02 or long < 30 * short, f"{parts}: {short:.4f} s grow to {long:.4f} s"


def test_an_output_that_took_22_seconds_is_parsed_in_one():
    assert seconds("\n" * 800 + "Context" + "*" * 3200, 1) < 1


# By the command line: the counts, and the models that wrote the outputs


@pytest.fixture
def shards(tmp_path):
    """Two shards of outputs with their manifests, as generate.py writes them."""
    for shard, model in enumerate(("a-model", "b-model")):
        text = "Round 1:\nContext: I lost my keys again.\nResponse: Oh no, where did you last see them?\n"
        record = row(f"s{shard}/p/pass0", text) | {"seed_id": f"s{shard}"}
        content = json.dumps(record) + "\n"
        (tmp_path / f"{shard}.jsonl").write_text(content)
        manifest = {"model": {"name": model}, "output": {"sha256": hashlib.sha256(content.encode()).hexdigest()}}
        (tmp_path / f"{shard}.manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def made_in(folder):
    """The flags of parse_rounds.py that name its outputs."""
    return [f"--{name}={folder / name}" for name in ("dialogues", "rejected", "summary")]


def parse_shards(step, folder, *flags):
    shards = [folder / f"{shard}.jsonl" for shard in range(2)]
    return step("parse_rounds.py", "--outputs", *shards, *made_in(folder / "out"), *flags)


def test_the_counts_name_every_model_and_the_number_of_seed_samples(step, shards):
    done = parse_shards(step, shards)
    assert done.returncode == 0, done.stderr
    expected = {"models": ["a-model", "b-model"], "seed_samples": 2, "samples_per_seed": 1}
    assert json.loads((shards / "out/summary").read_text())["made_by"] == expected
    assert "outputs in: 2 = dialogues out: 2 + outputs rejected: 0\n" in done.stdout


def test_outputs_without_manifests_are_accepted_with_a_flag(step, shards):
    """The model of an output made elsewhere is unknown. The other output's manifest is checked nevertheless."""
    (shards / "0.manifest.json").unlink()
    done = parse_shards(step, shards)
    assert done.returncode == 1 and "0.jsonl has no manifest" in done.stderr
    assert "give --without-manifests" in done.stderr
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
    flags = ["--without-manifests", *made_in(tmp_path)]
    done = step("parse_rounds.py", "--outputs", tmp_path / "o.jsonl", *flags)
    assert "outputs in: 4 = dialogues out: 2 + outputs rejected: 2\n" in done.stdout, done.stderr
    for name, ids in (("dialogues", ["a", "d"]), ("rejected", ["b", "c"])):
        assert [json.loads(line)["id"] for line in (tmp_path / name).read_text().splitlines()] == ids
    summary = json.loads((tmp_path / "summary").read_text())
    assert (summary["outputs"], summary["dialogues"]) == (4, 2)
    assert summary["rejected"] == {"no_rounds": 1, "placeholder": 1}


@pytest.mark.parametrize("again", ["o.jsonl", "p.jsonl"])
def test_an_output_that_is_given_twice_is_refused(step, tmp_path, again):
    for name in ("o.jsonl", "p.jsonl"):
        (tmp_path / name).write_text(json.dumps(row("a", GOOD_TEXT)) + "\n")
    flags = ["--without-manifests", *made_in(tmp_path / "out")]
    done = step("parse_rounds.py", *flags, "--outputs", tmp_path / "o.jsonl", tmp_path / again)
    what = r"line 1: \S+o.jsonl contains the id 'a', too" if again == "p.jsonl" else "line 1: "
    assert done.returncode == 1 and re.search(f"{again}, {what}", done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


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
    assert done.returncode == 1 and fragment in done.stderr and "What to do: " in done.stderr
    assert "Traceback" not in done.stderr and not (shards / "out").exists()


# Samples


def dialogue(length, name="train/a/0/prompt2/pass0"):
    return {"id": name, "rounds": [{"context": f"c{i}", "response": f"r{i}"} for i in range(length)]}


BOUNDS = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 7), BOUNDS, st.integers(0, 50), st.text(max_size=5))
def test_history_and_target_of_a_sample(length, bounds, seed, name):
    matched, released = (sample_turns(dialogue(length, name), mode, seed, bounds) for mode in ("matched", "released"))
    drawn = matched["history_rounds"]
    assert matched["history"] == [turn for i in range(drawn) for turn in (f"c{i}", f"r{i}")] + [f"c{drawn}"]
    assert matched["response"] == f"r{drawn}"  # answers the last context of the history
    assert matched["target_round"] == drawn
    assert released == matched | {"response": f"r{length - 1}", "target_round": length - 1}
    assert min(bounds[0], length - 1) <= drawn <= min(bounds[1], length - 1)
    assert matched["id"] == name


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ([], "line 2: the dialogue 'x' has no rounds"),
        ([[]], "line 2: round 1 of 'x' is not a context and a response"),
        (["text"], "line 2: round 1 of 'x' is not a context and a response"),
        (
            [{"context": "a", "response": "b"}, {"context": "a"}],
            "line 2: round 2 of 'x' is not a context and a response",
        ),
        ([{"context": "a", "response": None}], "line 2: round 1 of 'x' is not a context and a response"),
        ([{"context": ["a"], "response": "b"}], "line 2: round 1 of 'x' is not a context and a response"),
        ({"context": "a", "response": "b"}, "line 2: the field 'rounds' is dict"),
    ],
)
def test_invalid_dialogues_are_refused(step, tmp_path, content, fragment):
    rows = [dialogue(2), {"id": "x", "rounds": content}]
    (tmp_path / "dialogues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--dialogues", tmp_path / "dialogues.jsonl", "--output", tmp_path / "samples.jsonl"]
    done = step("sample_turns.py", *flags)
    assert done.returncode == 1 and f"dialogues.jsonl, {fragment}" in done.stderr and "What to do: " in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "samples.jsonl").exists()


@pytest.mark.parametrize(
    ("history", "problem"), [((-1, -1), "-1"), ((2, 1), "--min-history 2 is above --max-history 1")]
)
def test_a_history_that_cannot_be_drawn_is_refused(step, tmp_path, history, problem):
    (tmp_path / "dialogues.jsonl").write_text(json.dumps(dialogue(2)) + "\n")
    flags = ["--dialogues", tmp_path / "dialogues.jsonl", "--output", tmp_path / "samples.jsonl"]
    done = step("sample_turns.py", *flags, f"--min-history={history[0]}", f"--max-history={history[1]}")
    assert done.returncode == 2 and problem in done.stderr and not (tmp_path / "samples.jsonl").exists()


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


def test_a_dialogue_of_one_round_gives_its_context_and_response():
    for mode in ("matched", "released"):
        sample = sample_turns(dialogue(1), mode, 0, (1, 3))
        assert (sample["history"], sample["response"]) == (["c0"], "r0")
