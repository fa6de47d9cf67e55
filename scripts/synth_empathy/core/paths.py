"""Where this repository is: the library reads shipped files from there."""

from pathlib import Path

#: The library, its scripts, and the repository's root.
LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent
ROOT = SCRIPTS.parent
