"""Quantities: what a claim is tested on, by name. A quantity has two or three words:

    cell BASE/TRAINING_SET METRIC        a system's value in a table: cell qwen1.5-7b-chat/ed cider
    judged JUDGE/PROMPT/STAGE ITEM       a judge's mean or full_share, before or after selection
    human BASELINE ITEM                  win, loss or tie against a baseline, in percent of the judgements
    generated PROMPT ITEM                outputs, dialogues or samples
    ed ITEM                              conversations, utterances, labels, largest_label, ...; or conversations/train

The value is an interval if the paper gives a bound (more than 95 %) or leaves it to be inferred (a loss rate, from a
win rate).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from ..core.errors import UserError
from ..core.yaml_files import shortened
from ..reporting import cells


@dataclass(frozen=True)
class Value:
    """A number between ``low`` and ``high``, which are equal for a measured one; and its value for each seed."""

    low: float
    high: float
    by_seed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, number: float, by_seed: dict[str, float] | None = None) -> Value:
        """A number that is known exactly."""
        return cls(number, number, by_seed or {})

    def __str__(self) -> str:
        low, high = format_number(self.low), format_number(self.high)
        return low if self.low == self.high else f"{low} to {high}"


def format_number(number: float) -> str:
    """A number to four decimals, without trailing zeros."""
    return f"{number:,.4f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Missing:
    """The reason why a quantity is missing, as a sentence without its full stop."""

    reason: str


class Numbers(Protocol):
    """A source of quantities."""

    def value(self, quantity: str) -> Value | Missing:
        """A quantity, or why it is missing."""
        ...


#: How many names the address of each source has.
ADDRESSES = {"cell": 2, "judged": 3, "human": 1, "generated": 1}
#: A name in an address: it becomes part of a path, and glob takes no character of it for a pattern.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
#: The items of each source that has a fixed list of them.
ITEMS = {
    "cell": tuple(cells.HEADINGS),
    "judged": ("mean", "full_share"),
    "human": ("win", "loss", "tie"),
    "generated": ("outputs", "dialogues", "samples"),
}
FORMS = (
    "cell BASE/TRAINING_SET METRIC",
    "judged JUDGE/PROMPT/STAGE ITEM",
    "human BASELINE ITEM",
    "generated PROMPT ITEM",
    "ed ITEM",
)


def parts_of(quantity: str) -> tuple[str, list[str], str]:
    """A quantity's source, the names in its address, and its item.

    Raises:
        UserError: it has none of the forms above.
    """
    words = quantity.split()
    if len(words) == 2 and words[0] == "ed":
        return "ed", [], words[1]
    if len(words) == 3 and words[0] in ADDRESSES and words[2] in ITEMS[words[0]]:
        address = words[1].split("/")
        if len(address) == ADDRESSES[words[0]] and all(map(NAME.fullmatch, address)):
            return words[0], address, words[2]
    hint = f"write one of: {', '.join(FORMS)} (scripts/synth_empathy/claims/quantities.py has the items)"
    raise UserError(f"{shortened(repr(quantity))} is not a quantity", hint)
