"""Chat messages of samples: the generation prompts, and the dialogue format of every trained or prompted model."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

from ..core import yaml_files
from ..core.errors import UserError
from ..core.records import Record

Message = dict[str, str]

#: The judge's scores, from the worst to the best (paper, Figure 5).
SCORES = ("1", "2", "3")
#: The separator of turns in the MoEL/EmpDG preprocessing, and in the authors' released samples.
TURN_SEPARATOR = " </s> "


def load_prompt(path: Path, folder: str = "resources/prompts") -> Record:
    """A generation prompt from its data file.

    Args:
        folder: the folder of similar files, for hints.

    Raises:
        UserError: the file is missing, it has no name, or the fields of its template are not exactly {context} and
            {response}, without format or conversion.
    """
    prompt = load_yaml(path, folder)
    for key in ("name", "template"):
        check_text(prompt, key, path, folder)
    hint = "use {context} and {response}, and no other braces"
    try:
        parts = list(Formatter().parse(prompt["template"]))
    except ValueError as error:
        raise UserError(f"{path}: the template's braces do not match: {error}", hint) from None
    fields = {(name, form, conversion) for _, name, form, conversion in parts if name is not None}
    if fields != {("context", "", None), ("response", "", None)}:
        raise UserError(f"{path}: the template's fields are {sorted(name for name, *_ in fields)}", hint)
    return prompt


def check_text(content: Record, key: str, path: Path, folder: str) -> None:
    """Refuse a data file in which a key is missing or is not a text.

    Raises:
        UserError: names the file and the key.
    """
    if not isinstance(content.get(key), str):
        problem = f"{path}: the key {key!r} is missing or is not a text"
        raise UserError(problem, f"compare it with the files of {folder}/")


def load_rubric(path: Path) -> Record:
    """The judge's prompt for one criterion from its data file: ``name``, ``title``, ``template``.

    Raises:
        UserError: as ``load_prompt``; or there is no title, or the template does not name each score.
    """
    folder = "resources/judge"
    rubric = load_prompt(path, folder)
    check_text(rubric, "title", path, folder)
    unnamed = [score for score in SCORES if score not in rubric["template"]]
    if unnamed:
        problem = f"{path}: the template does not name the score {unnamed[0]}"
        raise UserError(problem, f"ask for 1, 2 or 3, and say what each means, as the files of {folder}/ do")
    return rubric


def load_yaml(path: Path, folder: str = "resources/prompts") -> Record:
    """A data file's content: one YAML document, which is a mapping.

    Raises:
        UserError: as ``yaml_files.load_mapping``.
    """
    return yaml_files.load_mapping(path, f"name a file of {folder}/, or compare it with them")


def load_demonstration(path: Path) -> Record:
    """A worked example of the generation prompt from its data file.

    Raises:
        UserError: the file is missing, or lacks one of the texts context, response and answer.
    """
    demonstration = load_yaml(path)
    missing = [name for name in ("context", "response", "answer") if not isinstance(demonstration.get(name), str)]
    if missing:
        hint = "compare it with resources/prompts/demonstration.yaml"
        raise UserError(f"{path} has no text {', '.join(missing)}", hint)
    return demonstration


def generation_messages(sample: Record, prompt: Record, demonstration: Record | None = None) -> list[Message]:
    """The chat that asks for new dialogues after one ED sample (paper, section 3.1 and Figure 3(1)).

    Args:
        sample: ``records.SAMPLE``. Its history becomes {context}, with ``TURN_SEPARATOR`` between turns.
        demonstration: a worked example, presented as an earlier exchange, for models that need one.
    """
    request = prompt["template"].format(context=TURN_SEPARATOR.join(sample["history"]), response=sample["response"])
    messages = [{"role": "user", "content": request}]
    if demonstration:
        example = prompt["template"].format(context=demonstration["context"], response=demonstration["response"])
        answer = {"role": "assistant", "content": demonstration["answer"]}
        messages = [{"role": "user", "content": example}, answer, *messages]
    return messages


#: How a dialogue is presented to a model.
STYLES = ("flat", "chat")


def dialogue_messages(history: list[str], style: str, system: str) -> list[Message]:
    """The chat that asks for the listener's next turn.

    Args:
        history: turns; the speaker has the first and the last.
        style: ``flat``, as in the authors' code: the whole dialogue as "Speaker: ..." and "Listener: ..." lines in one
            user message that ends in "Listener: ". ``chat``: the speaker's turns are the user's messages, and the
            listener's are the assistant's.
        system: the system prompt; none if empty.
    """
    start = [{"role": "system", "content": system}] if system else []
    if style == "chat":
        roles = ("user", "assistant")
        return start + [{"role": roles[place % 2], "content": turn} for place, turn in enumerate(history)]
    return start + [{"role": "user", "content": flat_dialogue(history)}]


def flat_dialogue(history: list[str]) -> str:
    """A history as in the authors' data: one line per turn, and the beginning of the listener's next line."""
    return turn_lines(history) + "\nListener: "


def turn_lines(history: list[str]) -> str:
    """A history with one line per turn."""
    names = ("Speaker", "Listener")
    return "\n".join(f"{names[place % 2]}: {turn}" for place, turn in enumerate(history))


def flat_sample(sample: Record) -> str:
    """A whole sample as one text, the authors' "instruction + output": the text that is embedded for its diversity."""
    return flat_dialogue(sample["history"]) + sample["response"]
