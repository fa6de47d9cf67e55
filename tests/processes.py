"""Processes that tests start and kill."""

import subprocess
import time


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
