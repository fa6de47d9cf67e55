"""The changes of the shipped profile that docs/cluster.md describes, for a checkout."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

#: Replaces `snakemake` in tests that ask for job states every second; tests/test_apptainer.py uses the plain command.
ASKING_OFTEN = [sys.executable, "tests/hpc/asking_often.py"]


def set_profile(
    folder: Path, account: str | None, partitions: dict | None = None, image_folder: Path | None = None
) -> None:
    """Set the account (None leaves it out), other partitions and the images' folder; ask for states after a second."""
    path = folder / "slurm/config.yaml"
    line = f"  slurm_account: {account}" if account else "  # slurm_account: NAME"
    text = re.sub(r"(?m)^  (# )?slurm_account: \S+", line, path.read_text())
    text, count = re.subn(r"(slurm-init-seconds-before-status-checks:) \d+", r"\1 1", text)
    assert count == 1 and ("  slurm_account: " in text) == bool(account)
    if image_folder:
        text, count = re.subn(r"image_folder=\S+", f"image_folder={image_folder}", text)
        assert count == 1
    path.write_text(text)
    if partitions:
        (folder / "slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": partitions}))


def without_containers(folder: Path) -> None:
    """Delete the entries about containers, as the profile says for clusters that forbid them."""
    path = folder / "slurm/config.yaml"
    text, count = re.subn(r"(?ms)^software-deployment-method:.*?(?=^retries:)", "", path.read_text())
    assert count == 1
    path.write_text(text)
