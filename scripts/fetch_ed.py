#!/usr/bin/env python3
"""Bring EmpatheticDialogues here: download its archive or take one that is here, check it, unpack its three CSV files."""

import tarfile
import urllib.request
from pathlib import Path

from synth_empathy import cli, ed, provenance
from synth_empathy.errors import UserError
from synth_empathy.records import atomic_path


def main() -> None:
    """Parse flags, fetch, check, unpack."""
    flags = cli.parser(__doc__)
    flags.add_argument("--archive", type=Path, metavar="TAR.GZ", help="an archive that is here already")
    flags.add_argument("--url", help="where to download it, when --archive is not given")
    flags.add_argument("--sha256", required=True, help="the archive's checksum; any other archive is refused")
    flags.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for train.csv, valid.csv and test.csv")
    args = flags.parse_args()
    if not args.archive and not args.url:
        flags.error("give --archive or --url")

    if args.archive:
        unpack(args.archive, args.sha256, args.output)
    else:
        with atomic_path(args.output / "empatheticdialogues.tar.gz") as partial:
            download(args.url, partial)
            unpack(partial, args.sha256, args.output)


def download(url: str, path: Path) -> None:
    """Download one file.

    Raises:
        UserError: the address cannot be reached.
    """
    print(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, open(path, "wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
    except OSError as error:
        hint = "run this step where there is a network, or give a copy in the configuration (ed: archive, or ed: folder)"
        raise UserError(f"{url} could not be downloaded: {error}", hint) from None


def unpack(archive: Path, sha256: str, output: Path) -> None:
    """Check an archive and write its three CSV files, all or none.

    Raises:
        UserError: it is missing, has another checksum, or lacks a file.
    """
    if not archive.is_file():
        raise UserError(f"{archive} does not exist", "correct ed: archive in the configuration")
    found = provenance.sha256_file(archive)
    if found != sha256:
        hint = "fetch ED's archive again, or, for another edition of it that you trust, give its sha256 in the configuration (ed: sha256)"
        raise UserError(f"the archive {archive} has sha256 {found}, not {sha256}", hint)
    texts = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            if member.isfile() and name in {f"{split}.csv" for split in ed.SPLITS}:
                texts[name] = tar.extractfile(member).read()
    lacking = [f"{split}.csv" for split in ed.SPLITS if f"{split}.csv" not in texts]
    if lacking:
        raise UserError(f"the archive holds no {', '.join(lacking)}", "give ED's own archive (ed: archive)")
    for name, text in texts.items():
        with atomic_path(output / name) as partial:
            partial.write_bytes(text)
        print(f"{name}: {len(text):,} bytes")


if __name__ == "__main__":
    cli.run(main, online=True)
