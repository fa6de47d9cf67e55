"""Rules in a real image: through Slurm the same bytes as without either, no host packages inside, and no network needed.

The image is metrics-cpu, built from its Dockerfile (tests/containers.py). Without root, buildah, mmdebstrap or Apptainer
these tests are skipped; with CI=true they fail.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import BIN, REPOSITORY, SMALL, Checkout
from containers import build_metrics_image
from hpc.profile import set_profile
from hpc.slurm import ACCOUNT
from synth_empathy.core.provenance import sha256_file

pytestmark = pytest.mark.more

MADE = ("config.yaml", "metrics", "cells", "tables", "figures", "archive", "logs", "benchmarks", ".state")


def skip_without(missing):
    """Skip, or with CI=true fail, where the machine lacks something."""
    if missing:
        message = f"this machine lacks {', '.join(missing)} (tests/hpc/install.sh installs it)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with metrics-cpu.sif, built here."""
    skip_without(
        [program for program in ("apptainer", "buildah", "mmdebstrap") if not shutil.which(program)]
        + ["root"] * (os.geteuid() != 0)
    )
    return build_metrics_image(tmp_path_factory.mktemp("images"))


@pytest.fixture
def given(small, images, tmp_path):
    """A fresh checkout on the cluster's profile, with the cut-down demo's files up to its responses: what a reviewer is handed."""
    checkout = Checkout(tmp_path / "checkout")
    set_profile(checkout.folder, account=ACCOUNT, image_folder=images)
    left = shutil.ignore_patterns(*MADE)
    shutil.copytree(small.folder / "results/small", checkout.folder / "results/small", ignore=left)
    shutil.copytree(small.folder / "models", checkout.folder / "models", copy_function=os.link)
    return checkout


def test_a_table_from_given_responses_through_slurm_in_the_image_has_the_same_bytes(slurm, given, small):
    done = given.snakemake("--profile", "slurm", *SMALL, "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    made, calm = given.made("small"), small.made("small")
    names = [
        name for name in made if name.startswith(("metrics/", "cells/", "tables/")) and not name.endswith(".sha256")
    ]
    assert len(names) == 6 + 39 + 3 and [name for name in names if made[name] != calm[name]] == []
    logs = [
        path
        for step in ("evaluate", "evaluate_bertscore")
        for path in (given.folder / "results/small/logs" / step).rglob("*.log")
    ]
    logs += [given.folder / "results/small/logs/make_table/table1.log"]
    assert len(logs) == 7 and all("in the image metrics-cpu.sif" in log.read_text() for log in logs)


def test_a_job_sees_its_image_and_its_gpu_and_none_of_the_hosts_packages(slurm, given, tmp_path):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/only_on_the_path.py").touch()
    done = given.snakemake(
        "--profile", "slurm", "--snakefile", "tests/hpc/probe.smk", env=os.environ | {"PYTHONPATH": f"{tmp_path}/path"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads((given.folder / "results/probe.json").read_text())
    assert seen["image"] == "metrics-cpu.sif" and seen["python"] == "/opt/env/bin/python" and seen["offline"] == "1"
    assert seen["gpus"] in ("0", "1")  # as Slurm gave it
    assert seen["user_site"] is False and seen["writes_bytecode"] is False
    assert seen["found"].pop("torch").startswith("/opt/env/") and seen["found"].pop("sacrebleu").startswith(
        "/opt/env/"
    )
    assert set(seen["found"].values()) == {None}


def test_without_a_network_a_table_is_made_in_the_image(given, small):
    (given.folder / "one-system.yaml").write_text("tables: {table1: {systems: [demo-zero-shot]}}\n")
    words = [
        "--cores",
        "2",
        "--sdm",
        "apptainer",
        "--config",
        f"image_folder={image_folder(given)}",
        *SMALL,
        "one-system.yaml",
        "--",
        "table1",
    ]
    done = given.run(
        "unshare",
        "--net",
        "sh",
        "-c",
        '[ "$(grep -c : /proc/net/dev)" = 1 ] && exec "$@"',
        "sh",
        BIN / "snakemake",
        *words,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made, calm = given.made("small"), small.made("small")
    metrics = [name for name in made if name.startswith("metrics/") and not name.endswith(".sha256")]
    assert len(metrics) == 2 and all(made[name] == calm[name] for name in metrics) and "tables/table1.csv" in made
    [log] = (given.folder / "results/small/logs/make_table").glob("table1.log")
    assert "in the image metrics-cpu.sif" in log.read_text()


def image_folder(checkout):
    """The folder that the checkout's profile names."""
    [line] = [
        line for line in (checkout.folder / "slurm/config.yaml").read_text().splitlines() if "image_folder=" in line
    ]
    return line.split("image_folder=")[1].split()[0]


def test_a_missing_image_is_named_before_the_first_job(slurm, given, tmp_path):
    set_profile(given.folder, account=ACCOUNT, image_folder=tmp_path / "empty")
    done = given.snakemake("--profile", "slurm", *SMALL, "--", "table1")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and f"there is no image {tmp_path}/empty/metrics-cpu.sif" in said
    assert "containers/build --image metrics-cpu" in said and "image_folder" in said and "Traceback" not in said


def test_no_published_image_is_a_sentence_too(checkout, tmp_path):
    """With a stand-in for apptainer, which a dry-run asks for its version alone."""
    (tmp_path / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.4.5\n")
    (tmp_path / "apptainer").chmod(0o755)
    with_it = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words, target = (
        ["-n", "-p", "--sdm", "apptainer"],
        ["--", "results/paper/metrics/qwen1.5-7b-chat/ed/seed0/paper.json"],
    )
    done = checkout.snakemake(*words, *target, env=with_it)
    assert (
        done.returncode == 1
        and "is not published" in done.stdout + done.stderr
        and "containers/build" in done.stdout + done.stderr
    )
    done = checkout.snakemake(*words, "--config", "image_folder=/sifs", *target, env=with_it)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "/opt/env/bin/python -E -B -s scripts/train_model.py" in done.stdout and ".venv/bin/python" not in done.stdout
    )


def test_the_demo_chooses_cpu_images_and_the_paper_cuda_ones(checkout, tmp_path):
    import yaml

    catalogue = checkout.folder / "containers/images.yaml"
    published = yaml.safe_load(catalogue.read_text())
    digests = {name: f"sha256:{number:064x}" for number, name in enumerate(published["images"])}
    catalogue.write_text(yaml.safe_dump({"registry": "docker://host/owner", "images": digests}))
    (tmp_path / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.4.5\n")
    (tmp_path / "apptainer").chmod(0o755)
    with_it = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def pulled(*words):
        done = checkout.snakemake("-n", "--sdm", "apptainer", *words, "--", "table1", env=with_it)
        assert done.returncode == 0, done.stdout + done.stderr
        found = {
            line.split()[2]
            for line in (done.stdout + done.stderr).splitlines()
            if line.startswith("Singularity image")
        }
        return {name for name, digest in digests.items() if f"docker://host/owner/{name}@{digest}" in found}

    assert pulled() == {"metrics-cpu", "metrics-cuda", "train-cpu", "train-cuda", "vllm-cuda"}
    assert pulled(*SMALL) == {"metrics-cpu", "train-cpu"}
    assert pulled(*SMALL, "config/vllm-cpu.yaml") == {"metrics-cpu", "train-cpu", "vllm-cpu"}


def test_times_of_the_build_are_recorded(images):
    facts = json.loads((images / "metrics-cpu.json").read_text())
    assert (
        facts["digest"].startswith("sha256:")
        and facts["seconds"]["build"] > 0
        and facts["bytes"]["sif"] == (images / "metrics-cpu.sif").stat().st_size
    )
    with open(images / "metrics-cpu.sbom.json") as file:
        listed = {(part["name"], part["version"]) for part in json.load(file)["components"]}
    assert ("sacrebleu", "2.6.0") in listed and any(name == "libc6" for name, _ in listed)


def test_the_images_labels_say_what_it_was_made_from(images):
    done = subprocess.run(
        ["apptainer", "inspect", "--json", "--labels", images / "metrics-cpu.sif"],
        capture_output=True,
        text=True,
        check=True,
    )
    labels = json.loads(done.stdout)["data"]["attributes"]["labels"]
    facts = json.loads((images / "metrics-cpu.json").read_text())
    locks = " ".join(f"{Path(path).name}=sha256:{sha256_file(REPOSITORY / path)}" for path in facts["locks"])
    assert len(facts["locks"]) == 3 and labels["synth-empathy.locks"] == locks
    assert labels["org.opencontainers.image.title"] == "metrics-cpu"
    assert labels["org.opencontainers.image.revision"].startswith(facts["revision"] or "unknown")
