"""A Slurm cluster on this machine's loopback: its own daemons, several nodes, simulated GPUs, with or without accounting.

Every node is a slurmd of its own on one host. A GPU is a null device: Slurm counts it and sets CUDA_VISIBLE_DEVICES.
What it cannot show: memory kills (no cgroups), real GPUs, the failure of a node.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

MARK = "# made by tests/hpc/slurm.py; may be replaced"
ETC = Path("/etc/slurm")
#: All that the tests write there. One that somebody else wrote means a real cluster's node, which is left alone.
FILES = ("slurm.conf", "slurmdbd.conf", "gres.conf", "cgroup.conf")
DAEMONS = ("slurmctld", "slurmd", "slurmdbd")

#: name: (partition, GPUs). `lost1` does not see the folder that is given as hidden.
NODES = {"cpu1": ("cpu", 0), "cpu2": ("cpu", 0), "gpu1": ("gpu", 2), "gpu2": ("gpu", 2), "lost1": ("lost", 0)}
ACCOUNT = "empathy"
PORT = 26900

CONF = """{mark}
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=cred_expire=3
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
KillWait=2
{settings}
SlurmctldParameters=node_reg_mem_percent=1
SlurmdParameters=config_overrides
GresTypes=gpu
{accounting}
{nodes}
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=2880 State=UP
PartitionName=gpu Nodes=gpu[1-2] MaxTime=2880 State=UP
PartitionName=lost Nodes=lost1 MaxTime=2880 State=UP
"""

ACCOUNTING = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment"""

DBD = """{mark}
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
AuthType=auth/munge
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
CommunicationParameters=NoInAddrAny
"""


def lacking() -> list[str]:
    """What this machine lacks for a cluster of its own; empty when nothing."""
    programs = ["slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd", "mariadb-install-db", "unshare"]
    found = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0:
        found.append("root")
    found += [
        f"an {ETC / name} that is not somebody else's"
        for name in FILES
        if (ETC / name).exists() and not ours(ETC / name)
    ]
    if not ours(ETC / "slurm.conf") and any(map(running, DAEMONS)):
        found.append("room: another Slurm runs here")
    return found


def ours(path: Path) -> bool:
    """Whether the tests wrote a file of /etc/slurm."""
    return path.exists() and path.read_text().startswith(MARK)


def running(name: str) -> bool:
    """Whether any process here has that name."""
    return any(comm_of(process) == name for process in Path("/proc").glob("[0-9]*"))


def comm_of(process: Path) -> str:
    """A process's name; empty when it is gone meanwhile."""
    try:
        return process.joinpath("comm").read_text().strip()
    except OSError:
        return ""


def wait_for(ready, what: str, limit: float = 60) -> None:
    """Poll until ``ready()``; a broken start must not hang the tests."""
    deadline = time.monotonic() + limit
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not within {limit:.0f} s")
        time.sleep(0.1)


def quiet(*command: object) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(list(map(str, command)), capture_output=True, timeout=30).returncode == 0


class Cluster:
    """Start with ``start``, stop with ``stop``; commands such as sacct then work from anywhere.

    Args:
        folder: for state, logs and pid files.
        accounting: whether jobs are accounted (sacct works) or not (only squeue does).
        hidden: a folder that the node ``lost1`` does not see.
    """

    def __init__(self, folder: Path, accounting: bool, hidden: Path):
        self.folder, self.accounting, self.hidden = folder, accounting, hidden
        self.settings = {"MinJobAge": "3600"}
        self.host = socket.gethostname().split(".")[0]

    def start(self) -> Cluster:
        clear_leftovers()
        for name in ("log", "run", "state", "spool", "mysql", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.name_host()
        self.start_munge()
        self.write_configuration()
        if self.accounting:
            self.start_accounting()
        subprocess.run(["slurmctld"], check=True, timeout=30)
        for node in NODES:
            self.start_node(node)
        wait_for(
            lambda: (
                subprocess.run(["sinfo", "-hNo", "%t"], capture_output=True, text=True).stdout.split().count("idle")
                == len(NODES)
            ),
            "idle nodes",
        )
        return self

    def name_host(self) -> None:
        """Slurm looks its own host's name up."""
        hosts = Path("/etc/hosts")
        if self.host not in hosts.read_text().split():
            with hosts.open("a") as file:
                file.write(f"127.0.0.1 {self.host}\n")

    def start_munge(self) -> None:
        """One munged at its default socket serves every daemon; one that runs already is used."""
        subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", "/run/munge"], check=True)
        if not quiet("munge", "-n"):
            subprocess.run(
                ["setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", "--", "munged"],
                check=True,
                timeout=30,
            )
        wait_for(lambda: quiet("munge", "-n"), "munge")

    def write_configuration(self) -> None:
        """In /etc/slurm: the srun inside a job looks nowhere else."""
        nodes = []
        for number, (name, (_, gpus)) in enumerate(NODES.items()):
            gres = f"Gres=gpu:h100:{gpus}" if gpus else ""
            nodes.append(
                f"NodeName={name} NodeHostname={self.host} NodeAddr=127.0.0.1 Port={PORT + 10 + number} CPUs=8 RealMemory=128000 {gres} State=UNKNOWN"
            )
        ETC.mkdir(exist_ok=True)
        settings = "\n".join(f"{name}={value}" for name, value in self.settings.items())
        accounting = (
            ACCOUNTING.format(port=PORT + 1) if self.accounting else "AccountingStorageType=accounting_storage/none"
        )
        conf = CONF.format(
            mark=MARK,
            host=self.host,
            port=PORT,
            folder=self.folder,
            accounting=accounting,
            settings=settings,
            nodes="\n".join(nodes),
        )
        (ETC / "slurm.conf").write_text(conf)
        (ETC / "cgroup.conf").write_text(f"{MARK}\nConstrainCores=no\n")
        devices = [self.folder / "dev" / f"gpu{number}" for number in range(2)]
        for device in devices:
            device.exists() or os.mknod(device, 0o020666, os.makedev(1, 3))
        (ETC / "gres.conf").write_text(
            f"{MARK}\nNodeName=gpu[1-2] Name=gpu Type=h100 File={self.folder}/dev/gpu[0-1]\n"
        )

    def start_accounting(self) -> None:
        """A database on a socket, slurmdbd before it, and one account in it."""
        socket_file = self.start_database()
        conf = ETC / "slurmdbd.conf"
        conf.write_text(DBD.format(mark=MARK, host=self.host, port=PORT + 1, folder=self.folder))
        conf.chmod(0o600)
        place = os.environ | {"MYSQL_UNIX_PORT": str(socket_file)}  # its configuration cannot name a socket
        subprocess.run(["slurmdbd"], check=True, timeout=30, env=place)
        wait_for(lambda: quiet("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
        for words in (
            ["cluster", "tests"],
            ["account", ACCOUNT, "Description=tests", "Organization=tests"],
            ["user", "root", f"Account={ACCOUNT}"],
        ):
            quiet("sacctmgr", "-i", "add", *words)

    def start_database(self) -> Path:
        """MariaDB on a socket alone, made at the first start; returns the socket.

        It stays root: another user could not reach its folder, which lies below one of root's own.
        """
        base = self.folder / "mysql"
        socket_file = base / "s.sock"
        common = ["--no-defaults", "--user=root", f"--datadir={base}/data"]
        new = not (base / "data").exists()
        if new:
            words = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
            subprocess.run(words, check=True, capture_output=True, timeout=60)
        subprocess.Popen(
            ["mariadbd", *common, f"--socket={socket_file}", "--skip-networking", f"--pid-file={base}/mariadbd.pid",
             "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", f"--log-error={base}/err.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_for(lambda: quiet("mariadb-admin", "--no-defaults", "-S", socket_file, "ping"), "the database")
        if new:
            make = "CREATE DATABASE slurm_acct_db; CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';"
            grant = "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';"
            subprocess.run(
                ["mariadb", "--no-defaults", "-S", str(socket_file), "-e", make + grant], check=True, timeout=30
            )
        return socket_file

    def start_node(self, node: str) -> None:
        """One slurmd; `lost1` in a mount namespace of its own where the hidden folder is empty."""
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        command = ["slurmd", "-N", node]
        if node == "lost1":
            command = [
                "unshare",
                "--mount",
                "sh",
                "-c",
                f"mount -t tmpfs none '{self.hidden}' && exec slurmd -N {node}",
            ]
        subprocess.run(command, check=True, timeout=30)

    def reconfigure(self, **settings: str) -> None:
        """Change settings of slurm.conf while the cluster runs."""
        self.settings |= settings
        self.write_configuration()
        subprocess.run(["scontrol", "reconfigure"], check=True, timeout=30)

    def stop(self) -> None:
        """End every daemon by its pid, and take the configuration away."""
        end_jobs()
        end_daemons(self.folder)

    def jobs(self, *fields: str, name: str | None = None) -> list[dict[str, str]]:
        """What sacct knows of the jobs since the cluster started, oldest first, requeued runs of a job apart."""
        words = [
            "sacct",
            "--noheader",
            "--parsable2",
            "--allocations",
            "--duplicates",
            "--starttime=now-1day",
            f"--format={','.join(fields)}",
        ]
        done = subprocess.run(
            [*words, *([f"--name={name}"] if name else [])], capture_output=True, text=True, check=True, timeout=30
        )
        return [dict(zip(fields, line.split("|"), strict=True)) for line in done.stdout.splitlines()]


def clear_leftovers() -> None:
    """Stop the cluster of tests that were killed: its configuration is ours, and says where its pid files are."""
    conf = ETC / "slurm.conf"
    if ours(conf):
        [line] = [line for line in conf.read_text().splitlines() if line.startswith("StateSaveLocation=")]
        end_jobs()
        end_daemons(Path(line.partition("=")[2]).parent)


def end_jobs() -> None:
    """Cancel every job and wait until its processes are gone: without their slurmd they would go on for ever."""
    if quiet("scancel", "--user=root", "--signal=KILL", "--full") and quiet("scancel", "--user=root"):
        wait_for(
            lambda: not subprocess.run(["squeue", "-h"], capture_output=True, timeout=30).stdout.strip(),
            "the end of all jobs",
        )


def end_daemons(folder: Path) -> None:
    """Stop what a cluster's pid files name, and take its configuration away."""
    for name in [*(f"run/slurmd-{node}" for node in NODES), "run/slurmctld", "run/slurmdbd", "mysql/mariadbd"]:
        end(folder / f"{name}.pid")
    for name in FILES:
        if ours(ETC / name):
            (ETC / name).unlink()


def end(pid_file: Path) -> None:
    """Stop a daemon by its pid file, and wait until it is gone."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sent)
            wait_for(lambda: gone(pid), f"the end of process {pid}", 20)
        except ProcessLookupError:
            pass
        except TimeoutError:
            continue
        break
    pid_file.unlink(missing_ok=True)


def gone(pid: int) -> bool:
    """Whether a process has ended; one of our own is taken leave of, or it would stay listed."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not Path(f"/proc/{pid}").exists()
