"""Processes that tests start and kill."""

import signal
import subprocess
import time


def heed_signals():
    """As a `preexec_fn`: a child hears what a terminal's would, though nohup or a shell's & had us ignore it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def kill_when(ready, command, limit=300):
    """Start a command and kill -9 it as soon as `ready()` is true, or after `limit` seconds, or leave it where it ended first.

    The caller asserts that it was killed half way: what a process has done by then is the caller's to know.
    """
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + limit
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
