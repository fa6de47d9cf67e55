"""Processes that tests start and kill."""

import signal
import subprocess
import time


def heed_signals():
    """A `preexec_fn`: the child reacts to signals as in a terminal, even if nohup or a shell's & disabled them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def kill_when(ready, command, limit=300):
    """Start a command and kill -9 it as soon as `ready()` is true, or after `limit` seconds, unless it ends first.

    The caller asserts that it was killed half way.
    """
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + limit
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
