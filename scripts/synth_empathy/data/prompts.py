"""From samples to chat messages: the generation prompts and the dialogue format of every trained or prompted model."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

from ..core import yaml_files
from ..core.errors import UserError
from ..core.records import Record

Message = dict[str, str]

#: The judge's scores, from the worst to the best (paper, Figure 5).
SCORES = ("1", "2", "3")
#: The family's separator of turns, as the released samples have it.
TURN_SEPARATOR = " </s> "


def load_prompt(path: Path, folder: str = "resources/prompts") -> Record:
    """A generation prompt from its data file.

    Args:
        folder: where files like it are, for hints.

    Raises:
        UserError: missing file, no name, or a template without exactly the plain fields {context} and {response}.
    """
    prompt = load_yaml(path, folder)
    for key in ("name", "template"):
        if not isinstance(prompt.get(key), str):
            raise UserError(
                f"{path}: the key {key!r} is missing or no text", f"compare it with the files of {folder}/"
            )
    hint = "use {context} and {response}, and no other braces"
    try:
        fields = {
            (name, form, conversion)
            for _, name, form, conversion in Formatter().parse(prompt["template"])
            if name is not None
        }
    except ValueError as error:
        raise UserError(f"{path}: the template's braces do not pair: {error}", hint) from None
    if fields != {("context", "", None), ("response", "", None)}:
        raise UserError(f"{path}: the template's fields are {sorted(name for name, *_ in fields)}", hint)
    return prompt


def load_rubric(path: Path) -> Record:
    """What the judge is asked about one criterion, from its data file: ``name``, ``title``, ``template``.

    Raises:
        UserError: as ``load_prompt``, no title, or a score that the template does not name.
    """
    rubric = load_prompt(path, "resources/judge")
    if not isinstance(rubric.get("title"), str):
        raise UserError(
            f"{path}: the key 'title' is missing or no text", "compare it with the files of resources/judge/"
        )
    unnamed = [score for score in SCORES if score not in rubric["template"]]
    if unnamed:
        raise UserError(
            f"{path}: the template does not name the score {unnamed[0]}",
            "ask for 1, 2 or 3, and say what each means, as the files of resources/judge/ do",
        )
    return rubric


def load_yaml(path: Path, folder: str = "resources/prompts") -> Record:
    """One YAML document that is a mapping.

    Raises:
        UserError: as ``yaml_files.load_mapping``.
    """
    return yaml_files.load_mapping(path, f"name a file of {folder}/, or compare it with them")


def load_demonstration(path: Path) -> Record:
    """A worked example of the generation prompt from its data file.

    Raises:
        UserError: missing file, or one without the texts context, response and answer.
    """
    demonstration = load_yaml(path)
    lacking = [name for name in ("context", "response", "answer") if not isinstance(demonstration.get(name), str)]
    if lacking:
        raise UserError(
            f"{path} has no text {', '.join(lacking)}", "compare it with resources/prompts/demonstration.yaml"
        )
    return demonstration


def generation_messages(sample: Record, prompt: Record, demonstration: Record | None = None) -> list[Message]:
    """The chat that asks for new dialogues after one ED sample (paper, section 3.1 and Figure 3(1)).

    Args:
        sample: ``records.SAMPLE``; its history becomes {context}, turns joined as the family joins them.
        demonstration: a worked example given as an earlier exchange, for models that need one.
    """
    asked = prompt["template"].format(context=TURN_SEPARATOR.join(sample["history"]), response=sample["response"])
    messages = [{"role": "user", "content": asked}]
    if demonstration:
        example = prompt["template"].format(context=demonstration["context"], response=demonstration["response"])
        messages = [
            {"role": "user", "content": example},
            {"role": "assistant", "content": demonstration["answer"]},
        ] + messages
    return messages


#: How a dialogue is put to a model.
STYLES = ("flat", "chat")


def dialogue_messages(history: list[str], style: str, system: str) -> list[Message]:
    """The chat that asks for the listener's next turn.

    Args:
        history: turns, the speaker's first and last.
        style: ``flat``, as released: the whole dialogue as "Speaker: ..." and "Listener: ..." lines in one user
            turn that ends in "Listener: "; or ``chat``: speaker turns as user's, listener turns as assistant's.
        system: the system prompt; none when empty.
    """
    start = [{"role": "system", "content": system}] if system else []
    if style == "chat":
        roles = ("user", "assistant")
        return start + [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(history)]
    return start + [{"role": "user", "content": flat_dialogue(history)}]


def flat_dialogue(history: list[str]) -> str:
    """A history as released: one line a turn, ending where the listener is to speak."""
    return turn_lines(history) + "\nListener: "


def turn_lines(history: list[str]) -> str:
    """A history with one line a turn."""
    names = ("Speaker", "Listener")
    return "\n".join(f"{names[i % 2]}: {turn}" for i, turn in enumerate(history))


def flat_sample(sample: Record) -> str:
    """A whole sample as one text, "instruction + output" as released: what its diversity is measured on."""
    return flat_dialogue(sample["history"]) + sample["response"]
