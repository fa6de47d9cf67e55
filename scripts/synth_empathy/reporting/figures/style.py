"""The style of every figure: one column wide, and the same bytes from the same numbers.

Systems and series differ by marker and line style as well as by colour, and bars by hatch and grey value, so they can
be told apart with colour blindness and in grey print.
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
from ...core.files import atomic_path

KINDS = ("pdf", "svg", "png")
#: The width of one of the paper's two columns, and the margin around everything, in inches.
WIDTH = 3.4
MARGIN = 0.06
#: Text is measured at 100 dpi; at other resolutions hinting makes it up to 5 % wider.
SLACK = 1.05
UNKNOWN_NOTE = f"{DASH}: in no text of the paper that we have"
#: SVG keeps text as text (searchable, small), and the salt makes its ids reproducible. A "$" in a title is not TeX.
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 6.5, "axes.titlesize": 6.5, "axes.labelsize": 6.5,
    "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "legend.fontsize": 6,
    "axes.linewidth": 0.6, "hatch.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 4.0,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "figure.dpi": 100, "savefig.dpi": 300, "svg.fonttype": "none", "svg.hashsalt": "synth-empathy", "pdf.fonttype": 42,
    "text.parse_math": False,
}  # fmt: skip
#: Matplotlib's line styles: solid, or an offset with the lengths of dashes and gaps in line widths.
SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (4, 1)), (0, (1, 1)), (0, (4, 1, 1, 1))
#: Colour, marker, dashes. The colours are those of Okabe and Ito that show on white, then greys and browns.
LINES: list[tuple[str, str, Any]] = [
    ("#0072B2", "o", SOLID), ("#D55E00", "s", DASHED), ("#000000", "^", DOTTED), ("#009E73", "D", DASH_DOT),
    ("#CC79A7", "v", SOLID), ("#E69F00", "P", DASHED), ("#56B4E9", "X", DOTTED), ("#7F7F7F", "*", DASH_DOT),
    ("#8C510A", "<", SOLID), ("#5E3C99", ">", DASHED), ("#4D4D4D", "h", DOTTED), ("#01665E", "d", DASH_DOT),
]  # fmt: skip


def add_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags of every figure's script."""
    flags.add_argument("--note", help="a sentence printed on the figure")
    files = "the figure, as .pdf, .svg or .png"
    flags.add_argument("--figures", type=Path, nargs="+", required=True, metavar="FILE", help=files)


def check_names(flags: argparse.ArgumentParser, paths: Sequence[Path]) -> None:
    """Refuse names of other kinds of files before anything is read."""
    if any(path.suffix.lstrip(".") not in KINDS for path in paths):
        flags.error(f"--figures takes names that end in {', '.join(f'.{kind}' for kind in KINDS)}")


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures; the user's own settings of matplotlib have no effect."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure, paths: Sequence[Path]) -> None:
    """Write a figure as PDF, SVG or PNG by the suffixes of its paths, without dates, so that its bytes repeat."""
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    for path in paths:
        kind = path.suffix.lstrip(".")
        with style(), atomic_path(path) as partial:
            figure.savefig(partial, format=kind, metadata=dateless[kind])


def sheet(title: str, height: float, handles: Sequence[Any], notes: Sequence[str], width: float = WIDTH):
    """A figure with a title, room for axes, a legend and notes, one below the other; its height follows from them.

    Args:
        height: of the axes with their labels, in inches.
        handles: of the legend.
        notes: sentences under the legend.
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
    """The figure with the layout's positions of its axes, rounded to 0.0001 of its size.

    The layout's solver sums in an order that differs between processes. Without rounding, the last bits of its
    result would change the ids in an SVG.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(float(part), 4) for part in axes.get_position(original=True).bounds])
    return figure


def key(figure, handles: Sequence[Any], renderer, width: float):
    """The legend in as many columns as fit the width; None without handles."""
    for handle in handles:
        handle.set_label(plot_text(handle.get_label()))
    for columns in range(min(4, len(handles)), 0, -1):
        place = {"loc": "upper center", "bbox_to_anchor": (width / 2, 0), "bbox_transform": figure.dpi_scale_trans}
        spacing = {"borderpad": 0, "borderaxespad": 0, "handlelength": 2.6, "columnspacing": 1.2}
        legend = figure.legend(handles=handles, ncols=columns, frameon=False, **spacing, **place)
        legend.set_in_layout(False)
        inches = SLACK * legend.get_window_extent(renderer).width / figure.dpi
        if columns == 1 or inches <= width - 2 * MARGIN:
            return legend
        legend.remove()
    return None


def paragraph(figure, sentences: str, x: float, renderer, **font):
    """Text at ``x`` (inches) in as few lines as the figure's width allows."""
    words = plot_text(sentences).split()
    text = figure.text(x, 0, "", va="top", transform=figure.dpi_scale_trans, **font)
    width = figure.get_figwidth() - 2 * MARGIN
    line = " ".join(words)
    for letters in range(min(len(line), 40 * math.ceil(width)), 0, -1):
        text.set_text(textwrap.fill(line, letters, break_on_hyphens=False))
        if text.get_window_extent(renderer).width / figure.dpi <= width:
            break
    return text


def line_of(number: int) -> tuple[str, str, Any]:
    """Colour, marker and dashes of a system or series."""
    if number >= len(LINES):
        problem = f"a figure can distinguish {len(LINES)} systems, and there are more"
        raise UserError(problem, "list fewer systems (tables: table1: systems)")
    return LINES[number]


def format_value(value: float | None, form: str, sign: str = "") -> str:
    """A value in a format, after a sign; a dash for None."""
    return DASH if value is None else sign + form.format(value)


def gaps(values: list[float | None]) -> list[float]:
    """Values for drawing; a missing one is NaN, which leaves a gap."""
    return [math.nan if value is None else value for value in values]
