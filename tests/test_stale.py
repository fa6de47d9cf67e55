"""Files that other code than today's made: Snakemake makes the cheap ones again, and the rest are listed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import DEMO, Checkout, jobs_of
from synth_empathy.core import code_graph, provenance
from synth_empathy.core.files import code_in_seal, seal_of
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import write_jsonl
from synth_empathy.execution import stale

#: A file of each step that names its code in a seal or in a manifest, and the script that makes it.
SEALED = {
    "ed/train.jsonl": "prepare_data",
    "ed/report.json": "prepare_data",
    "ed/embedded/train/embeddings.npy": "embed_texts",
    "synthetic/prompt2/dialogues.jsonl": "parse_rounds",
    "synthetic/prompt2/parse_summary.json": "parse_rounds",
    "synthetic/prompt2/samples.jsonl": "sample_turns",
    "training/ed/seed0.jsonl": "mix_training_set",
    "scored/prompt2/texts.jsonl": "embed_texts",
    "scored/prompt2/similarity.jsonl": "embed_texts",
    "selected/prompt2/dk60/quality.jsonl": "select_quality",
    "selected/prompt2/draw60/seed0.jsonl": "draw_samples",
    "selected/prompt2/top9-length/quality.jsonl": "select_top",
    "selected/prompt2/dk60/kcenter/seed0.jsonl": "select_diverse",
    "baselines/seek/prepared.json": "prepare_baseline",
    "baselines/seek/results.txt": "run_baseline",
}
DESCRIBED = {
    "synthetic/prompt2/outputs/0.jsonl": "generate",
    "responses/m/ed/seed0/test.jsonl": "respond",
    "judged/prompt2/before/seed0.jsonl": "judge",
    "models/m/ed/seed0/manifest.json": "train_model",
}


def code_of(scripts, script):
    """What a script records, with the smaller engine where it has one."""
    entries = ["inference.transformers_engine"] if script in ("generate", "respond", "judge") else None
    return provenance.code(scripts / f"{script}.py", entries)


def write_run(run):
    """A run with a file of each kind, made by today's code."""
    for name, script in SEALED.items():
        write_jsonl(run / name, [], code=code_of(code_graph.SCRIPTS, script))
    for name, script in DESCRIBED.items():
        place = run / name.replace(".jsonl", ".manifest.json")
        write_json(place, {"step": script, "code": code_of(code_graph.SCRIPTS, script)})
    return run


def stale_files(run):
    """What is stale, by path, with what changed."""
    return {made.path: made.changes for made in stale.made_files(run) if made.changes}


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "results/mine")


def test_what_todays_code_made_is_not_stale(run, step):
    assert stale_files(run) == {} and {made.path for made in stale.made_files(run)} == {*SEALED, *DESCRIBED}
    done = step("list_stale.py", "--results", run)
    assert done.returncode == 0 and done.stdout == f"{run}: 0 of 19 files were made by other code than today's\n"
    assert step("list_stale.py", "--results", run / "none").returncode == 2


#: Changes each module of the library in turn, and prints which files that makes stale, as JSON.
IN_TURN = """
import json, sys
from pathlib import Path
from synth_empathy.core import code_graph
from synth_empathy.execution import stale
for name, path in code_graph.modules().items():
    before = path.read_bytes()
    path.write_bytes(before + b"# changed\\n")
    stale.digest_today.cache_clear()
    found = [made.path for made in stale.made_files(Path(sys.argv[1])) if made.changes]
    path.write_bytes(before)
    print(json.dumps([name, path.relative_to(code_graph.SCRIPTS).as_posix(), found]))
"""


def test_each_module_that_decides_an_output_makes_it_again_or_stale(run, checkout):
    """Changed in turn in a copy: whatever a step's script imports, by Snakemake's inputs or by what is listed."""
    command = [sys.executable, "-c", IN_TURN, run]
    done = subprocess.run(command, cwd=checkout.folder / "scripts", capture_output=True, text=True, check=True)
    scripts = SEALED | DESCRIBED
    for name, path, listed in map(json.loads, done.stdout.splitlines()):
        silent = name in code_graph.SILENT or code_graph.is_empty(code_graph.SCRIPTS / path)
        deciding = {made for made, script in scripts.items() if path in code_of(code_graph.SCRIPTS, script)}
        assert set(listed) == (set() if silent else deciding), name


@pytest.fixture(scope="module")
def touched(tmp_path_factory):
    """A checkout in which the demo counts as made: its files are empty, and Snakemake's record of them is real."""
    checkout = Checkout(tmp_path_factory.mktemp("touched") / "checkout")
    for _, outputs in jobs_of(checkout, *DEMO, "--", "all"):
        for name in outputs:
            (checkout.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout.folder / name).touch()
    done = checkout.snakemake("--cores", "1", *DEMO, "--touch", "--", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def planned(checkout, *modules):
    """The rules whose jobs a dry-run plans where modules were changed."""
    paths = [checkout.folder / f"scripts/synth_empathy/{module}.py" for module in modules]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents):
        path.write_bytes(content + b"# changed\n")
    done = checkout.snakemake("-n", *DEMO, "--", "all")
    for path, content in zip(paths, contents):
        path.write_bytes(content)
        os.utime(path, (0, 0))
    assert done.returncode == 0, done.stdout + done.stderr
    stats = done.stdout.partition("Job stats:")[2].partition("total")[0]
    return set(re.findall(r"(?m)^(\w+) +\d+$", stats))


#: Modules that decide no output, or outputs before a model's work.
NOT_PLANNED = ["core/cli", "data/rounds", "selection/embedding", "training/sft", "inference/transformers_engine"]
#: What follows from changed cells or tables: nothing that a model made.
CELLS = {"make_cells", "make_bertscore_cells", "make_sample_cells"}
DRAWN = {"make_table", "make_figure1", "make_figure5", "make_figure8", "all"}


@pytest.mark.parametrize(
    ("modules", "rules"),
    [
        (["reporting/cells"], CELLS | DRAWN | {"make_figure7"}),
        (["reporting/tables"], DRAWN),
        (["evaluation/bootstrap"], {"compare_systems", "all"}),
        (NOT_PLANNED, set()),
    ],
)
def test_a_dry_run_plans_what_a_changed_module_decides_where_no_model_has_to_work_again(touched, modules, rules):
    assert planned(touched, *modules) == rules


def test_what_changed_is_named_by_file_and_a_module_of_before_by_its_name_alone(run, step):
    manifest = run / "synthetic/prompt2/outputs/0.manifest.json"
    record = json.loads(manifest.read_text())
    code = {Path(name).name: digest for name, digest in record["code"].items()}
    write_json(manifest, record | {"code": code | {"prompts.py": "0" * 64, "left.py": "1" * 64}})
    code = code_in_seal(run / "ed/train.jsonl") | {"synth_empathy/data/readers/empathetic_dialogues.py": "0" * 64}
    write_jsonl(run / "ed/train.jsonl", [], code=code)
    assert stale_files(run) == {
        "ed/train.jsonl": ("synth_empathy/data/readers/empathetic_dialogues.py",),
        "synthetic/prompt2/outputs/0.jsonl": ("prompts.py", "left.py (gone)"),
    }
    seal_of(run / "scored/prompt2/texts.jsonl").unlink()
    done = step("list_stale.py", "--results", run)
    assert done.returncode == 1 and done.stdout.splitlines() == [
        f"{run}: 2 of 19 files were made by other code than today's",
        "made before a change of synth_empathy/data/readers/empathetic_dialogues.py:",
        "    ed/train.jsonl",
        "made before a change of prompts.py, left.py (gone):",
        "    synthetic/prompt2/outputs/0.jsonl",
        "To make a file again, delete it and start Snakemake; files made from it are made again, too.",
        "No record says which code made 1 of them, first scored/prompt2/texts.jsonl.",
    ]
