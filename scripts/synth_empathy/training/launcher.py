"""Start one step as several processes on one node, stop them together, and report their errors as one.

Only a training on several GPUs imports this module. torch's elastic launcher starts the processes (on this node alone,
on ports that the system picks), gives each its rank, and ends the others when one fails. This module adds what the
launcher lacks: the processes do not outlive a killed launcher, a failure is one sentence instead of the launcher's
traceback, and only the first process prints.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import tempfile

from ..core.errors import UserError

#: The launcher sets this variable to its own process id for the processes that it starts.
LAUNCHER = "SYNTH_EMPATHY_LAUNCHER"
#: prctl's option that sets the signal which a process receives when its parent ends (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def launch(script: str, processes: int, threads_each: int) -> None:
    """Run a script with this process's own flags as several processes, and wait until all have ended.

    Args:
        threads_each: CPU threads of each process.

    Raises:
        UserError: a process failed; the others were ended.
        KeyboardInterrupt: interrupted; all processes were ended. After another signal the exit status is 128 plus its
            number.
    """
    os.environ[LAUNCHER] = str(os.getpid())
    os.environ["OMP_NUM_THREADS"] = str(threads_each)  # without it, accelerate uses all cores
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all processes are on this node
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").handlers = [logging.NullHandler()]  # this module reports failures itself
    with tempfile.TemporaryDirectory(prefix="train-") as folder:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=f"step-{os.getpid()}",
            max_restarts=0,
            local_addr="localhost",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        try:
            elastic_launch(config, sys.executable)(script, *sys.argv[1:])
        except ChildFailedError as error:
            raise failure(error.failures, processes) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            sys.exit(128 + error.sigval)


def failure(failures: dict, processes: int) -> UserError:
    """The error to report when processes failed.

    It names the process that was killed, if there is one, because that makes the others fail; otherwise the process
    that failed first.

    Args:
        failures: torch's record of each failed process, by rank. Those that torch ended itself (by SIGTERM) may be
            among
            them.
    """

    def order(item: tuple) -> tuple:
        _, record = item
        return record.exitcode == -signal.SIGTERM, record.exitcode > 0, record.timestamp

    rank, cause = min(failures.items(), key=order)
    if cause.exitcode > 0:
        ended, hint = f"with status {cause.exitcode}", "its own error is above"
    else:
        ended, hint = f"by {cause.signal_name()}", "find out whether somebody ended it"
    if cause.exitcode == -signal.SIGKILL:
        hint = (
            "unless somebody killed it, the node ran out of memory: raise mem_mb of the rule (docs/cluster.md), "
            "or of the model in config.yaml"
        )
    problem = f"process {rank + 1} of {processes} ended {ended}, and the others were ended"
    return UserError(problem, f"{hint}; the next run continues from the last checkpoint")


def is_launched() -> bool:
    """Whether a launcher started this process."""
    return LAUNCHER in os.environ


def join() -> None:
    """Prepare a process that was launched: it ends with its launcher, and prints nothing unless it is the first.

    Errors of every process still go to the log.
    """
    # SIGKILL, because a process that waits for another one inside a library handles no other signal.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[LAUNCHER]):  # checked afterwards, because the launcher may have ended before
        sys.exit("the process that started this one has ended")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # ends a process at once; the launcher reports the cause
    if not is_first():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_first() -> bool:
    """Whether this is the launched process that prints and writes."""
    return os.environ["RANK"] == "0"
