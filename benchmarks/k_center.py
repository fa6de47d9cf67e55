#!/usr/bin/env python3
"""K-center greedy against its lower bound and slower ways: time, memory and, with --check, the order in float64."""

import argparse
import multiprocessing
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.selection import diversity
from synth_empathy.selection.embedding import load_embeddings

#: Rows and dimensions: what DK 60 keeps under Prompt 2, with MiniLM's dimensions; and fewer rows with gte-Qwen2's.
SIZES = ["18789x384", "8000x3584"]

#: The number of chosen rows in one slice of the lower bound's product, and the number of slices that are timed.
SLICE, SLICES = 1024, 20


def main() -> None:
    """Parse flags, time every size, print ratios."""
    args = parse_flags()

    import torch

    torch.set_num_threads(args.threads)
    print(f"device: {torch.cuda.get_device_name() if args.device == 'cuda' else f'CPU, {args.threads} threads'}")
    clouds = [(name, clustered(*map(int, name.split("x")))) for name in args.sizes]
    clouds += [(str(path), np.array(load_embeddings(path), dtype=np.float32)) for path in args.embeddings]
    for name, points in clouds:
        size = diversity.size_of(args.ratio, len(points))
        shape = f"{len(points):,} rows of {points.shape[1]} dimensions"
        print(f"\n{name}: {size:,} of {shape}, {points.nbytes / 1e6:.0f} MB")
        compare(points, size, args)


def parse_flags() -> argparse.Namespace:
    """The flags of this benchmark."""
    flags = cli.parser(__doc__)
    sizes_help = "shapes of random unit vectors in clusters"
    flags.add_argument("--sizes", nargs="+", default=SIZES, metavar="NxD", help=sizes_help)
    embeddings_help = "real embeddings in addition"
    flags.add_argument("--embeddings", type=Path, nargs="*", default=[], metavar="NPY", help=embeddings_help)
    flags.add_argument("--ratio", type=float, default=0.9, help="the share to choose")
    flags.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to choose")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    repeat_help = "number of runs of what is fast; the shortest counts"
    flags.add_argument("--repeat", type=cli.count, default=3, metavar="N", help=repeat_help)
    check_help = "compare the whole order with a plain float64 reference (minutes)"
    flags.add_argument("--check", action="store_true", help=check_help)
    return flags.parse_args()


def clustered(rows: int, dimensions: int) -> np.ndarray:
    """Seeded unit vectors around 200 directions, like embeddings of texts on similar subjects; (rows, dimensions)."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((200, dimensions), dtype=np.float32)
    nearest = centres[generator.integers(200, size=rows)]
    points = nearest + generator.standard_normal((rows, dimensions), dtype=np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def compare(points: np.ndarray, size: int, args: argparse.Namespace) -> None:
    """Print times and ratios for one matrix of points."""
    ours, bounds, orders = [], [], []
    for _ in range(args.repeat):  # in turns, so that a machine that slows down slows both
        bounds.append(one_product(points, size, args.device))
        start = time.perf_counter()
        orders.append(diversity.k_center_greedy(points, size, 0, device=args.device))
        ours.append(time.perf_counter() - start)
    print(f"k-center:                          {min(ours):9.2f} s")
    ratio = f"k-center takes {min(ours) / min(bounds):.2f} times as long (target: at most 1.3)"
    print(f"one n x k x d matrix product:      {min(bounds):9.2f} s; {ratio}")
    # Each step costs the same, so a few are timed and multiplied.
    for name, way, steps in (
        ("one matrix-vector pass per point", matrix_vector, 200),
        ("pairwise distances per point", pairwise, 20),
    ):
        slow = seconds_of_steps(way, points, steps) * size / steps
        ratio = f"k-center is {slow / min(ours):.1f} times as fast"
        print(f"{name + ':':<34} {slow:9.2f} s ({steps} steps timed); {ratio}")
    if args.device == "cpu":
        first = points[:1000]
        few = extra_memory(first, diversity.size_of(0.9, len(first)), args.threads)
        extra = extra_memory(points, size, args.threads)
        share = f"{extra / points.nbytes:.0%} of theirs (target: at most 20 %)"
        first_rows = f"for the first 1,000 rows alone {few / 1e6:.1f} MB"
        print(f"memory beyond the embeddings:      {extra / 1e6:9.1f} MB, {share}; {first_rows}")
    if args.check:
        print(f"the order is the float64 reference's: {orders[0] == reference(points, size)}")


def seconds_of_steps(way: Callable[[np.ndarray, int], None], points: np.ndarray, steps: int) -> float:
    """Seconds of some steps of a slower way, without its imports."""
    way(points, 1)
    start = time.perf_counter()
    way(points, steps)
    return time.perf_counter() - start


def one_product(points: np.ndarray, size: int, device: str) -> float:
    """The lower bound: seconds to multiply every row with every chosen row once, in float32.

    The whole result would not fit into memory, so the chosen rows are taken in slices. Each slice costs the same, so
    only the first ones are timed.
    """
    import torch

    matrix = torch.from_numpy(points).to(device)
    out = torch.empty(len(points), SLICE, device=device)
    timed = min(size, SLICES * SLICE)
    start = time.perf_counter()
    for first in range(0, timed, SLICE):
        part = matrix[first : min(first + SLICE, timed)]
        whole = len(part) == SLICE
        torch.mm(matrix, part.T, out=out if whole else torch.empty(len(points), len(part), device=device))
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * size / timed


def matrix_vector(points: np.ndarray, steps: int) -> None:
    """A fair baseline: squared lengths are computed once; each step is one matrix-vector product and one argmax."""
    import torch

    matrix = torch.from_numpy(points)
    squares = (matrix**2).sum(1)
    nearest, row = torch.full((len(points),), torch.inf), 0
    for _ in range(steps):
        nearest = torch.minimum(nearest, squares - 2 * (matrix @ matrix[row]) + squares[row])
        nearest[row] = -1
        row = int(nearest.argmax())


def pairwise(points: np.ndarray, steps: int) -> None:
    """The released way: in each step, a library's distances between all rows and the row chosen last."""
    from sklearn.metrics import pairwise_distances

    nearest, row = np.full((len(points), 1), np.inf), 0
    for _ in range(steps):
        nearest = np.minimum(nearest, pairwise_distances(points, points[[row]], metric="euclidean"))
        row = int(nearest.argmax())


def reference(points: np.ndarray, size: int) -> list[int]:
    """The order of a plain float64 traversal, which compares all rows in each step; ties go to the lowest row."""
    from scipy.spatial.distance import cdist

    points = points.astype(np.float64)
    chosen, nearest = [diversity.first_row(len(points), 0)], np.full(len(points), np.inf)
    for _ in cli.progress(range(size - 1), size - 1, "reference", 60):
        nearest = np.minimum(nearest, cdist(points[chosen[-1]][None], points, "sqeuclidean")[0])
        nearest[chosen[-1]] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def extra_memory(points: np.ndarray, size: int, threads: int) -> int:
    """Peak memory of choosing in bytes, beyond what a process holds with its libraries and embeddings loaded."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_memory, args=(sender, points, size, threads))
    process.start()
    sender.close()  # so that recv fails if the process does
    extra = receiver.recv()
    process.join()
    return extra


def measure_memory(sender, points: np.ndarray, size: int, threads: int) -> None:
    """Choose a few rows to load the libraries, reset the peak, choose, and send the memory used (a separate process).

    It includes what libraries allocate for their threads and products on first use, which is the same for few rows.
    """
    import torch

    torch.set_num_threads(threads)
    diversity.k_center_greedy(points[:8], 4, 0)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    diversity.k_center_greedy(points, size, 0)
    sender.send(memory("VmHWM") - before)


def memory(field: str) -> int:
    """One of Linux's counts of this process's memory, in bytes."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


if __name__ == "__main__":
    cli.run(main)
