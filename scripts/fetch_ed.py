#!/usr/bin/env python3
"""Get EmpatheticDialogues: download its archive or take a local one, check it, unpack its three CSV files."""

import http.client
import lzma
import tarfile
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from synth_empathy.core import addresses, cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.escaping import terminal_text
from synth_empathy.core.files import atomic_path, remove_outputs, sealed_path
from synth_empathy.data.readers import SPLITS

#: The three files of ED.
WANTED = tuple(f"{split}.csv" for split in SPLITS)
#: What an archive's files may come to, unpacked: far more than ED's 20 MB, and little enough for a machine's memory.
LARGEST = 1 << 30
#: What tarfile and the decompressors raise for files that are damaged or none of theirs.
DAMAGED = (
    tarfile.TarError,
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)

ELSEWHERE = "run this step where there is a network, or give a copy (datasets: ed: archive, or datasets: ed: folder)"
OWN_ARCHIVE = "give ED's own archive (datasets: ed: archive)"


def main() -> None:
    """Parse flags, fetch, check, unpack."""
    flags = cli.parser(__doc__)
    flags.add_argument("--archive", type=Path, metavar="TAR.GZ", help="an archive that is here already")
    flags.add_argument("--url", help="where to download it, when --archive is not given")
    flags.add_argument("--sha256", required=True, help="the archive's checksum; any other archive is refused")
    flags.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for train.csv, valid.csv and test.csv"
    )
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
        UserError: the address is none, cannot be reached, or its answer ends early.
    """
    print(f"downloading {addresses.masked(url)}")
    came = 0
    with unreachable(url):
        check_address(url)
        answer = urllib.request.urlopen(url, timeout=60)
    with answer, open(path, "wb") as file:
        while block := read_block(answer, url):
            file.write(block)
            came += len(block)
    promised = answer.headers.get("Content-Length", "")
    if promised.isdecimal() and came < int(promised):
        raise UserError(
            f"{addresses.masked(url)}: {came:,} of {int(promised):,} bytes came",
            f"start the same command again; or {ELSEWHERE}",
        )


def check_address(url: str) -> None:
    """Refuse what urllib would not take, or would repeat with its secrets in an error.

    Raises:
        ValueError: says why.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("the address holds a blank, a control character or a letter beyond ASCII")
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and "@" in parts.netloc:
        raise ValueError("a user name and a password in an address are not sent; download it by other means")


def read_block(answer: http.client.HTTPResponse, url: str) -> bytes:
    """The next part of an answer; nothing at its end."""
    with unreachable(url):
        return answer.read(1 << 20)


@contextmanager
def unreachable(url: str) -> Iterator[None]:
    """Say what a network's error, or an address that is none, means; the address's secrets are in no message.

    Errors of the disk that the file is written to are no errors of the network: they stay outside.
    """
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = addresses.masked_in(str(error) or type(error).__name__, url)
        raise UserError(f"{addresses.masked(url)} could not be downloaded: {reason}", ELSEWHERE) from None


def unpack(archive: Path, sha256: str, output: Path) -> None:
    """Check an archive and write its three CSV files, all or none.

    Raises:
        UserError: it is missing, has another checksum, is no archive, or lacks a file.
    """
    if not archive.is_file():
        raise UserError(f"{archive} does not exist", "correct datasets: ed: archive in the configuration")
    found = provenance.sha256_file(archive)
    if found != sha256:
        other = "for another edition of it that you trust, give its sha256 in the configuration (datasets: ed: sha256)"
        hint = f"fetch ED's archive again, or, {other}"
        raise UserError(f"the archive {archive} has sha256 {found}, not {sha256}", hint)
    texts = read_archive(archive)
    lacking = [name for name in WANTED if name not in texts]
    if lacking:
        raise UserError(f"the archive holds no {', '.join(lacking)}", OWN_ARCHIVE)
    remove_outputs(*(output / name for name in texts))
    for name, text in texts.items():
        with sealed_path(output / name) as partial:
            partial.write_bytes(text)
        print(f"{name}: {len(text):,} bytes")


def read_archive(archive: Path) -> dict[str, bytes]:
    """The content of those of ED's files that an archive holds; nothing else of it is unpacked.

    Raises:
        UserError: it is no tar archive, is damaged, holds one of the files twice or as a link, or too much.
    """
    texts: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                total += member.size
                check_member(member, archive, name in texts, total)
                if name in WANTED:
                    texts[name] = tar.extractfile(member).read()
    except DAMAGED as error:
        problem = f"{archive} is no tar archive that can be read to its end: {str(error) or type(error).__name__}"
        raise UserError(
            problem, f"{OWN_ARCHIVE}; its sha256 in the configuration (datasets: ed: sha256) is that of this file"
        ) from None
    return texts


def check_member(member: tarfile.TarInfo, archive: Path, seen: bool, total: int) -> None:
    """Refuse an entry of an archive that is none of ED's: nothing of it is read before.

    Args:
        seen: whether a file of this name was read before.
        total: what the entries so far come to, this one included.

    Raises:
        UserError: names the entry.
    """
    wanted = PurePosixPath(member.name).name in WANTED
    where = f"the archive {archive}: {terminal_text(member.name)}"
    if member.size < 0 or total > LARGEST:
        raise UserError(
            f"{where}: with it, the files come to {total:,} bytes, and at most {LARGEST:,} are unpacked", OWN_ARCHIVE
        )
    if wanted and not member.isfile():
        raise UserError(f"{where} is no plain file but a link, a folder or a device", OWN_ARCHIVE)
    if wanted and seen:
        raise UserError(f"{where} is there twice, perhaps in another folder", OWN_ARCHIVE)


if __name__ == "__main__":
    cli.run(main, online=True)
