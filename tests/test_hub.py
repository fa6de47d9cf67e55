"""The real client fetches from a hub on loopback: the pinned revision, and only its own bytes."""

import json
import os
import subprocess

import pytest

from hub import serve
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import open_model
from synth_empathy.core.model_sources import download_from_hub, git_hash

REVISION = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/some-model"


@pytest.fixture
def upstream(tmp_path, tiny_model):
    """The repository's files: a model, and a file that is not wanted."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    for path in tiny_model.iterdir():
        if path.name != "manifest.json":
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


@pytest.fixture
def fetch(step, tmp_path):
    """A function that runs fetch_model.py against an address, as its rule does."""

    def run(address, revision=REVISION, **more):
        flags = ["--name", "m", "--output", tmp_path / "m", "--repository", REPOSITORY, "--revision", revision]
        flags += ["--license", "MIT"]
        return step(
            "fetch_model.py", *flags, env=os.environ | {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1"} | more
        )

    return run


def test_gits_hash_is_gits(tmp_path):
    (tmp_path / "f").write_bytes(b"some\nbytes\0")
    assert (
        git_hash(tmp_path / "f")
        == subprocess.run(
            ["git", "hash-object", tmp_path / "f"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


def test_a_revision_is_fetched_checked_and_described(upstream, fetch, tmp_path):
    with serve(upstream, REPOSITORY, REVISION) as address:
        done = fetch(
            address
        )  # HF_HUB_OFFLINE=1 in the environment, as images have it, does not hold for the fetch rules
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = open_model(tmp_path / "m")
    assert manifest["revision"] == REVISION and manifest["repository"] == REPOSITORY
    assert (tmp_path / "m/model.safetensors").read_bytes() == (upstream / "model.safetensors").read_bytes()
    assert not (tmp_path / "m/pytorch_model.bin").exists() and not (tmp_path / "m/.cache").exists()
    assert json.loads((tmp_path / "m/manifest.json").read_text())["files"].keys() >= {
        "model.safetensors",
        "config.json",
    }


@pytest.mark.parametrize("damaged", ["model.safetensors", "config.json"])
def test_bytes_that_differ_from_the_hubs_list_are_refused(upstream, fetch, tmp_path, damaged):
    with serve(upstream, REPOSITORY, REVISION, damage=damaged) as address:
        done = fetch(address)
    assert (
        done.returncode == 1
        and f"{damaged} is not what the hub lists" in done.stderr
        and "What to do: " in done.stderr
    )
    assert not (tmp_path / "m").exists()


def test_a_missing_revision_and_an_unreachable_hub_are_errors_for_the_user(upstream, fetch):
    with serve(upstream, REPOSITORY, REVISION) as address:
        done = fetch(address, "f" * 40)
    assert done.returncode == 1 and f"has no revision {'f' * 40}" in done.stderr
    done = fetch("http://127.0.0.1:9")
    assert done.returncode == 1 and "could not be fetched" in done.stderr and "login node" in done.stderr


def test_a_signed_address_is_in_no_message(monkeypatch, tmp_path):
    def refused(*_, **__):
        raise OSError("403 Forbidden for url: https://cdn.example.org/model?Expires=1&Signature=secret")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refused)
    with pytest.raises(UserError, match="403 Forbidden for url: https://cdn.example.org/model") as caught:
        download_from_hub(REPOSITORY, REVISION, tmp_path)
    assert "secret" not in str(caught.value)
