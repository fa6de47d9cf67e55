"""K-center greedy as plainly as it can be written, for tests to compare with."""

import math

import numpy as np


def naive_k_center(points, size, seed):
    """O(rows x size^2 x dimensions): from all distances to all chosen rows, the largest smallest; the first such row."""
    rows = [[float(x) for x in row] for row in points]
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
