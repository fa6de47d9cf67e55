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
    """Whether the list needs this file of the image."""
    return path in (DPKG, VENV) or bool(METADATA.fullmatch(path) or COPYRIGHT.fullmatch(path))


def bill(name: str, contents: Contents) -> dict[str, Any]:
    """The list of an image in CycloneDX 1.5; the same image gives the same bytes.

    Args:
        name: the image's name.
        contents: read with ``wanted``.
    """
    components = [*debian_packages(contents), *python_packages(contents)]
    image = {"type": "container", "bom-ref": contents.digest, "name": name, "version": contents.digest}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": image},
        "components": sorted(components, key=lambda component: component["purl"]),
    }


def component(purl: str, name: str, version: str, licences: list[Component]) -> Component:
    """The entry of a library; ``licenses`` is left out if no licence is known."""
    entry = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return entry | ({"licenses": licences} if licences else {})


def python_packages(contents: Contents) -> Iterator[Component]:
    """The environment's packages and its interpreter."""
    for path, text in contents.texts.items():
        if METADATA.fullmatch(path):
            fields = Parser().parsestr(text.decode(errors="replace"), headersonly=True)
            name, version = re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"]
            yield component(f"pkg:pypi/{name}@{quote(version)}", name, version, python_licence(fields))
        elif path == VENV:
            version = re.search(r"^version = (\S+)", text.decode(), re.MULTILINE)[1]
            licences = [{"license": {"id": "Python-2.0"}}]
            interpreter = component(f"pkg:generic/python@{version}", "python", version, licences)
            yield interpreter | {"type": "application"}


def python_licence(fields: Message) -> list[Component]:
    """A package's licence: its expression, or a licence field short enough to be a name, or its classifiers."""
    if fields["License-Expression"]:
        return [{"expression": fields["License-Expression"]}]
    name = (fields["License"] or "").strip()
    if name and len(name) <= 80 and "\n" not in name and name != "UNKNOWN":
        return [{"license": {"name": name}}]
    classifiers = [value for value in fields.get_all("Classifier", []) if value.startswith("License :: ")]
    names = [value.split(" :: ")[-1] for value in classifiers]
    return [{"license": {"name": name}} for name in names if name != "OSI Approved"]


def debian_packages(contents: Contents) -> Iterator[Component]:
    """The packages that dpkg has installed."""
    for paragraph in contents.texts.get(DPKG, b"").decode(errors="replace").split("\n\n"):
        fields = Parser().parsestr(paragraph.strip("\n"), headersonly=True)
        if (fields["Status"] or "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            yield component(purl, name, version, debian_licence(name, contents))


def debian_licence(name: str, contents: Contents) -> list[Component]:
    """The licences in a package's copyright file, if it is in Debian's machine-readable form."""
    folder = f"usr/share/doc/{name}"
    target = contents.links.get(folder)
    if target:  # a package may share the folder of another package
        folder = str(PurePosixPath("usr/share/doc") / target)
    text = contents.texts.get(f"{folder}/copyright", b"").decode(errors="replace")
    if not text.startswith("Format:"):
        return []
    names = dict.fromkeys(match.strip() for match in re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.MULTILINE))
    return [{"license": {"name": licence}} for licence in sorted(names)]
