"""The registry: every reader once. A new one is an entry in one of these modules."""

from . import contracts
from .registry import Reader

READERS: list[Reader] = [*contracts.READERS]
