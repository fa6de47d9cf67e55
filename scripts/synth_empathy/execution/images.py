"""Container images: where a rule's image is, and whether it was built from the current locks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ..core import yaml_files
from ..core.errors import UserError
from ..core.files import is_file
from ..core.json_files import read_json
from ..core.paths import ROOT
from ..core.provenance import sha256_file

CATALOGUE = ROOT / "containers" / "images.yaml"

#: The interpreter inside every image. -E because Apptainer passes the host's PYTHONPATH on. It also makes Python
#: ignore the image's PYTHONDONTWRITEBYTECODE and PYTHONNOUSERSITE, hence -B and -s.
PYTHON = "/opt/env/bin/python -E -B -s"

#: The JSON Schema of the catalogue: where images are published, if anywhere, and the digest of each published image.
PUBLISHED = {
    "type": "object",
    "required": ["registry", "images"],
    "properties": {
        "registry": {"type": ["string", "null"], "pattern": "^[a-z]+://[^\\s]*[^\\s/]/?\\Z"},
        "images": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"], "pattern": "^sha256:[0-9a-f]{64}\\Z"},
        },
    },
}
#: The JSON Schema of the record beside an image file.
RECORD = {
    "type": "object",
    "required": ["bytes", "locks"],
    "properties": {
        "bytes": {"type": "object", "required": ["sif"], "properties": {"sif": {"type": "integer"}}},
        "locks": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    },
}


def check_schema(document: Any, schema: dict[str, Any], path: Path, hint: str) -> None:
    """Refuse a document that does not fit a JSON Schema, naming the first fault."""
    error = next(Draft202012Validator(schema).iter_errors(document), None)
    if error:
        place = "".join(f"{key}: " for key in error.absolute_path)
        raise UserError(f"{path}: {place}{yaml_files.shortened(error.message)}", hint)


def name_of(image: str, gpus: int) -> str:
    """The name of an image's CUDA build for a job with GPUs, of its CPU build for any other job."""
    return f"{image}-{'cuda' if gpus else 'cpu'}"


def location(name: str, folder: str | None, catalogue: Path = CATALOGUE) -> str:
    """Where an image is, in the form that Snakemake's ``container:`` takes.

    Args:
        folder: contains ``{name}.sif``; None means the registry in the catalogue.
        catalogue: the file that maps image names to OCI digests.

    Raises:
        UserError: no folder is given, and the catalogue is damaged, or has no registry or no digest for the image.
    """
    if folder:
        return f"{folder.rstrip('/')}/{name}.sif"
    restore = "restore it from the repository (git checkout), or correct it"
    published = yaml_files.load(catalogue, restore)
    check_schema(published, PUBLISHED, catalogue, restore)
    digest = published["images"].get(name)
    if not published["registry"] or not digest:
        reason = f"{catalogue.parent.name}/{catalogue.name} has no registry or no digest for it"
        hint = (
            f"build it (containers/build --image {name} --output DIR) and set image_folder, "
            "in slurm/config.yaml under config or by --config image_folder=DIR"
        )
        raise UserError(f"the image {name} is not published ({reason})", hint)
    return f"{published['registry'].rstrip('/')}/{name}@{digest}"


def check_apptainer() -> None:
    """Refuse to start without the program that runs containers.

    Raises:
        UserError: neither apptainer nor singularity is on PATH.
    """
    if not (shutil.which("apptainer") or shutil.which("singularity")):
        hint = (
            "load its module or install it; or run without containers: "
            "delete software-deployment-method and the two entries after it from slurm/config.yaml"
        )
        raise UserError("there is no apptainer (or singularity) on this machine's PATH", hint)


def check_local(path: str | Path, root: Path = ROOT) -> None:
    """Refuse an image file that is missing or incomplete, or was built from a lock that has changed since.

    ``containers/build`` writes ``{name}.json`` beside the image, with its size and the SHA-256 of its locks. An image
    without this record, pulled from a registry by hand, is not checked.

    Raises:
        UserError: names the file and how to make it.
    """
    path = Path(path)
    hint = (
        f"build it (containers/build --image {path.stem} --output {path.parent}), "
        "or set image_folder, in slurm/config.yaml under config, to where it is"
    )
    if not path.is_file():
        raise UserError(f"there is no image {path}", hint)
    record = path.with_suffix(".json")
    if not record.is_file():
        return
    contents = read_record(record, hint)
    size, recorded = path.stat().st_size, contents["bytes"]["sif"]
    if size != recorded:
        problem = f"{path} has {size} bytes, but {record.name} beside it describes an image of {recorded}"
        raise UserError(problem, f"copy both again, if they were copied; or {hint}")
    for lock, digest in contents["locks"].items():
        if not is_file(root / lock) or sha256_file(root / lock) != digest:
            raise UserError(f"{path} was built from another {lock} than the one here", hint)


def read_record(path: Path, hint: str) -> dict[str, Any]:
    """The record that ``containers/build`` wrote of an image.

    Raises:
        UserError: the file is damaged.
    """
    hint = f"copy the image and its record again, if they were copied; or {hint}"
    try:
        record = read_json(path)
    except UserError as error:
        raise UserError(error.problem, hint) from None
    check_schema(record, RECORD, path, hint)
    return record
