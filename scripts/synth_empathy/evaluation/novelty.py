"""Whether the selected synthetic samples leak ED's test split, repeat ED's train split or one another, and what they cover.

The paper never asks it. Whole dialogues are compared, history and response, by the cosine of their embeddings, since that is
what a model is trained on. Responses alone are compared as text only: short answers ("that is great !") are alike wherever
they stand, and their embeddings would say no more than that.
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

#: Cosine x 100 at which samples are counted, beside the configured near-duplicate threshold.
THRESHOLDS = (70, 80, 90, 95, 99)
QUANTILES = {"min": 0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99, "max": 1}
#: How many of the closest pairs, and of the largest groups of near-duplicates, the report names.
CLOSEST = 20
GROUPS = 5
#: Decimals of every value: embeddings are float32, so that more would be noise.
DECIMALS = 4


@dataclass(frozen=True)
class Samples:
    """Samples and the embedding of each one's whole dialogue."""

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
        position: shape (samples,); -1 where there is none.
        similarity: cosine x 100, shape (samples,); NaN where there is none.
    """

    position: np.ndarray
    similarity: np.ndarray


def load_samples(path: Path, embedded: Path, fields: Fields) -> Samples:
    """Samples and their embeddings, memory-mapped.

    Args:
        embedded: a folder with ``texts.jsonl`` and ``embeddings.npy``, as embed_texts.py writes them.
        fields: what a record must hold (``records``).

    Raises:
        UserError: no sample, or one that was not embedded.
    """
    samples = read_jsonl(path, fields)
    if not samples:
        raise UserError(
            f"{path} holds no sample, so that nothing can be compared with it",
            "make it again from a split or selection that has samples",
        )
    texts = embedding.read_texts(embedded / "texts.jsonl")
    matrix = embedding.load_embeddings(embedded / "embeddings.npy", rows=len(texts))
    rows = embedding.rows_for(embedding.row_of(texts), [prompts.flat_sample(sample) for sample in samples])
    return Samples(samples, Points(matrix, np.array(rows)))


def positions_of(ids: list[str], samples: Samples, what: str, hint: str) -> np.ndarray:
    """Where samples of some ids stand.

    Raises:
        UserError: an id is not there.
    """
    place = {record["id"]: position for position, record in enumerate(samples.records)}
    lacking = [name for name in ids if name not in place]
    if lacking:
        raise UserError(f"{len(lacking)} of {len(ids)} ids are not among {what}; the first is {lacking[0]}", hint)
    return np.array([place[name] for name in ids])


def check_dimensions(**samples: Samples) -> None:
    """Refuse embeddings of different models.

    Raises:
        UserError: they differ in dimensions.
    """
    sizes = {name: part.points.matrix.shape[1] for name, part in samples.items()}
    if len(set(sizes.values())) > 1:
        raise UserError(
            f"the embeddings differ in dimensions: {sizes}", "embed all of them with one model, by embed_texts.py"
        )


# Nearest samples


def neighbours(samples: Samples, others: Samples, block: int = BLOCK) -> Neighbours:
    """The nearest other sample to each sample; a sample is not its own neighbour when both are the same set."""
    own = np.arange(len(samples)) if samples is others else None
    position, _ = nearest(samples.points, others.points, own, block)
    similarity = np.full(len(samples), np.nan)
    there = np.flatnonzero(position >= 0)
    similarity[there] = cosines(samples.points.take(there), others.points.take(position[there]), block)
    return Neighbours(position, similarity)


def seed_ids(samples: Samples) -> list[str]:
    """The ED train sample that each synthetic one was written after: its id is {seed id}/{prompt}/pass{n} (docs/files.md).

    Raises:
        UserError: an id is not of that form.
    """
    bad = [name for name in samples.ids() if not re.fullmatch(r".+/[^/]+/pass[0-9]+", name)]
    if bad:
        form = "{seed id}/{prompt}/pass{n}"
        raise UserError(
            f"{len(bad)} ids are not those of synthetic samples, {form}; the first is {bad[0]}",
            "give a selection of synthetic samples",
        )
    return [name.rsplit("/", 2)[0] for name in samples.ids()]


def about_seeds(selected: Samples, train: Samples, found: Neighbours, block: int = BLOCK) -> tuple[Record, np.ndarray]:
    """How near samples are to the ED train sample that they were written after, and whether it is the nearest one.

    Returns:
        Counts and shares; the similarity to each one's seed, cosine x 100, shape (samples,).

    Raises:
        UserError: a seed is not in ED's train split.
    """
    seed = positions_of(
        seed_ids(selected),
        train,
        "the ids of ED's train split",
        "give the ED train split that the samples were generated from",
    )
    similarity = cosines(selected.points, train.points.take(seed), block)
    conversation = np.array([record["conv_id"] for record in train.records])
    # Two train samples of one text have one embedding: either is then the seed.
    itself = train.points.rows[seed] == train.points.rows[found.position]
    same = itself | (conversation[seed] == conversation[found.position])
    report = {
        name: {"samples": int(mask.sum()), "share": rounded(mask.mean())}
        for name, mask in (("own_seed", itself), ("own_seed_conversation", same))
    }
    return report | {"similarity_to_own_seed": summary(similarity)}, similarity


def rounded(value: float) -> float:
    """A value as the report holds it."""
    return round(float(value), DECIMALS)


def summary(similarity: np.ndarray, near_duplicate: float | None = None) -> Record:
    """Mean, quantiles and counts of similarities; NaN, which stands for no neighbour, is left out and not counted."""
    values = similarity[~np.isnan(similarity)]
    report: Record = {"samples": len(values)}
    if len(values):
        report |= {"mean": rounded(values.mean())} | {
            name: rounded(np.quantile(values, q)) for name, q in QUANTILES.items()
        }
    report["at_least"] = {str(least): int((values >= least).sum()) for least in THRESHOLDS}
    if near_duplicate is not None:
        report["near_duplicates"] = int((values >= near_duplicate).sum())
    return report


def compared(similarity: np.ndarray, control: np.ndarray, near_duplicate: float) -> Record:
    """A summary of the samples' similarities beside that of real data's, and how many exceed what 1 % of real data exceeds."""
    limit = np.quantile(control, 0.99)
    above = similarity > limit
    return {
        "selected": summary(similarity, near_duplicate),
        "control": summary(control, near_duplicate),
        "above_control_q99": {"samples": int(above.sum()), "share": rounded(above.mean())},
    }


def closest(selected: Samples, others: Samples, found: Neighbours) -> list[Record]:
    """The closest pairs, with the text of the synthetic side alone: ED's may not be passed on."""
    order = np.argsort(-found.similarity, kind="stable")[:CLOSEST]
    return [
        {
            "id": selected.records[i]["id"],
            "nearest": others.records[found.position[i]]["id"],
            "similarity": rounded(found.similarity[i]),
            "text": prompts.flat_sample(selected.records[i]),
        }
        for i in order
    ]


# Equal texts


def bare(text: str) -> str:
    """A text without case, spacing and punctuation: ED's are lower-cased tokens, synthetic ones are as written."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def dialogue_key(sample: Record) -> tuple[str, ...]:
    """What makes two dialogues the same text."""
    return tuple(bare(turn) for turn in (*sample["history"], sample["response"]))


def response_key(sample: Record) -> tuple[str, ...]:
    """What makes two responses the same text; empty where no word is in it."""
    return (bare(sample["response"]),)


def first_equal(samples: Samples, others: Samples, key: Callable[[Record], tuple[str, ...]]) -> list[str | None]:
    """The id of the first other sample with the same text, or None, for each sample."""
    first: dict[tuple[str, ...], str] = {}
    for record in others.records:
        first.setdefault(key(record), record["id"])
    return [first.get(key(record)) if any(key(record)) else None for record in samples.records]


def repeated(samples: Samples, key: Callable[[Record], tuple[str, ...]]) -> int:
    """How many samples have a text that an earlier one has, too."""
    return sum(count - 1 for text, count in Counter(map(key, samples.records)).items() if any(text))


# Near-duplicates within the set


def near_duplicates(samples: Samples, least: float, block: int = BLOCK) -> Record:
    """Pairs of samples at or above a cosine x 100, and the groups that they connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group, pairs = np.arange(len(samples)), 0
    for i, j in near_pairs(samples.points, least, block):
        pairs += len(i)
        # Each block's pairs join the groups so far, so that no more than a block of pairs is held.
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
    """How well chosen points cover all: the distance of each point to the nearest chosen one (paper, section 3.3).

    Args:
        chosen: positions; a chosen point is at distance 0.

    Returns:
        ``radius``, the largest distance, what k-center makes small; ``mean_distance``; Euclidean, between unit vectors.
    """
    rest = np.setdiff1d(np.arange(len(passed)), chosen)
    _, distance = nearest(passed.take(rest), passed.take(chosen), None, block)
    return {
        "size": len(chosen),
        "radius": rounded(distance.max(initial=0)),
        "mean_distance": rounded(distance.sum() / len(passed)),
    }


def coverage_report(
    passed: Points, chosen: np.ndarray, kcenter: np.ndarray, draws: list[int], block: int = BLOCK
) -> Record:
    """Coverage of a selection, of k-center's, and of random draws of the selection's size.

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
            "radius": spread([draw["radius"] for draw in drawn]),
            "mean_distance": spread([draw["mean_distance"] for draw in drawn]),
        },
    }


def spread(values: list[float]) -> Record:
    """Mean, least and largest of some values."""
    return {"mean": rounded(np.mean(values)), "min": min(values), "max": max(values)}


# The report


@dataclass(frozen=True)
class Found:
    """Every nearest neighbour that the report needs: of the selected samples, and of the real data that they are held against."""

    to_test: Neighbours
    to_train: Neighbours
    within: Neighbours
    train_to_test: Neighbours
    test_to_train: Neighbours


def find(selected: Samples, train: Samples, test: Samples, block: int = BLOCK) -> Found:
    """All nearest neighbours.

    The nearest of many samples is nearer than the nearest of few, so each comparison has its own control, of the same
    target: how near ED's train split is to its test split, and the other way round.
    """
    return Found(
        to_test=neighbours(selected, test, block),
        to_train=neighbours(selected, train, block),
        within=neighbours(selected, selected, block),
        train_to_test=neighbours(train, test, block),
        test_to_train=neighbours(test, train, block),
    )


def leakage_report(
    selected: Samples, train: Samples, test: Samples, found: Found, near_duplicate: float, block: int = BLOCK
) -> tuple[Record, list[Record]]:
    """Nearest samples, equal texts and near-duplicates: the report, and a record for each selected sample (docs/novelty.md)."""
    seeds, to_seed = about_seeds(selected, train, found.to_train, block)
    splits = {"ed_test": test, "ed_train": train}
    equal = {
        kind: {name: first_equal(selected, split, key) for name, split in splits.items()}
        for kind, key in (("dialogue", dialogue_key), ("response", response_key))
    }
    report = {
        "samples": {"selected": len(selected), "ed_train": len(train), "ed_test": len(test)},
        "nearest_ed_test": compared(found.to_test.similarity, found.train_to_test.similarity, near_duplicate),
        "nearest_ed_train": compared(found.to_train.similarity, found.test_to_train.similarity, near_duplicate)
        | seeds,
        "nearest_selected": summary(found.within.similarity, near_duplicate),
        "near_duplicates_within": near_duplicates(selected, near_duplicate, block),
        "equal_text": equal_text_report(selected, train, test, equal),
        "closest_to_ed_test": closest(selected, test, found.to_test),
        "closest_to_ed_train": closest(selected, train, found.to_train),
    }
    return report, sample_records(selected, train, test, found, to_seed, equal)


def equal_text_report(selected: Samples, train: Samples, test: Samples, equal: Record) -> Record:
    """How many dialogues, and how many responses, are equal texts; the control is how many of ED test's are in ED train."""
    return {
        kind: {
            **{name: sum(other is not None for other in ids) for name, ids in equal[kind].items()},
            "repeated_within_selected": repeated(selected, key),
            "control_ed_test_in_ed_train": sum(other is not None for other in first_equal(test, train, key)),
        }
        for kind, key in (("dialogue", dialogue_key), ("response", response_key))
    }


def sample_records(
    selected: Samples, train: Samples, test: Samples, found: Found, to_seed: np.ndarray, equal: Record
) -> list[Record]:
    """One record a selected sample: its nearest samples by id and similarity, and the ED samples of equal text."""
    pairs = {
        "ed_test": (test, found.to_test),
        "ed_train": (train, found.to_train),
        "selected": (selected, found.within),
    }
    records = []
    for i, name in enumerate(selected.ids()):
        record: Record = {"id": name}
        for what, (samples, near) in pairs.items():
            there = near.position[i] >= 0
            record[f"nearest_{what}"] = samples.records[near.position[i]]["id"] if there else None
            record[f"similarity_{what}"] = rounded(near.similarity[i]) if there else None
        record["similarity_own_seed"] = rounded(to_seed[i])
        record |= {f"equal_{kind}_{split}": ids[i] for kind, splits in equal.items() for split, ids in splits.items()}
        records.append(record)
    return records
