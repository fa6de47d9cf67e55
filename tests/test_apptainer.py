"""Rules in a real image: the same bytes as without Slurm and image, no packages of the host, no network needed.

The image is metrics-cpu, built from its Dockerfile (tests/containers.py). Without root, buildah, mmdebstrap or
Apptainer these tests are skipped; with CI=true they fail.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from conftest import BIN, REPOSITORY, SMALL, Checkout
from containers import build_metrics_image
from hpc.profile import set_profile
from hpc.slurm import ACCOUNT
from synth_empathy.core.provenance import sha256_file

pytestmark = pytest.mark.more

MADE = ("config.yaml", "metrics", "cells", "tables", "figures", "archive", "logs", "benchmarks", ".state")


def skip_without(missing):
    """Skip, or with CI=true fail, if the machine lacks something."""
    if missing:
        message = f"this machine lacks {', '.join(missing)} (tests/hpc/install.sh installs it)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with metrics-cpu.sif, built here."""
    programs = [program for program in ("apptainer", "buildah", "mmdebstrap") if not shutil.which(program)]
    skip_without(programs + ["root"] * (os.geteuid() != 0))
    return build_metrics_image(tmp_path_factory.mktemp("images"))


@pytest.fixture
def responded(small, images, tmp_path):
    """A fresh checkout on the cluster's profile, with the reduced demo's files up to its responses."""
    checkout = Checkout(tmp_path / "checkout")
    set_profile(checkout.folder, account=ACCOUNT, image_folder=images)
    ignored = shutil.ignore_patterns(*MADE)
    shutil.copytree(small.folder / "results/small", checkout.folder / "results/small", ignore=ignored)
    shutil.copytree(small.folder / "models", checkout.folder / "models", copy_function=os.link)
    return checkout


def test_a_table_made_on_slurm_in_the_image_has_the_same_bytes(slurm, responded, small):
    done = responded.snakemake("--profile", "slurm", *SMALL, "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    made, expected = responded.made("small"), small.made("small")
    folders = ("metrics/", "cells/", "tables/")
    names = [name for name in made if name.startswith(folders) and not name.endswith(".sha256")]
    assert len(names) == 6 + 39 + 3 and [name for name in names if made[name] != expected[name]] == []
    logs = []
    for step in ("evaluate", "evaluate_bertscore"):
        logs += (responded.folder / "results/small/logs" / step).rglob("*.log")
    logs += [responded.folder / "results/small/logs/make_table/table1.log"]
    assert len(logs) == 7 and all("in the image metrics-cpu.sif" in log.read_text() for log in logs)


def test_a_job_sees_its_image_and_its_gpu_but_not_the_hosts_packages(slurm, responded, tmp_path):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/only_on_the_path.py").touch()
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}/path"}
    done = responded.snakemake("--profile", "slurm", "--snakefile", "tests/hpc/probe.smk", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads((responded.folder / "results/probe.json").read_text())
    assert seen["image"] == "metrics-cpu.sif" and seen["python"] == "/opt/env/bin/python" and seen["offline"] == "1"
    assert seen["gpus"] in ("0", "1")  # the one that Slurm gave it
    assert seen["user_site"] is False and seen["writes_bytecode"] is False
    for package in ("torch", "sacrebleu"):
        assert seen["found"].pop(package).startswith("/opt/env/")
    assert set(seen["found"].values()) == {None}


def test_without_a_network_a_table_is_made_in_the_image(responded, small):
    (responded.folder / "one-system.yaml").write_text("tables: {table1: {systems: [demo-zero-shot]}}\n")
    arguments = ["--cores", "2", "--sdm", "apptainer", "--config", f"image_folder={image_folder(responded)}"]
    arguments += [*SMALL, "one-system.yaml", "--", "table1"]
    without_network = ["unshare", "--net", "sh", "-c", '[ "$(grep -c : /proc/net/dev)" = 1 ] && exec "$@"', "sh"]
    done = responded.run(*without_network, BIN / "snakemake", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    made, expected = responded.made("small"), small.made("small")
    metrics = [name for name in made if name.startswith("metrics/") and not name.endswith(".sha256")]
    assert len(metrics) == 2 and all(made[name] == expected[name] for name in metrics)
    assert "tables/table1.csv" in made
    [log] = (responded.folder / "results/small/logs/make_table").glob("table1.log")
    assert "in the image metrics-cpu.sif" in log.read_text()


def image_folder(checkout):
    """The folder of images in the checkout's profile."""
    lines = (checkout.folder / "slurm/config.yaml").read_text().splitlines()
    [line] = [line for line in lines if "image_folder=" in line]
    return line.split("image_folder=")[1].split()[0]


def test_a_missing_image_is_named_before_the_first_job(slurm, responded, tmp_path):
    set_profile(responded.folder, account=ACCOUNT, image_folder=tmp_path / "empty")
    done = responded.snakemake("--profile", "slurm", *SMALL, "--", "table1")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and f"there is no image {tmp_path}/empty/metrics-cpu.sif" in output
    assert "containers/build --image metrics-cpu" in output and "image_folder" in output
    assert "Traceback" not in output


@pytest.fixture
def with_apptainer(tmp_path):
    """An environment with a replacement for apptainer, which a dry-run asks only for its version."""
    (tmp_path / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.4.5\n")
    (tmp_path / "apptainer").chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_an_image_that_is_not_published_ends_in_an_error_message(checkout, with_apptainer):
    arguments = ["-n", "-p", "--sdm", "apptainer"]
    target = ["--", "results/paper/metrics/qwen1.5-7b-chat/ed/seed0/paper.json"]
    done = checkout.snakemake(*arguments, *target, env=with_apptainer)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "is not published" in output and "containers/build" in output
    done = checkout.snakemake(*arguments, "--config", "image_folder=/sifs", *target, env=with_apptainer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/opt/env/bin/python -E -B -s scripts/train_model.py" in done.stdout
    assert ".venv/bin/python" not in done.stdout


def test_the_demo_uses_cpu_images_and_the_paper_cuda_images(checkout, with_apptainer):
    catalogue = checkout.folder / "containers/images.yaml"
    published = yaml.safe_load(catalogue.read_text())
    digests = {name: f"sha256:{number:064x}" for number, name in enumerate(published["images"])}
    catalogue.write_text(yaml.safe_dump({"registry": "docker://host/owner", "images": digests}))

    def pulled(*words):
        done = checkout.snakemake("-n", "--sdm", "apptainer", *words, "--", "table1", env=with_apptainer)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (done.stdout + done.stderr).splitlines()
        addresses = {line.split()[2] for line in lines if line.startswith("Singularity image")}
        return {name for name, digest in digests.items() if f"docker://host/owner/{name}@{digest}" in addresses}

    assert pulled() == {"metrics-cpu", "metrics-cuda", "train-cpu", "train-cuda", "vllm-cuda"}
    assert pulled(*SMALL) == {"metrics-cpu", "train-cpu"}
    assert pulled(*SMALL, "config/vllm-cpu.yaml") == {"metrics-cpu", "train-cpu", "vllm-cpu"}


def test_the_records_of_an_image(images):
    record = json.loads((images / "metrics-cpu.json").read_text())
    assert record["digest"].startswith("sha256:") and record["seconds"]["build"] > 0
    assert record["bytes"]["sif"] == (images / "metrics-cpu.sif").stat().st_size
    components = json.loads((images / "metrics-cpu.sbom.json").read_text())["components"]
    software = {(component["name"], component["version"]) for component in components}
    assert ("sacrebleu", "2.6.0") in software and any(name == "libc6" for name, _ in software)


def test_the_labels_of_an_image_record_its_inputs(images):
    inspect = ["apptainer", "inspect", "--json", "--labels", images / "metrics-cpu.sif"]
    done = subprocess.run(inspect, capture_output=True, text=True, check=True)
    labels = json.loads(done.stdout)["data"]["attributes"]["labels"]
    record = json.loads((images / "metrics-cpu.json").read_text())
    locks = " ".join(f"{Path(path).name}=sha256:{sha256_file(REPOSITORY / path)}" for path in record["locks"])
    assert len(record["locks"]) == 3 and labels["synth-empathy.locks"] == locks
    assert labels["org.opencontainers.image.title"] == "metrics-cpu"
    assert labels["org.opencontainers.image.revision"].startswith(record["revision"] or "unknown")
