"""What docs/cluster.md tells a user to change in the shipped profile, done to a checkout."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

#: In place of `snakemake` where job states are to be asked for each second; tests/test_apptainer.py has the plain command.
ASKING_OFTEN = [sys.executable, "tests/hpc/asking_often.py"]


def set_profile(
    folder: Path, account: str | None, partitions: dict | None = None, image_folder: Path | None = None
) -> None:
    """Set the account (None leaves it out), other partitions, where images are; and ask for states after a second."""
    path = folder / "slurm/config.yaml"
    text = re.sub(
        r"(?m)^  (# )?slurm_account: \S+",
        f"  slurm_account: {account}" if account else "  # slurm_account: NAME",
        path.read_text(),
    )
    text, found = re.subn(r"(slurm-init-seconds-before-status-checks:) \d+", r"\1 1", text)
    assert found == 1 and ("  slurm_account: " in text) == bool(account)
    if image_folder:
        text, found = re.subn(r"image_folder=\S+", f"image_folder={image_folder}", text)
        assert found == 1
    path.write_text(text)
    if partitions:
        (folder / "slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": partitions}))


def without_containers(folder: Path) -> None:
    """Delete what concerns containers, as the profile says, where they are forbidden."""
    path = folder / "slurm/config.yaml"
    text, found = re.subn(r"(?ms)^software-deployment-method:.*?(?=^retries:)", "", path.read_text())
    assert found == 1
    path.write_text(text)
