"""The verdicts as people read them: a report in Markdown, printed lines, and a failure if somebody asks for one."""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from typing import Any

from ..core.errors import UserError
from ..core.escaping import markdown_cell, markdown_code, markdown_row, markdown_text, terminal_text
from ..core.records import Record
from .verdicts import VERDICTS

#: Columns of a printed line, and the column in which the text after the verdict begins.
WIDTH = 100
INDENT = 2 + max(map(len, VERDICTS.values()))


def count_verdicts(checked: list[Record]) -> dict[str, int]:
    """The number of claims with each verdict."""
    counts = Counter(claim["verdict"] for claim in checked)
    return {verdict: counts[verdict] for verdict in VERDICTS.values()}


def summary(checked: list[Record]) -> str:
    """The counts as a sentence."""
    counts = [f"{count} {verdict}" for verdict, count in count_verdicts(checked).items()]
    return f"{len(checked)} claims: {', '.join(counts)}"


def as_markdown(run: str, note: str | None, checked: list[Record], other: str | None = None) -> str:
    """The report: a line for each claim, and the target to build for those that are not tested.

    Args:
        other: why no target would test them, if the run's data set is not the paper's.
    """
    lines = [f"# The paper's claims, tested on results/{markdown_text(run)}", ""]
    lines += [f"> {markdown_text(note)}", ""] if note else []
    lines += [f"{summary(checked)}.", ""]
    lines += ["| claim | the paper says | in its own numbers | here | found, or missing |", "|---|---|---|---|---|"]
    lines += map(claim_row, checked)
    targets = [] if other else missing_targets(checked)
    lines += ["", *targets, *remarks(checked)]
    return "\n".join(lines) + "\n"


def claim_row(claim: Record) -> str:
    """The row of a claim in the report's table."""
    statement = f'{claim["place"]}: "{claim["quote"]}"'
    texts = (claim["id"], statement, claim["in_the_papers_own_numbers"])
    return markdown_row([*map(markdown_cell, texts), f"**{claim['verdict']}**", markdown_cell(claim["found"])])


def missing_targets(checked: list[Record]) -> list[str]:
    """The targets to build for the claims that are not tested, each with its cost."""
    by_target: dict[str, list[Record]] = {}
    for claim in checked:
        if claim["verdict"] == VERDICTS[None]:
            by_target.setdefault(claim["target"], []).append(claim)
    if not by_target:
        return []
    lines = ["## Not tested: what to build", ""]
    for target, claims in by_target.items():
        names = markdown_text(", ".join(claim["id"] for claim in claims))
        lines.append(f"- {markdown_code(target)}: {names}. Needs {format_cost(claims[0]['cost'])}")
    return [*lines, ""]


def format_cost(cost: Record) -> str:
    """Hardware and time as Markdown."""
    hours = [
        f"{cost['gpu_hours']:g} GPU-hours" if cost["gpu_hours"] else "",
        f"{cost['hours']:g} h one after the other" if cost["hours"] else "",
    ]
    source = f"by {markdown_code(cost['command'])}" if cost["command"] else ""
    parts = [markdown_text(cost["hardware"]), *hours, source, markdown_text(cost["note"] or "")]
    return "; ".join(filter(None, parts)) + "."


def remarks(checked: list[Record]) -> list[str]:
    """The notes on single claims as Markdown, such as what the paper's own numbers contradict."""
    notes = [f"- {markdown_text(claim['id'] + ': ' + claim['note'])}" for claim in checked if claim["note"]]
    return ["## Remarks", "", *notes, ""] if notes else []


def is_report(document: Any) -> bool:
    """Whether a JSON document is one that check_claims.py writes, as far as this module reads it."""
    claims = document.get("claims") if isinstance(document, dict) else None
    return isinstance(claims, list) and all(map(is_checked_claim, claims))


def is_checked_claim(claim: Any) -> bool:
    """Whether a JSON value is a claim with its verdict."""
    texts = ("id", "verdict", "found")
    is_whole = isinstance(claim, dict) and all(isinstance(claim.get(key), str) for key in texts)
    return is_whole and claim["verdict"] in VERDICTS.values()


def print_verdicts(checked: list[Record]) -> None:
    """Print a paragraph for each claim, its verdict in a column of its own, and the counts; lines fit ``WIDTH``."""
    for claim in checked:
        text = terminal_text(f"{claim['verdict']:{INDENT}}{claim['id']}: {claim['found']}")
        print(textwrap.fill(text, WIDTH, subsequent_indent=" " * INDENT, break_on_hyphens=False))
    print(summary(checked))


def add_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags of each script that reports verdicts."""
    verdicts = [verdict.replace(" ", "-") for verdict in VERDICTS.values() if verdict != "holds"]
    explanation = "exit with status 1 if a claim has this verdict; may be repeated"
    flags.add_argument("--fail-on", action="append", default=[], choices=verdicts, help=explanation)


def refuse(checked: list[Record], verdicts: list[str]) -> None:
    """Fail if claims have one of the verdicts that ``--fail-on`` names.

    Raises:
        UserError: names the claims.
    """
    names = [claim["id"] for claim in checked if claim["verdict"].replace(" ", "-") in verdicts]
    if names:
        problem = f"{len(names)} of {len(checked)} claims: {' or '.join(verdicts)}: {', '.join(names)}"
        hint = "without --fail-on (claims: fail: false in the configuration) no verdict fails a run"
        raise UserError(problem, f"look at them in claims.md; {hint}")
