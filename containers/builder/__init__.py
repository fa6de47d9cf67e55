"""What containers/build is made of; Python's standard library and this project's own scripts/ only."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
