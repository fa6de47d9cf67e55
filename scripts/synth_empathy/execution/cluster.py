"""What a Slurm cluster offers, held against what a run asks for: before the first job, and after a job that left no word.

sbatch accepts much that never runs, or runs where nothing can be read. Each refusal here names the setting to change.
"""

from __future__ import annotations

import operator
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import yaml_files
from ..core.errors import UserError
from ..core.records import is_file

PROFILE = "slurm/config.yaml"
PARTITIONS = "slurm/partitions.yaml"
#: The executor asks for states up to 180 s apart, and a query may take 60 s: what Slurm forgets sooner may end unseen.
LONGEST_SILENCE = 240
#: Seconds that one of Slurm's commands may take.
ANSWER = 60


@dataclass(frozen=True)
class Need:
    """What one job asks of Slurm.

    Attributes:
        partition: as chosen from the profile's partitions, or several with commas between them; None when none of them
            takes the job.
        account: None when the profile names none.
        minutes: its time limit.
        attempt: 1, or more for what the job will ask for when it is tried again.
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
class Node:
    """What one node has, in one of its partitions; infinite is what Slurm does not limit, or does not know."""

    name: str
    partition: str
    cpus: float
    mem_mb: float
    gpus: int
    minutes: float


@dataclass(frozen=True)
class Partition:
    """What Slurm's configuration says of one partition, as far as it matters here."""

    name: str
    preempted: str


def check(
    needs: Iterable[Need],
    no_account: bool,
    status_command: str | None,
    interval: int,
    folder: Path,
    comments: set[str],
) -> list[str]:
    """Refuse a run whose jobs this cluster cannot take.

    Args:
        needs: what its jobs ask for, at their first attempt and at later ones.
        no_account: whether the profile says that the cluster has no accounts.
        status_command: what the profile has Snakemake ask for a job's state.
        interval: seconds before the first such question.
        folder: the run's.
        comments: what the executor will note on its jobs.

    Returns:
        Sentences about what can go wrong later: attempts that do not fit, preemption that cancels.

    Raises:
        UserError: at the first fault: no Slurm, no way to learn of a job's end, no or an unknown account, an unknown
            partition, more than any node of the partition has, jobs of an earlier run that go on.
    """
    nodes = read_nodes(ask("sinfo", "--noheader", "--Node", "--format=%N|%R|%c|%m|%G|%l"))
    if not nodes:
        hint = "try `sinfo` yourself; if it names none either, ask the cluster's support"
        raise UserError("sinfo lists no nodes", hint)
    settings = ask("scontrol", "show", "config")
    check_states(settings, status_command, interval)
    distinct = sorted(set(needs), key=str)
    check_accounts({need.account for need in distinct}, no_account)
    for need in distinct:
        if need.attempt == 1:
            check_need(need, nodes)
    check_leftovers(
        ask(
            "squeue",
            "--noheader",
            f"--user={user()}",
            "--states=PENDING,RUNNING,SUSPENDED,CONFIGURING",
            "--format=%i|%j|%Z|%k",
        ),
        folder,
        comments,
    )
    return [
        *warn_of_retries(distinct, nodes),
        *warn_of_preemption(settings, ask("scontrol", "show", "partition", "--oneliner"), distinct),
    ]


def ask(*command: str) -> str:
    """A Slurm command's answer.

    Raises:
        UserError: when there is no such command, or Slurm does not answer.
    """
    program = shutil.which(command[0])
    if program is None:
        raise UserError(
            f"there is no Slurm here (no {command[0]})",
            "start on the cluster's login node, or leave out --profile slurm",
        )
    try:
        asked = [program, *command[1:]]
        done = subprocess.run(
            asked, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=ANSWER
        )
        return done.stdout
    except subprocess.TimeoutExpired:
        said = f"no answer in {ANSWER} s"
    except OSError as error:
        said = f"it does not run ({error.strerror})"
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or f"exit status {error.returncode}, without a word"
    raise UserError(
        f"Slurm does not answer {command[0]}: {said}",
        "try `sinfo`; if it hangs or fails too, ask the cluster's support",
    )


def user() -> str:
    """This user's name; the number, which Slurm's commands take as well, where the machine does not know the name."""
    said = subprocess.run(["id", "-un"], capture_output=True, encoding="utf-8", errors="replace").stdout.strip()
    return said or str(os.getuid())


#: What Slurm writes above each cluster's lines where it is asked about several.
HEADING = re.compile(r"CLUSTER: [^|]+")


def table(command: str, text: str, columns: int) -> Iterator[list[str]]:
    """The lines of a Slurm command that was asked for so many columns with ``|`` between; the last may hold ``|``.

    Left out are blank lines and Slurm's own headings (``CLUSTER: alpha``).

    Raises:
        UserError: another line has fewer columns.
    """
    for line in map(str.strip, text.splitlines()):
        cells = line.split("|", columns - 1)
        if len(cells) == columns:
            yield cells
        elif line and not HEADING.fullmatch(line):
            raise unread(command, line)


def unread(command: str, text: str) -> UserError:
    """The error for an answer of Slurm's in a form that nobody knows."""
    hint = f"try `{command}` yourself; if it answers as usual, tell the authors of this package, with this line"
    return UserError(f"Slurm's {command} answers in an unknown form: {yaml_files.shown(text)}", hint)


#: How Slurm writes that a number is not limited, not set or not known.
NOTHING = frozenset({"infinite", "unlimited", "n/a", "not_set", "invalid", "none", "(null)", ""})


def read_nodes(text: str) -> list[Node]:
    """Nodes from sinfo's lines ``name|partition|CPUs|MB|gres|time limit``.

    Raises:
        UserError: a line of another form.
    """
    return [
        Node(name, partition, amount(cpus), amount(mem_mb), count_gpus(gres), minutes(limit))
        for name, partition, cpus, mem_mb, gres, limit in table("sinfo", text, 6)
    ]


def amount(text: str) -> float:
    """A number as sinfo writes it: ``64``, ``64+`` where other nodes of the line have more, ``1K`` for 1024.

    Raises:
        UserError: it is none.
    """
    if text.lower() in NOTHING:
        return float("inf")
    found = re.fullmatch(r"([0-9]{1,15})(?:[.]0+)?([KMG]?)[+]?", text)
    if not found:
        raise unread("sinfo", text)
    return int(found[1]) * 1024 ** " KMG".index(found[2] or " ")


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
        UserError: it is none, nor a word for no limit.
    """
    if limit.lower() in NOTHING:
        return float("inf")
    found = re.fullmatch(r"(?:([0-9]{1,9})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?", limit)
    if not found:
        raise unread("sinfo", limit)
    days, *parts = (int(part or 0) for part in found.groups())
    if found[1] is None and found[4] is None:  # minutes, and perhaps seconds
        parts = [0, *parts[:2]]
    hours, mins, seconds = parts
    return days * 1440 + hours * 60 + mins + seconds / 60


def setting(text: str, name: str) -> str:
    """A value in what ``scontrol show config`` prints; empty when it is not there."""
    pairs = (line.partition("=") for line in text.split("\n"))
    return next((value.strip() for key, sign, value in pairs if sign and key.strip() == name), "")


def check_states(settings: str, status_command: str | None, interval: int) -> None:
    """Refuse to start where the executor could not learn that a job has ended: it would wait for ever.

    The executor (2.8.0) takes sacct by itself where the profile says squeue and Slurm forgets jobs within three intervals,
    and squeue where there is no sacct. sacct never answers without accounting; squeue only as long as Slurm remembers.

    Args:
        settings: what ``scontrol show config`` prints.
    """
    accounted = not re.search(r"none|null", setting(settings, "AccountingStorageType") or "none")
    age = int((re.match("[0-9]{1,9}", setting(settings, "MinJobAge")) or ["300"])[0])
    has_sacct = shutil.which("sacct") is not None
    asks = "sacct" if has_sacct and (status_command != "squeue" or age < 3 * interval) else "squeue"
    if (
        asks == "sacct" and accounted or asks == "squeue" and (age == 0 or age >= LONGEST_SILENCE)
    ):  # 0: remembered for ever
        return
    if accounted and has_sacct:
        problem = f"Slurm forgets a finished job after {age} s (MinJobAge), sooner than squeue is sure to be asked ({LONGEST_SILENCE} s)"
        raise UserError(problem, f"set `slurm-status-command: sacct` in {PROFILE}")
    if status_command != "squeue" and age >= max(3 * interval, LONGEST_SILENCE):
        raise UserError(
            "this cluster accounts no jobs, so sacct knows none", f"set `slurm-status-command: squeue` in {PROFILE}"
        )
    problem = f"this cluster accounts no jobs, and forgets a finished one after {age} s (MinJobAge): Snakemake would wait for it for ever"
    hint = f"ask the cluster's support for a MinJobAge of {max(3 * interval, LONGEST_SILENCE)} s or more (Slurm's own is 300)"
    raise UserError(problem, f"{hint}; or run without --profile slurm inside one job, with --cores")


def read_partitions(text: str) -> list[Partition]:
    """Partitions from what ``scontrol show partition --oneliner`` prints; lines that name none say nothing of one."""
    lines = (dict(word.split("=", 1) for word in line.split() if "=" in word) for line in text.splitlines())
    named = (words for words in lines if words.get("PartitionName"))
    return [Partition(words["PartitionName"], words.get("PreemptMode", "")) for words in named]


def warn_of_preemption(settings: str, partitions: str, needs: Iterable[Need]) -> list[str]:
    """A sentence about partitions whose preempted jobs Slurm cancels: the executor (2.8.0) waits for them to come back."""
    if setting(settings, "PreemptType") in ("", "preempt/none", "(null)"):
        return []
    used = {name for need in needs for name in (need.partition or "").split(",")}
    fatal = sorted(
        part.name for part in read_partitions(partitions) if part.name in used and "CANCEL" in part.preempted
    )
    if not fatal:
        return []
    problem = f"partition {', '.join(fatal)} cancels jobs that it preempts (PreemptMode=CANCEL), and Snakemake goes on waiting for them"
    return [
        sentence(
            "warning",
            problem,
            f"name a partition without preemption in {PARTITIONS}; or if that happens, Ctrl-C and the same command again",
        )
    ]


def sentence(kind: str, problem: str, hint: str) -> str:
    """A problem and what to do, as every message of the package has them."""
    return f"{kind}: {problem}\n  What to do: {hint}"


def dry_run_warning(lacking: UserError) -> str:
    """What a dry-run says on a machine where a real run in containers would end before its first job."""
    problem = f"{lacking.problem}; the dry-run goes on without, and a real run needs it"
    if shutil.which("sinfo") is None:
        problem += "; nor is there Slurm (no sinfo), which --profile slurm needs"
    return sentence("warning", problem, lacking.hint)


def check_leftovers(queue: str, folder: Path, comments: set[str]) -> None:
    """Refuse to submit what a job of an earlier run, whose Snakemake was killed, still makes: both would write the same rows.

    Args:
        queue: squeue's lines ``id|name|working folder|comment`` of this user's jobs. The executor gives all jobs of a run
            the same name, and each a comment of its rule and wildcards; of an array, whose id has a ``_``, the first job's.
        folder: the run's.
        comments: what the executor will note on the jobs of this run.

    Raises:
        UserError: there are such jobs, or a line has another form, so that nobody knows.
    """
    rules = {comment.partition("_wildcards_")[0] for comment in comments}
    left = []
    for cells in table("squeue", queue, 4):
        number, *rest = "|".join(cells).split("|")
        name = name_of_same(number, rest, folder, comments, rules)
        if name is not None:
            left.append((number, name))
    if left:
        problem = f"jobs of another run in this folder, which make the same files, are still in Slurm's queue: {', '.join(number for number, _ in left)}"
        cancel = "; ".join(f"scancel --name={name}" for name in sorted({name for _, name in left}))
        raise UserError(problem, f"let them end, or cancel that run's jobs: {cancel}; then the same command again")


def name_of_same(number: str, rest: list[str], folder: Path, comments: set[str], rules: set[str]) -> str | None:
    """The name of a job of this folder that makes the same files; None for any other job.

    Args:
        rest: what follows the job's id, parted at each ``|``. Name, folder and comment may hold some: where a line can be
            read as such a job's in any way, it is.
    """
    for second in range(2, len(rest)):
        comment = "|".join(rest[second:])
        if comment in comments or ("_" in number and comment.partition("_wildcards_")[0] in rules):
            for first in range(1, second):
                if leads_to("|".join(rest[first:second]), folder):
                    return "|".join(rest[:first])
    return None


def leads_to(where: str, folder: Path) -> bool:
    """Whether a path, as Slurm prints it, is a folder's."""
    return "\0" not in where and os.path.realpath(where) == os.path.realpath(folder)


def check_partitions(path: Path, limits: Callable[..., Any]) -> None:
    """Refuse a file of partitions that the executor could not read.

    Args:
        limits: takes a partition's limits by name, and fails for others.
    """
    content = yaml_files.load(path, "correct it; spaces indent, not tabs")
    partitions = content.get("partitions") if isinstance(content, dict) else None
    if not isinstance(partitions, dict) or not partitions:
        raise UserError(
            f"{path} names no partitions", "list them under `partitions:`, as in `  cpu: {max_runtime: 1440}`"
        )
    for name, given in partitions.items():
        if not re.fullmatch(r"[^\s,|]+", name):
            raise UserError(f"{path}: {name!r} is no partition's name", "name it as `sinfo -o %R` does")
        if not isinstance(given, dict):
            raise UserError(
                f"{path}: the partition {name!r} has no limits",
                f"write `{name}: {{}}` for none, or give it a max_runtime",
            )
        check_limits(path, name, given)
        try:
            limits(
                **{key: value for key, value in given.items() if key not in ("slurm_cluster", "cluster", "clusters")}
            )
        except Exception as error:  # whatever the executor would have ended with
            said = re.sub(r"^\S*__init__\(\) got an", "an", str(error)).replace("keyword argument", "limit")
            raise UserError(
                f"{path}: the partition {name!r} has {said}",
                "correct it there; docs/cluster.md, section 3, names the limits",
            ) from None


#: The longest text that says how long: 365-00:00:00, or words of so many letters.
LONGEST_DURATION = 40


def check_limits(path: Path, name: str, given: dict[str, Any]) -> None:
    """Refuse limits that the executor takes as they stand, and fails at when it compares them with a job's."""
    hint = "correct it there; docs/cluster.md, section 3, names the limits"
    for limit, value in given.items():
        has = f"{path}: the partition {name!r} has the {limit} {yaml_files.shown(value)}"
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        # The executor's own expression takes a time that grows fast with a text's length.
        duration = limit == "max_runtime" and isinstance(value, str) and len(value) <= LONGEST_DURATION
        if limit.startswith("max_") and not number and not duration:
            raise UserError(f"{has}, which is no number of at least 0", hint)
        names = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if limit.startswith("available_") and not names:
            raise UserError(f"{has}, which is no list of names", hint)


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
            raise UserError(
                f"the account {account!r} is not yours; yours are {', '.join(sorted(known))}",
                f"correct slurm_account in {PROFILE}",
            )


def own_accounts() -> set[str]:
    """The accounts that this user may charge; none where Slurm has no accounting or does not tell."""
    try:
        answer = ask(
            "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user()}", "format=account"
        )
    except UserError:
        return set()
    return {line.strip().lower() for line in answer.splitlines() if line.strip()}


def check_need(need: Need, nodes: list[Node]) -> None:
    """Refuse a job that no partition of the profile, or no node of its partition, can take."""
    if need.partition is None:
        raise UserError(
            f"{need}; no partition of {PARTITIONS} takes that",
            f"add the partition to {PARTITIONS}, or raise its limits there to the cluster's own",
        )
    wanted = need.partition.split(",")
    for name in wanted:
        if name not in {node.partition for node in nodes}:
            known = ", ".join(sorted({node.partition for node in nodes}))
            raise UserError(
                f"this cluster has no partition {name!r}; it has {known}",
                f"correct the partitions' names in {PARTITIONS}",
            )
    here = [node for node in nodes if node.partition in wanted]
    asked = (need.gpus, need.cpus, need.mem_mb, need.minutes)
    offered = [(node.gpus, node.cpus, node.mem_mb, node.minutes) for node in here]
    if any(all(map(operator.le, asked, offer)) for offer in offered):
        return
    for number, what, most, lower in zip(asked, WHAT, map(max, zip(*offered, strict=True)), LOWER, strict=True):
        if number > most:
            problem = f"{need.rule} asks for {number} {what}; no node of partition {need.partition!r} gives more than {most:g}"
            raise UserError(problem, f"name a partition that does in {PARTITIONS}, or lower {lower}")
    problem = f"{need}; no one node of partition {need.partition!r} has all of that"
    raise UserError(problem, f"name a partition that does in {PARTITIONS}, or lower one of them: {', '.join(LOWER)}")


#: What a job asks for, in the words of messages, and where each is lowered.
WHAT = ("GPUs of one node", "CPUs", "MB of memory", "minutes")
LOWER = (
    "gpus of its model in config.yaml",
    f"its threads under set-threads in {PROFILE}",
    f"its mem_mb under set-resources in {PROFILE}",
    f"its runtime under set-resources in {PROFILE}",
)


def warn_of_retries(needs: Iterable[Need], nodes: list[Node]) -> list[str]:
    """A sentence a rule whose later attempts, which ask for more, no node takes; the first attempt may well do."""
    told: dict[str, str] = {}
    for need in sorted((need for need in needs if need.attempt > 1), key=lambda need: need.attempt):
        try:
            check_need(need, nodes)
        except UserError as error:
            problem = f"attempt {need.attempt} of {need.rule} does not fit: {error.problem}"
            hint = f"let the retry ask for what there is (min(..., LIMIT) under set-resources in {PROFILE}); or lower retries; or {error.hint}"
            told.setdefault(need.rule, sentence("warning", problem, hint))
    return list(told.values())


def explain_silence(log: str, folder: Path, patience: float = 0) -> str | None:
    """Why jobs failed without a line in their log: their node does not see the folder that the run is in.

    Args:
        log: Snakemake's own log of the run, where the executor names each job's log file.
        folder: the run's folder.
        patience: seconds that a log file may take to be seen through the shared file system.

    Returns:
        A sentence naming nodes and what to change; None when every failed job left a log, or never had a node.
    """
    # No path is longer; without a limit a line of many such beginnings would be read to its end from each.
    submitted = dict(re.findall(r"submitted with SLURM jobid (\d+) \(log: (.{1,4096}?)\)\.", log))
    failed = [job for job in dict.fromkeys(re.findall(r"SLURM-job '(\d+)' failed", log)) if job in submitted]
    ran = {job: nodes for job in failed if not is_file(Path(submitted[job])) and (nodes := nodes_of(job))}
    deadline = time.monotonic() + patience
    while silent := [job for job in ran if not is_file(Path(submitted[job]))]:
        if time.monotonic() >= deadline:
            break
        time.sleep(min(1, patience))
    if not silent:
        return None
    nodes = ",".join(sorted({node for job in silent for node in ran[job]}))
    problem = f"Slurm jobs ended without a line in their log ({', '.join(silent)}, on {nodes}): most likely {folder} is not to be seen there"
    hint = f"move the repository to a file system that all nodes share, or keep off these nodes: slurm-exclude-failed-nodes: {nodes} in {PROFILE}"
    return sentence("error", problem, hint)


def nodes_of(job: str) -> list[str]:
    """The nodes that a finished job had, by the controller or else by accounting; none where it had none or neither remembers it."""
    for command, pattern in (
        (("scontrol", "show", "job", job), r"\bNodeList=(.*)"),
        (("sacct", "-nXP", "-j", job, "-o", "NodeList"), r"(?m)^(.+)$"),
    ):
        try:
            found = [name.strip() for name in re.findall(pattern, ask(*command))]
        except UserError:
            continue
        if named := [name for name in found if name and name not in ("(null)", "None assigned", "None")]:
            return named
    return []
