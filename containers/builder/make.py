"""Makes one image: builds it, reads its contents, converts it into a SIF, and records what it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth_empathy.core.errors import UserError
from synth_empathy.core.json_files import write_json
from synth_empathy.core.provenance import sha256_file

from . import ROOT, catalogue, oci, sbom
from .log import Log
from .machine import Machine


@dataclass(frozen=True)
class Builder:
    """How images are built on this machine.

    Args:
        output: the folder for the finished files.
        work: a folder on a local disk for wheels, which stay, and for buildah's storage, which is removed after each
            image.
        machine: pip's settings.
        base: replaces the Dockerfile's base: a tar of a root file system, or an image to pull; None keeps the
            Dockerfile's own.
        isolation, storage_driver: buildah's; None lets it choose.
        sif: whether to make SIFs; otherwise OCI archives are the result.
        keep_oci: whether to keep the OCI archive beside the SIF.
    """

    output: Path
    work: Path
    machine: Machine = field(default_factory=Machine)
    base: str | None = None
    isolation: str | None = None
    storage_driver: str | None = None
    sif: bool = True
    keep_oci: bool = False

    @property
    def storage(self) -> Path:
        """The folder in which buildah keeps layers while this process builds."""
        return self.work / f"storage-{os.getpid()}"

    @property
    def temporary(self) -> Path:
        """The folder for large temporary files; buildah also keeps the Dockerfile's cache of wheels in it."""
        return self.work / "tmp"

    def environment(self) -> dict[str, str]:
        """The commands' environment, which makes them write only below ``work``."""
        chosen = {"BUILDAH_ISOLATION": self.isolation, "STORAGE_DRIVER": self.storage_driver}
        folders = {
            "TMPDIR": self.temporary,
            "APPTAINER_TMPDIR": self.temporary,
            "APPTAINER_CACHEDIR": self.work / "apptainer",
        }
        chosen = {name: value for name, value in chosen.items() if value}
        return os.environ | chosen | {name: str(path) for name, path in folders.items()}

    def buildah(self, *words: str) -> list[str]:
        """A buildah command that uses this build's own storage."""
        return ["buildah", "--root", str(self.storage / "root"), "--runroot", str(self.storage / "run"), *words]


@dataclass(frozen=True)
class Target:
    """An image to be made, and its unfinished files.

    Args:
        name: its name in the catalogue.
        source: the state of the repository that it is made from.
        archive: its OCI archive, while it is unfinished.
        sif: its SIF, while it is unfinished; None if only the archive is made.
    """

    name: str
    source: catalogue.Source
    archive: Path
    sif: Path | None

    @property
    def image(self) -> catalogue.Image:
        """Its entry in the catalogue."""
        return catalogue.ALL[self.name]


def check_tools(sif: bool) -> None:
    """Refuse to start without the programs that are needed.

    Raises:
        UserError: one of them is not on PATH.
    """
    if not shutil.which("buildah"):
        hint = "install it (Debian: apt-get install buildah), or build with docker (containers/README.md)"
        raise UserError("there is no buildah on PATH", hint)
    if sif and not shutil.which("apptainer"):
        hint = "install it (https://apptainer.org), or give --no-sif to make only OCI archives"
        raise UserError("there is no apptainer on PATH", hint)


def make(builder: Builder, name: str) -> dict[str, Any]:
    """Build one image into the output folder; returns the content of ``{name}.json``.

    Raises:
        UserError: a step failed; the files with the final names are as before.
    """
    for folder in (builder.output, builder.temporary):
        folder.mkdir(parents=True, exist_ok=True)
    target = Target(
        name,
        catalogue.source(catalogue.ALL[name]),
        archive=builder.output / f".{name}.oci.tar",
        sif=builder.output / f".{name}.sif" if builder.sif else None,
    )
    log = Log(name, builder.output / f"{name}.log")
    try:
        with log.step("build", f"installing {', '.join(target.image.lock_paths())}"):
            base = build(builder, target, log)
        with log.step("read", "reading the image: digest, sizes, software"):
            contents = oci.read_archive(target.archive, sbom.wanted)
        if target.sif:
            with log.step("sif", "making the SIF"):
                log.run(convert(target.archive, target.sif), builder.environment())
        record = describe(target, contents, base, log)
        keep(builder, target)
        write_json(builder.output / f"{name}.sbom.json", sbom.bill(name, contents))
        write_json(builder.output / f"{name}.json", record)
    finally:
        for path in filter(None, (target.archive, target.sif)):
            path.unlink(missing_ok=True)
    return record


def build(builder: Builder, target: Target, log: Log) -> str:
    """Build an image into an OCI archive and remove buildah's storage; returns the name of the base."""
    secrets = builder.storage / "secrets"
    secrets.mkdir(parents=True)
    try:
        base = import_base(builder, log) or target.image.base
        pip_conf = secrets / "pip.conf"
        pip_conf.write_text(builder.machine.pip_conf())
        log.run(build_command(builder, target, base, pip_conf), builder.environment())
    finally:
        clean(builder)
    return base or dockerfile_base((ROOT / catalogue.DOCKERFILE).read_text())


def build_command(builder: Builder, target: Target, base: str | None, pip_conf: Path) -> list[str]:
    """The command that builds an image. With timestamps of 0, the same locks and base give the same digest."""
    image, machine = target.image, builder.machine
    hashes = catalogue.lock_hashes(image).items()
    arguments = {
        "IMAGE": target.name,
        "LOCKS": " ".join(image.locks),
        "DEBIAN": " ".join(image.debian),
        "LOCK_HASHES": " ".join(f"{Path(path).name}=sha256:{sha256}" for path, sha256 in hashes),
        "REVISION": target.source.label,
    }
    if base:
        arguments["BASE"] = base
    command = ["build", "--quiet", "--timestamp", "0", "--disable-compression=false"]
    command += ["--secret", f"id=pipconf,src={pip_conf}"]
    if machine.certificates:
        command += ["--secret", f"id=certificates,src={machine.certificates}"]
    if machine.local:
        command += ["--build-context", f"local={machine.local}"]
    for argument, value in arguments.items():
        command += ["--build-arg", f"{argument}={value}"]
    command += ["--file", image.dockerfile, "--tag", f"oci-archive:{target.archive}", "."]
    return builder.buildah(*command)


def import_base(builder: Builder, log: Log) -> str | None:
    """The base that replaces the Dockerfile's: an image to pull, or one made of a root file system; else None."""
    if builder.base is None or not Path(builder.base).is_file():
        return builder.base
    tag = f"localhost/root-file-system:{sha256_file(builder.base)[:16]}"
    for words in (
        ("from", "--name", "base", "scratch"),
        ("add", "--quiet", "base", str(Path(builder.base).absolute()), "/"),
        ("commit", "--quiet", "--timestamp", "0", "base", tag),
        ("rm", "base"),
    ):
        log.run(builder.buildah(*words), builder.environment())
    return tag


def dockerfile_base(dockerfile: str) -> str:
    """The base that a Dockerfile names, with its digest."""
    return re.search(r"^ARG BASE=(\S+)", dockerfile, re.MULTILINE)[1]


def clean(builder: Builder) -> None:
    """Remove buildah's storage. It has files of other users, which only buildah's user namespace can remove."""
    for words in (("rm", "--all"), ("rmi", "--all", "--force")):
        subprocess.run(builder.buildah(*words), env=builder.environment(), capture_output=True)
    unshare = [] if os.geteuid() == 0 else ["buildah", "unshare"]
    subprocess.run([*unshare, "rm", "-rf", str(builder.storage)], env=builder.environment(), check=True)


def convert(archive: Path, sif: Path) -> list[str]:
    """The command that converts an OCI archive into a SIF. zstd unpacks several times faster than gzip."""
    squashfs = ["--mksquashfs-args", "-comp zstd -Xcompression-level 3"]
    return ["apptainer", "build", "--force", "--disable-cache", *squashfs, str(sif), f"oci-archive:{archive}"]


def describe(target: Target, contents: oci.Contents, base: str, log: Log) -> dict[str, Any]:
    """The content of ``{name}.json``."""
    source, sif = target.source, target.sif
    return {
        "image": target.name,
        "digest": contents.digest,
        "base": base,
        "locks": catalogue.lock_hashes(target.image),
        "commit": source.commit,
        "dirty": source.dirty,
        "revision": source.revision,
        "bytes": {
            "oci_archive": target.archive.stat().st_size,
            "unpacked": contents.unpacked_bytes,
            "sif": sif.stat().st_size if sif else None,
        },
        "sif_sha256": sha256_file(sif) if sif else None,
        "seconds": log.seconds,
        "tools": {"buildah": version("buildah"), "apptainer": version("apptainer") if sif else None},
    }


def version(program: str) -> str:
    """The first line of a program's ``--version``."""
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip().splitlines()[0]


def keep(builder: Builder, target: Target) -> None:
    """Give the finished files their final names."""
    if target.sif:
        os.replace(target.sif, builder.output / f"{target.name}.sif")
    if builder.keep_oci or not target.sif:
        os.replace(target.archive, builder.output / f"{target.name}.oci.tar")
