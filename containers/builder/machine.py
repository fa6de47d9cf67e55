"""What a build takes over from the machine: pip's settings, its certificates, and wheels and indexes on its disk."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Where the Dockerfile mounts the certificates, and the machine's folder of wheels and indexes.
CERTIFICATES, LOCAL = "/run/certificates.pem", "/run/local"
#: Settings that say where packages come from; others (caches, output, checks) are not the image's business.
SETTINGS = {
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
}
PLACES = {"index-url", "extra-index-url", "find-links"}


@dataclass(frozen=True)
class Machine:
    """pip's settings as a build needs them.

    Args:
        settings: by pip's names, folders and certificates by their paths inside the build.
        local: the machine's folder that is mounted at ``LOCAL``; None where pip uses none.
        certificates: the machine's certificate file; None where pip is told of none.
    """

    settings: dict[str, str] = field(default_factory=dict)
    local: Path | None = None
    certificates: Path | None = None

    def pip_conf(self) -> str:
        """The settings as a pip.conf."""
        return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(self.settings.items()))


def pip_settings(listed: str) -> dict[str, str]:
    """The settings in what ``pip config list`` prints; the environment's go before the files'."""
    files, environment = {}, {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if name in SETTINGS and section in ("global", "install", "download", ":env:"):
            (environment if section == ":env:" else files)[name.removeprefix("default-")] = str(
                ast.literal_eval(value)
            )
    return files | environment


def local_path(place: str) -> Path | None:
    """The folder or file that one value of find-links or of an index means; None for an address elsewhere."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path))
    return None if "://" in place else Path(place).expanduser().absolute()


def describe(settings: dict[str, str]) -> Machine:
    """Rewrite the machine's paths to where the build sees them.

    One folder is mounted, the deepest that holds every local place; an index's links may lead to files beside it, so
    it counts with the folder around it.
    """
    settings = dict(settings)
    local = [
        (name, path)
        for name in PLACES
        for place in settings.get(name, "").split()
        if (path := local_path(place)) and path.exists()
    ]
    folders = [path.parent if name != "find-links" or path.is_file() else path for name, path in local]
    common = Path(os.path.commonpath(folders)) if folders else None
    for name in PLACES & settings.keys():
        places = ((place, local_path(place)) for place in settings[name].split())
        kept = [
            place if path is None else inside(path, common)
            for place, path in places
            if path is None or (common and path.exists())
        ]
        settings[name] = " ".join(kept)
    certificates = Path(settings["cert"]) if settings.get("cert") else None
    if certificates:
        settings["cert"] = CERTIFICATES
    return Machine({name: value for name, value in settings.items() if value}, common, certificates)


def inside(path: Path, common: Path) -> str:
    """Where the build sees a path of the machine, as an address that every pip setting takes."""
    return f"file://{LOCAL}/{path.relative_to(common)}".removesuffix("/.")


def this_machine() -> Machine:
    """The settings of the pip that this interpreter has; none where it has no pip."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    return describe(pip_settings(done.stdout)) if done.returncode == 0 else Machine()
