"""Text from others (titles, notes, model names, records), made safe for each kind of output that people read.

There is one function for each kind of output, and every writer of that kind uses it. Text without special characters
is unchanged. Characters that no reader would see, or that would act on a terminal, become escapes first (``visible``).
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
#: Every character that some program takes for the end of a line, and tabs.
LINE_ENDS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def visible(text: str) -> str:
    r"""A text with escapes for control characters, as Python writes them, such as ``\x1b``; the rest is unchanged."""
    return UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """A text on one line: line ends and tabs become spaces, outer spaces are removed, control characters escaped."""
    return visible(LINE_ENDS.sub(" ", text)).strip()


# Terminals and logs


def terminal_text(text: str, lines: bool = False) -> str:
    r"""Text for a terminal or a log.

    ESC and C1 begin sequences that move the cursor, rename the window or hide text (ECMA-48). Bidirectional controls
    change the order in which text is shown. A line end would forge a line of the log.

    Args:
        lines: the text has several lines, whose ends (``\n``) stay.
    """
    return "\n".join(map(visible, text.split("\n"))) if lines else visible(text)


# Markdown

#: Characters with a meaning anywhere in a line, by CommonMark 0.31 and GitHub's extensions (tables, strikethrough):
#: escapes, code, HTML and autolinks, character references, links and footnotes, the end of a heading. At the end of
#: the text each may have a meaning, since our own words follow there.
SPECIAL = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)"
    r"|`"
    r"|<(?=[A-Za-z/!?]|$)"
    r"|&(?=#?[A-Za-z0-9]*(?:;|$))"
    r"|\](?=[(\[:]|$)"
    r"|(?<!\S)#+$"
)
#: At the beginning of the text of a heading, quote or list item: the text before a character that would begin a block.
BLOCK = re.compile(r"\d{1,9}(?=[.)](?:\s|$))|(?=[#>=\[])|(?=[-+*_~](?:[-+*_~\s]|$))", re.ASCII)
#: Runs of characters that may open emphasis or strikethrough.
RUNS = re.compile(r"\*+|_+|~+")


def markdown_text(text: str) -> str:
    """Text as part of a line of Markdown: it is shown unchanged and begins no markup, including HTML.

    Only characters to which CommonMark gives a meaning at their place are escaped: a "_" inside a word or a "*"
    between spaces stays. A bare address (https://...) stays, too: a reader that makes it a link shows where it leads.
    """
    line = one_line(text)
    return escaped(line, special_places(line) | block_start(line))


def markdown_cell(text: str) -> str:
    """Text as a cell of a table in Markdown: as ``markdown_text``, and "|" does not separate cells (GFM 4.10).

    No block begins in a cell, and nothing outside of the cell closes its markup: a single "*", as in a pattern, stays.
    """
    line = one_line(text)
    runs = Counter(run[0][0] for run in RUNS.finditer(line))
    single = {place for place, character in enumerate(line) if runs[character] == 1}
    pipes = {place for place, character in enumerate(line) if character == "|"}
    return escaped(line, special_places(line) - single | pipes)


def markdown_row(cells: Iterable[str]) -> str:
    """A row of a table in Markdown, from cells in Markdown."""
    return f"| {' | '.join(cells)} |"


def markdown_code(text: str) -> str:
    """Text as code in Markdown: escapes do not work there, but the fence is longer than any in it (CommonMark 6.1)."""
    plain = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def escaped(line: str, places: set[int]) -> str:
    """A line with a backslash before the characters at some places."""
    return "".join("\\" * (place in places) + character for place, character in enumerate(line))


def special_places(line: str) -> set[int]:
    """The places of the characters that have a meaning in a line of Markdown."""
    places = {match.start() for match in SPECIAL.finditer(line)}
    for run in RUNS.finditer(line):
        places |= set(range(*run.span())) if opens(line, run) else set()
    return places


def block_start(line: str) -> set[int]:
    """The place of the character that would make a line the beginning of a list, a quote, a heading or a rule."""
    match = BLOCK.match(line)
    return {match.end()} if match else set()


def opens(line: str, run: re.Match[str]) -> bool:
    """Whether a run of "*", "_" or "~" may open emphasis: CommonMark's left-flanking runs (6.2).

    A run that cannot open can only close, and closes nothing if every run that opens is escaped. Our own words follow
    the text, and never begin with a letter.
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

#: The beginning of a formula in a spreadsheet, also after spaces and in full width (OWASP, CSV injection).
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def csv_cell(value: object) -> str:
    """A cell of a CSV. An apostrophe precedes text that a spreadsheet would run as a formula, as OWASP advises.

    Numbers, such as -1.50 or +345, are not formulas. Each cell is on one line, so that each line is a row.
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
    """A CSV with a note in the last column of every line: a file of numbers is often passed on alone."""
    return csv_text([*header, "note"], [[*line, note or ""] for line in lines])


# LaTeX

#: Characters that LaTeX reads as commands, characters that its standard encoding (OT1) shows as others, and "[", which
#: begins an option after the end of a line.
LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\`{}", '"': "''",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "\xa0": "~", "−": "$-$",
    "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "°": r"$^{\circ}$", "→": r"$\rightarrow$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$",
}  # fmt: skip
#: Further characters that pdfLaTeX knows without a package: letters, quotation marks, dashes.
LATEX_KNOWS = frozenset("ÆŒØÅæœøåßŁłı‘’“”–—…¡¿£§¶†‡©")
#: Grave, acute, circumflex, tilde, macron, breve, dot, diaeresis, ring, double acute, caron, cedilla.
ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
#: The definition of the command that ``latex_text`` uses: XeLaTeX and LuaLaTeX show the character, pdfLaTeX its
#: number.
LATEX_SIGN = (
    r"\providecommand{\unicodesign}[2]"
    r"{\ifdefined\XeTeXversion#2\else\ifdefined\luatexversion#2\else(U+#1)\fi\fi}"
)


def latex_text(text: str) -> str:
    """Text in LaTeX: without commands, and on one line, since no caption may contain the empty line of a paragraph's
    end.

    A character that pdfLaTeX does not know is an error there; it becomes ``\\unicodesign``, which ``LATEX_SIGN``
    defines.
    """
    line = "".join(map(latex_character, one_line(text)))
    line = re.sub("-(?=-)", "-{}", line)
    return "{*}" + line[1:] if line.startswith("*") else line


def latex_character(character: str) -> str:
    """One character in LaTeX."""
    if character in LATEX:
        return LATEX[character]
    letter, accent = (*unicodedata.normalize("NFD", character), "", "")[:2]
    is_accented = ord(character) < 0x180 and letter.isascii() and letter.isalpha() and accent in ACCENTS
    if character.isascii() or character in LATEX_KNOWS or is_accented:
        return character
    return f"\\unicodesign{{{ord(character):04X}}}{{{character}}}"


# Figures


def plot_text(text: str) -> str:
    """Text in a figure: on one line, without characters that SVG cannot hold (XML 1.0, 2.2).

    The figures' style (``text.parse_math``) keeps Matplotlib from reading text between two "$" as mathematics.
    """
    return one_line(text)
