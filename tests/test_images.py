"""Where images are, and whether an image file is complete and was built from the current locks."""

import json

import pytest

from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_file
from synth_empathy.execution import images


def test_an_image_is_in_the_folder_or_in_the_registry_by_its_digest(tmp_path):
    catalogue = tmp_path / "images.yaml"
    digest = "sha256:" + "a" * 64
    catalogue.write_text(f"registry: docker://host/owner\nimages: {{metrics-cpu: '{digest}', train-cpu: null}}\n")
    assert images.location(images.name_of("metrics", 0), "sifs/", catalogue) == "sifs/metrics-cpu.sif"
    assert images.location(images.name_of("train", 8), "/x", catalogue) == "/x/train-cuda.sif"
    assert images.location("metrics-cpu", None, catalogue) == f"docker://host/owner/metrics-cpu@{digest}"
    with pytest.raises(UserError, match="train-cpu is not published") as caught:
        images.location("train-cpu", None, catalogue)
    assert "containers/build --image train-cpu" in caught.value.hint
    with pytest.raises(UserError, match="metrics-cpu is not published"):
        images.location("metrics-cpu", None)  # the shipped catalogue has no registry


def test_an_image_file_must_exist_and_be_built_from_the_current_locks(tmp_path):
    (tmp_path / "envs").mkdir()
    lock, sif = tmp_path / "envs/a.lock", tmp_path / "metrics-cpu.sif"
    lock.write_text("numpy==1\n")
    with pytest.raises(UserError, match="there is no image") as caught:
        images.check_local(sif, tmp_path)
    assert "image_folder" in caught.value.hint
    sif.write_bytes(b"1234567")
    images.check_local(sif, tmp_path)  # pulled from a registry: its locks are unknown
    sif.with_suffix(".json").write_text(json.dumps({"locks": {"envs/a.lock": sha256_file(lock)}, "bytes": {"sif": 8}}))
    with pytest.raises(UserError, match="has 7 bytes, but metrics-cpu.json beside it describes an image of 8"):
        images.check_local(sif, tmp_path)
    sif.write_bytes(b"12345678")
    images.check_local(sif, tmp_path)
    lock.write_text("numpy==2\n")
    with pytest.raises(UserError, match="built from another envs/a.lock"):
        images.check_local(sif, tmp_path)
    long = json.loads(sif.with_suffix(".json").read_text()) | {"locks": {"a" * 300: "0" * 64}}
    sif.with_suffix(".json").write_text(json.dumps(long))
    with pytest.raises(UserError, match="built from another a{300} than"):
        images.check_local(sif, tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"locks": {}}',
        '{"bytes": 7, "locks": {}}',
        '{"bytes": {"sif": "7"}, "locks": {"a": "b"}}',
        '{"bytes": {"sif": 7}, "locks": ["a"]}',
        '{"bytes": {"sif": 7}, "locks": {}}',
        '{"bytes": {"sif": 7}, "locks": {"a": 1}}',
    ],
)
def test_a_damaged_record_of_an_image_is_refused(record, tmp_path):
    (tmp_path / "metrics-cpu.sif").write_bytes(b"1234567")
    (tmp_path / "metrics-cpu.json").write_text(record)
    with pytest.raises(UserError, match="metrics-cpu.json") as caught:
        images.check_local(tmp_path / "metrics-cpu.sif", tmp_path)
    assert "build it (containers/build --image metrics-cpu" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "registry: null",
        "registry: 5\nimages: {}",
        "registry: null\nimages: [metrics-cpu]",
        "registry: null\nimages: {metrics-cpu: latest}",
        "registry: docker://\nimages: {}",
        "registry: null\nimages: {metrics-cpu: null}\nimages: {}",
    ],
)
def test_a_damaged_catalogue_of_images_is_refused(text, tmp_path):
    (tmp_path / "images.yaml").write_text(text)
    with pytest.raises(UserError, match="images.yaml") as caught:
        images.location("metrics-cpu", None, tmp_path / "images.yaml")
    assert "restore it from the repository" in caught.value.hint
