"""Do the selected synthetic samples leak ED's test split or repeat its train split or one another? What do they cover?

The paper does not ask these questions. Whole dialogues, history and response, are compared by the cosine of their
embeddings, since models are trained on whole dialogues. Responses alone are compared as text only: short answers
("that is great !") are similar in any dialogue, and their embeddings would show nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UserError
from ..core.records import Fields, Record, read_jsonl
from ..data import prompts
from ..selection import embedding
from ..selection.diversity import K_CENTER, RANDOM, random_rows
from ..selection.nearest_neighbours import BLOCK, Points, cosines, near_pairs, nearest

#: Values of cosine x 100 at which samples are counted, in addition to the configured near-duplicate threshold.
THRESHOLDS = (70, 80, 90, 95, 99)
QUANTILES = {"min": 0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99, "max": 1}
#: How many of the closest pairs, and of the largest groups of near-duplicates, the report names.
CLOSEST = 20
GROUPS = 5
#: Decimals of every value; embeddings are float32, so more would be noise.
DECIMALS = 4


@dataclass(frozen=True)
class Samples:
    """Samples, and the embeddings of their whole dialogues."""

    records: list[Record]
    points: Points

    def __len__(self) -> int:
        return len(self.records)

    def ids(self) -> list[str]:
        """The samples' ids, in order."""
        return [record["id"] for record in self.records]


@dataclass(frozen=True)
class Neighbours:
    """The nearest sample to each of some samples.

    Attributes:
        position: shape (samples,); -1 without a neighbour.
        similarity: cosine x 100, shape (samples,); NaN without a neighbour.
    """

    position: np.ndarray
    similarity: np.ndarray


def load_samples(path: Path, embedded: Path, fields: Fields) -> Samples:
    """Samples and their embeddings, memory-mapped.

    Args:
        embedded: a folder with ``texts.jsonl`` and ``embeddings.npy``, as embed_texts.py writes them.
        fields: the required fields of a record (``records``).

    Raises:
        UserError: there is no sample, or one was not embedded.
    """
    samples = read_jsonl(path, fields)
    if not samples:
        problem = f"{path} holds no sample, so nothing can be compared with it"
        raise UserError(problem, "make it again from a split or selection that has samples")
    texts = embedding.read_texts(embedded / "texts.jsonl")
    matrix = embedding.load_embeddings(embedded / "embeddings.npy", rows=len(texts))
    rows = embedding.rows_for(embedding.row_of(texts), [prompts.flat_sample(sample) for sample in samples])
    return Samples(samples, Points(matrix, np.array(rows)))


def positions_of(ids: list[str], samples: Samples, what: str, hint: str) -> np.ndarray:
    """The positions of the samples with some ids.

    Raises:
        UserError: no sample has one of the ids.
    """
    place = {record["id"]: position for position, record in enumerate(samples.records)}
    unknown = [name for name in ids if name not in place]
    if unknown:
        raise UserError(f"{len(unknown)} of {len(ids)} ids are not among {what}; the first is {unknown[0]}", hint)
    return np.array([place[name] for name in ids])


def check_dimensions(**samples: Samples) -> None:
    """Refuse embeddings of different models.

    Raises:
        UserError: the numbers of dimensions differ.
    """
    sizes = {name: part.points.matrix.shape[1] for name, part in samples.items()}
    if len(set(sizes.values())) > 1:
        problem = f"the embeddings differ in dimensions: {sizes}"
        raise UserError(problem, "embed all of them with one model, by embed_texts.py")


# Nearest samples


def neighbours(samples: Samples, others: Samples, block: int = BLOCK) -> Neighbours:
    """The nearest other sample to each sample; within one set, a sample is not its own neighbour."""
    own = np.arange(len(samples)) if samples is others else None
    position, _ = nearest(samples.points, others.points, own, block)
    similarity = np.full(len(samples), np.nan)
    paired = np.flatnonzero(position >= 0)
    similarity[paired] = cosines(samples.points.take(paired), others.points.take(position[paired]), block)
    return Neighbours(position, similarity)


def seed_ids(samples: Samples) -> list[str]:
    """The ids of the ED train samples that synthetic ones were modelled on.

    A synthetic sample's id is {seed id}/{prompt}/pass{n} (docs/files.md).

    Raises:
        UserError: an id has another form.
    """
    bad = [name for name in samples.ids() if not re.fullmatch(r".+/[^/]+/pass[0-9]+", name)]
    if bad:
        form = "{seed id}/{prompt}/pass{n}"
        problem = f"{len(bad)} ids are not those of synthetic samples, {form}; the first is {bad[0]}"
        raise UserError(problem, "give a selection of synthetic samples")
    return [name.rsplit("/", 2)[0] for name in samples.ids()]


def about_seeds(
    selected: Samples, train: Samples, nearest_train: Neighbours, block: int = BLOCK
) -> tuple[Record, np.ndarray]:
    """How near samples are to the ED train sample that they were modelled on, and whether it is the nearest one.

    Returns:
        Counts and shares; each sample's similarity to its seed, cosine x 100, shape (samples,).

    Raises:
        UserError: a seed is not in ED's train split.
    """
    hint = "give the ED train split that the samples were generated from"
    seed = positions_of(seed_ids(selected), train, "the ids of ED's train split", hint)
    similarity = cosines(selected.points, train.points.take(seed), block)
    conversation = np.array([record["conv_id"] for record in train.records])
    # Two train samples with the same text share an embedding, so either counts as the seed.
    itself = train.points.rows[seed] == train.points.rows[nearest_train.position]
    same = itself | (conversation[seed] == conversation[nearest_train.position])
    report = {"own_seed": counted(itself), "own_seed_conversation": counted(same)}
    return report | {"similarity_to_own_seed": summary(similarity)}, similarity


def rounded(value: float) -> float:
    """A value with the decimals of the report."""
    return round(float(value), DECIMALS)


def counted(mask: np.ndarray) -> Record:
    """How many samples a mask selects, and their share."""
    return {"samples": int(mask.sum()), "share": rounded(mask.mean())}


def summary(similarity: np.ndarray, near_duplicate: float | None = None) -> Record:
    """Mean, quantiles and counts of similarities; NaN, which means no neighbour, is left out."""
    values = similarity[~np.isnan(similarity)]
    report: Record = {"samples": len(values)}
    if len(values):
        report["mean"] = rounded(values.mean())
        report |= {name: rounded(np.quantile(values, q)) for name, q in QUANTILES.items()}
    report["at_least"] = {str(least): int((values >= least).sum()) for least in THRESHOLDS}
    if near_duplicate is not None:
        report["near_duplicates"] = int((values >= near_duplicate).sum())
    return report


def compared(similarity: np.ndarray, control: np.ndarray, near_duplicate: float) -> Record:
    """Summaries of the samples' and real data's similarities; the samples above the 99th percentile of real data."""
    above = similarity > np.quantile(control, 0.99)
    return {
        "selected": summary(similarity, near_duplicate),
        "control": summary(control, near_duplicate),
        "above_control_q99": counted(above),
    }


def closest(selected: Samples, others: Samples, neighbours: Neighbours) -> list[Record]:
    """The closest pairs, with the text of the synthetic sample only: ED's may not be passed on."""
    order = np.argsort(-neighbours.similarity, kind="stable")[:CLOSEST]
    return [
        {
            "id": selected.records[i]["id"],
            "nearest": others.records[neighbours.position[i]]["id"],
            "similarity": rounded(neighbours.similarity[i]),
            "text": prompts.flat_sample(selected.records[i]),
        }
        for i in order
    ]


# Equal texts


def bare(text: str) -> str:
    """A text without case, spacing and punctuation: ED's texts are lower-cased tokens, synthetic ones are not."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def dialogue_key(sample: Record) -> tuple[str, ...]:
    """The key by which dialogues are compared as texts."""
    return tuple(bare(turn) for turn in (*sample["history"], sample["response"]))


def response_key(sample: Record) -> tuple[str, ...]:
    """The key by which responses are compared as texts; empty without a word."""
    return (bare(sample["response"]),)


def first_equal(samples: Samples, others: Samples, key: Callable[[Record], tuple[str, ...]]) -> list[str | None]:
    """For each sample, the id of the first other sample with the same text; None without one."""
    first: dict[tuple[str, ...], str] = {}
    for record in others.records:
        first.setdefault(key(record), record["id"])
    return [first.get(key(record)) if any(key(record)) else None for record in samples.records]


def repeated(samples: Samples, key: Callable[[Record], tuple[str, ...]]) -> int:
    """How many samples repeat the text of an earlier one."""
    return sum(count - 1 for text, count in Counter(map(key, samples.records)).items() if any(text))


# Near-duplicates within the set


def near_duplicates(samples: Samples, least: float, block: int = BLOCK) -> Record:
    """Pairs of samples at or above a cosine x 100, and the groups that the pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group, pairs = np.arange(len(samples)), 0
    for i, j in near_pairs(samples.points, least, block):
        pairs += len(i)
        # Each block's pairs are merged into the groups so far, so memory holds only one block of pairs.
        heads = np.concatenate([group[i], group]), np.concatenate([group[j], group])
        links = coo_array((np.ones(len(heads[0]), dtype=bool), heads), shape=(len(samples), len(samples)))
        group = connected_components(links, directed=False)[1][group]
    members: dict[int, list[str]] = {}
    for name, head in zip(samples.ids(), group):
        members.setdefault(int(head), []).append(name)
    groups = sorted((ids for ids in members.values() if len(ids) > 1), key=len, reverse=True)
    return {
        "threshold": least,
        "pairs": pairs,
        "samples": sum(map(len, groups)),
        "groups": len(groups),
        "largest": [{"samples": len(ids), "first_ids": ids[:CLOSEST]} for ids in groups[:GROUPS]],
    }


# Coverage


def coverage(passed: Points, chosen: np.ndarray, block: int = BLOCK) -> Record:
    """How well chosen points cover all points: each point's distance to the nearest chosen one (paper, section 3.3).

    Args:
        chosen: positions; a chosen point is at distance 0.

    Returns:
        ``radius``, the largest distance, which k-center minimises, and ``mean_distance``. Distances are Euclidean,
        between unit vectors.
    """
    rest = np.setdiff1d(np.arange(len(passed)), chosen)
    _, distance = nearest(passed.take(rest), passed.take(chosen), None, block)
    return {
        "size": len(chosen),
        "radius": rounded(distance.max(initial=0)),
        "mean_distance": rounded(distance.sum() / len(passed)),
    }


def coverage_report(
    passed: Points, chosen: np.ndarray, kcenter: np.ndarray, *, draws: list[int], block: int = BLOCK
) -> Record:
    """The coverage of a selection, of k-center's selection, and of random draws of the selection's size.

    Args:
        draws: the seeds of the random draws.
    """
    drawn = [coverage(passed, np.array(random_rows(len(passed), len(chosen), seed)), block) for seed in draws]
    return {
        "points": len(passed),
        "selection": coverage(passed, chosen, block),
        K_CENTER: coverage(passed, kcenter, block),
        RANDOM: {
            "size": len(chosen),
            "seeds": draws,
            "radius": min_mean_max([draw["radius"] for draw in drawn]),
            "mean_distance": min_mean_max([draw["mean_distance"] for draw in drawn]),
        },
    }


def min_mean_max(values: list[float]) -> Record:
    """Mean, lowest and highest of some values."""
    return {"mean": rounded(np.mean(values)), "min": min(values), "max": max(values)}


# The report


@dataclass(frozen=True)
class NearestSamples:
    """The nearest neighbours that the report needs: of the selected samples, and of real data as their control."""

    to_test: Neighbours
    to_train: Neighbours
    within: Neighbours
    train_to_test: Neighbours
    test_to_train: Neighbours


@dataclass(frozen=True)
class Splits:
    """The selected samples, and the splits of ED that they are compared with."""

    selected: Samples
    train: Samples
    test: Samples


def find(splits: Splits, block: int = BLOCK) -> NearestSamples:
    """All nearest neighbours.

    The nearest of many samples is nearer than the nearest of few. So each comparison has its own control with the same
    target: how near ED's train split is to its test split, and the reverse.
    """
    selected, train, test = splits.selected, splits.train, splits.test
    return NearestSamples(
        to_test=neighbours(selected, test, block),
        to_train=neighbours(selected, train, block),
        within=neighbours(selected, selected, block),
        train_to_test=neighbours(train, test, block),
        test_to_train=neighbours(test, train, block),
    )


#: How texts are compared: as whole dialogues, and as responses.
KEYS = {"dialogue": dialogue_key, "response": response_key}
#: Of each kind of text and each split of ED, the id of the first sample with the same text, for each selected sample.
EqualTexts = dict[str, dict[str, list[str | None]]]


def leakage_report(
    splits: Splits, nearest: NearestSamples, *, near_duplicate: float, block: int = BLOCK
) -> tuple[Record, list[Record]]:
    """The report on nearest samples, equal texts and near-duplicates, and a record for each selected sample.

    docs/novelty.md describes both.
    """
    selected, train, test = splits.selected, splits.train, splits.test
    seeds, to_seed = about_seeds(selected, train, nearest.to_train, block)
    equal = equal_texts(splits)
    to_test = compared(nearest.to_test.similarity, nearest.train_to_test.similarity, near_duplicate)
    to_train = compared(nearest.to_train.similarity, nearest.test_to_train.similarity, near_duplicate)
    report = {
        "samples": {"selected": len(selected), "ed_train": len(train), "ed_test": len(test)},
        "nearest_ed_test": to_test,
        "nearest_ed_train": to_train | seeds,
        "nearest_selected": summary(nearest.within.similarity, near_duplicate),
        "near_duplicates_within": near_duplicates(selected, near_duplicate, block),
        "equal_text": equal_text_report(splits, equal),
        "closest_to_ed_test": closest(selected, test, nearest.to_test),
        "closest_to_ed_train": closest(selected, train, nearest.to_train),
    }
    return report, sample_records(splits, nearest, to_seed, equal)


def equal_texts(splits: Splits) -> EqualTexts:
    """The samples of ED with the texts of the selected ones."""
    equal = {}
    for kind, key in KEYS.items():
        to_test = first_equal(splits.selected, splits.test, key)
        equal[kind] = {"ed_test": to_test, "ed_train": first_equal(splits.selected, splits.train, key)}
    return equal


def equal_text_report(splits: Splits, equal: EqualTexts) -> Record:
    """How many dialogues and responses are equal texts; the control compares ED's test split with its train split."""
    report = {}
    for kind, key in KEYS.items():
        counts = {split: count_known(ids) for split, ids in equal[kind].items()}
        counts["repeated_within_selected"] = repeated(splits.selected, key)
        counts["control_ed_test_in_ed_train"] = count_known(first_equal(splits.test, splits.train, key))
        report[kind] = counts
    return report


def count_known(ids: list[str | None]) -> int:
    """How many ids are not None."""
    return sum(name is not None for name in ids)


def sample_records(splits: Splits, nearest: NearestSamples, to_seed: np.ndarray, equal: EqualTexts) -> list[Record]:
    """One record a selected sample: its nearest samples and their similarity, and the ED samples with its text."""
    pairs = {
        "ed_test": (splits.test, nearest.to_test),
        "ed_train": (splits.train, nearest.to_train),
        "selected": (splits.selected, nearest.within),
    }
    records = []
    for i, name in enumerate(splits.selected.ids()):
        record: Record = {"id": name}
        for what, (samples, near) in pairs.items():
            paired = near.position[i] >= 0
            record[f"nearest_{what}"] = samples.records[near.position[i]]["id"] if paired else None
            record[f"similarity_{what}"] = rounded(near.similarity[i]) if paired else None
        record["similarity_own_seed"] = rounded(to_seed[i])
        for kind, by_split in equal.items():
            record |= {f"equal_{kind}_{split}": ids[i] for split, ids in by_split.items()}
        records.append(record)
    return records
