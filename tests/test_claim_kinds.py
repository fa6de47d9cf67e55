"""Each kind of claim against plain references: true, false or unknown, with intervals and with several seeds."""

import itertools
import math
import statistics
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.claims.kinds import KINDS, Scale
from synth_empathy.claims.quantities import Missing, Value


class NamedNumbers:
    """Numbers by name; None stands for a missing one."""

    def __init__(self, numbers):
        self.numbers = numbers

    def value(self, quantity):
        number = self.numbers.get(quantity)
        if number is None:
            return Missing(f"{quantity} is missing")
        return number if isinstance(number, Value) else Value.of(number)


def decided(kind, numbers, tolerance=0.0, relative=False, printed=None, **operands):
    scale = Scale(NamedNumbers(numbers), NamedNumbers(printed or {}), tolerance, relative)
    return KINDS[kind][1](operands, scale).holds


def each(verdicts):
    """Whether all hold: a plain reference of the three-valued conjunction."""
    verdicts = list(verdicts)
    if False in verdicts:
        return False
    return None if None in verdicts else True


def gap(first, second, margin):
    return None if first is None or second is None else first - second > margin


numbers_ = st.integers(-50, 50) | st.none()
positive = st.integers(1, 50) | st.none()
margins = st.integers(0, 5)
OVER = [50, 55, 60, 65, 70]


def named(values):
    return {f"q{x}": value for x, value in zip(OVER, values)}


@given(numbers_, st.integers(-50, 50), margins, st.booleans())
def test_near(x, target, margin, relative):
    allowed = margin / 10 * abs(target) if relative else margin
    expected = None if x is None else abs(x - target) <= allowed + 1e-9
    operands = {"tolerance": margin / 10 if relative else margin, "relative": relative}
    assert decided("near", {"a": x}, of="a", value=target, **operands) is expected
    assert decided("near_paper", {"a": x}, of="a", printed={"a": target}, **operands) is expected
    assert decided("near_paper", {"a": x}, of="a", **operands) is None


@given(st.lists(numbers_, min_size=3, max_size=3), st.lists(st.integers(-50, 50), min_size=3, max_size=3), margins)
def test_near_all(values, targets, margin):
    expected = each(None if x is None else abs(x - target) <= margin for x, target in zip(values, targets))
    assert decided("near_all", named(values), margin, of=["q50", "q55", "q60"], values=targets) is expected


@given(st.lists(numbers_, min_size=1, max_size=4), st.integers(-100, 100), margins)
def test_above_and_sums_to(values, limit, margin):
    names = [f"q{x}" for x in OVER[: len(values)]]
    whole = None if None in values else sum(values)
    assert decided("above", named(values), margin, of=names, value=limit) is gap(whole, limit, margin)
    expected = None if whole is None else abs(whole - limit) <= margin
    assert decided("sums_to", named(values), margin, of=names, value=limit) is expected


@given(numbers_, st.lists(numbers_, min_size=1, max_size=5), margins)
def test_higher_and_best_of(own, others, margin):
    names = [f"q{x}" for x in OVER[: len(others)]]
    numbers = {"own": own} | named(others)
    assert decided("higher", numbers, margin, first="own", second="q50") is gap(own, others[0], margin)
    expected = each(gap(own, other, margin) for other in others)
    assert decided("best_of", numbers, margin, of="own", others=names) is expected


@given(st.lists(numbers_, min_size=5, max_size=5), st.sampled_from(OVER), margins)
def test_peak_rise_and_fall(values, at, margin):
    place = OVER.index(at)
    series = {"of": "q{x}", "over": OVER}
    expected = each(gap(values[place], value, margin) for i, value in enumerate(values) if i != place)
    assert decided("peak_at", named(values), margin, at=at, **series) is expected
    expected = each(gap(a, b, margin) for a, b in itertools.pairwise(values))
    assert decided("falls", named(values), margin, **series) is expected
    up = [gap(b, a, margin) for a, b in itertools.pairwise(values[: place + 1])]
    down = [gap(a, b, margin) for a, b in itertools.pairwise(values[place:])]
    assert decided("rises_then_falls", named(values), margin, at=at, **series) is each(up + down)


@given(positive, positive, st.sampled_from([0.0, 0.1, 0.5]))
def test_declines_slightly(first, last, limit):
    expected = None if None in (first, last) else last < first and first - last <= limit * first + 1e-9
    assert decided("declines_slightly", {"a": first, "b": last}, first="a", last="b", at_most=limit) is expected


@given(positive, positive, st.integers(1, 9), st.sampled_from([0.0, 0.5]))
def test_ratios(first, second, target, tolerance):
    absent = None in (first, second)
    near = None if absent else abs(first / second - target) <= tolerance + 1e-9
    assert decided("ratio_near", {"a": first, "b": second}, tolerance, of="a", to="b", value=target) is near
    most = None if absent else first / second <= target + tolerance
    assert decided("ratio_at_most", {"a": first, "b": second}, tolerance, of="a", to="b", value=target) is most
    assert decided("ratio_near", {"a": first, "b": 0}, tolerance, of="a", to="b", value=target) is None


@given(st.lists(positive, min_size=3, max_size=3), st.sampled_from([0.01, 0.05, 0.2]))
def test_shares_near(values, tolerance):
    expected = None
    if None not in values:
        expected = all(abs(x / sum(values) - t / 10) <= tolerance + 1e-9 for x, t in zip(values, [8, 1, 1]))
    assert decided("shares_near", named(values), tolerance, of=["q50", "q55", "q60"], values=[8, 1, 1]) is expected


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.integers(1, 30))
def test_share_fits_mean(scores, fewer):
    """The share and the mean of any scores fit; a mean below the least that the share makes possible does not."""
    mean, share = statistics.fmean(scores), scores.count(3) / len(scores)
    operands = {"mean": "m", "share": "s", "lowest": 1, "highest": 3}
    assert decided("share_fits_mean", {"m": mean, "s": share}, **operands) is True
    least = 3 * share + 1 * (1 - share)
    assert decided("share_fits_mean", {"m": least - fewer / 100, "s": share}, **operands) is False
    assert decided("share_fits_mean", {"m": None, "s": share}, **operands) is None


def test_every_kind_has_its_test():
    here = Path(__file__).read_text(encoding="utf-8")
    assert {kind for kind in KINDS if f'decided("{kind}"' not in here} == set()


intervals = st.tuples(st.integers(-5, 5), st.integers(0, 4)).map(lambda pair: Value(pair[0], pair[0] + pair[1]))


@given(intervals, intervals, st.integers(0, 3))
def test_an_interval_decides_only_what_all_of_its_numbers_decide(first, second, margin):
    points = itertools.product((first.low, first.high), (second.low, second.high))
    verdicts = {a - b > margin for a, b in points}
    expected = verdicts.pop() if len(verdicts) == 1 else None
    assert decided("higher", {"a": first, "b": second}, margin, first="a", second="b") is expected
    points = range(int(first.low), int(first.high) + 1)
    verdicts = {abs(x - 2) <= margin for x in points}
    verdict = decided("near", {"a": first}, margin, of="a", value=2)
    assert verdict is None or verdicts == {verdict}
    assert verdict is not None or first.low < first.high


def seeded(*numbers):
    return Value.of(statistics.fmean(numbers), {str(seed): float(number) for seed, number in enumerate(numbers)})


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=5), st.lists(st.integers(0, 20), min_size=2, max_size=5), margins
)
def test_with_several_seeds_an_order_must_exceed_twice_the_standard_error(first, second, margin):
    n, m = len(first), len(second)
    if n == m:
        error = statistics.stdev([a - b for a, b in zip(first, second)]) / math.sqrt(n)
    else:
        error = math.sqrt(statistics.variance(first) / n + statistics.variance(second) / m)
    difference = statistics.fmean(first) - statistics.fmean(second)
    needed = max(margin, 2 * error)
    if abs(difference - needed) > 1e-6:
        numbers = {"a": seeded(*first), "b": seeded(*second)}
        assert decided("higher", numbers, margin, first="a", second="b") is (difference > needed)


def test_the_variation_over_seeds_widens_what_is_near():
    far = seeded(20.0, 26.0)  # mean 23, standard error 3
    assert decided("near", {"a": far}, 0.5, of="a", value=28.9) is True
    assert decided("near", {"a": far}, 0.5, of="a", value=29.1) is False
    assert decided("near", {"a": Value.of(23.0, {"0": 23.0})}, 0.5, of="a", value=28.9) is False
    same = {"a": seeded(23.0, 23.0)}
    assert decided("near", same, 0.5, of="a", value=23.4) is True  # a small variation does not narrow the tolerance
