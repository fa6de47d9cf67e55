"""Which files of code decide a script's output: derived from its imports, so that no list of them can drift.

Imports are read from the syntax tree, including those inside functions; no module is executed. Some modules are
special: a job uses only some entries of a registry, and perhaps none of the optional modules; silent modules decide no
output.
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
#: entries inside functions, or by ``import_module``. A job depends only on the entries that it requests.
REGISTRIES = {
    "data.readers": "data.readers.*",
    "inference.engines": "inference.*_engine",
    "evaluation.metrics": "evaluation.metrics.*",
}
#: Optional modules that a job uses only if it runs as several processes, one for each GPU. They are imported inside
#: functions, and a job depends only on those that it requests.
SEVERAL_PROCESSES = frozenset({"training.fsdp", "training.launcher"})
#: Modules that decide no output, each with the reason. They are neither listed nor followed: a message's new wording
#: makes no output stale.
SILENT = {
    "core.addresses": "it hides passwords in the addresses that logs show",
    "core.cli": "it reads flags, shows progress and sets the exit status",
    "core.code_graph": "it finds code, and the record itself lists that code",
    "core.devices": "it refuses a step that has too few GPUs",
    "core.errors": "it words errors and hints",
    "core.folders": "it locks folders and makes them appear whole",
    "core.paths": "it knows where this repository is",
    "core.provenance": "it computes hashes and versions, which the record itself lists",
    "core.resumable": "it keeps finished rows and returns only those that would come out the same",
}
#: Modules that decide how a file is read and written, but no value in it. The record of the code that made a file
#: lists them. A change of one discards no unfinished work, since its rows would come out the same.
CARRIERS = {
    "core.absent": "it holds the words that stand for absent values",
    "core.csv_files": "it reads CSV files and checks their columns",
    "core.escaping": "it makes texts safe to show",
    "core.files": "it writes, seals and reads whole files",
    "core.json_files": "it reads and writes JSON",
    "core.model_folder": "it makes model folders and checks their files, whose hashes are known",
    "core.records": "it reads and writes records, and checks their fields",
    "core.yaml_files": "it reads settings and prompts, whose texts are known by hash",
    "schema.declared": "it reads settings, whose values are known",
    "schema.setting_faults": "it checks settings, whose values are known",
    "schema.setting_types": "it checks settings, whose values are known",
    "schema.wording": "it words what is wrong with a setting",
}


def reached(script: str | Path, entries: Iterable[str] | None = None) -> list[str]:
    """The files of code that decide a script's output: its own, then modules of the library, as paths in ``scripts/``.

    Args:
        entries: the registered and optional modules that the job uses, by their dotted names in the library, such as
            ``inference.transformers_engine``; all of them if not given.

    Raises:
        ValueError: the script cannot reach an entry: a defect of the caller.
    """
    script = Path(script).resolve()
    requested = None if entries is None else set(entries)
    names: set[str] = set()
    waiting = list(dependencies(script, None, requested))
    while waiting:
        module = waiting.pop()
        if module not in names and module not in SILENT:
            names.add(module)
            waiting += dependencies(path_of(module), REGISTRIES.get(module), requested)
    unknown = (requested or set()) - names
    if unknown:
        raise ValueError(f"{script.name} reaches no registry that has an entry {min(unknown)}")
    deciding = sorted(path_of(module) for module in names if not is_empty(path_of(module)))
    return [path.relative_to(SCRIPTS).as_posix() for path in (script, *deciding)]


def dependencies(path: Path, pattern: str | None, requested: set[str] | None) -> set[str]:
    """The modules that a file uses: its imports, but only the requested entries and optional modules.

    Args:
        pattern: if the file is a registry, the pattern of its entries' names; a file imports them by their names or
            not. requested: as ``entries`` of ``reached``.
    """
    eager, lazy = imports_of(path)
    registered = {name for name in modules() if pattern and fnmatchcase(name, pattern)}
    if requested is None:
        return eager | lazy | registered
    optional = lazy & SEVERAL_PROCESSES
    return eager | (lazy - registered - optional) | ((registered | optional) & requested)


@cache
def modules() -> dict[str, Path]:
    """The file of every module of the library by the module's dotted name; a package's file is its ``__init__.py``."""
    files = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def path_of(module: str) -> Path:
    """A module's file."""
    return modules()[module]


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_bytes(), str(path))


@cache
def is_empty(path: Path) -> bool:
    """Whether a file of code holds only a docstring, as the ``__init__.py`` of many packages does."""
    body = tree(path).body
    return not body[1:] and (not body or ast.get_docstring(tree(path)) is not None)


@cache
def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """The library's modules, and the packages around them, that a file imports: at its top level, and in functions."""
    nodes = set(ast.walk(tree(path)))
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    in_functions = set(chain.from_iterable(map(ast.walk, functions)))
    packages = path.relative_to(LIBRARY).parent.parts if path.is_relative_to(LIBRARY) else ()
    return modules_in(nodes - in_functions, packages), modules_in(in_functions, packages)


def modules_in(nodes: Iterable[ast.AST], packages: tuple[str, ...]) -> set[str]:
    """The modules of the library that some statements import."""
    names = chain.from_iterable(names_in(node, packages) for node in nodes)
    return set(chain.from_iterable(map(with_packages, names)))


def names_in(node: ast.AST, packages: tuple[str, ...]) -> Iterator[str]:
    """The dotted names in the library that a statement imports; an imported function or class is the last part.

    Args:
        packages: the names of the packages that the statement's file is in, outermost first, without the library's.
    """
    if isinstance(node, ast.Import):
        names = [in_library(alias.name) for alias in node.names]
        yield from (name for name in names if name is not None)
    elif isinstance(node, ast.ImportFrom):
        base = base_of(node, packages)
        if base is not None:
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def base_of(node: ast.ImportFrom, packages: tuple[str, ...]) -> str | None:
    """The module that ``from ... import`` imports from, by its name in the library; None if it is outside."""
    if not node.level:
        return in_library(node.module or "")
    return ".".join(filter(None, [*packages[: len(packages) + 1 - node.level], node.module]))


def in_library(name: str) -> str | None:
    """A full dotted name without the library's package; None if it is outside the library."""
    head, _, rest = name.partition(".")
    return rest if head == PACKAGE else None


def with_packages(name: str) -> Iterator[str]:
    """The module that a dotted name leads to, and the packages around it, which Python imports first."""
    parts = name.split(".") if name else []
    for end in range(len(parts) + 1):
        module = ".".join(parts[:end])
        if module in modules():
            yield module
