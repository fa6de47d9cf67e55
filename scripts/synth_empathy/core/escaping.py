"""Text that we did not write (titles, notes, model names, records), made safe for each place where people read it.

One function a kind of output; every writer of that kind uses it. Text without special signs comes out as it is.
What a reader would not see in any of them, or what would act on a terminal, is written out first (``visible``).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

#: Control characters (C0, DEL, C1), the nine bidirectional controls of CVE-2021-42574 ("Trojan Source"), line and
#: paragraph separators, lone surrogates, which no UTF-8 file can hold, and U+FFFE and U+FFFF, which no XML can hold.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
#: Everything that some program takes for the end of a line, and tabs.
LINE_ENDS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def visible(text: str) -> str:
    r"""A text whose control characters are written out as Python writes them, such as ``\x1b``; the rest as it is."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """A text on one line: ends of lines and tabs are spaces, none of them at either end; nothing unseen is left."""
    return visible(LINE_ENDS.sub(" ", text)).strip()


# Terminals and logs


def terminal_text(text: str, lines: bool = False) -> str:
    r"""Text for a terminal or a log.

    ESC and C1 begin sequences that move the cursor, rename the window or hide text (ECMA-48); bidirectional controls
    show text in another order than it has; a line's end forges a line of the log.

    Args:
        lines: the text has several lines, and their ends (``\n``) stay.
    """
    return "\n".join(map(visible, text.split("\n"))) if lines else visible(text)


# Markdown

#: Signs that mean something wherever they stand, by CommonMark 0.31 and GitHub's extensions (tables, strikethrough):
#: escapes, code, HTML and autolinks, character references, links and footnotes, the end of a heading. At the end of
#: the text any may mean something, since our own words go on there.
MARKED = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)"
    r"|`"
    r"|<(?=[A-Za-z/!?]|$)"
    r"|&(?=#?[A-Za-z0-9]*(?:;|$))"
    r"|\](?=[(\[:]|$)"
    r"|(?<!\S)#+$"
)
#: What stands, where a heading's, quote's or list item's text begins, before the sign that would begin a block there.
BLOCK = re.compile(r"\d{1,9}(?=[.)](?:\s|$))|(?=[#>=\[])|(?=[-+*_~](?:[-+*_~\s]|$))", re.ASCII)
#: Runs of signs that open emphasis or strikethrough, or do not.
RUNS = re.compile(r"\*+|_+|~+")


def markdown_text(text: str) -> str:
    """Text as part of a line of Markdown: it is shown as it is and begins no markup of its own, HTML included.

    Escaped is what CommonMark gives a meaning at its place, and nothing else: a "_" inside a word or a "*" between
    spaces stays. A bare address (https://...) stays, too: where a reader makes it a link, it shows where it leads.
    """
    line = one_line(text)
    return escaped(line, marked(line) | block_start(line))


def markdown_cell(text: str) -> str:
    """Text as a cell of a table in Markdown: as ``markdown_text``, and "|" parts no cells (GFM 4.10).

    No block begins in a cell, and nothing outside of it closes what it opens: one "*" alone, as in a pattern, stays.
    """
    line = one_line(text)
    runs = Counter(run[0][0] for run in RUNS.finditer(line))
    single = {place for place, sign in enumerate(line) if runs[sign] == 1}
    pipes = {place for place, sign in enumerate(line) if sign == "|"}
    return escaped(line, marked(line) - single | pipes)


def markdown_row(cells: Iterable[str]) -> str:
    """A line of a table in Markdown, of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"


def markdown_code(text: str) -> str:
    """Text as code in Markdown: no escapes work in it, but its fence is longer than any within (CommonMark 6.1)."""
    plain = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def escaped(line: str, places: set[int]) -> str:
    """A line with a backslash before the signs at some places."""
    return "".join("\\" * (place in places) + sign for place, sign in enumerate(line))


def marked(line: str) -> set[int]:
    """Where a sign stands that means something in a line of Markdown."""
    places = {found.start() for found in MARKED.finditer(line)}
    for run in RUNS.finditer(line):
        places |= set(range(*run.span())) if opens(line, run) else set()
    return places


def block_start(line: str) -> set[int]:
    """Where the sign stands that would make a line the beginning of a list, a quote, a heading or a rule."""
    found = BLOCK.match(line)
    return {found.end()} if found else set()


def opens(line: str, run: re.Match[str]) -> bool:
    """Whether a run of "*", "_" or "~" may open emphasis: CommonMark's left-flanking runs (6.2).

    What cannot open can close at most, and closes nothing when all that opens is escaped. After the text stand our own
    words, which never go on with a letter.
    """
    start, end = run.span()
    before, after = line[max(start - 1, 0) : start], line[end : end + 1]
    if not before.isalnum():
        return not after.isspace()
    if not after or after.isspace():
        return False
    inside = run[0][0] == "_" and after.isalnum()
    closes = after.isascii() and not after.isalnum()
    return not (inside or closes)


# CSV

#: What a spreadsheet takes for a formula, also after spaces and in full width (OWASP, CSV injection).
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def csv_cell(value: object) -> str:
    """A cell of a CSV: text that a spreadsheet would run as a formula has an apostrophe before it, as OWASP advises.

    Numbers, such as -1.50 or +345, are none. Each cell is on one line, so that each line is a row.
    """
    text = visible(LINE_ENDS.sub(" ", "" if value is None else str(value)))
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def csv_text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as CSV (RFC 4180, lines ending in a line feed): the one writer of all CSV files."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(csv_cell, line) for line in (header, *lines))
    return text.getvalue()


def csv_with_note(header: Sequence[str], lines: Iterable[Sequence[object]], note: str | None) -> str:
    """A CSV with a note in a last column of every line: a file of numbers travels without its neighbours."""
    return csv_text([*header, "note"], [[*line, note or ""] for line in lines])


# LaTeX

#: What LaTeX would read as commands, signs that its standard encoding (OT1) shows as others, and "[", which begins an
#: option after the end of a line.
LATEX = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\`{}", '"': "''",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "\xa0": "~", "−": "$-$",
    "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "°": r"$^{\circ}$", "→": r"$\rightarrow$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$",
}  # fmt: skip
#: Further signs that pdfLaTeX knows without a package: letters, quotation marks, dashes.
LATEX_KNOWS = frozenset("ÆŒØÅæœøåßŁłı‘’“”–—…¡¿£§¶†‡©")
#: Grave, acute, circumflex, tilde, macron, breve, dot, diaeresis, ring, double acute, caron, cedilla.
ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
#: To stand before text in which ``latex_text`` used it: XeLaTeX and LuaLaTeX show the sign, pdfLaTeX its number.
LATEX_SIGN = (
    r"\providecommand{\unicodesign}[2]"
    r"{\ifdefined\XeTeXversion#2\else\ifdefined\luatexversion#2\else(U+#1)\fi\fi}"
)


def latex_text(text: str) -> str:
    """Text in LaTeX: no command, and on one line, since an empty one ends a paragraph, which no caption may hold.

    A sign that pdfLaTeX does not know is an error there; it becomes ``\\unicodesign``, which ``LATEX_SIGN`` defines.
    """
    line = "".join(map(latex_sign, one_line(text)))
    line = re.sub("-(?=-)", "-{}", line)
    return "{*}" + line[1:] if line.startswith("*") else line


def latex_sign(sign: str) -> str:
    """One sign in LaTeX."""
    if sign in LATEX:
        return LATEX[sign]
    letter, accent = (*unicodedata.normalize("NFD", sign), "", "")[:2]
    accented = ord(sign) < 0x180 and letter.isascii() and letter.isalpha() and accent in ACCENTS
    if sign.isascii() or sign in LATEX_KNOWS or accented:
        return sign
    return f"\\unicodesign{{{ord(sign):04X}}}{{{sign}}}"


# Figures


def plot_text(text: str) -> str:
    """Text in a figure: on one line, without what SVG cannot hold (XML 1.0, 2.2).

    Matplotlib would set what stands between two "$" as mathematics, and fail on what is none: the figures' style turns
    that off (``text.parse_math``).
    """
    return one_line(text)
