"""Explains Slurm jobs that failed without a line in their log: their node does not see the run's folder."""

from __future__ import annotations

import re
import time
from pathlib import Path

from ..core.files import is_file
from . import cluster, slurm

#: How the executor notes a submission; no path is longer, and without a limit a damaged log takes quadratic time.
SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+) \(log: (.{1,4096}?)\)\.")
FAILED = re.compile(r"SLURM-job '(\d+)' failed")


def explain_silence(log: str, folder: Path, patience: float = 0) -> str | None:
    """Name the nodes on which jobs failed without a log file.

    Args:
        log: Snakemake's own log of the run, in which the executor names each job's log file.
        folder: the run's folder.
        patience: seconds that a log file may take to appear through the shared file system.

    Returns:
        A message that names the nodes and what to change; None when every failed job left a log, or never had a node.
    """
    log_files = {job: Path(path) for job, path in SUBMITTED.findall(log)}
    without_log = [
        job for job in dict.fromkeys(FAILED.findall(log)) if job in log_files and not is_file(log_files[job])
    ]
    nodes_by_job = {job: slurm.nodes_of(job) for job in without_log}
    silent = [job for job in without_log if nodes_by_job[job]]
    deadline = time.monotonic() + patience
    while silent and time.monotonic() < deadline:
        time.sleep(min(1, patience))
        silent = [job for job in silent if not is_file(log_files[job])]
    if not silent:
        return None
    nodes = ",".join(sorted({node for job in silent for node in nodes_by_job[job]}))
    problem = (
        f"Slurm jobs ended without a line in their log ({', '.join(silent)}, on {nodes}): "
        f"most likely these nodes do not see {folder}"
    )
    hint = (
        "move the repository to a file system that all nodes share, or avoid these nodes: "
        f"slurm-exclude-failed-nodes: {nodes} in {cluster.PROFILE}"
    )
    return cluster.message("error", problem, hint)
