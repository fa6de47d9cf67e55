#!/usr/bin/env python3
"""Clear the lock that a killed Snakemake left on this folder, unless a live one on this machine holds it."""

import subprocess
import sys
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError


def main() -> None:
    """Parse flags, look for lock files and for live Snakemake processes here, unlock or refuse."""
    flags = cli.parser(__doc__)
    flags.add_argument("--snakemake", default="snakemake", help="the snakemake to unlock with")
    args = flags.parse_args()

    if not any(Path(".snakemake/locks").glob("*")):
        return
    holders = live_snakemakes(Path.cwd())
    if holders:
        raise UserError(
            f"Snakemake is running in this folder (process {', '.join(map(str, holders))})",
            "wait for it, or stop it, and try again",
        )
    print("clearing the lock of a run that was killed")
    done = subprocess.run([args.snakemake, "--unlock"], capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)


def live_snakemakes(folder: Path) -> list[int]:
    """Process ids of Snakemake runs whose working folder is ``folder``, from /proc; on other systems none are seen."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = process.joinpath("cmdline").read_bytes().split(b"\0")
            here = process.joinpath("cwd").resolve() == folder
        except OSError:
            continue  # gone meanwhile, or another user's
        if here and any(Path(word.decode(errors="replace")).name == "snakemake" for word in words[:3]):
            found.append(int(process.name))
    return found


if __name__ == "__main__":
    cli.run(main)
