"""From a generator's text to dialogues of (context, response) rounds, and from dialogues to synthetic samples."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ..core.errors import UserError
from ..core.records import REMAKE, Record, is_a
from ..core.seeds import row_seed

#: Why an output, or the rest of one, is not used. The summary counts each.
REASONS = {
    "no_rounds": "no line begins with Context: or Response:",
    "out_of_order": "a Context without its Response, or a Response without its Context",
    "cut_short": "the text was cut at max_tokens inside this round",
    "placeholder": "a turn without a word in it, such as ... or [context]",
    "runs_on": "a turn longer than the limit of words, or one that holds further speakers",
}

# "Round 2:", "**Context:**", "- Response 1:", "Round One: Context:", "1. Context:"; the label starts a line, perhaps
# behind markup. What follows it is taken up to the line's end only: the next line's markup belongs to the next label.
#
# A model's text may be anything, so the time to read it must be linear in its length. Two neighbouring parts that may
# repeat share no character (possessive quantifiers: a part never gives back what it matched). A run of lines of markup
# is read once: if no label follows, the pattern matches the run itself, with an empty group, and the search goes on
# behind it. A pattern of the label alone would be tried from every line of the run, n * n / 2 steps for n empty lines.
MARKUP = r"^[\s>*#_\-]*+"
INNER = r"[ \t*_]*+"
NUMBER = r"(?:\d++|one|two|three|four|five|six|seven|eight|nine|ten)"
NUMBERED = rf"(?:(?:round\s*+)?{NUMBER}{INNER}[:.)\-]{INNER})?"
LABEL = re.compile(
    rf"{MARKUP}(?:{NUMBERED}(round|context|response){INNER}(?:{NUMBER}{INNER})?:{INNER}|)",
    re.IGNORECASE | re.MULTILINE,
)
# The end gives characters back, once for each run: a header ends with its line, and blank lines behind it are its own.
BARE_ROUND = re.compile(rf"{MARKUP}(?:(round)\s*+{NUMBER}[\s*_.:]*$|)", re.IGNORECASE | re.MULTILINE)
SPEAKER = re.compile(r"\b(context|response|speaker|listener|user|assistant)\s*+:", re.IGNORECASE)
PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Parsed:
    """The usable rounds of an output, and why the rest of it, if any, is not used."""

    rounds: list[dict[str, str]]
    reason: str | None


def parse_rounds(text: str, finish: str, max_words: int) -> Parsed:
    """Read rounds of "Context: ... Response: ..." from a generator's text.

    Strict: rounds are taken from the start up to the first bad one, since a later one answers what a bad one said.
    Text before the first label and paragraphs after a turn belong to no turn.

    Args:
        finish: ``length`` when the text was cut at max_tokens: its last turn is then not trusted.
        max_words: a turn with more words runs on.
    """
    turns = labelled_turns(text)
    if not turns:
        return Parsed([], "no_rounds")
    rounds: list[dict[str, str]] = []
    for place in range(0, len(turns), 2):
        pair = turns[place : place + 2]
        reason = fault(pair, max_words)
        if finish == "length" and place + 2 >= len(turns) and reason in (None, "out_of_order"):
            reason = "cut_short"
        if reason:
            return Parsed(rounds, reason)
        rounds.append({"context": pair[0][1], "response": pair[1][1]})
    return Parsed(rounds, None)


def labelled_turns(text: str) -> list[tuple[str, str]]:
    """The (label, text) of each Context and Response, in order; a turn is the paragraph behind its label."""
    text = BARE_ROUND.sub(as_label, text)
    marks = [found for found in LABEL.finditer(text) if found[1]]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    turns = []
    for mark, end in zip(marks, ends):
        label = mark.group(1).lower()
        if label != "round":
            paragraph = PARAGRAPH.split(text[mark.end() : end].strip(), maxsplit=1)[0]
            turns.append((label, clean_turn(paragraph)))
    return turns


def as_label(found: re.Match[str]) -> str:
    """A round's header in the form of a label; lines of markup that no header follows stay as they are."""
    return "round:" if found[1] else found[0]


def clean_turn(text: str) -> str:
    """One line, without markup or a pair of quotes around the whole of it."""
    line = " ".join(text.split()).strip("*_ ")
    if len(line) > 1 and (line[0], line[-1]) in {('"', '"'), ("“", "”")} and not {line[0], line[-1]} & set(line[1:-1]):
        line = line[1:-1].strip()
    return line


def fault(pair: list[tuple[str, str]], max_words: int) -> str | None:
    """What is wrong with a would-be round, as a key of ``REASONS``; None when it is good."""
    if [label for label, _ in pair] != ["context", "response"]:
        return "out_of_order"
    for _, text in pair:
        if not re.search(r"\w", text) or re.fullmatch(r"[\[<{][^\[\]<>{}]*[\]}>]", text):
            return "placeholder"
        if len(text.split()) > max_words or SPEAKER.search(text):
            return "runs_on"
    return None


def check_dialogue(dialogue: Record, where: str) -> None:
    """Refuse a dialogue that is none.

    Args:
        where: opens the error message.

    Raises:
        UserError: its rounds are none, or one is no pair of texts.
    """
    if not dialogue["rounds"]:
        raise UserError(f"{where}: the dialogue {dialogue['id']!r} has no rounds", REMAKE)
    for number, one in enumerate(dialogue["rounds"], start=1):
        if not (isinstance(one, dict) and all(is_a(one.get(name), str) for name in ("context", "response"))):
            raise UserError(
                f"{where}: round {number} of {dialogue['id']!r} is no context and response, each a text", REMAKE
            )


#: How a training sample is drawn from a dialogue.
MODES = ("matched", "released")


def sample_turns(dialogue: Record, mode: str, seed: int, history_rounds: tuple[int, int]) -> Record:
    """Draw one training sample from a dialogue: some rounds as history, the next Context, and a Response as target.

    Args:
        dialogue: ``records.DIALOGUE`` that ``check_dialogue`` passes.
        mode: ``matched``: the target answers the Context shown last, as the method describes. ``released``: the
            target is the last round's Response, as in the authors' code, so that input and target differ in round
            unless the last Context happens to be the one shown.
        seed: the run's global seed; the draw depends on it and the dialogue's id alone.
        history_rounds: fewest and most rounds of history; a shorter dialogue gives as many as it can.

    Returns:
        ``records.SAMPLE``, with the number of rounds of history (``history_rounds``) and the number of the target's
        round (``target_round``).
    """
    rounds = dialogue["rounds"]
    most = min(history_rounds[1], len(rounds) - 1)
    fewest = min(history_rounds[0], most)
    shown = random.Random(row_seed(seed, dialogue["id"], "turns")).randint(fewest, most)
    target = shown if mode == "matched" else len(rounds) - 1
    history = [turn for past in rounds[:shown] for turn in (past["context"], past["response"])]
    return {
        "id": dialogue["id"],
        "history": [*history, rounds[shown]["context"]],
        "response": rounds[target]["response"],
        "history_rounds": shown,
        "target_round": target,
    }
