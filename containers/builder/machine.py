"""The machine's settings that a build uses: pip's settings, certificates, and wheels and indexes on its disk."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: The paths at which the Dockerfile mounts the certificates, and the machine's folder of wheels and indexes.
CERTIFICATES, LOCAL = "/run/certificates.pem", "/run/local"
#: pip's settings that decide where packages come from; others (caches, output, checks) do not concern the image.
SETTINGS = {
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "proxy", "timeout",
    "default-timeout", "retries",
}  # fmt: skip
PLACES = {"index-url", "extra-index-url", "find-links"}


@dataclass(frozen=True)
class Machine:
    """pip's settings as a build needs them.

    Args:
        settings: by pip's names; folders and certificates have their paths inside the build.
        local: the machine's folder that is mounted at ``LOCAL``; None if pip uses none.
        certificates: the machine's certificate file; None if pip's settings name none.
    """

    settings: dict[str, str] = field(default_factory=dict)
    local: Path | None = None
    certificates: Path | None = None

    def pip_conf(self) -> str:
        """The settings as a pip.conf."""
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(self.settings.items()))


def pip_settings(listed: str) -> dict[str, str]:
    """The settings that ``pip config list`` prints; those of the environment override those of files."""
    files, environment = {}, {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if name in SETTINGS and section in ("global", "install", "download", ":env:"):
            settings = environment if section == ":env:" else files
            settings[name.removeprefix("default-")] = str(ast.literal_eval(value))
    return files | environment


def local_path(place: str) -> Path | None:
    """The local folder or file that a value of find-links or of an index names; None for a remote address."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path))
    return None if "://" in place else Path(place).expanduser().absolute()


def describe(settings: dict[str, str]) -> Machine:
    """Rewrite the machine's paths to the paths inside the build.

    One folder is mounted: the deepest that contains every local place. An index counts with its parent folder, because
    its links may lead to files beside it. Local places that do not exist are dropped.
    """
    settings = dict(settings)
    folders = []
    for name in PLACES & settings.keys():
        for path in filter(None, map(local_path, settings[name].split())):
            if path.exists():
                folders.append(path if name == "find-links" and path.is_dir() else path.parent)
    common = Path(os.path.commonpath(folders)) if folders else None
    for name in PLACES & settings.keys():
        places = []
        for place in settings[name].split():
            path = local_path(place)
            if path is None:
                places.append(place)
            elif path.exists():
                places.append(inside(path, common))
        settings[name] = " ".join(places)
    certificates = Path(settings["cert"]) if settings.get("cert") else None
    if certificates:
        settings["cert"] = CERTIFICATES
    return Machine({name: value for name, value in settings.items() if value}, common, certificates)


def inside(path: Path, common: Path) -> str:
    """The path of a local file inside the build, as an address that every pip setting accepts."""
    return f"file://{LOCAL}/{path.relative_to(common)}".removesuffix("/.")


def this_machine() -> Machine:
    """The settings of this interpreter's pip; none without pip."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    return describe(pip_settings(done.stdout)) if done.returncode == 0 else Machine()
