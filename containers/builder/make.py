"""Making one image: build it, read what is inside, turn it into a SIF, write down what it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_file
from synth_empathy.core.records import write_json

from . import ROOT, catalogue, oci, sbom
from .machine import Machine


@dataclass(frozen=True)
class Builder:
    """How images are built on this machine.

    Args:
        output: the folder that gets the files.
        work: a folder on a local disk: wheels, which stay, and the builder's storage, which is removed after each image.
        machine: pip's settings.
        base: what stands in for the Dockerfile's base: a tar of a root file system, or an image to pull; None for the
            Dockerfile's own.
        isolation, storage_driver: buildah's; None lets it choose.
        sif: whether to make SIFs; else OCI archives are what is made.
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
        """Where buildah keeps layers while this process builds."""
        return self.work / f"storage-{os.getpid()}"

    @property
    def temporary(self) -> Path:
        """For large temporary files; buildah keeps the Dockerfile's cache of wheels in it, too."""
        return self.work / "tmp"

    def environment(self) -> dict[str, str]:
        """The commands' environment: all that they write is written under ``work``."""
        chosen = {"BUILDAH_ISOLATION": self.isolation, "STORAGE_DRIVER": self.storage_driver}
        folders = {
            "TMPDIR": self.temporary,
            "APPTAINER_TMPDIR": self.temporary,
            "APPTAINER_CACHEDIR": self.work / "apptainer",
        }
        return (
            os.environ
            | {name: value for name, value in chosen.items() if value}
            | {name: str(path) for name, path in folders.items()}
        )

    def buildah(self, *words: str) -> list[str]:
        """A buildah command that uses this build's own storage."""
        return ["buildah", "--root", str(self.storage / "root"), "--runroot", str(self.storage / "run"), *words]


class Log:
    """An image's progress: a line a step with its seconds, and a file with all that the commands say."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.path = path
        self.seconds: dict[str, float] = {}
        path.write_text("")

    @contextmanager
    def step(self, key: str, what: str) -> Iterator[None]:
        """Say what begins, and when it has ended how long it took."""
        print(f"{self.name}: {what}")
        start = time.monotonic()
        yield
        self.seconds[key] = round(time.monotonic() - start, 1)
        print(f"{self.name}: {self.seconds[key]} s")

    def run(self, command: list[str], environment: dict[str, str]) -> str:
        """Run a command and return what it prints; everything goes into the log file, too.

        Raises:
            UserError: it failed; the message has the reason as far as its output tells.
        """
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
        )
        with self.path.open("a") as file:
            file.write(f"{' '.join(command)}\n{done.stdout}\n")
        if done.returncode != 0:
            problem, hint = reason(done.stdout)
            raise UserError(
                f"{self.name}: {command[0]} failed: {problem}", f"{hint}; everything it said is in {self.path}"
            )
        return done.stdout


#: What failing commands say, what it means (None: the line says it itself), and what to do. The first that is found counts.
REASONS = (
    (r"no space left on device", "the disk is full", "free space, or choose other folders with --work and --output"),
    (
        r"DO NOT MATCH THE HASHES.*|Hash mismatch.*",
        None,
        "the index serves another file than the lock names: remove --work's folder and try again; do not edit the hash",
    ),
    (
        r"No matching distribution found for .*",
        None,
        "point pip at an index that has it (pip config set global.index-url ...)",
    ),
    (
        r"(?:NewConnectionError|Max retries|Name or service|Could not fetch|ConnectTimeout).*",
        None,
        "check the network and pip's index (pip config list)",
    ),
    (r"Unable to locate package .*|Failed to fetch .*", None, "check the network and the base image's Debian sources"),
    (
        r"(?:initializing source|pinging container registry|creating build container).*",
        None,
        "is the registry in reach? Where there is none, give --base a local image",
    ),
    (r"(?:^|\n)(?:ERROR|error|Error|FATAL): .*", None, "mend that and start again"),
)


def reason(output: str) -> tuple[str, str]:
    """Why a command failed, and what to do, from what it said."""
    for pattern, meaning, hint in REASONS:
        if found := re.search(pattern, output, re.IGNORECASE):
            return meaning or found[0].strip()[:300], hint
    lines = output.strip().splitlines()
    return (lines[-1][:300] if lines else "it said nothing"), "read its output"


def check_tools(sif: bool) -> None:
    """Refuse to begin without the programs that are needed.

    Raises:
        UserError: one of them is not on PATH.
    """
    if not shutil.which("buildah"):
        raise UserError(
            "there is no buildah on PATH",
            "install it (Debian: apt-get install buildah), or build with docker (containers/README.md)",
        )
    if sif and not shutil.which("apptainer"):
        raise UserError(
            "there is no apptainer on PATH",
            "install it (https://apptainer.org), or give --no-sif for OCI archives alone",
        )


def make(builder: Builder, name: str) -> dict[str, Any]:
    """Build one image into the output folder; returns what ``{name}.json`` says.

    Raises:
        UserError: a step failed; nothing is left under the final names that was not there before.
    """
    image, source = catalogue.ALL[name], catalogue.source(catalogue.ALL[name])
    for folder in (builder.output, builder.temporary):
        folder.mkdir(parents=True, exist_ok=True)
    log = Log(name, builder.output / f"{name}.log")
    archive, sif = builder.output / f".{name}.oci.tar", builder.output / f".{name}.sif"
    try:
        with log.step("build", f"installing {', '.join(image.lock_paths())}"):
            base = build(builder, name, image, source, archive, log)
        with log.step("read", "reading the image: digest, sizes, software"):
            contents = oci.read_archive(archive, sbom.wanted)
        if builder.sif:
            with log.step("sif", "making the SIF"):
                log.run(convert(archive, sif), builder.environment())
        facts = describe(name, image, source, contents, base, log, archive, sif if builder.sif else None)
        keep(builder, name, archive, sif)
        write_json(builder.output / f"{name}.sbom.json", sbom.bill(name, contents))
        write_json(builder.output / f"{name}.json", facts)
    finally:
        for path in (archive, sif):
            path.unlink(missing_ok=True)
    return facts


def build(
    builder: Builder, name: str, image: catalogue.Image, source: catalogue.Source, archive: Path, log: Log
) -> str:
    """Build an image into an OCI archive and remove the builder's storage; returns the name of the base."""
    secrets = builder.storage / "secrets"
    secrets.mkdir(parents=True)
    try:
        base = import_base(builder, log) or image.base
        (secrets / "pip.conf").write_text(builder.machine.pip_conf())
        command = build_command(builder, name, image, source, archive, base, secrets / "pip.conf")
        log.run(command, builder.environment())
    finally:
        clean(builder)
    return base or dockerfile_base((ROOT / catalogue.DOCKERFILE).read_text())


def build_command(
    builder: Builder,
    name: str,
    image: catalogue.Image,
    source: catalogue.Source,
    archive: Path,
    base: str | None,
    pip_conf: Path,
) -> list[str]:
    """The command that builds an image. With timestamps at 0, the same locks and base give the same digest."""
    hashes = " ".join(f"{Path(path).name}=sha256:{sha256}" for path, sha256 in catalogue.lock_hashes(image).items())
    arguments = {
        "IMAGE": name,
        "LOCKS": " ".join(image.locks),
        "DEBIAN": " ".join(image.debian),
        "LOCK_HASHES": hashes,
    }
    arguments |= {"REVISION": source.label} | ({"BASE": base} if base else {})
    machine = builder.machine
    return builder.buildah(
        *(
            "build",
            "--quiet",
            "--timestamp",
            "0",
            "--disable-compression=false",
            "--secret",
            f"id=pipconf,src={pip_conf}",
        ),
        *(["--secret", f"id=certificates,src={machine.certificates}"] if machine.certificates else []),
        *(["--build-context", f"local={machine.local}"] if machine.local else []),
        *(word for argument, value in arguments.items() for word in ("--build-arg", f"{argument}={value}")),
        *("--file", image.dockerfile, "--tag", f"oci-archive:{archive}", "."),
    )


def import_base(builder: Builder, log: Log) -> str | None:
    """What the Dockerfile is to build on: None for its own base, an image to pull, or a root file system made into an image."""
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
    """The base that a Dockerfile names, digest and all."""
    return re.search(r"^ARG BASE=(\S+)", dockerfile, re.MULTILINE)[1]


def clean(builder: Builder) -> None:
    """Remove the builder's storage. Files of other users in it are removed as they were made: in buildah's user namespace."""
    for words in (("rm", "--all"), ("rmi", "--all", "--force")):
        subprocess.run(builder.buildah(*words), env=builder.environment(), capture_output=True)
    unshare = [] if os.geteuid() == 0 else ["buildah", "unshare"]
    subprocess.run([*unshare, "rm", "-rf", str(builder.storage)], env=builder.environment(), check=True)


def convert(archive: Path, sif: Path) -> list[str]:
    """The command that turns an OCI archive into a SIF. zstd unpacks several times faster than the default, gzip."""
    squashfs = "-comp zstd -Xcompression-level 3"
    return [
        "apptainer",
        "build",
        "--force",
        "--disable-cache",
        "--mksquashfs-args",
        squashfs,
        str(sif),
        f"oci-archive:{archive}",
    ]


def describe(
    name: str,
    image: catalogue.Image,
    source: catalogue.Source,
    contents: oci.Contents,
    base: str,
    log: Log,
    archive: Path,
    sif: Path | None,
) -> dict[str, Any]:
    """What ``{name}.json`` says of an image."""
    return {
        "image": name,
        "digest": contents.digest,
        "base": base,
        "locks": catalogue.lock_hashes(image),
        "commit": source.commit,
        "dirty": source.dirty,
        "revision": source.revision,
        "bytes": {
            "oci_archive": archive.stat().st_size,
            "unpacked": contents.unpacked_bytes,
            "sif": sif.stat().st_size if sif else None,
        },
        "sif_sha256": sha256_file(sif) if sif else None,
        "seconds": log.seconds,
        "tools": {"buildah": version("buildah"), "apptainer": version("apptainer") if sif else None},
    }


def version(program: str) -> str:
    """What a program says of its version, in one line."""
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip().splitlines()[0]


def keep(builder: Builder, name: str, archive: Path, sif: Path) -> None:
    """Give the finished files their names."""
    if builder.sif:
        os.replace(sif, builder.output / f"{name}.sif")
    if builder.keep_oci or not builder.sif:
        os.replace(archive, builder.output / f"{name}.oci.tar")
