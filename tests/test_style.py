"""The style of every tracked Python file, by its syntax tree, where ruff has no rule."""

import ast
import builtins
import itertools
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import REPOSITORY

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MOST_LINES = 50
MOST_POSITIONAL = 4


def python_files():
    """Every tracked Python file, and the tracked scripts that have no suffix."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    paths = [REPOSITORY / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and (path.suffix == ".py" or is_script(path))]


def is_script(path):
    """Whether a file without a suffix starts as a Python script."""
    if path.suffix:
        return False
    with open(path, "rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and b"python" in first


#: The names by which files of ours are imported: modules, and the folders of packages.
OUR_MODULES = {path.stem for path in python_files()} | {path.parent.name for path in python_files()}


def nested_comprehensions(tree):
    """The lines of comprehensions that contain another."""
    for node in ast.walk(tree):
        if isinstance(node, COMPREHENSIONS):
            inner = [child for child in ast.walk(node) if child is not node and isinstance(child, COMPREHENSIONS)]
            if inner:
                yield node.lineno, "a comprehension inside another"


def long_functions(tree):
    """The lines of functions that are longer than a screen."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            length = node.end_lineno - node.lineno + 1
            if length > MOST_LINES:
                yield node.lineno, f"{node.name} has {length} lines"


@dataclass(frozen=True)
class Names:
    """Names of our functions, classes and methods whose calls are checked.

    Fixtures do not count, because tests call their values. Nor do names that also have a variadic definition, and the
    names of built-ins.
    """

    bare: set[str]  # functions and classes
    dotted: set[str]  # the same, as attributes of modules, and methods

    @classmethod
    def defined_in(cls, trees):
        """The names that some files define."""
        functions, methods, exempt = set(), set(), set(dir(builtins))
        for node in itertools.chain.from_iterable(map(ast.walk, trees)):
            if isinstance(node, ast.ClassDef):
                functions.add(node.name)
                methods |= {child.name for child in node.body if isinstance(child, FUNCTIONS)}
            elif isinstance(node, FUNCTIONS) and node.args.vararg:
                exempt.add(node.name)
        for node in itertools.chain.from_iterable(map(functions_outside_classes, trees)):
            if not is_fixture(node):
                functions.add(node.name)
        return cls(functions - exempt, (functions | methods) - exempt)

    def match(self, call):
        """The name of one of ours that is called; None for any other call."""
        if isinstance(call.func, ast.Name):
            return call.func.id if call.func.id in self.bare else None
        if isinstance(call.func, ast.Attribute):
            return call.func.attr if call.func.attr in self.dotted else None
        return None


def functions_outside_classes(node):
    """The functions of a file that are not methods."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS) and not isinstance(node, ast.ClassDef):
            yield child
        yield from functions_outside_classes(child)


def is_fixture(node):
    """Whether a definition is decorated as one of pytest's fixtures."""
    return any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def imported_from_others(tree):
    """The names that a file imports from packages that are not ours, such as hypothesis's ``given``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] not in OUR_MODULES:
            yield from (alias.asname or alias.name for alias in node.names)


def positional_calls(tree, names):
    """The lines of calls of ``names`` with many positional arguments; calls with a starred argument are exempt."""
    theirs = set(imported_from_others(tree))
    for node in ast.walk(tree):
        name = names.match(node) if isinstance(node, ast.Call) else None
        if name is None or name in theirs or any(isinstance(argument, ast.Starred) for argument in node.args):
            continue
        if len(node.args) > MOST_POSITIONAL:
            yield node.lineno, f"{name} is called with {len(node.args)} positional arguments"


@pytest.fixture(scope="module")
def trees():
    """The syntax trees of all files, by path in the repository."""
    paths = python_files()
    return {path.relative_to(REPOSITORY).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def faults_in(trees, check):
    """The faults that a check finds, as ``path:line: fault``."""
    faults = []
    for path, tree in trees.items():
        faults += [f"{path}:{line}: {fault}" for line, fault in check(tree)]
    return faults


def test_all_python_files_are_read(trees):
    folders = Counter(Path(name).parts[0] for name in trees)
    assert folders.keys() >= {"benchmarks", "containers", "envs", "scripts", "tests"}
    assert "containers/build" in trees and folders["scripts"] > 80 and folders["tests"] > 60


def test_no_comprehension_is_inside_another(trees):
    assert faults_in(trees, nested_comprehensions) == []


def test_functions_fit_on_a_screen(trees):
    assert faults_in(trees, long_functions) == []


def test_our_functions_are_called_with_few_positional_arguments(trees):
    names = Names.defined_in(trees.values())
    assert faults_in(trees, lambda tree: positional_calls(tree, names)) == []


# Each check finds a planted fault.


def line_numbers(faults):
    return [line for line, _ in faults]


@pytest.mark.parametrize(
    "code",
    [
        "[[cell for cell in row] for row in rows]",
        "{name: sum(value for value in row) for name, row in rows}",
        "list(row for row in rows if any(cell for cell in row))",
        "[row for row in {cell for cell in cells}]",
    ],
)
def test_a_comprehension_inside_another_is_found(code):
    assert line_numbers(nested_comprehensions(ast.parse(f"\n{code}\n"))) == [2]
    assert line_numbers(nested_comprehensions(ast.parse("[row for row in rows]\n[cell for cell in cells]\n"))) == []


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(("lines", "faults"), [(MOST_LINES, []), (MOST_LINES + 1, [3])])
def test_a_long_function_is_found(kind, lines, faults):
    body = "        pass\n" * (lines - 1)
    assert line_numbers(long_functions(ast.parse(f"# one\nclass A:\n    {kind} f(self):\n{body}"))) == faults


OWN = """
def ours(a, b, c, d, e): ...
class Ours:
    def method(self, a, b, c, d, e): ...
def variadic(*words): ...
@pytest.fixture(scope="module")
def fixture(tmp_path): ...
def sorted(a, b, c, d, e): ...
"""


@pytest.mark.parametrize(
    ("call", "faults"),
    [
        ("ours(1, 2, 3, 4, 5)", [1]),
        ("module.ours(1, 2, 3, 4, 5)", [1]),
        ("Ours(1, 2, 3, 4, 5)", [1]),
        ("Ours().method(1, 2, 3, 4, 5)", [1]),
        ("print(ours(1, 2, 3, 4, 5))", [1]),
        ("ours(1, 2, 3, 4, e=5)", []),
        ("ours(1, *rest)", []),
        ("ours(1, 2, 3, 4, *rest)", []),
        ("variadic(1, 2, 3, 4, 5)", []),
        ("sorted(1, 2, 3, 4, 5)", []),
        ("fixture(1, 2, 3, 4, 5)", []),
        ("method(1, 2, 3, 4, 5)", []),
        ("theirs(1, 2, 3, 4, 5)", []),
        ("from hypothesis import ours; ours(1, 2, 3, 4, 5)", []),
        ("from synth_empathy.core import ours; ours(1, 2, 3, 4, 5)", [1]),
        ("from conftest import ours; ours(1, 2, 3, 4, 5)", [1]),
        ("from . import ours; ours(1, 2, 3, 4, 5)", [1]),
        ("calls[0](1, 2, 3, 4, 5)", []),
    ],
)
def test_a_call_with_many_positional_arguments_is_found(call, faults):
    names = Names.defined_in([ast.parse(OWN)])
    assert line_numbers(positional_calls(ast.parse(call), names)) == faults
