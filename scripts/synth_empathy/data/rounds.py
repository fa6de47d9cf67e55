"""Dialogues of rounds, each a context and a response: parsed from a generator's text, and sampled for training."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ..core.errors import UserError
from ..core.files import REMAKE
from ..core.records import Record, is_a
from ..core.seeds import row_seed

#: Why an output, or the rest of one, is not used. The summary counts each reason.
REASONS = {
    "no_rounds": "no line begins with Context: or Response:",
    "out_of_order": "a Context without its Response, or a Response without its Context",
    "cut_short": "the text was cut at max_tokens inside this round",
    "placeholder": "a turn without a word in it, such as ... or [context]",
    "runs_on": "a turn longer than the limit of words, or one that holds further speakers",
}

# "Round 2:", "**Context:**", "- Response 1:", "Round One: Context:", "1. Context:". The label starts a line, perhaps
# after markup. The pattern ends with the label's line, because markup of the next line belongs to the next label.
#
# A model can write any text, so the time must be linear in the text's length. Therefore parts of the pattern that may
# repeat share no character (they are possessive: they never backtrack), and a run of lines of markup is read once: if
# no label follows, the pattern matches the run itself, with an empty group, and the search continues after it. A
# pattern of the label alone would try again from every line of the run: n * n / 2 steps for n empty lines.
MARKUP = r"^[\s>*#_\-]*+"
INNER = r"[ \t*_]*+"
NUMBER = r"(?:\d++|one|two|three|four|five|six|seven|eight|nine|ten)"
NUMBERED = rf"(?:(?:round\s*+)?{NUMBER}{INNER}[:.)\-]{INNER})?"
LABEL = re.compile(
    rf"{MARKUP}(?:{NUMBERED}(round|context|response){INNER}(?:{NUMBER}{INNER})?:{INNER}|)",
    re.IGNORECASE | re.MULTILINE,
)
# The end backtracks once per run: a header ends with its line, but the blank lines after it also match.
BARE_ROUND = re.compile(rf"{MARKUP}(?:(round)\s*+{NUMBER}[\s*_.:]*$|)", re.IGNORECASE | re.MULTILINE)
SPEAKER = re.compile(r"\b(context|response|speaker|listener|user|assistant)\s*+:", re.IGNORECASE)
PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Parsed:
    """The usable rounds of an output, and why the rest of it is not used; the reason is None if all of it is used."""

    rounds: list[dict[str, str]]
    reason: str | None


def parse_rounds(text: str, finish: str, max_words: int) -> Parsed:
    """Read rounds of "Context: ... Response: ..." from a generator's text.

    Rounds are used up to the first bad one, because later rounds answer it. Text before the first label, and further
    paragraphs after a turn, belong to no turn.

    Args:
        finish: ``length`` if the text was cut at max_tokens. Its last turn is then not used.
        max_words: the most words of a usable turn.
    """
    turns = labelled_turns(text)
    if not turns:
        return Parsed([], "no_rounds")
    rounds: list[dict[str, str]] = []
    for place in range(0, len(turns), 2):
        pair = turns[place : place + 2]
        reason = reason_against(pair, max_words)
        if finish == "length" and place + 2 >= len(turns) and reason in (None, "out_of_order"):
            reason = "cut_short"
        if reason:
            return Parsed(rounds, reason)
        rounds.append({"context": pair[0][1], "response": pair[1][1]})
    return Parsed(rounds, None)


def labelled_turns(text: str) -> list[tuple[str, str]]:
    """The (label, text) of each Context and Response, in order. A turn is the paragraph after its label."""
    text = BARE_ROUND.sub(header_to_label, text)
    labels = [match for match in LABEL.finditer(text) if match[1]]
    ends = [label.start() for label in labels[1:]] + [len(text)]
    turns = []
    for label, end in zip(labels, ends):
        name = label[1].lower()
        if name != "round":
            paragraph = PARAGRAPH.split(text[label.end() : end].strip(), maxsplit=1)[0]
            turns.append((name, clean_turn(paragraph)))
    return turns


def header_to_label(match: re.Match[str]) -> str:
    """A round's header in the form of a label; lines of markup without a header are not changed."""
    return "round:" if match[1] else match[0]


def clean_turn(text: str) -> str:
    """A turn in one line, without markup and quotes around it."""
    line = " ".join(text.split()).strip("*_ ")
    quoted = len(line) > 1 and (line[0], line[-1]) in {('"', '"'), ("“", "”")}
    if quoted and not {line[0], line[-1]} & set(line[1:-1]):
        line = line[1:-1].strip()
    return line


def reason_against(pair: list[tuple[str, str]], max_words: int) -> str | None:
    """Why two labelled turns are not a usable round, as a key of ``REASONS``; None if they are."""
    if [label for label, _ in pair] != ["context", "response"]:
        return "out_of_order"
    for _, text in pair:
        if not re.search(r"\w", text) or re.fullmatch(r"[\[<{][^\[\]<>{}]*[\]}>]", text):
            return "placeholder"
        if len(text.split()) > max_words or SPEAKER.search(text):
            return "runs_on"
    return None


def check_dialogue(dialogue: Record, where: str) -> None:
    """Refuse an invalid dialogue.

    Args:
        where: the file and line, with which the error message begins.

    Raises:
        UserError: the dialogue has no rounds, or one of them is not a pair of texts.
    """
    if not dialogue["rounds"]:
        raise UserError(f"{where}: the dialogue {dialogue['id']!r} has no rounds", REMAKE)
    for number, pair in enumerate(dialogue["rounds"], start=1):
        if not (isinstance(pair, dict) and all(is_a(pair.get(name), str) for name in ("context", "response"))):
            problem = f"round {number} of {dialogue['id']!r} is not a context and a response, each a text"
            raise UserError(f"{where}: {problem}", REMAKE)


#: How a training sample is drawn from a dialogue.
MODES = ("matched", "released")


def sample_turns(dialogue: Record, mode: str, seed: int, history_rounds: tuple[int, int]) -> Record:
    """Draw one training sample from a dialogue: some rounds as history, the next Context, and a Response as target.

    Args:
        dialogue: ``records.DIALOGUE`` that passes ``check_dialogue``.
        mode: ``matched``: the target answers the last Context of the input, as the method describes. ``released``: the
            target is the Response of the dialogue's last round, as in the authors' code. It then answers another
            Context, unless the input ends with the last one.
        seed: the run's global seed. The draw depends only on it and on the dialogue's id.
        history_rounds: fewest and most rounds of history; a shorter dialogue has as many as it can.

    Returns:
        ``records.SAMPLE``, with the number of rounds of history (``history_rounds``) and the place of the target's
        round (``target_round``).
    """
    rounds = dialogue["rounds"]
    most = min(history_rounds[1], len(rounds) - 1)
    fewest = min(history_rounds[0], most)
    length = random.Random(row_seed(seed, dialogue["id"], "turns")).randint(fewest, most)
    target = length if mode == "matched" else len(rounds) - 1
    history: list[str] = []
    for past in rounds[:length]:
        history += [past["context"], past["response"]]
    return {
        "id": dialogue["id"],
        "history": [*history, rounds[length]["context"]],
        "response": rounds[target]["response"],
        "history_rounds": length,
        "target_round": target,
    }
