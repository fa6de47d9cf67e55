"""The code that a file depends on: the modules that Python would import, without those that decide no output."""

import re
import subprocess
import sys
from modulefinder import ModuleFinder

import pytest

from conftest import jobs_of
from synth_empathy.core import code_graph, provenance

SCRIPTS = sorted(code_graph.SCRIPTS.glob("*.py"))
#: Scripts whose outputs need no record of their code: the hash of what they fetch or copy is known, or they only
#: print; and one that imports no library, and records its own hash.
KNOWN_OTHERWISE = {"fetch_ed", "fetch_model", "fetch_repository", "take_archived", "print_claims", "run_baseline"}


def found_by_python(script, entries=True):
    """The files that the standard library's finder follows from a script and, with ``entries``, registered modules."""
    excludes = [f"synth_empathy.{name}" for name in code_graph.SILENT]
    finder = ModuleFinder(path=[str(code_graph.SCRIPTS)], excludes=excludes)
    finder.run_script(str(script))
    for registry, pattern in code_graph.REGISTRIES.items():
        if f"synth_empathy.{registry}" in finder.modules and entries:
            for name in entries_like(pattern):
                finder.import_hook(f"synth_empathy.{name}")
    files = {module.__file__ for name, module in finder.modules.items() if name.startswith("synth_empathy")}
    names = {code_graph.Path(file).relative_to(code_graph.SCRIPTS).as_posix() for file in files}
    return {name for name in names if not code_graph.is_empty(code_graph.SCRIPTS / name)}


def entries_like(pattern):
    """The modules that a registry's pattern names."""
    return [name for name in code_graph.modules() if code_graph.fnmatchcase(name, pattern)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_reaches_what_pythons_own_finder_finds(script):
    own, *reached = code_graph.reached(script)
    assert own == script.name and len(reached) == len(set(reached))
    assert set(reached) == found_by_python(script)


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_a_job_depends_on_the_registered_modules_that_it_uses_and_on_no_others(engine):
    script = code_graph.SCRIPTS / "respond.py"
    reached = set(code_graph.reached(script, entries=[f"inference.{engine}_engine"]))
    engines = {f"synth_empathy/inference/{name}.py" for name in ("transformers_engine", "vllm_engine")}
    assert reached & engines == {f"synth_empathy/inference/{engine}_engine.py"}
    assert reached | engines == set(code_graph.reached(script))
    without = code_graph.reached(script, entries=[])
    assert not engines & set(without) and "synth_empathy/inference/engines.py" in without


def test_an_entry_that_the_script_cannot_use_is_a_defect():
    with pytest.raises(ValueError, match=r"make_table.py reaches no registry that has an entry inference.vllm_engine"):
        code_graph.reached(code_graph.SCRIPTS / "make_table.py", entries=["inference.vllm_engine"])
    with pytest.raises(ValueError, match="an entry no_engine"):
        code_graph.reached(code_graph.SCRIPTS / "respond.py", entries=["no_engine"])


STEP = """
import synth_empathy.plain
from synth_empathy import package as p


def main():
    from synth_empathy.lazy import f
"""
#: A library of a few modules, and a script that imports some of them.
FILES = {
    "step.py": STEP,
    "synth_empathy/__init__.py": '"""Only words."""\n',
    "synth_empathy/plain.py": "import numpy\nfrom .package.inner import name\n",
    "synth_empathy/lazy.py": "def f():\n    from .core import cli\n    from .package import deep\n",
    "synth_empathy/unused.py": "",
    "synth_empathy/core/cli.py": "from .. import unused\n",
    "synth_empathy/package/__init__.py": "from ..other import x\n",
    "synth_empathy/package/inner.py": "from . import deep as d\nname = 1\n",
    "synth_empathy/package/deep.py": "from .. import other\nx = 1\n",
    "synth_empathy/other.py": "x = 1\n",
    "synth_empathy/inference/engines.py": "",
}


def test_every_form_of_import_is_followed(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("code_graph", "paths"):
        path = f"synth_empathy/core/{name}.py"
        (tmp_path / path).write_bytes((code_graph.SCRIPTS / path).read_bytes())
    asked = "from synth_empathy.core import code_graph; print(*code_graph.reached('step.py'))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    modules = ("lazy", "other", "package/__init__", "package/deep", "package/inner", "plain")
    assert done.stdout.split() == ["step.py", *(f"synth_empathy/{name}.py" for name in modules)]


def test_the_special_modules_exist_and_hide_no_other():
    modules = code_graph.modules()
    for name in (*code_graph.SILENT, *code_graph.CARRIERS, *code_graph.REGISTRIES):
        assert name in modules
    assert not code_graph.SILENT.keys() & code_graph.CARRIERS.keys()
    for name in code_graph.SILENT:
        eager, lazy = code_graph.imports_of(modules[name])
        hidden = {module for module in eager | lazy if not code_graph.is_empty(modules[module])}
        assert hidden <= {*code_graph.SILENT, *code_graph.CARRIERS}, name


def test_optional_modules_are_imported_in_functions_only():
    for path in (*code_graph.modules().values(), *SCRIPTS):
        eager, _ = code_graph.imports_of(path)
        assert not eager & code_graph.SEVERAL_PROCESSES, path


def test_only_registries_import_by_name():
    for name, path in code_graph.modules().items():
        if re.search(r"import_module\(|__import__\(", path.read_text()):
            assert name in code_graph.REGISTRIES, name


def test_every_rule_has_its_code_as_an_input_or_a_record_of_it(repository):
    checked = 0
    for path in [repository / "Snakefile", *(repository / "rules").glob("*.smk")]:
        for block in re.split(r"(?m)^rule ", path.read_text())[1:]:
            for script in re.findall(r"scripts/(\w+)\.py", block):
                text = (repository / f"scripts/{script}.py").read_text()
                recorded = "provenance.code(__file__" in text or script in KNOWN_OTHERWISE
                assert recorded or re.search(rf'code=code\(\s*"{script}"', block), script
                checked += 1
    assert checked > 30


def test_what_snakemake_takes_for_an_input_is_what_python_would_import(checkout):
    code = set()
    for inputs, _ in jobs_of(checkout, "all", "archive", "novelty", "check_claims"):
        code.add(tuple(name for name in inputs if name.startswith("scripts/")))
    code.discard(())
    assert len({script for script, *_ in code}) >= 12
    for script, *modules in code:
        expected = {f"scripts/{name}" for name in found_by_python(checkout.folder / script, entries=False)}
        assert expected <= set(modules), script


def test_code_is_known_by_its_path():
    code = provenance.code(code_graph.SCRIPTS / "evaluate.py")
    assert list(code)[0] == "evaluate.py" and any("/metrics/" in name for name in code)
    for name, digest in code.items():
        assert digest == provenance.sha256_file(code_graph.SCRIPTS / name)


@pytest.mark.parametrize("script", ["respond", "train_model", "embed_texts"])
def test_unfinished_work_continues_after_a_change_of_code_that_decides_no_row(script):
    facts = {"model": "m", "code": provenance.code(code_graph.SCRIPTS / f"{script}.py")}
    for name in facts["code"]:
        changed = facts | {"code": facts["code"] | {name: "0" * 64}}
        carries = name.removeprefix("synth_empathy/").removesuffix(".py") in code_graph.CARRIERS
        assert (provenance.deciding(changed) == provenance.deciding(facts)) == carries, name


def test_the_page_on_the_layout_has_the_layers_that_the_linter_holds(repository):
    declared = re.search(r"(?m)^layers =\n((?:    .+\n)+)", (repository / ".importlinter").read_text())[1]
    layers = [set(line.split(" | ")) for line in declared.replace("    ", "").splitlines()]
    rows = re.findall(r"(?m)^\| [1-9] \| (.+?) \|", (repository / "docs/layout.md").read_text())
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == layers
    head = (repository / "scripts/synth_empathy/__init__.py").read_text()
    named = re.findall(r"(?m)^    ([a-z]+(?:, [a-z]+)*)  ", head)
    assert [set(row.split(", ")) for row in named] == layers
