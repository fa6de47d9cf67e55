#!/usr/bin/env python3
"""Clear the lock that a killed Snakemake left on this folder, unless a live Snakemake on this machine holds it."""

import subprocess
import sys
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.errors import UserError


def main() -> None:
    """Parse flags, look for lock files and for live Snakemake processes here, unlock or refuse."""
    flags = cli.parser(__doc__)
    flags.add_argument("--snakemake", default="snakemake", help="the snakemake command that unlocks")
    args = flags.parse_args()

    if not any(Path(".snakemake/locks").glob("*")):
        return
    holders = live_snakemakes(Path.cwd())
    if holders:
        problem = f"Snakemake is running in this folder (process {', '.join(map(str, holders))})"
        raise UserError(problem, "wait for it, or stop it, and try again")
    print("clearing the lock of a run that was killed")
    done = subprocess.run([args.snakemake, "--unlock"], capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)


def live_snakemakes(folder: Path) -> list[int]:
    """Process ids of the Snakemake runs whose working folder is ``folder``, from /proc; none on systems without it."""
    process_ids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = process.joinpath("cmdline").read_bytes().split(b"\0")
            is_here = process.joinpath("cwd").resolve() == folder
        except OSError:
            continue  # ended meanwhile, or another user's
        programs = {Path(word.decode(errors="replace")).name for word in command[:3]}
        if is_here and "snakemake" in programs:
            process_ids.append(int(process.name))
    return process_ids


if __name__ == "__main__":
    cli.run(main)
