"""The class of the registry's entries, and running a script inside the tests' process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

from hypothesis import strategies as st

from ..mutations import Case, Part, cases

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@dataclass(frozen=True)
class Reader:
    """One reader: its files, its flags or answers, and the function that reads them.

    Attributes:
        read: takes a folder with the files and the values of ``how``; ends well, raises what the reader raises, or
            ``checks.Wrong`` where rows are lost (``checks.same``).
        files: by name, each with its damaged forms.
        how: flags, answers of programs, and other values that are not files.
        scripted: False where Snakemake calls it, and not a script.
    """

    name: str
    read: Callable[[Path, dict], None]
    files: Mapping[str, Part] = field(default_factory=dict)
    how: Mapping[str, Part] = field(default_factory=dict)
    scripted: bool = True

    def cases(self) -> st.SearchStrategy[Case]:
        """Its examples."""
        return cases(self.files, self.how)

    def valid(self) -> Case:
        """The valid input of which its examples are damaged copies."""
        return Case(
            {name: part.valid for name, part in self.files.items()},
            {name: part.valid for name, part in self.how.items()},
        )


@cache
def script(name: str) -> ModuleType:
    """A step's script as a module."""
    spec = importlib.util.spec_from_file_location(f"fuzzed_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, *flags: object) -> None:
    """Run a script's ``main`` with flags; ``checks.process_state_kept`` restores the arguments."""
    sys.argv = [f"{name}.py", *map(str, flags)]
    script(name).main()
