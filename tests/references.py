"""K-center greedy and CIDEr as plainly as they can be written, for tests to compare with."""

import math
from collections import Counter

import numpy as np


def naive_k_center(points, size, seed):
    """The first row whose smallest distance to the chosen rows is largest; O(rows x size^2 x dimensions)."""
    rows = [list(map(float, row)) for row in points]
    chosen = [int(np.random.default_rng(seed).integers(len(rows)))]
    while len(chosen) < size:
        best, farthest = None, -1.0
        for row, point in enumerate(rows):
            if row in chosen:
                continue
            distance = min(math.dist(point, rows[other]) for other in chosen)
            if distance > farthest:
                best, farthest = row, distance
        chosen.append(best)
    return chosen


def plain_k_center(points, size, seed):
    """One pass over the whole float64 matrix per chosen point, ties to the lowest row."""
    points = np.asarray(points, dtype=np.float64)
    chosen = [int(np.random.default_rng(seed).integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < size:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        nearest[chosen[-1]] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def ngrams(words, order):
    return [tuple(words[start : start + order]) for start in range(len(words) - order + 1)]


def plain_cider(predictions, references, idf_of=None):
    """CIDEr-D as the COCO evaluation has it: clipped tf-idf cosine, length penalty of sigma 6, mean over n, times 10.

    The IDF is that of the references, or of ``idf_of`` where it is fixed.
    """
    idf_of = references if idf_of is None else idf_of
    seen = Counter()
    for words in idf_of:
        seen.update(set().union(*(ngrams(words, order) for order in (1, 2, 3, 4))))

    def vector(words, order):
        return {
            gram: count * (math.log(len(idf_of)) - math.log(max(1, seen[gram])))
            for gram, count in Counter(ngrams(words, order)).items()
        }

    total = 0.0
    for prediction, reference in zip(predictions, references):
        # The original takes a sentence's length to be its number of bigrams.
        penalty = math.exp(-((len(ngrams(prediction, 2)) - len(ngrams(reference, 2))) ** 2) / (2 * 6.0**2))
        for order in (1, 2, 3, 4):
            ours, theirs = vector(prediction, order), vector(reference, order)
            norm = math.sqrt(sum(v * v for v in ours.values())) * math.sqrt(sum(v * v for v in theirs.values()))
            if norm:
                shared = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours.keys() & theirs.keys())
                total += penalty * shared / norm / 4
    return 100 * 10 * total / len(references)
