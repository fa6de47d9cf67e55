"""One step as several processes of one node: started together, ended together, heard as one.

torch's elastic launcher starts them (on this node alone, on ports that the system picks), tells each its rank, and ends
the others when one fails. What it leaves open is closed here: processes that outlive a killed launcher, an error that is
only a traceback of the launcher's, and four processes that all print the same.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import tempfile

from ..core.errors import UserError

#: Set by the launcher, to its own process id, for the processes that it starts.
LAUNCHER = "SYNTH_EMPATHY_LAUNCHER"
#: prctl's option that names the signal which a process gets when its parent ends (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def threads_each(threads: int, processes: int) -> int:
    """CPU threads of each process, of those that the step has."""
    return max(1, threads // processes)


def launch(script: str, processes: int, threads: int) -> None:
    """Run a script with this process's own flags as so many processes, to the end of all of them.

    Args:
        threads: CPU threads of them all.

    Raises:
        UserError: one of them failed; the others were ended.
        KeyboardInterrupt: interrupted; all were ended. After another signal the exit status is 128 and its number.
    """
    os.environ |= {
        LAUNCHER: str(os.getpid()),
        "OMP_NUM_THREADS": str(
            threads_each(threads, processes)
        ),  # where it is unset, accelerate takes what cores there are
    }
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all of them are on this node
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").handlers = [
        logging.NullHandler()
    ]  # it would say at length what is said here
    with tempfile.TemporaryDirectory(prefix="train-") as folder:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=f"step-{os.getpid()}", max_restarts=0, local_addr="localhost",
            rdzv_backend="c10d", rdzv_endpoint="localhost:0", logs_specs=DefaultLogsSpecs(log_dir=folder),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)(script, *sys.argv[1:])
        except ChildFailedError as error:
            raise failure(error.failures, processes) from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            sys.exit(128 + error.sigval)


def failure(failures: dict, processes: int) -> UserError:
    """What is said when processes failed: of the one that was killed, if one was, since that fails others; of the first, if not.

    Args:
        failures: torch's account of each process that failed, by rank; those that it ended itself, by SIGTERM, may be among them.
    """
    rank, cause = min(
        failures.items(),
        key=lambda item: (item[1].exitcode == -signal.SIGTERM, item[1].exitcode > 0, item[1].timestamp),
    )
    if cause.exitcode > 0:
        ended, hint = f"with status {cause.exitcode}", "its own error stands above"
    else:
        ended, hint = f"by {cause.signal_name()}", "see whether somebody ended it"
    if cause.exitcode == -signal.SIGKILL:
        hint = "if nobody killed it, the node's memory ran out: raise mem_mb of the rule (docs/cluster.md), or of the model in config.yaml"
    problem = f"process {rank + 1} of {processes} ended {ended}, and the others were ended"
    return UserError(problem, f"{hint}; the next run goes on from the last checkpoint")


def joined() -> bool:
    """Whether this process is one of several; if so it ends with its launcher, and all but the first print nothing.

    Errors still go to the log, whichever process has them.
    """
    if LAUNCHER not in os.environ:
        return False
    # Checked behind it: the launcher may have ended before. Killed outright, since a process that waits for another one
    # inside a library's call handles no signal.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[LAUNCHER]):
        sys.exit("the process that started this one has ended")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # the launcher says what ended them, and a signal ends a process at once
    if not first():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def first() -> bool:
    """Whether this process is the one that prints and writes: the first of several, or the only one."""
    return LAUNCHER not in os.environ or os.environ["RANK"] == "0"
