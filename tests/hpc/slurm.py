"""A Slurm cluster on this machine: its own daemons, several nodes, simulated GPUs, with or without accounting.

Every node is a separate slurmd on one host. A GPU is a null device: Slurm counts it and sets CUDA_VISIBLE_DEVICES.
The cluster cannot show memory kills (no cgroups), real GPUs, or the failure of a node.
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
#: All files that the tests write there. A file that somebody else wrote means a real cluster, which is left alone.
FILES = ("slurm.conf", "slurmdbd.conf", "gres.conf", "cgroup.conf")
DAEMONS = ("slurmctld", "slurmd", "slurmdbd")

#: name: (partition, GPUs). `lost1` does not see the hidden folder.
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
    """What this machine lacks for its own cluster; empty when nothing."""
    programs = ["slurmctld", "slurmd", "slurmdbd", "sbatch", "munged", "mariadbd", "mariadb-install-db", "unshare"]
    absent = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0:
        absent.append("root")
    foreign = [ETC / name for name in FILES if (ETC / name).exists() and not ours(ETC / name)]
    absent += [f"an {path} that is not somebody else's" for path in foreign]
    if not ours(ETC / "slurm.conf") and any(map(running, DAEMONS)):
        absent.append("room: another Slurm runs here")
    return absent


def ours(path: Path) -> bool:
    """Whether the tests wrote a file of /etc/slurm."""
    return path.exists() and path.read_text().startswith(MARK)


def running(name: str) -> bool:
    """Whether any process on this machine has that name."""
    return any(comm_of(process) == name for process in Path("/proc").glob("[0-9]*"))


def comm_of(process: Path) -> str:
    """A process's name; empty if it has ended."""
    try:
        return process.joinpath("comm").read_text().strip()
    except OSError:
        return ""


def wait_for(ready, what: str, limit: float = 60) -> None:
    """Poll until ``ready()``, but not longer than ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not within {limit:.0f} s")
        time.sleep(0.1)


def succeeds(*command: object) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(list(map(str, command)), capture_output=True, timeout=30).returncode == 0


def nodes_are_idle() -> bool:
    """Whether every node waits for jobs."""
    done = subprocess.run(["sinfo", "-hNo", "%t"], capture_output=True, text=True)
    return done.stdout.split().count("idle") == len(NODES)


class Cluster:
    """A cluster between ``start`` and ``stop``; commands such as sacct then work anywhere on this machine.

    Args:
        folder: for state, logs and pid files.
        accounting: whether Slurm accounts jobs (then sacct works) or not (then only squeue does).
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
        wait_for(nodes_are_idle, "idle nodes")
        return self

    def name_host(self) -> None:
        """Make this host's name known, because Slurm resolves it."""
        hosts = Path("/etc/hosts")
        if self.host not in hosts.read_text().split():
            with hosts.open("a") as file:
                file.write(f"127.0.0.1 {self.host}\n")

    def start_munge(self) -> None:
        """Start munged at its default socket, for all daemons, unless it already runs."""
        subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", "/run/munge"], check=True)
        if not succeeds("munge", "-n"):
            as_munge = ["setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", "--"]
            subprocess.run([*as_munge, "munged"], check=True, timeout=30)
        wait_for(lambda: succeeds("munge", "-n"), "munge")

    def write_configuration(self) -> None:
        """Write the configuration into /etc/slurm, the only place where the srun inside a job looks."""
        nodes = []
        for number, (name, (_, gpus)) in enumerate(NODES.items()):
            gres = f"Gres=gpu:h100:{gpus}" if gpus else ""
            address = f"NodeHostname={self.host} NodeAddr=127.0.0.1 Port={PORT + 10 + number}"
            nodes.append(f"NodeName={name} {address} CPUs=8 RealMemory=128000 {gres} State=UNKNOWN")
        ETC.mkdir(exist_ok=True)
        settings = "\n".join(f"{name}={value}" for name, value in self.settings.items())
        accounting = "AccountingStorageType=accounting_storage/none"
        if self.accounting:
            accounting = ACCOUNTING.format(port=PORT + 1)
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
        gres = f"NodeName=gpu[1-2] Name=gpu Type=h100 File={self.folder}/dev/gpu[0-1]"
        (ETC / "gres.conf").write_text(f"{MARK}\n{gres}\n")

    def start_accounting(self) -> None:
        """Start a database on a socket and slurmdbd, and add one account."""
        socket_file = self.start_database()
        conf = ETC / "slurmdbd.conf"
        conf.write_text(DBD.format(mark=MARK, host=self.host, port=PORT + 1, folder=self.folder))
        conf.chmod(0o600)
        environment = os.environ | {"MYSQL_UNIX_PORT": str(socket_file)}  # its configuration cannot name a socket
        subprocess.run(["slurmdbd"], check=True, timeout=30, env=environment)
        wait_for(lambda: succeeds("sacctmgr", "-n", "show", "cluster"), "slurmdbd")
        succeeds("sacctmgr", "-i", "add", "cluster", "tests")
        succeeds("sacctmgr", "-i", "add", "account", ACCOUNT, "Description=tests", "Organization=tests")
        succeeds("sacctmgr", "-i", "add", "user", "root", f"Account={ACCOUNT}")

    def start_database(self) -> Path:
        """Start MariaDB on a socket, with its tables created at the first start; returns the socket.

        It runs as root, because another user could not reach its folder, which is below one of root's.
        """
        base = self.folder / "mysql"
        socket_file = base / "s.sock"
        common = ["--no-defaults", "--user=root", f"--datadir={base}/data"]
        new = not (base / "data").exists()
        if new:
            command = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        place = [f"--socket={socket_file}", f"--pid-file={base}/mariadbd.pid", f"--log-error={base}/err.log"]
        limits = ["--skip-networking", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"]
        streams = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)
        subprocess.Popen(["mariadbd", *common, *place, *limits], start_new_session=True, **streams)
        wait_for(lambda: succeeds("mariadb-admin", "--no-defaults", "-S", socket_file, "ping"), "the database")
        if new:
            make = "CREATE DATABASE slurm_acct_db; CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';"
            grant = "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';"
            client = ["mariadb", "--no-defaults", "-S", str(socket_file)]
            subprocess.run([*client, "-e", make + grant], check=True, timeout=30)
        return socket_file

    def start_node(self, node: str) -> None:
        """Start one slurmd; `lost1` runs in its own mount namespace, in which the hidden folder is empty."""
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        command = ["slurmd", "-N", node]
        if node == "lost1":
            hide = f"mount -t tmpfs none '{self.hidden}'"
            command = ["unshare", "--mount", "sh", "-c", f"{hide} && exec slurmd -N {node}"]
        subprocess.run(command, check=True, timeout=30)

    def reconfigure(self, **settings: str) -> None:
        """Change settings of slurm.conf while the cluster runs."""
        self.settings |= settings
        self.write_configuration()
        subprocess.run(["scontrol", "reconfigure"], check=True, timeout=30)

    def stop(self) -> None:
        """Stop every daemon by its pid, and remove the configuration."""
        end_jobs()
        end_daemons(self.folder)

    def jobs(self, *fields: str, name: str | None = None) -> list[dict[str, str]]:
        """sacct's records of the jobs since the cluster started, oldest first; a requeued job has one per run."""
        command = ["sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--starttime=now-1day"]
        command += [f"--format={','.join(fields)}", *([f"--name={name}"] if name else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return [dict(zip(fields, line.split("|"), strict=True)) for line in done.stdout.splitlines()]


def clear_leftovers() -> None:
    """Stop the cluster of tests that were killed; its configuration is ours, and names the folder of its pid files."""
    conf = ETC / "slurm.conf"
    if ours(conf):
        [line] = [line for line in conf.read_text().splitlines() if line.startswith("StateSaveLocation=")]
        end_jobs()
        end_daemons(Path(line.partition("=")[2]).parent)


def end_jobs() -> None:
    """Cancel every job and wait until its processes have ended: without their slurmd they would run forever."""
    if succeeds("scancel", "--user=root", "--signal=KILL", "--full") and succeeds("scancel", "--user=root"):
        wait_for(queue_is_empty, "the end of all jobs")


def queue_is_empty() -> bool:
    """Whether no job waits or runs."""
    return not subprocess.run(["squeue", "-h"], capture_output=True, timeout=30).stdout.strip()


def end_daemons(folder: Path) -> None:
    """Stop the daemons that a cluster's pid files name, and remove its configuration."""
    for name in [*(f"run/slurmd-{node}" for node in NODES), "run/slurmctld", "run/slurmdbd", "mysql/mariadbd"]:
        end(folder / f"{name}.pid")
    for name in FILES:
        if ours(ETC / name):
            (ETC / name).unlink()


def end(pid_file: Path) -> None:
    """Stop a daemon by its pid file, and wait until it has ended."""
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
    """Whether a process has ended; a child of this process is reaped, or it would stay listed."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not Path(f"/proc/{pid}").exists()
