#!/usr/bin/env python3
"""Time and memory of k-center greedy, compared with a lower bound and with slower ways; --check compares the order."""

import multiprocessing
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from synth_empathy.core import cli
from synth_empathy.selection import diversity
from synth_empathy.selection.embedding import load_embeddings

#: Rows and dimensions: the samples of DK 60 and Prompt 2 with MiniLM's dimensions, and fewer rows with gte-Qwen2's.
SIZES = ["18789x384", "8000x3584"]
#: Steps of the slow ways that are timed. Each step takes the same time, so that the whole time can be extrapolated.
STEPS = {"one matrix-vector pass per point": 200, "pairwise distances per point": 20}

#: Chosen rows in one slice of the lower bound's product, and how many slices are timed.
SLICE, SLICES = 1024, 20


def main() -> None:
    """Parse flags, time every size, print ratios."""
    flags = cli.parser(__doc__)
    sizes = "shapes of random unit vectors in clusters"
    flags.add_argument("--sizes", nargs="+", default=SIZES, metavar="NxD", help=sizes)
    real = "files of real embeddings, in addition"
    flags.add_argument("--embeddings", type=Path, nargs="*", default=[], metavar="NPY", help=real)
    flags.add_argument("--ratio", type=float, default=0.9, help="the share to choose")
    flags.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="the device that chooses")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads")
    repeat = "how often the fast ways run; the shortest time counts"
    flags.add_argument("--repeat", type=cli.count, default=3, metavar="N", help=repeat)
    check = "compare the whole order with the plain float64 reference (minutes)"
    flags.add_argument("--check", action="store_true", help=check)
    args = flags.parse_args()

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


def clustered(rows: int, dimensions: int) -> np.ndarray:
    """Seeded unit vectors around a few hundred directions, like embeddings of texts on similar subjects."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((200, dimensions), dtype=np.float32)
    points = centres[generator.integers(200, size=rows)]
    points = points + generator.standard_normal((rows, dimensions), dtype=np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def compare(points: np.ndarray, size: int, args) -> None:
    """Print seconds and ratios for one matrix."""
    ours, limit, order = [], [], []
    for _ in range(args.repeat):  # in turns, so that a slower machine affects both
        limit.append(one_product(points, size, args.device))
        ours.append(seconds(lambda: order.append(diversity.k_center_greedy(points, size, 0, device=args.device))))
    print(f"k-center:                          {min(ours):9.2f} s")
    ratio = f"k-center takes {min(ours) / min(limit):.2f} times as long (aim: at most 1.3)"
    print(f"one n x k x d matrix product:      {min(limit):9.2f} s; {ratio}")
    for name, way in (("one matrix-vector pass per point", matrix_vector), ("pairwise distances per point", pairwise)):
        way(points, 1)  # so that imports are not timed
        slow = seconds(lambda way=way, name=name: way(points, STEPS[name])) * size / STEPS[name]
        ratio = f"k-center is {slow / min(ours):.1f} times as fast"
        print(f"{name + ':':<34} {slow:9.2f} s ({STEPS[name]} steps timed); {ratio}")
    if args.device == "cpu":
        extra, few = extra_memory(points, size, args.threads), extra_memory(points[:1000], 900, args.threads)
        share = f"{extra / points.nbytes:.0%} of theirs (aim: at most 20 %)"
        small = f"for the first 1,000 rows alone {few / 1e6:.1f} MB"
        print(f"memory beyond the embeddings:      {extra / 1e6:9.1f} MB, {share}; {small}")
    if args.check:
        print(f"the order is the float64 reference's: {order[0] == reference(points, size)}")


def seconds(work) -> float:
    """Seconds of one call by the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_product(points: np.ndarray, size: int, device: str) -> float:
    """The lower bound: seconds for the product of every row with every chosen row in float32.

    The product is computed a slice of the chosen rows at a time, because its result does not fit into memory. Only the
    first slices are timed, because each takes the same time.
    """
    import torch

    matrix = torch.from_numpy(points).to(device)
    out = torch.empty(len(points), SLICE, device=device)
    timed = min(size, SLICES * SLICE)
    start = time.perf_counter()
    for first in range(0, timed, SLICE):
        part = matrix[first : min(first + SLICE, timed)]
        buffer = out if len(part) == SLICE else torch.empty(len(points), len(part), device=device)
        torch.mm(matrix, part.T, out=buffer)
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * size / timed


def matrix_vector(points: np.ndarray, steps: int) -> None:
    """A fair baseline: precomputed squared lengths, one matrix-vector product and one argmax a step."""
    import torch

    matrix = torch.from_numpy(points)
    squares = (matrix**2).sum(1)
    nearest, row = torch.full((len(points),), torch.inf), 0
    for _ in range(steps):
        nearest = torch.minimum(nearest, squares - 2 * (matrix @ matrix[row]) + squares[row])
        nearest[row] = -1
        row = int(nearest.argmax())


def pairwise(points: np.ndarray, steps: int) -> None:
    """The way of the authors' code: in each step a library's distances between all rows and the last chosen row."""
    from sklearn.metrics import pairwise_distances

    nearest, row = np.full((len(points), 1), np.inf), 0
    for _ in range(steps):
        nearest = np.minimum(nearest, pairwise_distances(points, points[[row]], metric="euclidean"))
        row = int(nearest.argmax())


def reference(points: np.ndarray, size: int) -> list[int]:
    """The plain float64 traversal: one pass of squared differences per step, with ties to the lowest row."""
    from scipy.spatial.distance import cdist

    points = points.astype(np.float64)
    chosen, nearest = [diversity.first_row(len(points), 0)], np.full(len(points), np.inf)
    for _ in cli.progress(range(size - 1), size - 1, "reference", 60):
        nearest = np.minimum(nearest, cdist(points[chosen[-1]][None], points, "sqeuclidean")[0])
        nearest[chosen[-1]] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def extra_memory(points: np.ndarray, size: int, threads: int) -> int:
    """The peak memory in bytes of a process that chooses, minus that of its libraries and embeddings."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_memory, args=(sender, points, size, threads))
    process.start()
    sender.close()  # so that recv ends if the process fails
    extra = receiver.recv()
    process.join()
    return extra


def measure_memory(sender, points: np.ndarray, size: int, threads: int) -> None:
    """In a process of its own: choose a few points, so that libraries are loaded, then reset the peak and choose.

    Memory that libraries take for their threads and products at the first work counts. It is the same for few rows.
    """
    import torch

    torch.set_num_threads(threads)
    diversity.k_center_greedy(points[:8], 4, 0)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    diversity.k_center_greedy(points, size, 0)
    sender.send(status("VmHWM") - before)


def status(field: str) -> int:
    """A field of this process's memory status on Linux, in bytes."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


if __name__ == "__main__":
    cli.run(main)
