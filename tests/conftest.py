"""What all tests share: the library on the path, the repository, and the material that is not shipped."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))
#: Threads that wait would spin and take the cores from other workers' tests; how they wait changes no number.
os.environ.update({"OMP_WAIT_POLICY": "passive"})
os.environ.update(
    {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
)


def pytest_addoption(parser):
    """How often each step of test_kill.py is killed, and what the fuzzers try."""
    parser.addoption("--kills", type=int, default=2, help="kill -9 each step so often (tests/test_kill.py)")
    parser.addoption("--fuzz-examples", type=int, default=200, help="examples of every reader (tests/fuzz)")
    parser.addoption(
        "--fuzz-seed",
        type=int,
        default=None,
        help="other examples than the fixed ones, and a table of them (tests/fuzz)",
    )


#: Workers take these files first, since they take longest.
FIRST = (
    "test_slurm.py", "test_vllm.py", "test_demo.py", "test_workflow.py", "test_apptainer.py", "test_kill.py",
    "test_plan.py", "test_readers.py", "test_bootstrap.py", "test_adding_a_metric.py", "test_extending.py",
)  # fmt: skip
#: The files that need the machine's one Slurm cluster.
CLUSTER = ("test_slurm.py", "test_slurm_unaccounted.py", "test_apptainer.py")


def pytest_collection_modifyitems(items):
    """The files of ``FIRST`` come first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Workers share the tests out by file, so that what a file sets up is set up once; the cluster's are one worker's."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            name = Path(nodeid.split("::")[0]).name
            return "cluster" if name in CLUSTER else name

    return ByFile(config, log)


@contextmanager
def once(tmp_path_factory, name: str):
    """A folder that all workers share, and whether it is yet to be filled; the others wait while one fills it.

    It lies in the folder that `make test-all` gives to both of its halves, else in this session's own.
    """
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    if os.environ.get("FIXTURES"):
        shared = Path(os.environ["FIXTURES"])
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        filled = shared / f"{name}.filled"
        yield shared / name, not filled.exists()
        filled.touch()


#: A program that answers at once for Slurm's; before all others on PATH until a cluster runs.
WITHOUT_CLUSTER = f"{REPOSITORY / 'tests/hpc/without_cluster'}{os.pathsep}"
os.environ["PATH"] = WITHOUT_CLUSTER + os.environ["PATH"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder beside the repository with real ED, the family's prepared files and published predictions.

    The project ships none of it. Where it is missing the tests that need it are skipped, and with CI=true they fail.
    """
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        message = f"{folder} is missing: it holds ED and reference files that this project may not ship"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of a language model with random weights, for what does not depend on what a model says."""
    from tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def step(repository):
    """Run one step's script as a user would; returns the finished process with its output as text."""

    def run(script: str, *flags: object, **kwargs) -> subprocess.CompletedProcess:
        command = [sys.executable, str(repository / "scripts" / script), *map(str, flags)]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, **kwargs)

    return run


BIN = Path(sys.executable).parent
DEMO = ["--configfile", "config/demo.yaml"]
SMALL = [*DEMO, "tests/small.yaml"]


class Checkout:
    """A copy of the repository's tracked and new files, as a fresh clone holds them, with this environment."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in (
            subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode().split("\0")
        ):
            if name and (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)
        (folder / ".venv").symlink_to(Path(sys.prefix))

    @classmethod
    def found(cls, folder: Path) -> Checkout:
        """A checkout that is there already."""
        checkout = cls.__new__(cls)
        checkout.folder = folder
        return checkout

    def snakemake(self, *words: object, **kwargs) -> subprocess.CompletedProcess:
        """Run Snakemake here to its end."""
        return self.run(BIN / "snakemake", *words, **kwargs)

    def run(self, *words: object, **kwargs) -> subprocess.CompletedProcess:
        """Run any command here to its end."""
        return subprocess.run(
            list(map(str, words)), cwd=self.folder, capture_output=True, text=True, timeout=1800, **kwargs
        )

    def made(self, run: str) -> dict[str, bytes]:
        """Every file of a run that another run must repeat byte for byte.

        Logs, times, the configuration, and what was checked on this machine are each run's own.
        """
        from synth_empathy.execution.run_diff import files_of

        return {name: path.read_bytes() for name, path in files_of(self.folder / "results" / run).items()}

    def files(self) -> set[str]:
        """Every file but Snakemake's own notes and Python's caches."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if not path.is_dir())
        return {
            str(path)
            for path in found
            if path.parts[0] not in (".snakemake", ".venv") and "__pycache__" not in path.parts
        }


def jobs_of(checkout: Checkout, *words: object) -> Iterator[list[list[str]]]:
    """The inputs and the outputs of every job that a dry-run plans."""
    done = checkout.snakemake("-n", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    for job in re.split(r"(?m)^(?:local)?rule ", done.stdout)[1:]:
        found = (re.search(rf"(?m)^    {kind}: (.*)$", job) for kind in ("input", "output"))
        yield [match[1].split(", ") if match else [] for match in found]


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout to run Snakemake in."""
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Checkout:
    """A fresh checkout in which the demo cut down has run, undisturbed: every table and figure, the claims and the archive.

    Its language models are tiny and talk by construction; test_demo.py runs the demo's own model once.
    """
    from tiny import make_talking_model

    with once(tmp_path_factory, "small") as (folder, empty):
        if not empty:
            return Checkout.found(folder)
        checkout = Checkout(folder)
        for name in ("smollm2-135m", "smollm2-135m-full"):
            make_talking_model(folder / "models" / name, name)
        done = checkout.snakemake("--cores", "2", *SMALL, "--", "all", "archive")
        assert done.returncode == 0, done.stdout + done.stderr
        return checkout


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running cluster with accounting; `hidden` is a folder that its node lost1 does not see."""
    from hpc.slurm import Cluster, lacking

    os.environ["PATH"] = os.environ["PATH"].replace(WITHOUT_CLUSTER, "")
    if lacking():
        message = f"for a Slurm cluster this machine lacks {', '.join(lacking())} (tests/hpc/install.sh installs it)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "hidden").mkdir()
    cluster = Cluster(folder / "cluster", accounting=True, hidden=folder / "hidden")
    try:
        yield cluster.start()
    finally:
        cluster.stop()
