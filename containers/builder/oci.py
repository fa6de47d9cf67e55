"""Reads an image from an OCI archive: its digest, and the files that result from all layers together."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass
class Contents:
    """An image's files.

    Attributes:
        digest: the manifest's digest, ``sha256:...``, by which registries and images.yaml identify the image.
        sizes: bytes of each regular file, by its path in the image.
        links: the target of each symbolic link, as written.
        texts: the contents of the wanted files.
    """

    digest: str
    sizes: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def unpacked_bytes(self) -> int:
        """Bytes of all regular files."""
        return sum(self.sizes.values())

    def forget(self, path: str) -> None:
        """Remove a path and everything below it, as a whiteout of a later layer requires."""
        for files in (self.sizes, self.links, self.texts):
            for name in [name for name in files if name == path or name.startswith(f"{path}/")]:
                del files[name]


def read_archive(path: Path, wanted: Callable[[str], bool]) -> Contents:
    """Read an OCI archive in one pass over its layers.

    Args:
        wanted: decides by its path in the image ("usr/bin/env") whether to keep a file's text.
    """
    with tarfile.open(path) as archive:
        entry = read_blob_json(archive, "index.json")["manifests"][0]
        manifest = read_blob_json(archive, blob(entry["digest"]))
        contents = Contents(entry["digest"])
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=archive.extractfile(blob(layer["digest"])), mode="r|*") as files:
                add_layer(contents, files, wanted)
    return contents


def blob(digest: str) -> str:
    """The path in an archive of the blob with this digest."""
    return "blobs/" + digest.replace(":", "/")


def read_blob_json(archive: tarfile.TarFile, name: str) -> Any:
    """A JSON member of an archive."""
    return json.load(archive.extractfile(name))


def add_layer(contents: Contents, files: tarfile.TarFile, wanted: Callable[[str], bool]) -> None:
    """Apply one layer to the contents."""
    for member in files:
        path = PurePosixPath(member.name.lstrip("./"))
        name = str(path)
        if path.name == ".wh..wh..opq":
            contents.forget(str(path.parent))
        elif path.name.startswith(".wh."):
            contents.forget(str(path.with_name(path.name[4:])))
        elif member.issym():
            contents.links[name] = member.linkname
        elif member.isfile():
            contents.sizes[name] = member.size
            if wanted(name):
                contents.texts[name] = files.extractfile(member).read()
