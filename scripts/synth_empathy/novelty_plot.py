"""The novelty report as a figure: how near synthetic samples are to ED's test and train splits, beside real data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .novelty import Found
from .records import atomic_path

#: Bins of cosine x 100, one point wide.
BIN = 1.0


def draw(found: Found, near_duplicate: float, embedder: str, name: str):
    """Two histograms, each of the selected samples and of the real data that they are held against.

    Args:
        embedder: the embedding model, which the scale of similarities belongs to.
        name: the selection, for the title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    figure.suptitle(f"Does the synthetic data leak ED's test split, or repeat its train split?\n{name}", fontsize=12)
    panels = (
        ("test", found.to_test.similarity, found.train_to_test.similarity, "ED train samples"),
        ("train", found.to_train.similarity, found.test_to_train.similarity, "ED test samples"),
    )
    lowest = min(float(values.min()) for _, *both, _ in panels for values in both)
    bins = np.arange(np.floor(lowest), 100 + BIN, BIN)
    for axes, (split, selected, control, real) in zip(figure.subplots(1, 2, sharex=True), panels):
        axes.hist(control, bins, weights=shares(control), color="0.7", label=f"real: {len(control):,} {real}")
        axes.hist(selected, bins, weights=shares(selected), histtype="step", color="C0", linewidth=1.6, label=f"synthetic: {len(selected):,} selected samples")
        axes.axvline(near_duplicate, color="C3", linestyle="--", label=f"near-duplicate: at least {near_duplicate:g}")
        axes.set_xlabel(f"similarity to the nearest ED {split} sample\n(cosine x 100, whole dialogue, {embedder})")
        axes.set_ylabel(f"share of samples (% per {BIN:g} point)")
        axes.legend(fontsize=8, loc="upper left")
    return figure


def shares(values: np.ndarray) -> np.ndarray:
    """Weights that make a histogram's bars add up to 100 %."""
    return np.full(len(values), 100 / len(values))


def save(figure, path: Path) -> None:
    """Write a figure as SVG or PNG by its name's end; the same figure gives the same bytes."""
    import matplotlib

    kind = path.suffix.lstrip(".")
    dateless = {"svg": {"Date": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "novelty", "svg.fonttype": "none"}), atomic_path(path) as partial:
        figure.savefig(partial, format=kind, dpi=150, metadata=dateless)
