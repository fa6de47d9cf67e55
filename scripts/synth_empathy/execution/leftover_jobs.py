"""Jobs in Slurm's queue that an earlier run left behind, when its Snakemake was killed."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import UserError
from . import slurm

#: Columns of squeue: id, name, working folder, comment. The executor gives all jobs of a run the same name, and each a
#: comment of its rule and wildcards. An array, whose id contains a ``_``, has the comment of its first job.
QUEUE_FORMAT = "%i|%j|%Z|%k"


def read_queue() -> str:
    """This user's waiting and running jobs, as squeue prints them."""
    states = "--states=PENDING,RUNNING,SUSPENDED,CONFIGURING"
    return slurm.ask("squeue", "--noheader", f"--user={slurm.user()}", states, f"--format={QUEUE_FORMAT}")


def check_leftovers(queue: str, folder: Path, comments: set[str]) -> None:
    """Refuse to submit a job while a job of an earlier run makes the same files: both would write the same rows.

    Args:
        queue: squeue's lines in ``QUEUE_FORMAT``.
        folder: the run's folder.
        comments: the comments that the executor will give the jobs of this run.

    Raises:
        UserError: there are such jobs, or a line has an unknown form and might be one.
    """
    run_names = {}
    for cells in slurm.table("squeue", queue, 4):
        job, *rest = "|".join(cells).split("|")
        run_name = name_of_run(rest, folder, comments, is_array="_" in job)
        if run_name is not None:
            run_names[job] = run_name
    if run_names:
        problem = "jobs of another run in this folder, which make the same files, are still in Slurm's queue: "
        cancel = "; ".join(f"scancel --name={name}" for name in sorted(set(run_names.values())))
        hint = f"let them end, or cancel that run's jobs: {cancel}; then the same command again"
        raise UserError(problem + ", ".join(run_names), hint)


def name_of_run(parts: list[str], folder: Path, comments: set[str], *, is_array: bool) -> str | None:
    """The run's name, if the job is in this folder and makes the same files; None for any other job.

    Args:
        parts: the line after the job's id, split at each ``|``. Name, folder and comment may contain ``|``: the line
            counts as such a job if it can be read as one in any way.
        is_array: whether only the rule of the comment counts.
    """
    rules = {comment.partition("_wildcards_")[0] for comment in comments}
    for comment_start in range(2, len(parts)):
        comment = "|".join(parts[comment_start:])
        same_files = comment in comments or (is_array and comment.partition("_wildcards_")[0] in rules)
        for folder_start in range(1, comment_start):
            if same_files and is_same_folder("|".join(parts[folder_start:comment_start]), folder):
                return "|".join(parts[:folder_start])
    return None


def is_same_folder(path: str, folder: Path) -> bool:
    """Whether a path that Slurm prints leads to a folder."""
    return "\0" not in path and os.path.realpath(path) == os.path.realpath(folder)
