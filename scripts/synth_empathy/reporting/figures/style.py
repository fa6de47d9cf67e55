"""How every figure looks: one column wide, one style, the same bytes from the same numbers.

Systems and series differ by marker and line style as well as by colour, bars by hatch and grey value, so that neither
colour blindness nor grey printing hides which is which.
"""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.absent import DASH
from ...core.errors import UserError
from ...core.escaping import plot_text
from ...core.records import atomic_path

KINDS = ("pdf", "svg", "png")
#: Inches: a column of the paper's two.
WIDTH = 3.4
MARGIN = 0.06
UNKNOWN_NOTE = f"{DASH}: in no text of the paper that we have"
#: Text stays text in SVG (searchable, small); the salt makes its ids repeat. A "$" is a sign: titles are no TeX.
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 6.5, "axes.titlesize": 6.5, "axes.labelsize": 6.5,
    "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "legend.fontsize": 6,
    "axes.linewidth": 0.6, "hatch.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 4.0,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "figure.dpi": 100, "savefig.dpi": 300, "svg.fonttype": "none", "svg.hashsalt": "synth-empathy", "pdf.fonttype": 42,
    "text.parse_math": False,
}  # fmt: skip
#: Matplotlib's line styles; but for the first, an offset and the lengths of dashes and gaps in line widths.
SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (4, 1)), (0, (1, 1)), (0, (4, 1, 1, 1))
#: Colour, marker, dashes: colours are those of Okabe and Ito that show on white, then greys and browns.
LINES: list[tuple[str, str, Any]] = [
    ("#0072B2", "o", SOLID), ("#D55E00", "s", DASHED), ("#000000", "^", DOTTED), ("#009E73", "D", DASH_DOT),
    ("#CC79A7", "v", SOLID), ("#E69F00", "P", DASHED), ("#56B4E9", "X", DOTTED), ("#7F7F7F", "*", DASH_DOT),
    ("#8C510A", "<", SOLID), ("#5E3C99", ">", DASHED), ("#4D4D4D", "h", DOTTED), ("#01665E", "d", DASH_DOT),
]  # fmt: skip


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags that every figure's script takes."""
    flags.add_argument("--note", help="a sentence printed on the figure")
    flags.add_argument(
        "--figures", type=Path, nargs="+", required=True, metavar="FILE", help="the figure, as .pdf, .svg or .png"
    )


def check_names(flags: argparse.ArgumentParser, paths: Sequence[Path]) -> None:
    """Refuse names of other kinds before anything is read."""
    if any(path.suffix.lstrip(".") not in KINDS for path in paths):
        flags.error(f"--figures takes names that end in {', '.join(f'.{kind}' for kind in KINDS)}")


@contextmanager
def style() -> Iterator[None]:
    """The one style of all figures, whatever the user's own settings of matplotlib are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure, paths: Sequence[Path]) -> None:
    """Write a figure as PDF, SVG or PNG by its names' ends, without dates: the same figure gives the same bytes."""
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    for path in paths:
        kind = path.suffix.lstrip(".")
        with style(), atomic_path(path) as partial:
            figure.savefig(partial, format=kind, metadata=dateless[kind])


def sheet(title: str, height: float, handles: Sequence[Any], notes: Sequence[str], width: float = WIDTH):
    """A figure with its title, room for axes, its legend and notes below one another, each as high as what it holds.

    Args:
        height: of the axes with their labels, in inches.
        handles: of the legend.
        notes: sentences under it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, 20))
    renderer = FigureCanvasAgg(figure).get_renderer()
    head = paragraph(figure, title, width / 2, renderer, ha="center", size=7, weight="bold")
    foot = [paragraph(figure, note, MARGIN, renderer, ha="left", size=5.5) for note in notes if note]
    legend = key(figure, handles, renderer, width)
    tall = {
        part: part.get_window_extent(renderer).height / figure.dpi + 0.7 * MARGIN
        for part in (head, legend, *foot)
        if part
    }
    total = sum(tall.values()) + height + 2 * MARGIN
    figure.set_size_inches(width, total)
    top = total - MARGIN
    head.set_y(top)
    bottom = top = top - tall[head] - height
    for part in (legend, *foot):
        if part is legend and part:
            part.set_bbox_to_anchor((width / 2, top), transform=figure.dpi_scale_trans)
        elif part:
            part.set_y(top)
        top -= tall.get(part, 0.0)
    figure.set_layout_engine(
        ConstrainedLayoutEngine(rect=(0, bottom / total, 1, height / total), w_pad=MARGIN, h_pad=0.04)
    )
    return figure


def freeze_layout(figure):
    """The figure with its axes where the layout puts them, to 0.0001 of its size.

    The layout's solver sums in an order that changes from process to process; the last bits of what it finds would
    change the ids in an SVG.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(float(part), 4) for part in axes.get_position(original=True).bounds])
    return figure


def key(figure, handles: Sequence[Any], renderer, width: float):
    """The legend in as many columns as the width takes; None without handles."""
    for handle in handles:
        handle.set_label(plot_text(handle.get_label()))
    for columns in range(min(4, len(handles)), 0, -1):
        place = {"loc": "upper center", "bbox_to_anchor": (width / 2, 0), "bbox_transform": figure.dpi_scale_trans}
        legend = figure.legend(
            handles=handles,
            ncols=columns,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=2.6,
            columnspacing=1.2,
            **place,
        )
        legend.set_in_layout(False)
        if columns == 1 or legend.get_window_extent(renderer).width / figure.dpi <= width - 2 * MARGIN:
            return legend
        legend.remove()
    return None


def paragraph(figure, words: str, x: float, renderer, **font):
    """Text at ``x`` (inches) in as few lines as the figure's width takes."""
    words = plot_text(words)
    text = figure.text(x, 0, "", va="top", transform=figure.dpi_scale_trans, **font)
    width = figure.get_figwidth() - 2 * MARGIN
    for letters in range(min(len(words), 40 * math.ceil(width)), 0, -1):
        text.set_text(textwrap.fill(" ".join(words.split()), letters, break_on_hyphens=False))
        if text.get_window_extent(renderer).width / figure.dpi <= width:
            break
    return text


def line_of(number: int) -> tuple[str, str, Any]:
    """Colour, marker and dashes of a system or series."""
    if number >= len(LINES):
        raise UserError(
            f"a figure tells {len(LINES)} systems apart, and there are more",
            "list fewer systems (tables: table1: systems)",
        )
    return LINES[number]


def format_value(value: float | None, form: str, sign: str = "") -> str:
    """The paper's number, or a dash."""
    return DASH if value is None else sign + form.format(value)


def gaps(values: list[float | None]) -> list[float]:
    """Values with a gap where there is none."""
    return [math.nan if value is None else value for value in values]
