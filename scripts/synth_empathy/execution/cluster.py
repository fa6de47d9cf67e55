"""Checks, before the first job, that a Slurm cluster can take a run.

sbatch accepts jobs that never start, or that run where nothing can be read. Each refusal names the setting to change.
"""

from __future__ import annotations

import operator
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from . import slurm
from .leftover_jobs import check_leftovers, read_queue
from .partition_file import PARTITIONS
from .slurm import Node

PROFILE = "slurm/config.yaml"
#: Seconds: the executor asks for states up to 180 s apart, and a query may take 60 s. If Slurm forgets a job sooner,
#: its end may stay unseen.
LONGEST_SILENCE = 240


@dataclass(frozen=True)
class Need:
    """What one job requests from Slurm.

    Attributes:
        partition: chosen from the profile's partitions, or several with commas between them; None if none takes the
            job.
        account: None when the profile names none.
        minutes: its time limit.
        attempt: 1, or more for what the job requests when it is retried.
    """

    rule: str
    partition: str | None
    account: str | None
    gpus: int
    cpus: int
    mem_mb: int
    minutes: int
    attempt: int = 1

    def __str__(self) -> str:
        return f"{self.rule} asks for {self.gpus} GPUs, {self.cpus} CPUs, {self.mem_mb} MB and {self.minutes} minutes"


@dataclass(frozen=True)
class Executor:
    """The executor's settings that decide whether it can follow a run.

    Attributes:
        no_account: whether the profile says that the cluster has no accounts.
        status_command: the command by which the profile makes it ask for a job's state.
        interval: seconds before the first such question.
    """

    no_account: bool
    status_command: str | None
    interval: int


def check(needs: Iterable[Need], executor: Executor, folder: Path, comments: set[str]) -> list[str]:
    """Refuse a run whose jobs this cluster cannot take.

    Args:
        needs: what its jobs request, at their first attempt and at later ones.
        folder: the run's folder.
        comments: the comments that the executor will give its jobs.

    Returns:
        Warnings about what can go wrong later: retries that do not fit, preemption that cancels.

    Raises:
        UserError: the first fault: no Slurm, no way to learn of a job's end, no or an unknown account, an unknown
            partition, more than any node of the partition has, jobs of an earlier run that still run.
    """
    nodes = slurm.read_nodes(slurm.ask("sinfo", "--noheader", "--Node", "--format=%N|%R|%c|%m|%G|%l"))
    if not nodes:
        hint = "try `sinfo` yourself; if it names none either, ask the cluster's support"
        raise UserError("sinfo lists no nodes", hint)
    settings = slurm.ask("scontrol", "show", "config")
    check_states(settings, executor.status_command, executor.interval)
    distinct = sorted(set(needs), key=str)
    check_accounts({need.account for need in distinct}, executor.no_account)
    for need in distinct:
        if need.attempt == 1:
            check_need(need, nodes)
    check_leftovers(read_queue(), folder, comments)
    partitions = slurm.ask("scontrol", "show", "partition", "--oneliner")
    return [*warn_of_retries(distinct, nodes), *warn_of_preemption(settings, partitions, distinct)]


def check_states(settings: str, status_command: str | None, interval: int) -> None:
    """Refuse a cluster where the executor could not learn that a job has ended: it would wait forever.

    The executor (2.8.0) uses sacct where the profile says squeue but Slurm forgets jobs within three intervals, and
    squeue where there is no sacct. sacct knows nothing without accounting; squeue only while Slurm remembers the job.

    Args:
        settings: what ``scontrol show config`` prints.
    """
    accounted = not re.search(r"none|null", slurm.setting(settings, "AccountingStorageType") or "none")
    age = int((re.match("[0-9]{1,9}", slurm.setting(settings, "MinJobAge")) or ["300"])[0])
    remembered = age == 0 or age >= LONGEST_SILENCE  # 0: forever
    has_sacct = shutil.which("sacct") is not None
    uses_sacct = has_sacct and (status_command != "squeue" or age < 3 * interval)
    if accounted if uses_sacct else remembered:
        return
    if accounted and has_sacct:
        problem = (
            f"Slurm forgets a finished job after {age} s (MinJobAge), "
            f"but squeue may be asked only {LONGEST_SILENCE} s later"
        )
        raise UserError(problem, f"set `slurm-status-command: sacct` in {PROFILE}")
    sufficient = max(3 * interval, LONGEST_SILENCE)
    if status_command != "squeue" and age >= sufficient:
        hint = f"set `slurm-status-command: squeue` in {PROFILE}"
        raise UserError("this cluster accounts no jobs, so sacct knows none", hint)
    problem = (
        f"this cluster accounts no jobs, and forgets a finished one after {age} s (MinJobAge): "
        "Snakemake would wait for it forever"
    )
    hint = f"ask the cluster's support for a MinJobAge of {sufficient} s or more (Slurm's own is 300)"
    raise UserError(problem, f"{hint}; or run without --profile slurm inside one job, with --cores")


def check_accounts(accounts: set[str | None], no_account: bool) -> None:
    """Refuse jobs without an account, and accounts that are not the user's, where Slurm can list them."""
    if no_account:
        return
    if None in accounts:
        hint = (
            f"set slurm_account under default-resources in {PROFILE} "
            "(`sacctmgr show associations user=$USER format=account` lists yours), "
            "or `slurm-no-account: true` where there are none"
        )
        raise UserError("the profile names no account to charge", hint)
    own = slurm.own_accounts()
    for account in sorted(accounts):
        if own and not set(re.split(r"[,\s]+", account.lower())) <= own:
            problem = f"the account {account!r} is not yours; yours are {', '.join(sorted(own))}"
            raise UserError(problem, f"correct slurm_account in {PROFILE}")


#: The resources of a job in the words of messages, and where each is lowered.
RESOURCES = (
    ("gpus", "GPUs of one node", "gpus of its model in config.yaml"),
    ("cpus", "CPUs", f"its threads under set-threads in {PROFILE}"),
    ("mem_mb", "MB of memory", f"its mem_mb under set-resources in {PROFILE}"),
    ("minutes", "minutes", f"its runtime under set-resources in {PROFILE}"),
)


def check_need(need: Need, nodes: list[Node]) -> None:
    """Refuse a job that no partition of the profile, or no node of its partition, can take."""
    if need.partition is None:
        hint = f"add the partition to {PARTITIONS}, or raise its limits there to the cluster's own"
        raise UserError(f"{need}; no partition of {PARTITIONS} takes that", hint)
    wanted = need.partition.split(",")
    existing = {node.partition for node in nodes}
    for name in wanted:
        if name not in existing:
            problem = f"this cluster has no partition {name!r}; it has {', '.join(sorted(existing))}"
            raise UserError(problem, f"correct the partitions' names in {PARTITIONS}")
    resources = operator.attrgetter(*(field for field, _, _ in RESOURCES))
    requested = resources(need)
    available = [resources(node) for node in nodes if node.partition in wanted]
    if any(all(map(operator.le, requested, offer)) for offer in available):
        return
    largest = map(max, zip(*available, strict=True))
    elsewhere = f"name a partition that does in {PARTITIONS}, or lower"
    for number, most, (_, unit, lower) in zip(requested, largest, RESOURCES, strict=True):
        if number > most:
            limit = f"no node of partition {need.partition!r} gives more than {most:g}"
            raise UserError(f"{need.rule} asks for {number} {unit}; {limit}", f"{elsewhere} {lower}")
    problem = f"{need}; no one node of partition {need.partition!r} has all of that"
    raise UserError(problem, f"{elsewhere} one of them: {', '.join(lower for _, _, lower in RESOURCES)}")


def warn_of_retries(needs: Iterable[Need], nodes: list[Node]) -> list[str]:
    """One warning a rule whose retries, which request more than the first attempt, fit no node."""
    warnings: dict[str, str] = {}
    retries = [need for need in needs if need.attempt > 1]
    for need in sorted(retries, key=lambda need: need.attempt):
        try:
            check_need(need, nodes)
        except UserError as error:
            problem = f"attempt {need.attempt} of {need.rule} does not fit: {error.problem}"
            hint = (
                f"limit what the retry asks for (min(..., LIMIT) under set-resources in {PROFILE}); "
                f"or lower retries; or {error.hint}"
            )
            warnings.setdefault(need.rule, message("warning", problem, hint))
    return list(warnings.values())


def warn_of_preemption(settings: str, partitions: str, needs: Iterable[Need]) -> list[str]:
    """A warning if Slurm cancels jobs that it preempts: the executor (2.8.0) waits for them to come back.

    Args:
        settings: what ``scontrol show config`` prints.
        partitions: what ``scontrol show partition --oneliner`` prints.
    """
    if slurm.setting(settings, "PreemptType") in ("", "preempt/none", "(null)"):
        return []
    used = {name for need in needs for name in (need.partition or "").split(",")}
    cancelling = [part.name for part in slurm.read_partitions(partitions) if "CANCEL" in part.preempt_mode]
    at_risk = sorted(used.intersection(cancelling))
    if not at_risk:
        return []
    problem = (
        f"partition {', '.join(at_risk)} cancels jobs that it preempts (PreemptMode=CANCEL), "
        "and Snakemake waits for them forever"
    )
    hint = (
        f"name a partition without preemption in {PARTITIONS}; "
        "or if that happens, press Ctrl-C and start the same command again"
    )
    return [message("warning", problem, hint)]


def dry_run_warning(missing: UserError) -> str:
    """The warning of a dry-run on a machine where a real run in containers would end before its first job."""
    problem = f"{missing.problem}; the dry-run continues without it, but a real run needs it"
    if shutil.which("sinfo") is None:
        problem += "; nor is there Slurm (no sinfo), which --profile slurm needs"
    return message("warning", problem, missing.hint)


def message(kind: str, problem: str, hint: str) -> str:
    """A problem and what to do, in the form of every message of the package."""
    return f"{kind}: {problem}\n  What to do: {hint}"
