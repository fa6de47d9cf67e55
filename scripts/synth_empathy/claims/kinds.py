"""The kinds of claims: what each asks of its quantities, and when the answer is yes, no, or not known.

Three values: a part that is not there is not known, and an answer that is no whatever it may be is no. So a system
is not the best once a single other one is above it, and is the best only when all others are there.

**Tolerance.** Of what should be near a value: how far off it may be. Of an order (above, best, peak, falling): by how
much the one must exceed the other, 0 where the paper states no more than the order. Where the values have two seeds or
more, twice the standard error of what is compared replaces a smaller tolerance: of a mean, its sd / sqrt(n); of the
difference of two systems with the same seeds, that of the differences by seed; with other seeds, the root of the sum
of both squares. With one seed nothing is known of the spread, and the tolerance stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from .evidence import Missing, Numbers, Value, shown

Operands = dict[str, Any]
#: Standard errors by which a difference must be clear of the seeds' spread.
ERRORS = 2
#: What binary fractions do to a difference that is as large as the tolerance, written in decimals.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Outcome:
    """Whether a part of a claim holds (None: not known), and what was compared, or what is missing."""

    holds: bool | None
    said: str


@dataclass(frozen=True)
class Scale:
    """What a claim is held against: its numbers, the paper's, and its tolerance."""

    numbers: Numbers
    paper: Numbers
    tolerance: float
    relative: bool = False

    def get(self, quantity: str) -> Value | Missing:
        """A quantity of the numbers under test."""
        return self.numbers.value(quantity)

    def allowed(self, target: float) -> float:
        """The tolerance in the target's unit."""
        return self.tolerance * abs(target) if self.relative else self.tolerance


def both(outcomes: Iterable[Outcome]) -> Outcome:
    """All of them: no as soon as one is, else not known as soon as one is; says those that decided."""
    outcomes = list(outcomes)
    for decisive in (False, None):
        chosen = [outcome.said for outcome in outcomes if outcome.holds is decisive]
        if chosen:
            return Outcome(decisive, shortened(chosen))
    return Outcome(True, shortened([outcome.said for outcome in outcomes]))


def shortened(sentences: list[str], most: int = 3) -> str:
    """The first few distinct ones, and how many more there are."""
    distinct = list(dict.fromkeys(sentences))
    rest = len(distinct) - most
    return "; ".join(distinct[:most]) + (f"; and {rest} more" if rest > 0 else "")


def error_of(value: Value) -> float:
    """The standard error of a mean over seeds; 0 where it is not known."""
    numbers = list(value.by_seed.values())
    return stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else 0.0


def error_of_difference(first: Value, second: Value) -> float:
    """The standard error of the difference of two means, by seed where the seeds are the same."""
    if first.by_seed.keys() == second.by_seed.keys():
        return error_of(Value.of(0, {seed: first.by_seed[seed] - second.by_seed[seed] for seed in first.by_seed}))
    return math.hypot(error_of(first), error_of(second))


def absent(*values: Value | Missing) -> Outcome | None:
    """Not known, where one of the values is not there."""
    reasons = [value.reason for value in values if isinstance(value, Missing)]
    return Outcome(None, shortened(reasons)) if reasons else None


def exceeds(first: Value | Missing, second: Value | Missing, scale: Scale) -> Outcome:
    """Whether the first is above the second by more than the tolerance and the seeds' spread."""
    lacking = absent(first, second)
    if lacking:
        return lacking
    noise = ERRORS * error_of_difference(first, second)
    needed = max(scale.tolerance, noise)
    edge = needed + ROUNDING if needed else 0.0
    low, high = first.low - second.high, first.high - second.low
    holds = True if low > edge else False if high <= edge else None
    limit = f" by more than {shown(needed)}" if needed else ""
    if noise > scale.tolerance:
        limit += f" ({ERRORS} standard errors over {min(len(first.by_seed), len(second.by_seed))} seeds)"
    words = {True: "is above", False: "is not above", None: "may or may not be above"}[holds]
    return Outcome(holds, f"{first} {words} {second}{limit}")


def is_near(value: Value | Missing, target: float, scale: Scale, what: str = "") -> Outcome:
    """Whether a value is no farther from the target than the tolerance or the seeds' spread allows."""
    lacking = absent(value)
    if lacking:
        return lacking
    allowed = max(scale.allowed(target), ERRORS * error_of(value)) + ROUNDING
    nearest = max(value.low - target, target - value.high, 0.0)
    farthest = max(abs(value.low - target), abs(value.high - target))
    holds = True if farthest <= allowed else False if nearest > allowed else None
    words = {True: "is within", False: "is not within", None: "may or may not be within"}[holds]
    return Outcome(holds, f"{what}{value} {words} {shown(allowed)} of {shown(target)}")


def near(test: Operands, scale: Scale) -> Outcome:
    """``of`` is near ``value``."""
    return is_near(scale.get(test["of"]), test["value"], scale)


def near_all(test: Operands, scale: Scale) -> Outcome:
    """Each of ``of`` is near the value in the same place of ``values``."""
    return both(is_near(scale.get(quantity), value, scale) for quantity, value in zip(test["of"], test["values"]))


def near_paper(test: Operands, scale: Scale) -> Outcome:
    """``of`` is near what the paper's own tables have for it."""
    printed = scale.paper.value(test["of"])
    if isinstance(printed, Missing) or printed.low != printed.high:
        return Outcome(None, "the paper's value is not available")
    return is_near(scale.get(test["of"]), printed.low, scale)


def above(test: Operands, scale: Scale) -> Outcome:
    """The sum of the quantities ``of`` is above ``value``."""
    values = [scale.get(quantity) for quantity in test["of"]]
    return absent(*values) or exceeds(total(values), Value.of(test["value"]), scale)


def total(values: list[Value]) -> Value:
    """A sum; by seed where all have the same seeds."""
    seeds = values[0].by_seed.keys() if len({frozenset(value.by_seed) for value in values}) == 1 else ()
    by_seed = {seed: sum(value.by_seed[seed] for value in values) for seed in seeds}
    return Value(sum(value.low for value in values), sum(value.high for value in values), by_seed)


def higher(test: Operands, scale: Scale) -> Outcome:
    """``first`` is above ``second``."""
    return exceeds(scale.get(test["first"]), scale.get(test["second"]), scale)


def best_of(test: Operands, scale: Scale) -> Outcome:
    """``of`` is above every one of ``others``."""
    own = scale.get(test["of"])
    return both(exceeds(own, scale.get(other), scale) for other in test["others"])


def series(test: Operands, scale: Scale) -> dict[Any, Value | Missing]:
    """The quantity ``of`` at every value of ``over``, which stands for {x}."""
    return {x: scale.get(test["of"].replace("{x}", str(x))) for x in test["over"]}


def peak_at(test: Operands, scale: Scale) -> Outcome:
    """``of`` is higher at ``at`` than anywhere else in ``over``."""
    values = series(test, scale)
    return both(
        named(f"{test['at']} against {x}", exceeds(values[test["at"]], values[x], scale))
        for x in test["over"]
        if x != test["at"]
    )


def rises_then_falls(test: Operands, scale: Scale) -> Outcome:
    """``of`` rises at every step up to ``at``, and falls at every step after it."""
    values = series(test, scale)
    steps = []
    for x, after in zip(test["over"], test["over"][1:]):
        up = test["over"].index(x) < test["over"].index(test["at"])
        larger, smaller = (after, x) if up else (x, after)
        steps.append(named(f"{larger} against {smaller}", exceeds(values[larger], values[smaller], scale)))
    return both(steps)


def falls(test: Operands, scale: Scale) -> Outcome:
    """``of`` falls at every step of ``over``."""
    values = series(test, scale)
    return both(
        named(f"{x} against {after}", exceeds(values[x], values[after], scale))
        for x, after in zip(test["over"], test["over"][1:])
    )


def named(what: str, outcome: Outcome) -> Outcome:
    """An outcome that says which two it is about, unless they are missing."""
    return outcome if outcome.holds is None else Outcome(outcome.holds, f"{what}: {outcome.said}")


def declines_slightly(test: Operands, scale: Scale) -> Outcome:
    """``last`` is below ``first``, by no more than the share ``at_most`` of it."""
    first, last = scale.get(test["first"]), scale.get(test["last"])
    lacking = absent(first, last)
    if lacking:
        return lacking
    if min(first.low, first.high) <= 0:
        return Outcome(None, f"a decline of {first} has no share")
    decline = Value((first.low - last.high) / first.low, (first.high - last.low) / first.high)
    limit = Outcome(
        decline.high <= test["at_most"] + ROUNDING,
        f"it declines by {decline.high:.1%}, the limit is {test['at_most']:.1%}",
    )
    return both([exceeds(first, last, scale), limit])


def ratio_near(test: Operands, scale: Scale) -> Outcome:
    """``of`` / ``to`` is near ``value``."""
    ratio = ratio_of(scale.get(test["of"]), scale.get(test["to"]))
    return is_near(ratio, test["value"], scale)


def ratio_at_most(test: Operands, scale: Scale) -> Outcome:
    """``of`` / ``to`` is no more than ``value``."""
    ratio = ratio_of(scale.get(test["of"]), scale.get(test["to"]))
    lacking = absent(ratio)
    if lacking:
        return lacking
    holds = (
        True
        if ratio.high <= test["value"] + scale.tolerance
        else False
        if ratio.low > test["value"] + scale.tolerance
        else None
    )
    return Outcome(holds, f"{ratio} is {'' if holds else 'not '}at most {test['value']:g}")


def ratio_of(first: Value | Missing, second: Value | Missing) -> Value | Missing:
    """A quotient of two positive values."""
    for value in (first, second):
        if isinstance(value, Missing):
            return value
    if second.low <= 0:
        return Missing("the divisor is 0")
    return Value(first.low / second.high, first.high / second.low)


def shares_near(test: Operands, scale: Scale) -> Outcome:
    """Each of ``of``, as a share of their sum, is near the share of ``values``."""
    values = [scale.get(quantity) for quantity in test["of"]]
    lacking = absent(*values)
    if lacking:
        return lacking
    whole, targets = total(values), sum(test["values"])
    shares = [ratio_of(value, whole) for value in values]
    return both(is_near(share, target / targets, scale) for share, target in zip(shares, test["values"]))


def sums_to(test: Operands, scale: Scale) -> Outcome:
    """The sum of ``of`` is near ``value``."""
    values = [scale.get(quantity) for quantity in test["of"]]
    return absent(*values) or is_near(total(values), test["value"], scale)


def share_fits_mean(test: Operands, scale: Scale) -> Outcome:
    """A share of the highest mark is possible beside a mean: the rest has at least the lowest mark."""
    mean, share = scale.get(test["mean"]), scale.get(test["share"])
    lacking = absent(mean, share)
    if lacking:
        return lacking
    least = Value(*(test["lowest"] + (test["highest"] - test["lowest"]) * part for part in (share.low, share.high)))
    low, high = mean.low + scale.tolerance - least.high, mean.high + scale.tolerance - least.low
    holds = True if low >= -ROUNDING else False if high < -ROUNDING else None
    return Outcome(
        holds,
        f"a share of {share} with the mark {test['highest']} makes a mean of at least {least}, and the mean is {mean}",
    )


#: Each kind's operands and what computes it.
KINDS: dict[str, tuple[tuple[str, ...], Callable[[Operands, Scale], Outcome]]] = {
    "near": (("of", "value"), near),
    "near_all": (("of", "values"), near_all),
    "near_paper": (("of",), near_paper),
    "above": (("of", "value"), above),
    "higher": (("first", "second"), higher),
    "best_of": (("of", "others"), best_of),
    "peak_at": (("of", "over", "at"), peak_at),
    "rises_then_falls": (("of", "over", "at"), rises_then_falls),
    "falls": (("of", "over"), falls),
    "declines_slightly": (("first", "last", "at_most"), declines_slightly),
    "ratio_near": (("of", "to", "value"), ratio_near),
    "ratio_at_most": (("of", "to", "value"), ratio_at_most),
    "shares_near": (("of", "values"), shares_near),
    "sums_to": (("of", "value"), sums_to),
    "share_fits_mean": (("mean", "share", "lowest", "highest"), share_fits_mean),
}
#: Operands that are quantities, or lists of them.
QUANTITIES = ("of", "to", "others", "first", "second", "last", "mean", "share")
#: Operands that are lists of quantities, by kind.
LISTS = {("near_all", "of"), ("above", "of"), ("shares_near", "of"), ("sums_to", "of"), ("best_of", "others")}
