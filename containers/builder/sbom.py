"""The list of an image's software, as CycloneDX JSON: Debian's packages, Python's, and Python itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from .oci import Contents

Component = dict[str, Any]
DPKG = "var/lib/dpkg/status"
VENV = "opt/env/pyvenv.cfg"
METADATA = re.compile(r"opt/env/lib/python3\.[0-9]+/site-packages/[^/]+\.dist-info/METADATA")
COPYRIGHT = re.compile(r"usr/share/doc/[^/]+/copyright")


def wanted(path: str) -> bool:
    """Whether the list is made from this file of the image."""
    return path in (DPKG, VENV) or bool(METADATA.fullmatch(path) or COPYRIGHT.fullmatch(path))


def bill(name: str, contents: Contents) -> dict[str, Any]:
    """CycloneDX 1.5 of an image; the same image gives the same bytes.

    Args:
        name: the image's.
        contents: read with ``wanted``.
    """
    components = [*debian_packages(contents), *python_packages(contents)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "container", "bom-ref": contents.digest, "name": name, "version": contents.digest}
        },
        "components": sorted(components, key=lambda component: component["purl"]),
    }


def component(purl: str, name: str, version: str, licences: list[Component], kind: str = "library") -> Component:
    """One entry; ``licences`` is left out where nothing is known."""
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl} | (
        {"licenses": licences} if licences else {}
    )


def python_packages(contents: Contents) -> Iterator[Component]:
    """The environment's packages and its interpreter."""
    for path, text in contents.texts.items():
        if METADATA.fullmatch(path):
            fields = Parser().parsestr(text.decode(errors="replace"), headersonly=True)
            name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
            yield component(
                f"pkg:pypi/{name}@{quote(fields['Version'])}", name, fields["Version"], python_licence(fields)
            )
        elif path == VENV:
            version = re.search(r"^version = (\S+)", text.decode(), re.MULTILINE)[1]
            yield component(
                f"pkg:generic/python@{version}", "python", version, [{"license": {"id": "Python-2.0"}}], "application"
            )


def python_licence(fields: Message) -> list[Component]:
    """A package's licence: its expression, else a licence field short enough to be a name, else its classifiers."""
    if fields["License-Expression"]:
        return [{"expression": fields["License-Expression"]}]
    name = (fields["License"] or "").strip()
    if name and len(name) <= 80 and "\n" not in name and name != "UNKNOWN":
        return [{"license": {"name": name}}]
    classified = [
        value.split(" :: ")[-1] for value in fields.get_all("Classifier", []) if value.startswith("License :: ")
    ]
    return [{"license": {"name": name}} for name in classified if name != "OSI Approved"]


def debian_packages(contents: Contents) -> Iterator[Component]:
    """What dpkg has installed."""
    for paragraph in contents.texts.get(DPKG, b"").decode(errors="replace").split("\n\n"):
        fields = Parser().parsestr(paragraph.strip("\n"), headersonly=True)
        if (fields["Status"] or "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            yield component(purl, name, version, debian_licence(name, contents))


def debian_licence(name: str, contents: Contents) -> list[Component]:
    """The licences that a package's copyright file names, where that file is in Debian's machine-readable form."""
    folder = f"usr/share/doc/{name}"
    target = contents.links.get(folder)
    if target:  # a package may share the folder of another one
        folder = str(PurePosixPath("usr/share/doc") / target)
    text = contents.texts.get(f"{folder}/copyright", b"").decode(errors="replace")
    if not text.startswith("Format:"):
        return []
    names = dict.fromkeys(match.strip() for match in re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.MULTILINE))
    return [{"license": {"name": found}} for found in sorted(names)]
