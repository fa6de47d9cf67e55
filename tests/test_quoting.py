"""No shell interprets a name in a configuration, an archive or a target: each value is part of a single word."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rendering
from synth_empathy.core import archive

#: Replaces every interpreter: it prints its own name and its arguments.
DUMP = """#!/bin/bash
printf '%s\\0' "$0" "$@" > "$DUMP"
"""
#: How Snakemake starts a command of a rule.
STRICT = "set -euo pipefail; "


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The folder with both spellings' working folders, and every command (rendering.py)."""
    root = tmp_path_factory.mktemp("rendered")
    command = [sys.executable, Path(rendering.__file__), root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads((root / "commands.json").read_text())
    for name, spelling in (("tame", str), ("hostile", rendering.hostile)):
        for python in made["pythons"]:
            program = root / name / spelling(python)
            program.parent.mkdir(exist_ok=True)
            program.write_text(DUMP)
            program.chmod(0o755)
    return root, made


def words_of(folder: Path, job: dict[str, str]) -> list[str]:
    """The words with which a rule's interpreter is started, its own name first."""
    dump = folder / "words"
    dump.unlink(missing_ok=True)
    if job["log"]:
        (folder / job["log"]).parent.mkdir(parents=True, exist_ok=True)
    command = ["bash", "-c", STRICT + job["command"]]
    done = subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin", "DUMP": str(dump)}, capture_output=True)
    said = (job["rule"], job["case"], job["command"], done.stderr.decode())
    assert done.returncode == 0 and dump.is_file(), said
    assert not job["log"] or (folder / job["log"]).is_file(), said
    return dump.read_bytes().decode().split("\0")[:-1]


def test_every_rules_command_takes_every_value_as_a_part_of_one_word(rendered):
    root, made = rendered
    assert len(made["rules"]) >= 30 and {job["rule"] for job in made["hostile"]} == set(made["rules"])
    for tame, hostile in zip(made["tame"], made["hostile"], strict=True):
        words = words_of(root / "tame", tame)
        assert any(rendering.TOKEN.search(word) for word in words), tame
        assert words_of(root / "hostile", hostile) == [rendering.hostile(word) for word in words], hostile["rule"]
    assert not list(root.rglob("PWNED"))


def test_every_kind_of_value_is_among_those_that_were_rendered(rendered):
    """The test above compares the rendered values; this one checks that they include all of the configuration's."""
    _, made = rendered
    for rule, flags in {
        "make_table": ["--note=tok", "--config results/tok", "--cells results/tok"],
        "make_figure7": ["--baselines tok", "--judgements in/tok", "--note=tok"],
        "pack_archive": ["--judgements=in/tok", "--run results/tok"],
        "run_baseline": ["--command=tok", "--made=tok"],
        "prepare_baseline": ["--need tok", "--data=tok"],
        "fetch_model": ["--repository=tok", "--license=tok"],
        "fetch_ed": ["--url=tok", "--archive=tok"],
        "generate": ["--demonstration=tok", "--model in/tok"],
        "respond": ["--system=tok"],
        "judge": ["--note=tok"],
        "take_archived": ["--archive tok", "--file tok"],
    }.items():
        found = "\n".join(job["command"] for job in made["tame"] if job["rule"] == rule)
        plain = re.sub(r'"\$\(dirname (\S+)\)"', r"\1", found)
        assert all(flag in plain for flag in flags), (rule, plain)
    assert all(job["command"].startswith("bin/tok") for job in made["tame"])


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_wildcard_accepts_characters_with_a_meaning_to_a_shell(rendered, data):
    """Snakemake passes a job's wildcards on unquoted: to Slurm as a comment, to logs and reports."""
    constraints = rendered[1]["constraints"]
    assert len(constraints) > 5 and all(constraints), constraints
    taken = data.draw(st.sampled_from(constraints).flatmap(matching))
    assert re.fullmatch(f"{archive.ALPHABET}+", taken)


def matching(constraint: str) -> st.SearchStrategy[str]:
    """Strings that a wildcard's constraint accepts."""
    return st.from_regex(constraint, fullmatch=True)


@pytest.mark.parametrize("spelled", ["'tok1p", '"tok1p"', "tok1p", "{tok1p"])
def test_an_unquoted_value_would_be_found(tmp_path, spelled):
    """A shell acts on the hostile text if it is not quoted."""
    done = subprocess.run(["bash", "-c", f"echo {rendering.hostile(spelled)}"], cwd=tmp_path, capture_output=True)
    assert done.returncode != 0 or (tmp_path / "PWNED").exists()
