"""Processes that tests start and kill."""

import signal
import subprocess
import time


def heed_signals():
    """As a `preexec_fn`: restore a child's default signal handling, which nohup or a shell's & changes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def kill_when(ready, command, limit=300):
    """Start a command and kill -9 it when `ready()` is true or `limit` seconds have passed, unless it has ended.

    The caller asserts that it was killed half way, since only the caller knows what the process had to do.
    """
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + limit
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
