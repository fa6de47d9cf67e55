"""The registry: every reader once. A new one is an entry in one of these modules."""

from . import configured, contracts, generated, kept, scored, selecting
from .registry import Reader

MODULES = (contracts, configured, generated, kept, scored, selecting)
READERS: list[Reader] = [reader for module in MODULES for reader in module.READERS]
