"""Builds a real image for tests without a registry, on a Debian base made from its packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
#: Packages that the Dockerfile needs in a base, in addition to those that Debian calls required.
PACKAGES = "ca-certificates,python3,python3-venv"
#: Like the images that this base replaces: licences, but no manuals and translations.
SLIM = [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
]


def debian_base(folder: Path, packages: str = PACKAGES) -> Path:
    """A tar of Debian bookworm's root file system with Python 3.11, to replace the Dockerfile's base."""
    tar = folder / "base.tar"
    if not tar.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = tar.with_name("base.partial.tar")
        options = [f"--dpkgopt={option}" for option in (*SLIM, "force-unsafe-io")]
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", *options]
        command += ["bookworm", str(partial)]
        subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": "0"})
        partial.rename(tar)
    return tar


def build_metrics_image(folder: Path) -> Path:
    """Build metrics-cpu from its Dockerfile; returns the folder with ``metrics-cpu.sif``.

    Needs root, and mmdebstrap, buildah and apptainer on PATH (tests/hpc/install.sh installs them).
    """
    images = folder / "images"
    command = [sys.executable, str(REPOSITORY / "containers/build"), "--output", str(images), "--image", "metrics-cpu"]
    subprocess.run([*command, "--base", str(debian_base(folder)), "--work", str(folder / "work")], check=True)
    return images
