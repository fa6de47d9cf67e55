"""What must hold whatever a reader is given: a result, or a sentence for the user; soon; and no row is lost.

A reader runs as its script does, under ``cli.run``: what that makes of errors is what a user sees.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError

from .mutations import Case, Odd

#: Seconds that a reader may take, and after which it is not waited for any longer.
LIMIT = 2.0
PATIENCE = 5.0


class Wrong(AssertionError):
    """A reader did what none may do."""


class Endless(BaseException):
    """A reader that takes too long is interrupted by it; no reader may catch it."""


@dataclass
class Tally:
    """What became of a reader's examples."""

    examples: int = 0
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    endless: Case | None = None


#: Tallies by reader's name, for the table at the end of a run.
TALLIES = pytest.StashKey[dict[str, Tally]]()


@dataclass
class Arena:
    """A folder in memory, and a new folder in it for every example, so that no example meets what another left."""

    root: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextlib.contextmanager
    def folder(self, case: Case) -> Iterator[Path]:
        """A folder with a case's files; removed at the end."""
        folder = self.root / str(next(self.numbers))
        folder.mkdir()
        try:
            for name, content in case.files.items():
                place(folder / name, content)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place(path: Path, content: bytes | Odd) -> None:
    """Put a file, a folder in its place, or nothing there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is Odd.FOLDER:
        path.mkdir()
    elif content is not Odd.MISSING:
        path.write_bytes(content)


def same(what: str, came_in: Any, went_out: Any) -> None:
    """Conservation: what came in is what went out.

    Raises:
        Wrong: it is not; says how many of what.
    """
    if came_in != went_out:
        raise Wrong(f"{what}: {came_in!r} in, {went_out!r} out"[:1000])


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be compared and written."""
    return isinstance(value, (int, float)) and abs(value) < math.inf


def check(read: Callable[[Path, dict], None], case: Case, arena: Arena, tally: Tally, scripted: bool = True) -> None:
    """Run a reader on one case.

    Args:
        read: takes the case's folder and ``case.how``; raises ``Wrong`` where rows are lost.
        scripted: whether ``cli.run`` stands around it, as around a script's ``main``; where Snakemake calls it, only
            ``UserError`` is told to the user.

    Raises:
        Wrong: no sentence for the user, rows lost, or too long; and whatever else the reader raises.
    """
    tally.examples += 1
    try:
        seconds, accepted = timed(read, case, arena, scripted)
        if seconds > LIMIT:  # the machine may have been busy with something else
            seconds = min(seconds, timed(read, case, arena, scripted)[0])
        tally.slowest = max(tally.slowest, seconds)
        if seconds > LIMIT:
            tally.endless = case
            raise Wrong(f"it takes {seconds:.1f} s, more than {LIMIT:g}")
    except Exception as error:
        error.add_note(f"input: {case!r}")
        raise
    tally.accepted += accepted
    tally.refused += not accepted


def warm_up(read: Callable[[Path, dict], None], case: Case, arena: Arena, scripted: bool) -> None:
    """Run a reader once without a clock: what it imports is no part of what an input takes."""
    with arena.folder(case) as folder:
        as_script(read, folder, case.how) if scripted else as_function(read, folder, case.how)


def timed(read: Callable[[Path, dict], None], case: Case, arena: Arena, scripted: bool) -> tuple[float, bool]:
    """Seconds that a reader takes of a processor, whatever else runs here, and whether it took what it was given."""
    with arena.folder(case) as folder:
        start = time.process_time()
        try:
            with patience():
                accepted = as_script(read, folder, case.how) if scripted else as_function(read, folder, case.how)
        except Endless:
            return PATIENCE, False
        return time.process_time() - start, accepted


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Interrupt what takes longer than ``PATIENCE``."""

    def stop(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def as_function(read: Callable[[Path, dict], None], folder: Path, how: dict) -> bool:
    """Call a reader; whether it took what it was given, or raised ``UserError``."""
    try:
        with contextlib.redirect_stdout(stream("strict")):
            read(folder, how)
    except UserError as error:
        check_sentence(f"error: {error}")
        return False
    return True


def as_script(read: Callable[[Path, dict], None], folder: Path, how: dict) -> bool:
    """Run a reader as a script; whether it took what it was given, or ended in a sentence."""
    said = stream("backslashreplace")
    try:
        with as_found(), contextlib.redirect_stdout(stream("strict")), contextlib.redirect_stderr(said):
            cli.run(lambda: read(folder, how))
    except SystemExit as end:
        text = told(said)
        if end.code == 2 and "error: " in text:  # argparse: a flag that cannot be
            return False
        if end.code != 1:
            raise Wrong(f"exit status {end.code}: {text[-500:]}") from None
        check_sentence(text)
        return False
    return True


def stream(errors: str) -> io.TextIOWrapper:
    """What a process has as its output."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)


def told(said: io.TextIOWrapper) -> str:
    """What was written there."""
    said.flush()
    return said.buffer.getvalue().decode()


def check_sentence(text: str) -> None:
    """Refuse an end without a problem or without what to do."""
    problem, _, hint = text.partition("error: ")[2].partition("\n  What to do: ")
    if not problem.strip() or not hint.strip():
        raise Wrong(f"the user is not told what is wrong and what to do: {text[-500:]!r}")


@contextlib.contextmanager
def as_found() -> Iterator[None]:
    """Leave signals, environment and arguments as they were: a script is a process of its own, and this is not."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    environment, arguments = dict(os.environ), sys.argv
    try:
        yield
    finally:
        sys.argv = arguments
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
