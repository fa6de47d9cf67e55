"""The modules of containers/build; they need only Python's standard library and this project's scripts/."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
