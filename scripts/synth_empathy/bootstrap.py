"""Is one system better than another, or is it the draw of the test samples? Paired bootstrap resampling (Koehn, 2004).

Test samples are drawn with replacement, as many as there are, again and again; both systems are scored on the same
draws, and p says how often chance alone would make a difference as large. The draws, ``p`` and the ranks of the
interval's ends are those of sacreBLEU's ``PairedTest``, here for every metric of the paper's Table 1:

- BLEU is computed anew from each draw's sums of n-gram counts and lengths;
- Distinct from each draw's distinct and all n-grams;
- ROUGE and BERTScore as the mean of the drawn samples' scores, which is what they are;
- CIDEr as the mean of the drawn samples' scores, too: its IDF stays that of all references. Drawn anew, it would be a
  property of the draw and not of the systems.

With several seeds a system's score is the mean over its seeds, each scored on the same drawn samples. What the seeds
themselves vary by is not resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import metrics
from .errors import UserError
from .metrics import overlap
from .provenance import sha256_file
from .records import COUNT, SAMPLE_SCORE, Record, fault_of, read_json

#: Scores of draws: how often each sample was drawn, (draws, samples) -> for each metric its value times 100, (draws,).
Scorer = Callable[[np.ndarray], dict[str, np.ndarray]]
#: For each metric its values, (seeds, draws).
Scores = dict[str, np.ndarray]

TEST = "paired bootstrap resampling (Koehn, 2004); p as sacreBLEU defines it, p_two_sided from the draws' differences less their mean"
#: Draws at a time: each takes 16 bytes a sample, and an eighth of that for every n-gram.
CHUNK = 100
SAME_TEST = "compare responses to the same test samples in the same order: make both from the same ED, with the same ed: keep"


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
    responses = metrics.read_responses(path)
    ids, (predictions, references) = metrics.names(responses), metrics.texts_of(responses)
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
        raise UserError(f"{path} is not the BERTScore of {responses} by the {protocol} protocol", "make it again from these responses")
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
        raise UserError(f"{first.path} has one sample; nothing can be resampled from it", "compare on more test samples")
    for other in outputs[1:]:
        if len(other.ids) != len(first.ids):
            raise UserError(f"{other.path} has {len(other.ids):,} samples, {first.path} has {len(first.ids):,}", SAME_TEST)
        for number, (ours, theirs) in enumerate(zip(other.ids, first.ids), start=1):
            if ours != theirs:
                raise UserError(f"sample {number} is {ours!r} in {other.path} and {theirs!r} in {first.path}", SAME_TEST)
        for name, ours, theirs in zip(first.ids, other.references, first.references):
            if ours != theirs:
                raise UserError(f"sample {name!r} has another reference in {other.path} than in {first.path}", SAME_TEST)
        if other.bertscore.keys() != first.bertscore.keys():
            found = " against ".join(", ".join(output.bertscore) or "none" for output in (other, first))
            raise UserError(f"the BERTScores of {other.path} and {first.path} are not of one model and layer: {found}", "make both by the same model, or none")


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
    drawn_scores = [{metric: np.concatenate([part[side][metric] for part in parts], axis=1) for metric in whole[side]} for side in (0, 1)]
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
    """What scores draws of one output, by each family of metrics."""
    shown = metrics.shown(protocol, output.predictions), metrics.shown(protocol, output.references)
    tokens = metrics.tokens(protocol, output.predictions), metrics.tokens(protocol, output.references)
    means = overlap.rouge_rows(*shown, metrics.ROUGE_TOKENIZERS[protocol]) | {"cider": overlap.cider_rows(*tokens)} | output.bertscore
    return [bleu_scorer(*shown, metrics.BLEU_SETTINGS[protocol]), distinct_scorer(tokens[0]), mean_scorer(means)]


def scores_of(outputs: list[list[Scorer]], counts: np.ndarray) -> Scores:
    """The scores of each seed's output."""
    rows = [{name: values for scorer in output for name, values in scorer(counts).items()} for output in outputs]
    return {metric: np.stack([row[metric] for row in rows]) for metric in rows[0]}


def bleu_scorer(predictions: list[str], references: list[str], settings: dict[str, str]) -> Scorer:
    """BLEU-1..4 by sacreBLEU, from the sums of its counts and lengths over the drawn samples."""
    from sacrebleu.metrics import BLEU

    # effective_order: what sacreBLEU asks for where it scores one sentence; only its counts are taken from there.
    metric = BLEU(force=True, effective_order=True, **settings)
    rows = [metric.sentence_score(prediction, [reference]) for prediction, reference in zip(predictions, references, strict=True)]
    table = np.array([[row.sys_len, row.ref_len, *row.counts, *row.totals] for row in rows], dtype=np.float64)

    def bleu(sums: list[float], order: int) -> float:
        lengths, matched, total = sums[:2], sums[2 : 2 + order], sums[6 : 6 + order]
        return BLEU.compute_bleu(matched, total, *map(int, lengths), metric.smooth_method, metric.smooth_value, max_ngram_order=order).score

    def score(counts: np.ndarray) -> dict[str, np.ndarray]:
        sums = (counts @ table).tolist()  # of whole numbers: exact
        return {f"bleu{order}": np.array([bleu(row, order) for row in sums]) for order in overlap.BLEU_ORDERS}

    return score


def distinct_scorer(predictions: list[str]) -> Scorer:
    """Distinct-1 and -2: a draw's distinct n-grams over all of its n-grams; 0 where there is none."""
    places = {f"dist{order}": ngram_places(predictions, order) for order in (1, 2)}

    def score(counts: np.ndarray) -> dict[str, np.ndarray]:
        values = {}
        for name, (samples, starts) in places.items():
            if not len(starts):
                values[name] = np.zeros(len(counts))
                continue
            occurring = counts[:, samples]
            distinct = np.logical_or.reduceat(occurring > 0, starts, axis=1).sum(axis=1)
            values[name] = 100 * distinct / np.maximum(occurring.sum(axis=1), 1)
        return values

    return score


def ngram_places(predictions: list[str], order: int) -> tuple[np.ndarray, np.ndarray]:
    """The sample of every n-gram's every occurrence, like n-grams side by side, and where each n-gram's first one stands."""
    found: dict[tuple[str, ...], list[int]] = {}
    for sample, words in enumerate(map(str.split, predictions)):
        for ngram in zip(*(words[start:] for start in range(order))):
            found.setdefault(ngram, []).append(sample)
    starts = np.cumsum([0, *map(len, found.values())])[:-1]
    return np.array([sample for samples in found.values() for sample in samples], dtype=np.intp), starts


def mean_scorer(rows: dict[str, list[float]]) -> Scorer:
    """Metrics that are the mean of the samples' scores."""
    table = np.column_stack(list(rows.values()))

    def score(counts: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(rows, (counts @ table / len(table)).T))

    return score


def comparison(system: np.ndarray, baseline: np.ndarray, drawn_system: np.ndarray, drawn_baseline: np.ndarray) -> Record:
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
    return {"mean": mean, "interval": interval(means, mean), "mean_of_draws": float(means.mean()), "by_seed": values[:, 0].tolist()}


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
