"""Is one system better than another, or is it the draw of the test samples? Paired bootstrap resampling (Koehn, 2004).

Test samples are drawn with replacement, as many as there are, again and again; both systems are scored on the same
draws, and p says how often chance alone would make a difference as large. The draws, ``p`` and the ranks of the
interval's ends are those of sacreBLEU's ``PairedTest``, here for every metric; how a metric scores a draw is a part of
the metric (``metrics.base``). BERTScore takes a model, so its samples' scores are read from a file.

With several seeds a system's score is the mean over its seeds, each scored on the same drawn samples. What the seeds
themselves vary by is not resampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UserError
from ..core.provenance import sha256_file
from ..core.records import COUNT, SAMPLE_SCORE, Record, fault_of, read_json
from .metrics import registry, scoring
from .metrics.base import SampleMetric, Scorer, mean_scorer
from .metrics.texts import Texts

#: For each metric its values, (seeds, draws).
Scores = dict[str, np.ndarray]

TEST = "paired bootstrap resampling (Koehn, 2004); p as sacreBLEU defines it, p_two_sided from the draws' differences less their mean"
#: Draws at a time: each takes 16 bytes a sample, and an eighth of that for every n-gram.
CHUNK = 100
SAME_TEST = "compare responses to the same test samples in the same order: make both from the same data set, with the same keep"


@dataclass(frozen=True)
class Output:
    """What one system answered with one seed, and its BERTScore where there is one (``evaluate.py --bertscore-only``)."""

    path: Path
    ids: list[str | int]
    predictions: list[str]
    references: list[str]
    bertscore: dict[str, np.ndarray]  # by metric, each sample's value


def read_output(path: Path, bertscore: Path | None, protocol: str) -> Output:
    """Read one file of responses, and the BERTScore of each of them.

    Raises:
        UserError: a bad file, or BERTScore of other responses or by another protocol.
    """
    responses = scoring.read_responses(path)
    ids, (predictions, references) = scoring.names(responses), scoring.texts_of(responses)
    scores = read_bertscore(bertscore, path, ids, protocol) if bertscore else {}
    return Output(path, ids, predictions, references, scores)


def read_bertscore(path: Path, responses: Path, ids: list[str | int], protocol: str) -> dict[str, np.ndarray]:
    """Each sample's BERTScore, under the names that the tables have for it.

    Raises:
        UserError: it is not BERTScore sample by sample, of these responses, by this protocol.
    """
    scores = read_json(path)
    rows = scores.get("by_sample") if isinstance(scores, dict) else None
    if not rows or not isinstance(rows, dict):
        raise UserError(f"{path} does not hold BERTScore sample by sample", MAKE_BERTSCORE)
    digest = sha256_file(responses)
    found = (scores.get("responses_sha256"), scores.get("protocol"), rows.get("ids"))
    if found != (digest, protocol, ids):
        raise UserError(
            f"{path} is not the BERTScore of {responses} by the {protocol} protocol",
            "make it again from these responses",
        )
    under = f" by {other_model(scores, path)}" if "bertscore_other" in scores else ""
    return {f"bert_{part}{under}": values_of(rows, part, path) for part in ("p", "r", "f1")}


MAKE_BERTSCORE = "make it with evaluate.py --bertscore-only"


def other_model(scores: Record, path: Path) -> str:
    """The model, not the paper's, that a BERTScore is by, and its layer.

    Raises:
        UserError: they are not said.
    """
    other = scores["bertscore_other"]
    kinds = {"model": str, "layer": COUNT}
    if not isinstance(other, dict) or any(fault_of(other.get(name), kind) for name, kind in kinds.items()):
        raise UserError(f"{path} does not say by which model and layer it is (bertscore_other)", MAKE_BERTSCORE)
    return f"{other['model']}, layer {other['layer']}"


def values_of(rows: Record, part: str, path: Path) -> np.ndarray:
    """Each sample's value of one part of BERTScore.

    Raises:
        UserError: it is not a number a sample.
    """
    values = rows.get(part)
    one_each = isinstance(values, list) and len(values) == len(rows["ids"])
    if not one_each or any(fault_of(value, SAMPLE_SCORE) for value in values):
        raise UserError(f"{path} does not hold a number for every sample (by_sample: {part})", MAKE_BERTSCORE)
    return np.array(values)


def check_paired(outputs: list[Output]) -> None:
    """Refuse outputs that do not answer the same samples in the same order, with the same metrics.

    Raises:
        UserError: names the first file and the first sample that differ.
    """
    first = outputs[0]
    if len(first.ids) < 2:
        raise UserError(
            f"{first.path} has one sample; nothing can be resampled from it", "compare on more test samples"
        )
    for other in outputs[1:]:
        if len(other.ids) != len(first.ids):
            raise UserError(
                f"{other.path} has {len(other.ids):,} samples, {first.path} has {len(first.ids):,}", SAME_TEST
            )
        for number, (ours, theirs) in enumerate(zip(other.ids, first.ids), start=1):
            if ours != theirs:
                raise UserError(
                    f"sample {number} is {ours!r} in {other.path} and {theirs!r} in {first.path}", SAME_TEST
                )
        for name, ours, theirs in zip(first.ids, other.references, first.references):
            if ours != theirs:
                raise UserError(
                    f"sample {name!r} has another reference in {other.path} than in {first.path}", SAME_TEST
                )
        if other.bertscore.keys() != first.bertscore.keys():
            found = " against ".join(", ".join(output.bertscore) or "none" for output in (other, first))
            raise UserError(
                f"the BERTScores of {other.path} and {first.path} are not of one model and layer: {found}",
                "make both by the same model, or none",
            )


def compare(systems: list[Output], baselines: list[Output], protocol: str, draws: int, seed: int) -> dict[str, Record]:
    """Compare a system with a baseline, each with one output a seed.

    Args:
        draws: how often the samples are drawn; ``seed``: of numpy's default generator.

    Returns:
        For each metric: the two means over the seeds, their values by seed, the difference (system - baseline), its
        95 % interval, ``p`` as sacreBLEU defines it, and ``p_two_sided``.

    Raises:
        UserError: as ``check_paired``.
    """
    check_paired([*systems, *baselines])
    sides = [[scorers(protocol, output) for output in side] for side in (systems, baselines)]
    samples = len(systems[0].ids)
    whole = [scores_of(side, np.ones((1, samples))) for side in sides]
    parts = [[scores_of(side, counts) for side in sides] for counts in drawn(samples, draws, seed)]
    drawn_scores = [
        {metric: np.concatenate([part[side][metric] for part in parts], axis=1) for metric in whole[side]}
        for side in (0, 1)
    ]
    return {metric: comparison(*(scores[metric] for scores in (*whole, *drawn_scores))) for metric in whole[0]}


def drawn(samples: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each sample is drawn, (draws, samples), some draws at a time; the draws are sacreBLEU's for the same seed."""
    generator = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        many = min(CHUNK, draws - start)
        chosen = generator.choice(samples, size=(many, samples), replace=True)
        places = chosen + samples * np.arange(many)[:, None]
        yield np.bincount(places.ravel(), minlength=many * samples).reshape(many, samples).astype(np.float64)


def scorers(protocol: str, output: Output) -> list[Scorer]:
    """What scores draws of one output, by every metric that is compared."""
    texts = Texts(output.predictions, output.references, protocol)
    found, means = [], {}
    for name in registry.TOGETHER:
        metric = registry.METRICS[name]
        if isinstance(metric, SampleMetric):
            means |= metric.sample_scores(texts.corpus(metric))
        else:
            found.append(metric.scorer(texts.corpus(metric)))
    # One matrix product for the means of all the paper's metrics: a sum's last bits depend on how many columns there
    # are beside it. An added metric has a product of its own, and so changes no digit of theirs.
    found.append(mean_scorer(means | output.bertscore))
    added = [registry.METRICS[name] for name in registry.ADDED]
    return found + [metric.scorer(texts.corpus(metric)) for metric in added if not metric.needs_model]


def scores_of(outputs: list[list[Scorer]], counts: np.ndarray) -> Scores:
    """The scores of each seed's output."""
    rows = [{name: values for scorer in output for name, values in scorer(counts).items()} for output in outputs]
    return {metric: np.stack([row[metric] for row in rows]) for metric in rows[0]}


def comparison(
    system: np.ndarray, baseline: np.ndarray, drawn_system: np.ndarray, drawn_baseline: np.ndarray
) -> Record:
    """One metric's comparison, from each seed's value on all samples, (seeds, 1), and on the draws, (seeds, draws)."""
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
    """One side's mean over the seeds, its 95 % interval, the mean of its draws, and its value by seed."""
    mean, means = float(values.mean()), drawn_values.mean(axis=0)
    return {
        "mean": mean,
        "interval": interval(means, mean),
        "mean_of_draws": float(means.mean()),
        "by_seed": values[:, 0].tolist(),
    }


def interval(draws: np.ndarray, value: float) -> list[float]:
    """The 95 % interval around a value: between the draws of ranks 1/40 from both ends, as sacreBLEU takes them, moved so
    that the draws' mean is the value.

    Without being moved it could lie beside the value: a draw repeats samples and so has fewer distinct n-grams, which
    lowers every draw's Distinct. The other metrics' draws have the value as their mean, nearly.
    """
    ranked, outside = np.sort(draws), len(draws) // 40
    shift = value - draws.mean()
    return [float(ranked[outside] + shift), float(ranked[len(draws) - outside - 1] + shift)]


def p_value(differences: np.ndarray, difference: float) -> float:
    """sacreBLEU's p: of the draws' absolute differences less their mean, the share above the absolute difference, one
    added to both counts.

    For a difference that is clear of 0 this counts one tail alone: of two systems that are equally good, it is below
    0.05 in more than 10 % of the cases (tests/test_bootstrap.py). Two systems that no draw tells apart get 1, where
    sacreBLEU's formula has its least value.
    """
    if difference == 0 and not differences.any():
        return 1.0
    sizes = np.abs(differences)
    return share(sizes - sizes.mean() > abs(difference))


def p_two_sided(differences: np.ndarray, difference: float) -> float:
    """How often the draws lie as far from their own mean, on either side, as the difference does from 0: how often chance
    alone would give a difference as large. It is below 0.05, nearly, where the 95 % interval leaves 0 out.
    """
    return share(np.abs(differences - differences.mean()) >= abs(difference))


def share(extreme: np.ndarray) -> float:
    """The share of draws that are extreme, one added to both counts, so that no p is 0."""
    return (int(extreme.sum()) + 1) / (len(extreme) + 1)
