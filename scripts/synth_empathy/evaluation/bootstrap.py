"""Paired bootstrap resampling (Koehn, 2004): could the choice of test samples alone explain a difference?

Test samples are drawn with replacement, as many as there are, many times. Both systems are scored on the same draws,
and p says how often chance alone would give so large a difference. The draws, ``p`` and the ranks of the interval's
ends are those of sacreBLEU's ``PairedTest``, here for every metric. Each metric defines how it scores a draw
(``metrics``). BERTScore needs a model, so its samples' scores are read from a file.

A system with several seeds has the mean of its seeds' scores, each scored on the same drawn samples. The variation
among the seeds is not resampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from ..core.errors import UserError
from ..core.json_files import read_json
from ..core.provenance import sha256_file
from ..core.records import COUNT, SAMPLE_SCORE, Record, fault_of
from .metrics import ADDED, METRICS, TOGETHER, SampleMetric, Scorer, mean_scorer, scoring

#: The values of each score, (seeds, draws).
Scores = dict[str, np.ndarray]

TEST = (
    "paired bootstrap resampling (Koehn, 2004);"
    " p as sacreBLEU defines it, p_two_sided from the draws' differences less their mean"
)
#: Draws that are scored at a time. Each takes 16 bytes a sample, and an eighth of that for every n-gram.
CHUNK = 100
SAME_TEST = (
    "compare responses to the same test samples in the same order: make both from the same data set, with the same"
    " keep"
)
MAKE_BERTSCORE = "make it with evaluate.py --bertscore-only"


# Outputs


@dataclass(frozen=True)
class Output:
    """A system's responses with one seed.

    Attributes:
        bertscore: the values of each of BERTScore's scores, one a sample; empty without BERTScore.
    """

    path: Path
    ids: list[str | int]
    predictions: list[str]
    references: list[str]
    bertscore: dict[str, np.ndarray]


def read_output(path: Path, bertscore: Path | None, protocol: str) -> Output:
    """Read a file of responses, and the file of their BERTScore if there is one (``evaluate.py --bertscore-only``).

    Raises:
        UserError: a file is faulty, or the BERTScore is of other responses or by another protocol.
    """
    responses = scoring.read_responses(path)
    ids = scoring.names(responses)
    predictions, references = scoring.texts_of(responses)
    scores = read_bertscore(bertscore, path, ids, protocol) if bertscore else {}
    return Output(path=path, ids=ids, predictions=predictions, references=references, bertscore=scores)


def read_bertscore(path: Path, responses: Path, ids: list[str | int], protocol: str) -> dict[str, np.ndarray]:
    """Each sample's BERTScore, under the names that the tables use.

    Raises:
        UserError: the file does not hold BERTScore sample by sample, of these responses and by this protocol.
    """
    scores = read_json(path)
    rows = scores.get("by_sample") if isinstance(scores, dict) else None
    if not rows or not isinstance(rows, dict):
        raise UserError(f"{path} does not hold BERTScore sample by sample", MAKE_BERTSCORE)
    expected = (sha256_file(responses), protocol, ids)
    if (scores.get("responses_sha256"), scores.get("protocol"), rows.get("ids")) != expected:
        problem = f"{path} is not the BERTScore of {responses} by the {protocol} protocol"
        raise UserError(problem, "make it again from these responses")
    by_model = f" by {other_model(scores, path)}" if "bertscore_other" in scores else ""
    return {f"bert_{part}{by_model}": values_of(rows, part, path) for part in ("p", "r", "f1")}


def other_model(scores: Record, path: Path) -> str:
    """The name and layer of the model behind a BERTScore that is not the paper's.

    Raises:
        UserError: the file does not name them.
    """
    other = scores["bertscore_other"]
    kinds = {"model": str, "layer": COUNT}
    if not isinstance(other, dict) or any(fault_of(other.get(name), kind) for name, kind in kinds.items()):
        raise UserError(f"{path} does not say by which model and layer it is (bertscore_other)", MAKE_BERTSCORE)
    return f"{other['model']}, layer {other['layer']}"


def values_of(rows: Record, part: str, path: Path) -> np.ndarray:
    """One of BERTScore's scores, (samples,).

    Raises:
        UserError: there is not one number for each sample.
    """
    values = rows.get(part)
    one_each = isinstance(values, list) and len(values) == len(rows["ids"])
    if not one_each or any(fault_of(value, SAMPLE_SCORE) for value in values):
        raise UserError(f"{path} does not hold a number for every sample (by_sample: {part})", MAKE_BERTSCORE)
    return np.array(values)


def check_paired(outputs: list[Output]) -> None:
    """Refuse outputs that do not have the same samples in the same order, and the same metrics.

    Raises:
        UserError: names the first file and the first sample that differ.
    """
    first = outputs[0]
    if len(first.ids) < 2:
        problem = f"{first.path} has one sample; nothing can be resampled from it"
        raise UserError(problem, "compare on more test samples")
    for other in outputs[1:]:
        problem = unpaired(other, first)
        if problem:
            raise UserError(problem, SAME_TEST)
        if other.bertscore.keys() != first.bertscore.keys():
            kinds = " against ".join(", ".join(output.bertscore) or "none" for output in (other, first))
            problem = f"the BERTScores of {other.path} and {first.path} are not of one model and layer: {kinds}"
            raise UserError(problem, "make both by the same model, or none")


def unpaired(other: Output, first: Output) -> str | None:
    """How the samples of an output differ from those of the first; None if they do not."""
    if len(other.ids) != len(first.ids):
        return f"{other.path} has {len(other.ids):,} samples, {first.path} has {len(first.ids):,}"
    for number, (ours, theirs) in enumerate(zip(other.ids, first.ids), start=1):
        if ours != theirs:
            return f"sample {number} is {ours!r} in {other.path} and {theirs!r} in {first.path}"
    for name, ours, theirs in zip(first.ids, other.references, first.references):
        if ours != theirs:
            return f"sample {name!r} has another reference in {other.path} than in {first.path}"
    return None


# Scores of draws


def compare(
    systems: list[Output], baselines: list[Output], *, protocol: str, draws: int, seed: int
) -> dict[str, Record]:
    """Compare a system with a baseline; each has one output a seed.

    Args:
        draws: how often the samples are drawn.
        seed: of numpy's default generator.

    Returns:
        For each score: the two means over the seeds, their values by seed, the difference (system - baseline), its
        95 % interval, ``p`` as sacreBLEU defines it, and ``p_two_sided``.

    Raises:
        UserError: as of ``check_paired``.
    """
    check_paired([*systems, *baselines])
    samples = len(systems[0].ids)
    # The same seed gives both sides the same draws.
    system, drawn_system = scores_of_side(systems, protocol, drawn(samples, draws, seed))
    baseline, drawn_baseline = scores_of_side(baselines, protocol, drawn(samples, draws, seed))
    entries = {}
    for name in system:
        entries[name] = comparison(system[name], baseline[name], drawn_system[name], drawn_baseline[name])
    return entries


def scores_of_side(outputs: list[Output], protocol: str, draws: Iterable[np.ndarray]) -> tuple[Scores, Scores]:
    """The scores of one side's outputs on all samples, (seeds, 1), and on the draws, (seeds, draws)."""
    functions = [scorers(protocol, output) for output in outputs]
    whole = scores_of(functions, np.ones((1, len(outputs[0].ids))))
    parts = [scores_of(functions, counts) for counts in draws]
    on_draws = {}
    for name in whole:
        on_draws[name] = np.concatenate([part[name] for part in parts], axis=1)
    return whole, on_draws


def drawn(samples: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each draw holds each sample, (draws, samples), some draws at a time.

    The draws are those of sacreBLEU for the same seed.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        many = min(CHUNK, draws - start)
        chosen = generator.choice(samples, size=(many, samples), replace=True)
        places = chosen + samples * np.arange(many)[:, None]
        yield np.bincount(places.ravel(), minlength=many * samples).reshape(many, samples).astype(np.float64)


def scorers(protocol: str, output: Output) -> list[Scorer]:
    """The functions that score draws of one output, by every metric that is compared."""
    texts = scoring.Texts(output.predictions, output.references, protocol)
    functions, means = [], {}
    for name in TOGETHER:
        metric = METRICS[name]
        if isinstance(metric, SampleMetric):
            means |= metric.sample_scores(texts.corpus(metric))
        else:
            functions.append(metric.scorer(texts.corpus(metric)))
    # One matrix product computes all means of the paper's metrics, since the last bits of a sum depend on the number
    # of columns. An added metric has a product of its own, and so changes no digit of the paper's metrics.
    functions.append(mean_scorer(means | output.bertscore))
    added = [METRICS[name] for name in ADDED]
    return functions + [metric.scorer(texts.corpus(metric)) for metric in added if not metric.needs_model]


def scores_of(outputs: list[list[Scorer]], counts: np.ndarray) -> Scores:
    """The scores of each seed's output on some draws."""
    by_seed = [scores_of_output(functions, counts) for functions in outputs]
    stacked = {}
    for name in by_seed[0]:
        stacked[name] = np.stack([scores[name] for scores in by_seed])
    return stacked


def scores_of_output(functions: Sequence[Scorer], counts: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of one output on some draws, each (draws,)."""
    return dict(chain.from_iterable(function(counts).items() for function in functions))


# The test


def comparison(
    system: np.ndarray, baseline: np.ndarray, drawn_system: np.ndarray, drawn_baseline: np.ndarray
) -> Record:
    """One score's comparison, from each seed's value on all samples, (seeds, 1), and on the draws, (seeds, draws)."""
    difference = float(system.mean() - baseline.mean())
    differences = drawn_system.mean(axis=0) - drawn_baseline.mean(axis=0)
    return {
        "system": summary(system, drawn_system),
        "baseline": summary(baseline, drawn_baseline),
        "difference": difference,
        "interval": interval(differences, difference),
        "p": p_value(differences, difference),
        "p_two_sided": p_two_sided(differences, difference),
    }


def summary(values: np.ndarray, drawn_values: np.ndarray) -> Record:
    """One side's mean over the seeds, its 95 % interval, the mean of its draws, and its values by seed."""
    mean, means = float(values.mean()), drawn_values.mean(axis=0)
    return {
        "mean": mean,
        "interval": interval(means, mean),
        "mean_of_draws": float(means.mean()),
        "by_seed": values[:, 0].tolist(),
    }


def interval(draws: np.ndarray, value: float) -> list[float]:
    """The 95 % interval around a value.

    Its ends are the draws at 1/40 of the ranks from either end, as in sacreBLEU, shifted so that the mean of the draws
    is the value. Without the shift the interval could miss the value: a draw repeats samples, so it has fewer distinct
    n-grams, which lowers every draw's Distinct. The draws of the other metrics have approximately the value as their
    mean.
    """
    ranked, outside = np.sort(draws), len(draws) // 40
    shift = value - draws.mean()
    return [float(ranked[outside] + shift), float(ranked[len(draws) - outside - 1] + shift)]


def p_value(differences: np.ndarray, difference: float) -> float:
    """sacreBLEU's p: the share of draws whose absolute difference, less the mean of these, exceeds the difference.

    For a difference clear of 0 it counts one tail only: for two equally good systems it is below 0.05 in more than
    10 % of the cases (tests/test_bootstrap.py). If no draw distinguishes the systems it is 1, where sacreBLEU's
    formula gives its lowest value.
    """
    if difference == 0 and not differences.any():
        return 1.0
    sizes = np.abs(differences)
    return share(sizes - sizes.mean() > abs(difference))


def p_two_sided(differences: np.ndarray, difference: float) -> float:
    """The share of draws at least as far from their mean, on either side, as the difference is from 0.

    It says how often chance alone would give so large a difference. It is below 0.05 approximately when the 95 %
    interval excludes 0.
    """
    return share(np.abs(differences - differences.mean()) >= abs(difference))


def share(extreme: np.ndarray) -> float:
    """The share of draws that are extreme; 1 is added to both counts, so that no p is 0."""
    return (int(extreme.sum()) + 1) / (len(extreme) + 1)
