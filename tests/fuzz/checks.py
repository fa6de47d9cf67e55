"""What must hold for every input of a reader: it soon ends with a result or an error for the user, and loses no row.

A reader runs as its script does, under ``cli.run``, so that its errors are the ones that a user sees.
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

#: Seconds that a reader may take, and seconds after which it is interrupted.
LIMIT = 2.0
PATIENCE = 5.0


class Wrong(AssertionError):
    """A reader did what no reader may do."""


class Endless(BaseException):
    """Interrupts a reader that takes too long; no reader may catch it."""


@dataclass
class Tally:
    """The results of a reader's examples."""

    examples: int = 0
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    endless: Case | None = None


#: Tallies by the reader's name, for the table at the end of a run.
TALLIES = pytest.StashKey[dict[str, Tally]]()


@dataclass
class Arena:
    """A folder in memory with a new folder for each example, so that no example finds the files of another."""

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
    """Make a file, a folder in its place, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is Odd.FOLDER:
        path.mkdir()
    elif content is not Odd.MISSING:
        path.write_bytes(content)


def same(what: str, came_in: Any, went_out: Any) -> None:
    """Check conservation: the input and the output are equal.

    Raises:
        Wrong: they differ; the message has both.
    """
    if came_in != went_out:
        raise Wrong(f"{what}: {came_in!r} in, {went_out!r} out"[:1000])


def is_finite(value: Any) -> bool:
    """Whether a value is a number that can be compared and written."""
    return isinstance(value, (int, float)) and abs(value) < math.inf


def check(read: Callable[[Path, dict], None], case: Case, arena: Arena, tally: Tally, scripted: bool = True) -> None:
    """Run a reader on one case.

    Args:
        read: takes the case's folder and ``case.how``; raises ``Wrong`` if rows are lost.
        scripted: whether it runs under ``cli.run``, as a script's ``main`` does. Snakemake calls the others, and shows
            a user only ``UserError``.

    Raises:
        Wrong: there is no error for the user, rows are lost, or it takes too long. Other errors are the reader's own.
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
    """Run a reader once unmeasured: the time of its imports does not count."""
    with arena.folder(case) as folder:
        as_script(read, folder, case.how) if scripted else as_function(read, folder, case.how)


def timed(read: Callable[[Path, dict], None], case: Case, arena: Arena, scripted: bool) -> tuple[float, bool]:
    """The processor time of a reader in seconds, and whether it accepted its input."""
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
    """Interrupt a block after ``PATIENCE`` seconds."""

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
    """Call a reader; returns whether it accepted its input or raised ``UserError``."""
    try:
        with contextlib.redirect_stdout(stream("strict")):
            read(folder, how)
    except UserError as error:
        check_message(f"error: {error}")
        return False
    return True


def as_script(read: Callable[[Path, dict], None], folder: Path, how: dict) -> bool:
    """Run a reader as a script; returns whether it accepted its input or ended with an error for the user."""
    errors = stream("backslashreplace")
    try:
        with process_state_kept(), contextlib.redirect_stdout(stream("strict")), contextlib.redirect_stderr(errors):
            cli.run(lambda: read(folder, how))
    except SystemExit as end:
        text = written_to(errors)
        if end.code == 2 and "error: " in text:  # argparse: an invalid flag
            return False
        if end.code != 1:
            raise Wrong(f"exit status {end.code}: {text[-500:]}") from None
        check_message(text)
        return False
    return True


def stream(errors: str) -> io.TextIOWrapper:
    """A stream like the output of a process."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)


def written_to(output: io.TextIOWrapper) -> str:
    """The text that was written to a stream."""
    output.flush()
    return output.buffer.getvalue().decode()


def check_message(text: str) -> None:
    """Refuse an error message without a problem or without a hint."""
    problem, _, hint = text.partition("error: ")[2].partition("\n  What to do: ")
    if not problem.strip() or not hint.strip():
        raise Wrong(f"the message lacks the problem or the hint: {text[-500:]!r}")


@contextlib.contextmanager
def process_state_kept() -> Iterator[None]:
    """Restore signals, environment and arguments: a script changes those of its own process."""
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
