"""What every step script shares: its argument parser, exit status, progress lines, and no access to a hub."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, TypeVar

from .errors import SPACE, UserError, from_os_error, full_disk
from .escaping import terminal_text

T = TypeVar("T")

#: Set before any library that could reach a model hub is imported: a step uses local files only.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors show a user's words without control sequences for the terminal."""

    def error(self, message: str) -> NoReturn:
        """Exit with a sentence and status 2."""
        super().error(terminal_text(message))


def parser(description: str) -> argparse.ArgumentParser:
    """An argument parser that shows each flag's default and takes no abbreviated flags."""
    formatter = argparse.ArgumentDefaultsHelpFormatter
    return Parser(description=description, formatter_class=formatter, allow_abbrev=False)


#: The largest count that a flag and the configuration take, and the largest seed that every library takes.
MOST, LARGEST_SEED = 2**31 - 1, 2**32 - 1


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """A flag's type: a whole number in a range, both ends included."""

    def read(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) < 1000  # int reads no more than 4300
        if not digits or not least <= int(text) <= most:
            upper = f" and at most {most}" if digits and int(text) > most else ""
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}{upper}")
        return int(text)

    return read


#: The types of a flag that is a count, a count or zero, and the seed of random draws.
count, count_or_none, seed = whole(1), whole(0), whole(0, LARGEST_SEED)


def number(
    least: float | None = None, most: float | None = None, above: float | None = None, below: float | None = None
) -> Callable[[str], float]:
    """A flag's type: a finite number in a range, which includes ``least`` and ``most`` but not the others."""
    limits = {"at least": least, "above": above, "at most": most, "below": below}
    bounds = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # NaN fails every comparison, and is refused like any other
        high_enough = (least is None or value >= least) and (above is None or value > above)
        low_enough = (most is None or value <= most) and (below is None or value < below)
        if not (math.isfinite(value) and high_enough and low_enough):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {bounds}".rstrip())
        return value

    return read


#: Flags of the same meaning in several scripts.
probability = number(above=0, most=1)
share = number(least=0, most=1)
percent = number(least=0, most=100)
temperature = number(least=0, most=2)  # vllm takes no more


def run(main: Callable[[], None], online: bool = False) -> None:
    """Run a script's ``main``. A ``UserError`` or an interrupt ends it with a sentence and its exit status.

    Exit status: 0 done, 1 an error that the user can correct, 128 plus the signal's number after a signal (130
    interrupted, 143 ended by a scheduler). Any other error is a defect of ours and keeps its traceback.

    Args:
        online: whether the step may reach a hub; only fetching steps may.
    """
    os.environ["TQDM_DISABLE"] = "1"  # steps print their progress themselves, in lines fit for a log file
    if online:
        for name in OFFLINE:
            os.environ.pop(name, None)  # container images set them
    else:
        os.environ.update(OFFLINE)
    sys.stdout.reconfigure(line_buffering=True)
    if "APPTAINER_NAME" in os.environ:
        print(f"in the image {os.environ['APPTAINER_NAME']}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # under nohup, SIGHUP stays ignored
            signal.signal(number, end)
    try:
        main()
    except Exception as error:
        user_error = as_user_error(error)
        if user_error is None:
            raise
        print(terminal_text(f"error: {user_error}", lines=True), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from what is finished", file=sys.stderr)
        sys.exit(130)


def end(number: int, frame: object) -> None:
    """End the process on a signal through an exception, so that unfinished files are removed.

    The signal's default action is restored: a second signal ends the process at once.
    """
    signal.signal(number, signal.SIG_DFL)
    print(f"ended by {signal.Signals(number).name}; the next run goes on from what is finished", file=sys.stderr)
    sys.exit(128 + number)


def as_user_error(error: Exception) -> UserError | None:
    """An error as a user sees it; None for a defect of ours, which keeps its traceback.

    A full disk appears as an error of the system, or only in the message of a library that writes weights.
    """
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return from_os_error(error)
    return UserError("the disk is full", SPACE) if full_disk(error) else None


def progress(items: Iterable[T], total: int, what: str, every_s: float = 5.0) -> Iterator[T]:
    """Yield ``items``, and print how many of ``total`` are done and the time left, at most once in ``every_s``
    seconds.

    Prints plain lines, not a bar: they are read in a job's log file.
    """
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= every_s or done == total:
            last = now
            left = (now - start) / done * (total - done)
            print(f"{what}: {done} of {total}, {now - start:.0f} s, about {left:.0f} s left")


class Throughput:
    """A model's progress as lines of a log: rows done, tokens per second and the time left.

    Args:
        what: the step's name, which opens each line.
        total: all rows, including those that earlier jobs finished.
        done: the rows that earlier jobs finished.
        start: when loading the model began, by ``time.monotonic``.
        every_s: the least seconds between two lines.
    """

    def __init__(self, what: str, total: int, done: int, start: float, every_s: float = 5.0):
        self.what = what
        self.total = total
        self.before = self.done = done
        self.every_s = every_s
        self.tokens = 0
        self.ready = self.last = time.monotonic()
        print(f"{what}: model ready after {self.ready - start:.1f} s")

    def add(self, tokens: int) -> None:
        """Count one finished row and its tokens: those written, or those read if the step only reads."""
        self.done += 1
        self.tokens += tokens
        now = time.monotonic()
        if now - self.last >= self.every_s or self.done == self.total:
            self.last = now
            seconds = max(now - self.ready, 1e-9)
            left = seconds / (self.done - self.before) * (self.total - self.done)
            rows = f"{self.done} of {self.total} rows, {self.tokens / seconds:.1f} tokens/s"
            print(f"{self.what}: {rows}, {seconds:.1f} s, about {left:.0f} s left")
