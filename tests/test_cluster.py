"""What a cluster offers, read from Slurm's own words, and where images are; tests/test_slurm.py asks a real cluster."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import SMALL
from hpc.profile import without_containers
from synth_empathy import cluster, images
from synth_empathy.errors import UserError
from synth_empathy.provenance import sha256_file

NODES = cluster.read_nodes("n1|cpu|64|256000|(null)|1-00:00:00\nn2|gpu|32|512000+|gpu:a100:4(S:0-1),nvme:1|2-00:00:00\nn3|gpu|32|512000|gpu:2|infinite\n")


def test_nodes_are_read_from_sinfo():
    assert [(node.partition, node.cpus, node.mem_mb, node.gpus, node.minutes) for node in NODES] == [
        ("cpu", 64, 256000, 0, 1440), ("gpu", 32, 512000, 4, 2880), ("gpu", 32, 512000, 2, float("inf")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("(null)", 0), ("gpu", 1), ("gpu:2", 2), ("gpu:h100:8", 8), ("gpu:a100:2(S:0),gpu:v100:4(S:1)", 6), ("gpu:a100", 1), ("shard:8,mps:100", 0), ("", 0)],
)
def test_gpus_are_counted_in_every_style_of_gres(gres, gpus):
    assert cluster.count_gpus(gres) == gpus


@given(st.integers(0, 40), st.integers(0, 23), st.integers(0, 59))
def test_time_limits_are_read_with_and_without_days(days, hours, minutes):
    assert cluster.minutes(f"{days}-{hours:02}:{minutes:02}:00") == days * 1440 + hours * 60 + minutes
    assert cluster.minutes(f"{hours}:{minutes:02}:00") == hours * 60 + minutes
    assert cluster.minutes(f"{minutes}:30") == minutes + 0.5


def need(**more):
    return cluster.Need(**{"rule": "generate", "partition": "gpu", "account": "a", "gpus": 1, "cpus": 2, "mem_mb": 4000, "minutes": 480} | more)


def test_a_job_that_one_node_can_take_is_let_through():
    cluster.check_need(need(gpus=4, cpus=32, mem_mb=512000, minutes=100000), NODES)
    cluster.check_need(need(partition="cpu", gpus=0, minutes=1440), NODES)


@pytest.mark.parametrize(
    ("more", "problem", "setting"),
    [
        ({"partition": None}, "generate asks for 1 GPUs, 2 CPUs, 4000 MB and 480 minutes; no partition", "slurm/partitions.yaml"),
        ({"partition": "night"}, "no partition 'night'; it has cpu, gpu", "slurm/partitions.yaml"),
        ({"gpus": 6}, "6 GPUs of one node; no node of partition 'gpu' gives more than 4", "gpus of its model"),
        ({"cpus": 33}, "33 CPUs", "set-threads"),
        ({"mem_mb": 600000}, "600000 MB of memory", "mem_mb under set-resources"),
        ({"partition": "cpu", "gpus": 0, "minutes": 1441}, "1441 minutes; no node of partition 'cpu' gives more than 1440", "runtime under set-resources"),
    ],
)
def test_a_job_that_no_node_can_take_is_refused_by_the_setting_to_change(more, problem, setting):
    with pytest.raises(UserError) as caught:
        cluster.check_need(need(**more), NODES)
    assert problem in caught.value.problem and setting in caught.value.hint


def test_without_slurm_there_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="there is no Slurm here") as caught:
        cluster.check([need()], False, "sacct")
    assert "--profile slurm" in caught.value.hint


def test_the_profile_on_a_machine_without_slurm_ends_before_the_first_job(checkout, tmp_path):
    """Every program on PATH but Slurm's."""
    slurm = {"sinfo", "sbatch", "sacct", "sacctmgr", "squeue", "scontrol", "scancel", "srun", "sshare"}
    programs = {program.name: program for folder in reversed(os.environ["PATH"].split(os.pathsep)) for program in Path(folder).glob("*")}
    path = tmp_path / "bin"
    path.mkdir()
    for name, program in programs.items():
        if name not in slurm:
            (path / name).symlink_to(program)
    without_containers(checkout.folder)
    done = checkout.snakemake("--profile", "slurm", *SMALL, "--", "results/small/ed/report.json", env=os.environ | {"PATH": str(path)})
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "there is no Slurm here" in said and "What to do: " in said and "Traceback" not in said


def test_an_account_is_asked_for_where_there_may_be_some():
    with pytest.raises(UserError, match="names no account") as caught:
        cluster.check_accounts({None}, no_account=False)
    assert "slurm_account" in caught.value.hint and "slurm-no-account" in caught.value.hint
    cluster.check_accounts({None}, no_account=True)


def test_only_jobs_without_a_log_are_called_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "nodes_of", lambda job: {"7": ["n7"], "9": []}[job])
    (tmp_path / "8.log").write_text("it said something")
    submitted = "".join(f"Job 1 has been submitted with SLURM jobid {job} (log: {tmp_path}/{job}.log).\n" for job in (6, 7, 8))
    assert cluster.explain_silence(submitted + "SLURM-job '8' failed, SLURM status is: 'FAILED'.", tmp_path) is None
    told = cluster.explain_silence(submitted + "SLURM-job '7' failed, x\nSLURM-job '7' failed, x\nSLURM-job '8' failed, x", tmp_path)
    assert re.match(rf"error: Slurm jobs ended without a line in their log \(7, on n7\): {tmp_path} is not to be seen there", told)


def test_an_images_place_is_the_folder_or_the_registry_by_digest(tmp_path):
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


def test_an_image_file_has_to_be_there_and_of_todays_locks(tmp_path):
    (tmp_path / "envs").mkdir()
    lock, sif = tmp_path / "envs/a.lock", tmp_path / "metrics-cpu.sif"
    lock.write_text("numpy==1\n")
    with pytest.raises(UserError, match="there is no image") as caught:
        images.check_local(sif, tmp_path)
    assert "image_folder" in caught.value.hint
    sif.touch()
    images.check_local(sif, tmp_path)  # pulled from somewhere: nothing is known of its locks
    sif.with_suffix(".json").write_text(json.dumps({"locks": {"envs/a.lock": sha256_file(lock)}}))
    images.check_local(sif, tmp_path)
    lock.write_text("numpy==2\n")
    with pytest.raises(UserError, match="built from another envs/a.lock"):
        images.check_local(sif, tmp_path)
