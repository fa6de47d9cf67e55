"""The novelty report as a figure: how near synthetic samples are to ED's splits, compared with real data."""

from __future__ import annotations

from pathlib import Path

from ...core.escaping import plot_text
from ...core.files import atomic_path
from ...evaluation.novelty import NearestSamples


def draw(nearest: NearestSamples, near_duplicate: float, embedder: str, name: str, *, data: str = "ED"):
    """The share of samples that are at least so near to ED's test and train splits, compared with real data.

    A leak is a matter of few samples, so the scale of the shares is logarithmic.

    Args:
        embedder: the embedding model, which sets the scale of similarities.
        name: the selection, for the title.
        data: what readers call the data set.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    data = plot_text(data)
    question = f"Does the synthetic data leak {data}'s test split, or repeat its train split?"
    figure.suptitle(f"{question}\n{plot_text(name)}", fontsize=12, parse_math=False)
    panels = (
        ("test", nearest.to_test.similarity, nearest.train_to_test.similarity, f"{data} train samples"),
        ("train", nearest.to_train.similarity, nearest.test_to_train.similarity, f"{data} test samples"),
    )
    for axes, (split, selected, control, real) in zip(figure.subplots(1, 2, sharex=True, sharey=True), panels):
        axes.ecdf(control, complementary=True, color="0.6", linewidth=3, label=f"real: {len(control):,} {real}")
        axes.ecdf(selected, complementary=True, color="C0", label=f"synthetic: {len(selected):,} selected samples")
        axes.axvline(near_duplicate, color="C3", linestyle="--", label=f"near-duplicate: {near_duplicate:g} and above")
        scale = f"(cosine x 100, whole dialogue, {plot_text(embedder)})"
        axes.set_xlabel(f"similarity to the nearest {data} {split} sample\n{scale}", parse_math=False)
        axes.legend(fontsize=8, loc="lower left")
        axes.grid(alpha=0.3)
    axes.set_yscale("log")
    most = max(max(len(selected), len(control)) for _, selected, control, _ in panels)
    axes.set_ylim(0.5 / most, 1.5)
    axes.yaxis.set_major_formatter("{x:g}")
    figure.axes[0].set_ylabel("share of samples that are at least so near")
    return figure


def save(figure, path: Path) -> None:
    """Write a figure as SVG or PNG by its path's suffix; the same figure gives the same bytes."""
    import matplotlib

    kind = path.suffix.lstrip(".")
    dateless = {"svg": {"Date": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "novelty", "svg.fonttype": "none"}), atomic_path(path) as partial:
        figure.savefig(partial, format=kind, dpi=150, metadata=dateless)
