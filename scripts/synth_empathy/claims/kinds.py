"""The kinds of claims: what each compares, and when it holds, does not hold, or is unknown.

A missing part makes the answer unknown, unless the other parts already make it false. So a system is not the best once
one other system is above it, and it is the best only if the values of all others are known.

**Tolerance.** For a value that should be near a target: how far off it may be. For an order (above, best, peak,
falling): by how much one value must exceed the other; 0 if the paper states only the order. If the values have two
seeds or more, twice the standard error of what is compared replaces a smaller tolerance. For a mean it is sd/sqrt(n).
For the difference of two systems with the same seeds, it is that of the differences by seed. With different seeds, it
is the root of the sum of both squares. With one seed the variation is unknown, and the tolerance stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from .quantities import Missing, Numbers, Value, format_number

Operands = dict[str, Any]
#: The standard errors that a difference must exceed.
ERRORS = 2
#: What binary fractions add to a difference that equals the tolerance in decimals.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Outcome:
    """Whether a part of a claim holds (None: unknown), and what was compared, or what is missing."""

    holds: bool | None
    finding: str

    def about(self, subject: str) -> Outcome:
        """The same outcome, whose finding begins with what it is about."""
        return Outcome(self.holds, f"{subject}: {self.finding}")


@dataclass(frozen=True)
class Scale:
    """What a claim is tested with: the numbers under test, the paper's numbers, and the claim's tolerance."""

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


def all_hold(outcomes: Iterable[Outcome]) -> Outcome:
    """Whether all outcomes hold: false if one is false, else unknown if one is unknown. Its finding is theirs."""
    outcomes = list(outcomes)
    for decisive in (False, None):
        findings = [outcome.finding for outcome in outcomes if outcome.holds is decisive]
        if findings:
            return Outcome(decisive, shortened(findings))
    return Outcome(True, shortened([outcome.finding for outcome in outcomes]))


def shortened(sentences: list[str], most: int = 3) -> str:
    """The first few distinct sentences, and the number of the others."""
    distinct = list(dict.fromkeys(sentences))
    rest = len(distinct) - most
    return "; ".join(distinct[:most]) + (f"; and {rest} more" if rest > 0 else "")


def three_valued(is_true: bool, is_false: bool) -> bool | None:
    """True, False or, if neither is certain, None."""
    if is_true:
        return True
    return False if is_false else None


def error_of(value: Value) -> float:
    """The standard error of a mean over seeds; 0 if it is unknown."""
    numbers = list(value.by_seed.values())
    return stdev(numbers) / math.sqrt(len(numbers)) if len(numbers) > 1 else 0.0


def error_of_difference(first: Value, second: Value) -> float:
    """The standard error of the difference of two means, by seed if the seeds are the same."""
    if first.by_seed.keys() == second.by_seed.keys():
        return error_of(Value.of(0, {seed: first.by_seed[seed] - second.by_seed[seed] for seed in first.by_seed}))
    return math.hypot(error_of(first), error_of(second))


def unknown(*values: Value | Missing) -> Outcome | None:
    """The unknown outcome if one of the values is missing; else None."""
    reasons = [value.reason for value in values if isinstance(value, Missing)]
    return Outcome(None, shortened(reasons)) if reasons else None


def exceeds(first: Value | Missing, second: Value | Missing, scale: Scale) -> Outcome:
    """Whether the first value is above the second by more than the tolerance and twice the standard error."""
    missing = unknown(first, second)
    if missing:
        return missing
    noise = ERRORS * error_of_difference(first, second)
    needed = max(scale.tolerance, noise)
    edge = needed + ROUNDING if needed else 0.0
    low, high = first.low - second.high, first.high - second.low
    holds = three_valued(low > edge, high <= edge)
    limit = f" by more than {format_number(needed)}" if needed else ""
    if noise > scale.tolerance:
        limit += f" ({ERRORS} standard errors over {min(len(first.by_seed), len(second.by_seed))} seeds)"
    verb = {True: "is above", False: "is not above", None: "may or may not be above"}[holds]
    return Outcome(holds, f"{first} {verb} {second}{limit}")


def is_near(value: Value | Missing, target: float, scale: Scale) -> Outcome:
    """Whether a value is no farther from the target than the tolerance or twice the standard error."""
    missing = unknown(value)
    if missing:
        return missing
    allowed = max(scale.allowed(target), ERRORS * error_of(value)) + ROUNDING
    nearest = max(value.low - target, target - value.high, 0.0)
    farthest = max(abs(value.low - target), abs(value.high - target))
    holds = three_valued(farthest <= allowed, nearest > allowed)
    verb = {True: "is within", False: "is not within", None: "may or may not be within"}[holds]
    return Outcome(holds, f"{value} {verb} {format_number(allowed)} of {format_number(target)}")


def near(test: Operands, scale: Scale) -> Outcome:
    """``of`` is near ``value``."""
    return is_near(scale.get(test["of"]), test["value"], scale)


def near_all(test: Operands, scale: Scale) -> Outcome:
    """Each of ``of`` is near the value at the same place of ``values``."""
    return all_hold(is_near(scale.get(quantity), value, scale) for quantity, value in zip(test["of"], test["values"]))


def near_paper(test: Operands, scale: Scale) -> Outcome:
    """``of`` is near its value in the paper's own tables."""
    printed = scale.paper.value(test["of"])
    if isinstance(printed, Missing) or printed.low != printed.high:
        return Outcome(None, "the paper's value is not available")
    return is_near(scale.get(test["of"]), printed.low, scale)


def above(test: Operands, scale: Scale) -> Outcome:
    """The sum of the quantities ``of`` is above ``value``."""
    values = [scale.get(quantity) for quantity in test["of"]]
    return unknown(*values) or exceeds(total(values), Value.of(test["value"]), scale)


def total(values: list[Value]) -> Value:
    """A sum; by seed if all values have the same seeds."""
    low, high = sum(value.low for value in values), sum(value.high for value in values)
    seeds = values[0].by_seed.keys()
    if any(value.by_seed.keys() != seeds for value in values):
        return Value(low, high)
    by_seed = dict.fromkeys(seeds, 0)
    for value in values:
        by_seed = {seed: by_seed[seed] + number for seed, number in value.by_seed.items()}
    return Value(low, high, by_seed)


def higher(test: Operands, scale: Scale) -> Outcome:
    """``first`` is above ``second``."""
    return exceeds(scale.get(test["first"]), scale.get(test["second"]), scale)


def best_of(test: Operands, scale: Scale) -> Outcome:
    """``of`` is above each of ``others``."""
    own = scale.get(test["of"])
    return all_hold(exceeds(own, scale.get(other), scale) for other in test["others"])


def series(test: Operands, scale: Scale) -> dict[Any, Value | Missing]:
    """The quantity ``of`` at each value of ``over``, which replaces {x}."""
    return {x: scale.get(test["of"].replace("{x}", str(x))) for x in test["over"]}


def higher_at(values: dict[Any, Value | Missing], first: Any, second: Any, scale: Scale) -> Outcome:
    """Whether a series is higher at one place than at another; the finding names both places unless it is unknown."""
    outcome = exceeds(values[first], values[second], scale)
    return outcome if outcome.holds is None else outcome.about(f"{first} against {second}")


def peak_at(test: Operands, scale: Scale) -> Outcome:
    """``of`` is higher at ``at`` than anywhere else in ``over``."""
    values, peak = series(test, scale), test["at"]
    return all_hold(higher_at(values, peak, x, scale) for x in test["over"] if x != peak)


def rises_then_falls(test: Operands, scale: Scale) -> Outcome:
    """``of`` rises at every step up to ``at``, and falls at every step after it."""
    values = series(test, scale)
    peak = test["over"].index(test["at"])
    steps = []
    for place, (x, after) in enumerate(zip(test["over"], test["over"][1:])):
        larger, smaller = (after, x) if place < peak else (x, after)
        steps.append(higher_at(values, larger, smaller, scale))
    return all_hold(steps)


def falls(test: Operands, scale: Scale) -> Outcome:
    """``of`` falls at every step of ``over``."""
    values = series(test, scale)
    return all_hold(higher_at(values, x, after, scale) for x, after in zip(test["over"], test["over"][1:]))


def declines_slightly(test: Operands, scale: Scale) -> Outcome:
    """``last`` is below ``first``, by no more than the share ``at_most`` of it."""
    first, last = scale.get(test["first"]), scale.get(test["last"])
    missing = unknown(first, last)
    if missing:
        return missing
    if min(first.low, first.high) <= 0:
        return Outcome(None, f"a decline of {first} has no share")
    decline = Value((first.low - last.high) / first.low, (first.high - last.low) / first.high)
    finding = f"it declines by {decline.high:.1%}, the limit is {test['at_most']:.1%}"
    limit = Outcome(decline.high <= test["at_most"] + ROUNDING, finding)
    return all_hold([exceeds(first, last, scale), limit])


def ratio_near(test: Operands, scale: Scale) -> Outcome:
    """``of`` / ``to`` is near ``value``."""
    ratio = ratio_of(scale.get(test["of"]), scale.get(test["to"]))
    return is_near(ratio, test["value"], scale)


def ratio_at_most(test: Operands, scale: Scale) -> Outcome:
    """``of`` / ``to`` is no more than ``value``."""
    ratio = ratio_of(scale.get(test["of"]), scale.get(test["to"]))
    missing = unknown(ratio)
    if missing:
        return missing
    limit = test["value"] + scale.tolerance
    holds = three_valued(ratio.high <= limit, ratio.low > limit)
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
    missing = unknown(*values)
    if missing:
        return missing
    whole, targets = total(values), sum(test["values"])
    shares = [ratio_of(value, whole) for value in values]
    return all_hold(is_near(share, target / targets, scale) for share, target in zip(shares, test["values"]))


def sums_to(test: Operands, scale: Scale) -> Outcome:
    """The sum of ``of`` is near ``value``."""
    values = [scale.get(quantity) for quantity in test["of"]]
    return unknown(*values) or is_near(total(values), test["value"], scale)


def share_fits_mean(test: Operands, scale: Scale) -> Outcome:
    """A share of the highest score is possible together with a mean: every other score is at least the lowest."""
    mean, share = scale.get(test["mean"]), scale.get(test["share"])
    missing = unknown(mean, share)
    if missing:
        return missing
    lowest, highest = test["lowest"], test["highest"]
    least = Value(*(lowest + (highest - lowest) * bound for bound in (share.low, share.high)))
    low, high = mean.low + scale.tolerance - least.high, mean.high + scale.tolerance - least.low
    holds = three_valued(low >= -ROUNDING, high < -ROUNDING)
    claim = f"a share of {share} with the score {highest} makes a mean of at least {least}"
    return Outcome(holds, f"{claim}, and the mean is {mean}")


#: The operands of each kind, and the function that computes it.
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
