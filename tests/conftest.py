"""What all tests share: the library on the path, the repository, and the material that is not shipped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))
os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder beside the repository with real ED, the family's prepared files and published predictions.

    The project ships none of it. Where it is missing the tests that need it are skipped, and with CI=true they fail.
    """
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        message = f"{folder} is missing: it holds ED and reference files that this project may not ship"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return folder
