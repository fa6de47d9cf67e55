"""What a Slurm cluster offers, held against what a run asks for: before the first job, and after a job that left no word.

sbatch accepts much that never runs, or runs where nothing can be read. Each refusal here names the setting to change.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError

PROFILE = "slurm/config.yaml"
PARTITIONS = "slurm/partitions.yaml"


@dataclass(frozen=True)
class Need:
    """What one job asks of Slurm.

    Attributes:
        partition: as chosen from the profile's partitions; None when none of them takes the job.
        account: None when the profile names none.
        minutes: its time limit.
    """

    rule: str
    partition: str | None
    account: str | None
    gpus: int
    cpus: int
    mem_mb: int
    minutes: int

    def __str__(self) -> str:
        return f"{self.rule} asks for {self.gpus} GPUs, {self.cpus} CPUs, {self.mem_mb} MB and {self.minutes} minutes"


@dataclass(frozen=True)
class Node:
    """What one node has, in one of its partitions."""

    name: str
    partition: str
    cpus: int
    mem_mb: int
    gpus: int
    minutes: float


def check(needs: Iterable[Need], no_account: bool, status_command: str | None) -> None:
    """Refuse a run whose jobs this cluster cannot take.

    Args:
        no_account: whether the profile says that the cluster has no accounts.
        status_command: what the profile has Snakemake ask for a job's state.

    Raises:
        UserError: at the first fault: no Slurm, no accounting, no or an unknown account, an unknown partition, more than
            any node of the partition has.
    """
    nodes = read_nodes(ask("sinfo", "--noheader", "--Node", "--format=%N|%R|%c|%m|%G|%l"))
    check_accounting(status_command)
    distinct = sorted(set(needs), key=str)
    check_accounts({need.account for need in distinct}, no_account)
    for need in distinct:
        check_need(need, nodes)


def ask(*command: str) -> str:
    """A Slurm command's answer.

    Raises:
        UserError: when there is no such command, or Slurm does not answer.
    """
    if shutil.which(command[0]) is None:
        raise UserError(f"there is no Slurm here (no {command[0]})", "start on the cluster's login node, or leave out --profile slurm")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"" if isinstance(error.stderr, bytes) else error.stderr or "no answer in 60 s").strip()
        raise UserError(f"Slurm does not answer {command[0]}: {said}", "try `sinfo`; if it hangs or fails too, ask the cluster's support") from None


def read_nodes(text: str) -> list[Node]:
    """Nodes from sinfo's lines ``name|partition|CPUs|MB|gres|time limit``."""
    nodes = []
    for line in text.splitlines():
        name, partition, cpus, mem_mb, gres, limit = line.strip().split("|")
        nodes.append(Node(name, partition, int(cpus), int(mem_mb.rstrip("+")), count_gpus(gres), minutes(limit)))
    return nodes


def count_gpus(gres: str) -> int:
    """GPUs in a node's or a job's gres: ``gpu:h100:4(S:0-1),nvme:1`` has 4, ``gpu`` 1, ``(null)`` none."""
    total = 0
    for part in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = part.split(":")
        if kind == "gpu":
            total += int(rest[-1]) if rest and rest[-1].isdigit() else 1
    return total


def minutes(limit: str) -> float:
    """A partition's time limit as Slurm writes it, ``[days-]hours:minutes:seconds`` or ``minutes:seconds``, in minutes."""
    if limit in ("infinite", "UNLIMITED", "n/a"):
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, mins, seconds = [0] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def check_accounting(status_command: str | None) -> None:
    """Refuse to ask sacct for job states where nothing is accounted: it never answers, and the run never ends."""
    if status_command == "sacct" and re.search(r"AccountingStorageType\s*=\s*\S*(none|\(null\))", ask("scontrol", "show", "config")):
        raise UserError("this cluster accounts no jobs, so sacct knows none", f"set `slurm-status-command: squeue` in {PROFILE}")


def check_accounts(accounts: set[str | None], no_account: bool) -> None:
    """Refuse jobs without an account, and accounts that are not the user's, where the cluster says which are."""
    if no_account:
        return
    if None in accounts:
        hint = (
            f"set slurm_account under default-resources in {PROFILE} (`sacctmgr show associations user=$USER format=account` lists yours), "
            "or `slurm-no-account: true` where there are none"
        )
        raise UserError("the profile names no account to charge", hint)
    known = own_accounts()
    for account in sorted(accounts):
        if known and not set(re.split(r"[,\s]+", account.lower())) <= known:
            raise UserError(f"the account {account!r} is not yours; yours are {', '.join(sorted(known))}", f"correct slurm_account in {PROFILE}")


def own_accounts() -> set[str]:
    """The accounts that this user may charge; none where Slurm has no accounting or does not tell."""
    try:
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        answer = ask("sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", "format=account")
    except UserError:
        return set()
    return {line.strip().lower() for line in answer.splitlines() if line.strip()}


def check_need(need: Need, nodes: list[Node]) -> None:
    """Refuse a job that no partition of the profile, or no node of its partition, can take."""
    if need.partition is None:
        raise UserError(
            f"{need}; no partition of {PARTITIONS} takes that", f"add the partition to {PARTITIONS}, or raise its limits there to the cluster's own"
        )
    here = [node for node in nodes if node.partition == need.partition]
    if not here:
        known = ", ".join(sorted({node.partition for node in nodes}))
        raise UserError(f"this cluster has no partition {need.partition!r}; it has {known}", f"correct the partitions' names in {PARTITIONS}")
    for what, asked, most, setting in (
        ("GPUs of one node", need.gpus, max(node.gpus for node in here), "gpus of its model in config.yaml"),
        ("CPUs", need.cpus, max(node.cpus for node in here), "its threads under set-threads in " + PROFILE),
        ("MB of memory", need.mem_mb, max(node.mem_mb for node in here), "its mem_mb under set-resources in " + PROFILE),
        ("minutes", need.minutes, max(node.minutes for node in here), "its runtime under set-resources in " + PROFILE),
    ):
        if asked > most:
            problem = f"{need.rule} asks for {asked} {what}; no node of partition {need.partition!r} gives more than {most:g}"
            raise UserError(problem, f"name a partition that does in {PARTITIONS}, or lower {setting}")


def explain_silence(log: str, folder: Path) -> str | None:
    """Why jobs failed without a line in their log: their node does not see the folder that the run is in.

    Args:
        log: Snakemake's own log of the run, where the executor names each job's log file.
        folder: the run's folder.

    Returns:
        A sentence naming nodes and what to change; None when every failed job left a log.
    """
    submitted = dict(re.findall(r"submitted with SLURM jobid (\d+) \(log: (.+?)\)\.", log))
    failed = [job for job in dict.fromkeys(re.findall(r"SLURM-job '(\d+)' failed", log)) if job in submitted]
    silent = [job for job in failed if not Path(submitted[job]).exists()]
    if not silent:
        return None
    nodes = sorted({node for job in silent for node in nodes_of(job)}) or ["their node"]
    problem = f"Slurm jobs ended without a line in their log ({', '.join(silent)}, on {', '.join(nodes)}): {folder} is not to be seen there"
    hint = f"move the repository to a file system that all nodes share, or keep off these nodes: slurm-exclude-failed-nodes: {','.join(nodes)} in {PROFILE}"
    return f"error: {problem}\n  What to do: {hint}"


def nodes_of(job: str) -> list[str]:
    """The nodes that a finished job had, by the controller or else by accounting; none where neither remembers it."""
    for command, pattern in ((("scontrol", "show", "job", job), r"\bNodeList=(\S+)"), (("sacct", "-nXP", "-j", job, "-o", "NodeList"), r"(\S+)")):
        try:
            found = [name for name in re.findall(pattern, ask(*command)) if name != "(null)"]
        except UserError:
            continue
        if found:
            return found
    return []
