"""The progress of one image's build, and what the messages of failing commands mean."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synth_empathy.core.errors import UserError

from . import ROOT


class Log:
    """An image's progress: a line per step with its seconds, and a file with everything that the commands print."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.path = path
        self.seconds: dict[str, float] = {}
        path.write_text("")

    @contextmanager
    def step(self, key: str, title: str) -> Iterator[None]:
        """Print the title of a step, and at its end how long it took."""
        print(f"{self.name}: {title}")
        start = time.monotonic()
        yield
        self.seconds[key] = round(time.monotonic() - start, 1)
        print(f"{self.name}: {self.seconds[key]} s")

    def run(self, command: list[str], environment: dict[str, str]) -> str:
        """Run a command, write what it prints into the log file, and return it.

        Raises:
            UserError: it failed; the message gives the reason as far as its output tells.
        """
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        done = subprocess.run(command, env=environment, cwd=ROOT, **options)
        with self.path.open("a") as file:
            file.write(f"{' '.join(command)}\n{done.stdout}\n")
        if done.returncode != 0:
            problem, hint = reason(done.stdout)
            problem = f"{self.name}: {command[0]} failed: {problem}"
            raise UserError(problem, f"{hint}; its whole output is in {self.path}")
        return done.stdout


#: Messages of failing commands, their meaning (None: the message itself), and what to do. The first that fits counts.
REASONS = (
    (r"no space left on device", "the disk is full", "free space, or choose other folders with --work and --output"),
    (
        r"DO NOT MATCH THE HASHES.*|Hash mismatch.*",
        None,
        "the index has another file than the lock names: remove --work's folder and try again; do not edit the hash",
    ),
    (
        r"No matching distribution found for .*",
        None,
        "point pip at an index that has it (pip config set global.index-url ...)",
    ),
    (
        r"(?:NewConnectionError|Max retries|Name or service|Could not fetch|ConnectTimeout).*",
        None,
        "check the network and pip's index (pip config list)",
    ),
    (r"Unable to locate package .*|Failed to fetch .*", None, "check the network and the base image's Debian sources"),
    (
        r"(?:initializing source|pinging container registry|creating build container).*",
        None,
        "check that the registry can be reached; without a registry, give --base a local image",
    ),
    (r"(?:^|\n)(?:ERROR|error|Error|FATAL): .*", None, "correct that and start again"),
)


def reason(output: str) -> tuple[str, str]:
    """Why a command failed, and what to do, from its output."""
    for pattern, meaning, hint in REASONS:
        if match := re.search(pattern, output, re.IGNORECASE):
            return meaning or match[0].strip()[:300], hint
    lines = output.strip().splitlines()
    return (lines[-1][:300] if lines else "it printed nothing"), "read its output"
