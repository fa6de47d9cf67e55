"""What all tests share: the library on the path, the repository, and reference material that is not shipped."""

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
#: Waiting threads must not spin, which would take the cores from other workers' tests. It changes no result.
os.environ.update({"OMP_WAIT_POLICY": "passive"})
os.environ.update(
    {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
)


def pytest_addoption(parser):
    """Options: how often test_kill.py kills each step, and the number and the seed of the fuzzers' examples."""
    parser.addoption(
        "--kills", type=int, default=2, help="how often each step is killed by kill -9 (tests/test_kill.py)"
    )
    parser.addoption("--fuzz-examples", type=int, default=200, help="examples of every reader (tests/fuzz)")
    fuzz_seed = "use other examples than the fixed ones, and print a table of them (tests/fuzz)"
    parser.addoption("--fuzz-seed", type=int, default=None, help=fuzz_seed)


#: The files that take longest, which workers take first.
FIRST = (
    "test_slurm.py", "test_vllm.py", "test_demo.py", "test_workflow.py", "test_apptainer.py", "test_kill.py",
    "test_plan.py", "test_readers.py", "test_bootstrap.py", "test_adding_a_metric.py", "test_extending.py",
)  # fmt: skip
#: The files that need the machine's one Slurm cluster.
CLUSTER = ("test_slurm.py", "test_slurm_unaccounted.py", "test_apptainer.py")


def pytest_collection_modifyitems(items):
    """Put the files of ``FIRST`` first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Distribute tests by file, so that each file's setup runs once; one worker has the cluster's files."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            name = Path(nodeid.split("::")[0]).name
            return "cluster" if name in CLUSTER else name

    return ByFile(config, log)


@contextmanager
def once(tmp_path_factory, name: str):
    """A folder that all workers share, and whether it is still empty; other workers wait while one fills it.

    It lies in the folder that `make test-all` gives to both of its halves, else in this session's own.
    """
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    if os.environ.get("FIXTURES"):
        base = Path(os.environ["FIXTURES"])
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        filled = base / f"{name}.filled"
        yield base / name, not filled.exists()
        filled.touch()


#: Programs that answer at once in place of Slurm's; first on PATH until a cluster runs.
WITHOUT_CLUSTER = f"{REPOSITORY / 'tests/hpc/without_cluster'}{os.pathsep}"
os.environ["PATH"] = WITHOUT_CLUSTER + os.environ["PATH"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder next to the repository with real ED, the MoEL/EmpDG preprocessing's files, and published predictions.

    The project ships none of it. Without it, the tests that need it are skipped; with CI=true they fail.
    """
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        message = f"{folder} is missing: it holds ED and reference files that this project may not ship"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of a language model with random weights, for tests in which any text will do."""
    from tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def step(repository):
    """A function that runs a step's script as a user would; it returns the process with its output as text."""

    def run(script: str, *flags: object, **kwargs) -> subprocess.CompletedProcess:
        command = [sys.executable, str(repository / "scripts" / script), *map(str, flags)]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, **kwargs)

    return run


BIN = Path(sys.executable).parent
DEMO = ["--configfile", "config/demo.yaml"]
SMALL = [*DEMO, "tests/small.yaml"]


class Checkout:
    """A copy of the repository's tracked and new files, as in a fresh clone, with this environment."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode().split("\0")
        for name in names:
            if name and (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)
        (folder / ".venv").symlink_to(Path(sys.prefix))

    @classmethod
    def found(cls, folder: Path) -> Checkout:
        """A checkout that exists already."""
        checkout = cls.__new__(cls)
        checkout.folder = folder
        return checkout

    def snakemake(self, *words: object, **kwargs) -> subprocess.CompletedProcess:
        """Run Snakemake here, and wait for it."""
        return self.run(BIN / "snakemake", *words, **kwargs)

    def run(self, *words: object, **kwargs) -> subprocess.CompletedProcess:
        """Run any command here, and wait for it."""
        command = list(map(str, words))
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=1800, **kwargs)

    def made(self, run: str) -> dict[str, bytes]:
        """Every file of a run that another run must repeat byte for byte.

        Logs, times, the configuration, and this machine's checks of models differ between runs.
        """
        from synth_empathy.execution.run_diff import files_of

        return {name: path.read_bytes() for name, path in files_of(self.folder / "results" / run).items()}

    def files(self) -> set[str]:
        """Every file except Snakemake's own and Python's caches."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*") if not path.is_dir()]
        own = [path for path in paths if path.parts[0] not in (".snakemake", ".venv")]
        return {str(path) for path in own if "__pycache__" not in path.parts}


def jobs_of(checkout: Checkout, *words: object) -> Iterator[list[list[str]]]:
    """The inputs and the outputs of every job that a dry-run plans."""
    done = checkout.snakemake("-n", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    for job in re.split(r"(?m)^(?:local)?rule ", done.stdout)[1:]:
        matches = [re.search(rf"(?m)^    {kind}: (.*)$", job) for kind in ("input", "output")]
        yield [match[1].split(", ") if match else [] for match in matches]


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh checkout to run Snakemake in."""
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Checkout:
    """A fresh checkout in which a small demo has run to its end: every table and figure, the claims and the archive.

    Its language models are tiny, and made to write dialogues; test_demo.py runs the demo's own model once.
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
    """A running cluster with accounting; its node lost1 does not see the folder `hidden`."""
    from hpc.slurm import Cluster, lacking

    os.environ["PATH"] = os.environ["PATH"].replace(WITHOUT_CLUSTER, "")
    if lacking():
        message = f"this machine lacks {', '.join(lacking())} for a Slurm cluster (tests/hpc/install.sh installs it)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "hidden").mkdir()
    cluster = Cluster(folder / "cluster", accounting=True, hidden=folder / "hidden")
    try:
        yield cluster.start()
    finally:
        cluster.stop()
