"""Which files of code a script's output depends on: derived from its imports, so that no list of them can drift.

Imports are read from the syntax, those inside functions too; nothing is imported. Two kinds of module are special: a
registry's entries, of which a job uses some, and modules that decide no output.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain
from pathlib import Path

from .paths import LIBRARY, SCRIPTS

PACKAGE = LIBRARY.name

#: Modules that choose among others by name, their entries, and a pattern of the entries' names. A registry imports its
#: entries inside functions, or by ``import_module``. A job depends on those that it asks for, and on no others.
REGISTRIES = {
    "inference.engines": "inference.*_engine",
    "training.sft": "training.fsdp",
    "evaluation.metrics.registry": "evaluation.metrics.*",
}
#: Modules that decide no output, each with the reason. They are neither listed nor followed: another wording of a
#: message makes no result anew.
SILENT = {
    "core.addresses": "it hides passwords in addresses that are shown",
    "core.cli": "it reads flags, shows progress, and sets the exit status",
    "core.code_graph": "it finds code; which code it found is in the record itself",
    "core.devices": "it refuses a step that has fewer GPUs than it is to use",
    "core.errors": "it says what is wrong and what to do",
    "core.folders": "it locks folders, and lets them appear whole",
    "core.paths": "it says where this repository is",
    "core.provenance": "it computes hashes and looks up versions, which are in the record itself",
    "core.resumable": "it keeps finished rows, and gives back those that would come out the same",
    "training.launcher": "it starts processes and reports how they end; their number is in the record itself",
}
#: Modules that decide how a file is read and written, and no value in it. A change of one is a change of the code that
#: made a file; unfinished work goes on all the same, since its rows would come out the same.
CARRIERS = {
    "schema.declared": "it reads settings, whose values are known",
    "core.escaping": "it makes texts safe to show",
    "core.model_folder": "it fetches models and checks their files, whose hashes are known",
    "core.records": "it reads, checks, writes and seals files",
    "schema.setting_types": "it checks settings, whose values are known",
    "core.yaml_files": "it reads settings and prompts, whose texts are known by hash",
}


def reached(script: str | Path, entries: Iterable[str] | None = None) -> list[str]:
    """The files of code that decide a script's output: its own, then modules of the library, as paths in ``scripts/``.

    Args:
        entries: the registered modules that the job uses, by their dotted names in the library, such as
            ``transformers_engine``; every one where it is not given.

    Raises:
        ValueError: an entry is no module of a registry that the script reaches: a defect of the caller.
    """
    asked = None if entries is None else set(entries)
    found: set[str] = set()
    waiting = list(set.union(*imports_of(Path(script).resolve())))
    while waiting:
        module = waiting.pop()
        if module not in found and module not in SILENT:
            found.add(module)
            waiting += next_modules(module, asked)
    unknown = (asked or set()) - found
    if unknown:
        raise ValueError(f"{Path(script).name} reaches no registry that has an entry {min(unknown)}")
    deciding = sorted(path_of(module) for module in found if not is_empty(path_of(module)))
    return [path.relative_to(SCRIPTS).as_posix() for path in (Path(script).resolve(), *deciding)]


def next_modules(module: str, asked: set[str] | None) -> set[str]:
    """The modules that a module imports; of a registry's entries those that are asked for, imported by it or not."""
    eager, lazy = imports_of(path_of(module))
    pattern = REGISTRIES.get(module)
    if pattern is None:
        return eager | lazy
    registered = {name for name in modules() if fnmatchcase(name, pattern)}
    return eager | (lazy - registered) | (registered if asked is None else registered & asked)


@cache
def modules() -> dict[str, Path]:
    """Every module of the library by its dotted name; a package by its own, with its ``__init__.py``."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def path_of(module: str) -> Path:
    """A module's file."""
    return modules()[module]


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_bytes(), str(path))


@cache
def is_empty(path: Path) -> bool:
    """Whether a file of code holds nothing but a docstring, as the ``__init__.py`` of many packages."""
    body = tree(path).body
    return not body[1:] and (not body or ast.get_docstring(tree(path)) is not None)


@cache
def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """The modules of the library that a file imports, with the packages that they are in: at its top, in functions."""
    nodes = set(ast.walk(tree(path)))
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inner = set(chain.from_iterable(map(ast.walk, functions)))
    inside = path.relative_to(LIBRARY).parent.parts if path.is_relative_to(LIBRARY) else ()
    return modules_in(nodes - inner, inside), modules_in(inner, inside)


def modules_in(nodes: Iterable[ast.AST], inside: tuple[str, ...]) -> set[str]:
    """The modules of the library that some statements import."""
    names = chain.from_iterable(names_in(node, inside) for node in nodes)
    return set(chain.from_iterable(map(with_packages, names)))


def names_in(node: ast.AST, inside: tuple[str, ...]) -> Iterator[str]:
    """The dotted names in the library that a statement imports; that of a function or a class ends in it.

    Args:
        inside: the names of the packages that the statement's file is in, without the library's own.
    """
    if isinstance(node, ast.Import):
        names = [in_library(alias.name) for alias in node.names]
        yield from (name for name in names if name is not None)
    elif isinstance(node, ast.ImportFrom):
        base = base_of(node, inside)
        if base is not None:
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def base_of(node: ast.ImportFrom, inside: tuple[str, ...]) -> str | None:
    """What ``from ... import`` imports from, by its name in the library; None outside it."""
    if not node.level:
        return in_library(node.module or "")
    return ".".join(filter(None, [*inside[: len(inside) + 1 - node.level], node.module]))


def in_library(name: str) -> str | None:
    """A full name without the library's package; None for what is not in it."""
    head, _, rest = name.partition(".")
    return rest if head == PACKAGE else None


def with_packages(name: str) -> Iterator[str]:
    """The module that a name leads to, and the packages around it, which Python imports before it."""
    parts = name.split(".") if name else []
    for end in range(len(parts) + 1):
        module = ".".join(parts[:end])
        if module in modules():
            yield module
