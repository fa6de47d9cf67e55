"""The generation prompts and the dialogue format, against the quoted prompt and strings written out by hand."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core.errors import UserError
from synth_empathy.data import prompts

SAMPLE = {"id": "train/a/1", "history": ["i lost my dog .", "oh no !", "he was old ."], "response": "i am so sorry ."}
TEXT = st.text(st.sampled_from("{}ab%$\\!:[].0 ") | st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture(scope="module")
def prompt2(repository):
    return prompts.load_prompt(repository / "resources" / "prompts" / "prompt2.yaml")


def squeezed(text):
    return " ".join(text.split())


def test_prompt2_is_the_released_one(shared, prompt2):
    facts = (shared / "paper" / "facts.md").read_text(encoding="utf-8")
    heading = r"^## The released generation prompt \(quoted\)\n"
    quoted = re.search(rf"{heading}((?:    .*\n|\n)+)", facts, re.MULTILINE)[1]
    assert squeezed(prompt2["template"]) == squeezed(quoted)
    released = [line.strip() for line in quoted.strip().splitlines()]
    assert [line.strip() for line in prompt2["template"].splitlines()] == released
    assert (prompt2["name"], prompt2["origin"]) == ("prompt2", "released")
    assert "Synth-Empathy at 4fafb00" in prompt2["source"]


def test_prompt1_says_that_it_is_ours(repository, prompt2):
    prompt1 = prompts.load_prompt(repository / "resources" / "prompts" / "prompt1.yaml")
    assert (prompt1["name"], prompt1["origin"]) == ("prompt1", "ours")
    assert "not public" in prompt1["title"]
    assert "do not reproduce the paper's" in squeezed(prompt1["source"])
    assert prompt1["template"] != prompt2["template"]


def test_prompt_files_are_named_as_in_the_configuration(repository):
    for name, path in yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))["prompts"].items():
        assert prompts.load_prompt(repository / path)["name"] == name


def test_generation_message_is_the_filled_template(prompt2):
    (message,) = prompts.generation_messages(SAMPLE, prompt2)
    assert message["role"] == "user"
    lines = message["content"].splitlines()
    assert lines[:2] == [
        "Original Context: i lost my dog . </s> oh no ! </s> he was old .",
        "Original Response: i am so sorry .",
    ]
    assert lines[2:] == prompt2["template"].splitlines()[2:]


def test_demonstration_is_an_earlier_exchange(repository, prompt2):
    demonstration = prompts.load_yaml(repository / "resources" / "prompts" / "demonstration.yaml")
    messages = prompts.generation_messages(SAMPLE, prompt2, demonstration)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    example = f"Original Context: {demonstration['context']}\nOriginal Response: {demonstration['response']}\n"
    assert messages[0]["content"].startswith(example)
    assert messages[1]["content"] == demonstration["answer"]
    assert messages[2:] == prompts.generation_messages(SAMPLE, prompt2)


def test_the_demonstration_parses(repository):
    """It shows the model what the parser reads."""
    from synth_empathy.data.rounds import parse_rounds

    answer = prompts.load_yaml(repository / "resources" / "prompts" / "demonstration.yaml")["answer"]
    parsed = parse_rounds(answer, "stop", 120)
    assert (len(parsed.rounds), parsed.reason) == (3, None)
    assert all(len(one["response"].split()) <= 30 for one in parsed.rounds)


@given(TEXT, TEXT, TEXT)
def test_braces_in_a_sample_are_only_text(first, second, response):
    prompt = {"template": "A {context} B {response} C"}
    (message,) = prompts.generation_messages({"history": [first, second], "response": response}, prompt)
    assert message["content"] == "A " + first + " </s> " + second + " B " + response + " C"


# Bad prompt files


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("no fields", r"the template's fields are \[\]"),
        ("{context}", r"the template's fields are \['context'\]"),
        ("{context} {response} {emotion}", "'emotion'"),
        ("{context} {response} {}", r"fields are \['', 'context', 'response'\]"),
        ("{context} {respons}", "'respons'"),
        ("{context.history} {response}", "context.history"),
        ("{context} {response} {0}", "'0'"),
        ("{context!r} {response}", "fields are"),
        ("{context:>9} {response}", "fields are"),
        ("{context} {response} {context:{response}}", "fields are"),
        ("{context} {response} {", "braces do not match"),
        ("{context} {response} }", "braces do not match"),
        (3, "the key 'template' is missing or is not a text"),
        (None, "the key 'template' is missing or is not a text"),
    ],
)
def test_bad_templates_are_refused(tmp_path, template, reason):
    path = tmp_path / "prompt.yaml"
    path.write_text(yaml.safe_dump({"name": "p", "template": template}), encoding="utf-8")
    with pytest.raises(UserError, match=reason) as caught:
        prompts.load_prompt(path)
    assert caught.value.problem.startswith(str(path))


def test_a_prompt_without_a_name_is_refused(tmp_path):
    (tmp_path / "prompt.yaml").write_text("template: '{context} {response}'\n")
    with pytest.raises(UserError, match="the key 'name' is missing"):
        prompts.load_prompt(tmp_path / "prompt.yaml")


def test_doubled_braces_stand_for_one(tmp_path):
    (tmp_path / "prompt.yaml").write_text("name: p\ntemplate: '{context} {{x}} {response}'\n")
    sample = SAMPLE | {"history": ["a"], "response": "b"}
    (message,) = prompts.generation_messages(sample, prompts.load_prompt(tmp_path / "prompt.yaml"))
    assert message["content"] == "a {x} b"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [", ", line 1: not YAML"),
        (b"- a\n", " is not a mapping"),
        (b"", " is not a mapping"),
        (b"a: 1\nb: caf\xe9", ", line 2: not YAML"),
        (b"a: 1\na: 2", ", line 2: the key 'a' is on line 1 already"),
        (b'a: "\\ud800"', ", line 1: .* has the character U.D800"),
    ],
)
def test_bad_yaml_is_named(tmp_path, content, reason):
    (tmp_path / "prompt.yaml").write_bytes(content)
    with pytest.raises(UserError, match=f"prompt.yaml{reason}"):
        prompts.load_yaml(tmp_path / "prompt.yaml")
    with pytest.raises(UserError, match="gone.yaml does not exist"):
        prompts.load_yaml(tmp_path / "gone.yaml")


# Dialogues


def test_flat_format_is_one_user_turn():
    text = "Speaker: i lost my dog .\nListener: oh no !\nSpeaker: he was old .\nListener: "
    assert prompts.dialogue_messages(SAMPLE["history"], "flat", "") == [{"role": "user", "content": text}]
    with_system = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    assert prompts.dialogue_messages(SAMPLE["history"], "flat", "You are a helpful assistant.") == with_system
    assert prompts.flat_sample(SAMPLE) == text + "i am so sorry ."


def test_flat_format_of_one_turn():
    assert prompts.flat_dialogue(["hello"]) == "Speaker: hello\nListener: "


def test_chat_format_alternates_roles():
    messages = prompts.dialogue_messages(SAMPLE["history"], "chat", "Be kind.")
    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "i lost my dog ."},
        {"role": "assistant", "content": "oh no !"},
        {"role": "user", "content": "he was old ."},
    ]
    assert prompts.dialogue_messages(SAMPLE["history"], "chat", "") == messages[1:]
