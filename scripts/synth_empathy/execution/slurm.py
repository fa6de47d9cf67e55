"""Slurm's commands, and how their answers are read: nodes, partitions, settings, accounts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from ..core import yaml_files
from ..core.errors import UserError

#: Seconds that one of Slurm's commands may take.
TIMEOUT = 60
#: How Slurm writes that a number is unlimited, unset or unknown.
NO_NUMBER = frozenset({"infinite", "unlimited", "n/a", "not_set", "invalid", "none", "(null)", ""})
#: What Slurm writes above each cluster's lines when it is asked about several.
HEADING = re.compile(r"CLUSTER: [^|]+")


@dataclass(frozen=True)
class Node:
    """What a node has in one of its partitions; infinite where Slurm sets no limit or does not know."""

    name: str
    partition: str
    cpus: float
    mem_mb: float
    gpus: int
    minutes: float


@dataclass(frozen=True)
class Partition:
    """A partition in Slurm's configuration: its name and its PreemptMode."""

    name: str
    preempt_mode: str


def ask(*command: str) -> str:
    """Run one of Slurm's commands and return what it prints.

    Raises:
        UserError: the command does not exist, fails, or takes longer than ``TIMEOUT``.
    """
    program = shutil.which(command[0])
    if program is None:
        hint = "start on the cluster's login node, or leave out --profile slurm"
        raise UserError(f"there is no Slurm here (no {command[0]})", hint)
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    try:
        return subprocess.run([program, *command[1:]], check=True, timeout=TIMEOUT, **options).stdout
    except subprocess.TimeoutExpired:
        reason = f"no answer in {TIMEOUT} s"
    except OSError as error:
        reason = f"it does not run ({error.strerror})"
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"exit status {error.returncode}, without a message"
    hint = "try `sinfo`; if it hangs or fails too, ask the cluster's support"
    raise UserError(f"Slurm does not answer {command[0]}: {reason}", hint)


def user() -> str:
    """This user's name; the number, which Slurm also accepts, where the machine does not know the name."""
    done = subprocess.run(["id", "-un"], capture_output=True, encoding="utf-8", errors="replace")
    return done.stdout.strip() or str(os.getuid())


def table(command: str, text: str, columns: int) -> Iterator[list[str]]:
    """The lines of an answer with ``|`` between its columns; the last column may contain ``|``.

    Blank lines and Slurm's own headings (``CLUSTER: alpha``) are skipped.

    Raises:
        UserError: another line has fewer columns.
    """
    for line in map(str.strip, text.splitlines()):
        cells = line.split("|", columns - 1)
        if len(cells) == columns:
            yield cells
        elif line and not HEADING.fullmatch(line):
            raise unknown_form(command, line)


def unknown_form(command: str, text: str) -> UserError:
    """The error for an answer of Slurm in a form that is not documented."""
    hint = f"try `{command}` yourself; if it answers as usual, tell the authors of this package, with this line"
    return UserError(f"Slurm's {command} answers in an unknown form: {yaml_files.shown(text)}", hint)


def read_nodes(text: str) -> list[Node]:
    """Nodes from sinfo's lines ``name|partition|CPUs|MB|gres|time limit``.

    Raises:
        UserError: a line has another form.
    """
    return [
        Node(
            name=name,
            partition=partition,
            cpus=amount(cpus),
            mem_mb=amount(mem_mb),
            gpus=count_gpus(gres),
            minutes=minutes(limit),
        )
        for name, partition, cpus, mem_mb, gres, limit in table("sinfo", text, 6)
    ]


def amount(text: str) -> float:
    """A number as sinfo writes it: ``64``, ``64+`` where other nodes of the line have more, ``1K`` for 1024.

    Raises:
        UserError: it is not a number.
    """
    if text.lower() in NO_NUMBER:
        return float("inf")
    match = re.fullmatch(r"([0-9]{1,15})(?:[.]0+)?([KMG]?)[+]?", text)
    if not match:
        raise unknown_form("sinfo", text)
    return int(match[1]) * 1024 ** " KMG".index(match[2] or " ")


def count_gpus(gres: str) -> int:
    """GPUs in a node's or a job's gres: ``gpu:h100:4(S:0-1),nvme:1`` has 4, ``gpu`` 1, ``(null)`` none."""
    total = 0
    for part in re.sub(r"\([^()]*\)", "", str(gres)).split(","):
        kind, *rest = part.strip().split(":")
        if kind == "gpu":
            total += int(rest[-1]) if rest and re.fullmatch("[0-9]{1,9}", rest[-1]) else 1
    return total


def minutes(limit: str) -> float:
    """A partition's time limit in minutes, from Slurm's ``[days-]hours:minutes:seconds`` or ``minutes:seconds``.

    Raises:
        UserError: it is neither a duration nor a word for no limit.
    """
    if limit.lower() in NO_NUMBER:
        return float("inf")
    match = re.fullmatch(r"(?:([0-9]{1,9})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?", limit)
    if not match:
        raise unknown_form("sinfo", limit)
    days, *parts = (int(part or 0) for part in match.groups())
    if match[1] is None and match[4] is None:  # minutes, or minutes and seconds
        parts = [0, *parts[:2]]
    hours, mins, seconds = parts
    return days * 1440 + hours * 60 + mins + seconds / 60


def setting(text: str, name: str) -> str:
    """A value from what ``scontrol show config`` prints; empty when it is missing."""
    pairs = (line.partition("=") for line in text.split("\n"))
    return next((value.strip() for key, sign, value in pairs if sign and key.strip() == name), "")


def read_partitions(text: str) -> list[Partition]:
    """Partitions from what ``scontrol show partition --oneliner`` prints; lines without a name are skipped."""
    partitions = []
    for line in text.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if fields.get("PartitionName"):
            partitions.append(Partition(fields["PartitionName"], fields.get("PreemptMode", "")))
    return partitions


def own_accounts() -> set[str]:
    """The accounts that this user may charge; empty where Slurm has no accounting or does not answer."""
    query = ["--noheader", "--parsable2", "show", "associations", f"user={user()}", "format=account"]
    try:
        answer = ask("sacctmgr", *query)
    except UserError:
        return set()
    return {line.strip().lower() for line in answer.splitlines() if line.strip()}


#: Two ways to learn which nodes a job had: the controller, and accounting after the controller has forgotten the job.
NODE_QUERIES = (
    (("scontrol", "show", "job", "JOB"), r"\bNodeList=(.*)"),
    (("sacct", "-nXP", "-j", "JOB", "-o", "NodeList"), r"(?m)^(.+)$"),
)


def nodes_of(job: str) -> list[str]:
    """The nodes on which a finished job ran; empty where it never started, or Slurm no longer knows it."""
    for query, pattern in NODE_QUERIES:
        try:
            answer = ask(*(job if word == "JOB" else word for word in query))
        except UserError:
            continue
        names = [name.strip() for name in re.findall(pattern, answer)]
        nodes = [name for name in names if name and name not in ("(null)", "None assigned", "None")]
        if nodes:
            return nodes
    return []
