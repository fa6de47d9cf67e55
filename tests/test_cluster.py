"""What a cluster offers, read from Slurm's output; tests/test_slurm.py asks a real cluster."""

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake_executor_plugin_slurm.partitions import PartitionLimits

from conftest import SMALL
from hpc import slurm as own_cluster
from hpc.profile import without_containers
from synth_empathy.core.errors import UserError
from synth_empathy.execution import cluster, leftover_jobs, partition_file, silent_jobs, slurm

NODES = slurm.read_nodes(
    "n1|cpu|64|256000|(null)|1-00:00:00\n"
    "n2|gpu|32|512000+|gpu:a100:4(S:0-1),nvme:1|2-00:00:00\n"
    "n3|gpu|32|512000|gpu:2|infinite\n"
)


def test_nodes_are_read_from_sinfo():
    assert [(node.partition, node.cpus, node.mem_mb, node.gpus, node.minutes) for node in NODES] == [
        ("cpu", 64, 256000, 0, 1440),
        ("gpu", 32, 512000, 4, 2880),
        ("gpu", 32, 512000, 2, float("inf")),
    ]


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", 0),
        ("gpu", 1),
        ("gpu:2", 2),
        ("gpu:h100:8", 8),
        ("gpu:a100:2(S:0),gpu:v100:4(S:1)", 6),
        ("gpu:a100", 1),
        ("shard:8,mps:100", 0),
        ("", 0),
    ],
)
def test_gpus_are_counted_in_every_style_of_gres(gres, gpus):
    assert slurm.count_gpus(gres) == gpus


@given(st.integers(0, 40), st.integers(0, 23), st.integers(0, 59))
def test_time_limits_are_read_with_and_without_days(days, hours, minutes):
    assert slurm.minutes(f"{days}-{hours:02}:{minutes:02}:00") == days * 1440 + hours * 60 + minutes
    assert slurm.minutes(f"{hours}:{minutes:02}:00") == hours * 60 + minutes
    assert slurm.minutes(f"{minutes}:30") == minutes + 0.5


NEED = cluster.Need("generate", "gpu", "a", gpus=1, cpus=2, mem_mb=4000, minutes=480)


def need(**changes):
    return replace(NEED, **changes)


def test_a_job_that_one_node_can_take_is_accepted():
    cluster.check_need(need(gpus=4, cpus=32, mem_mb=512000, minutes=2880), NODES)
    cluster.check_need(need(partition="cpu", gpus=0, minutes=1440), NODES)
    cluster.check_need(need(partition="cpu,gpu", gpus=0, minutes=2000), NODES)  # Slurm takes either


@pytest.mark.parametrize(
    ("changes", "problem", "setting"),
    [
        ({"partition": None}, "1 GPUs, 2 CPUs, 4000 MB and 480 minutes; no partition", "slurm/partitions.yaml"),
        ({"partition": "night"}, "no partition 'night'; it has cpu, gpu", "slurm/partitions.yaml"),
        ({"partition": "gpu,night"}, "no partition 'night'; it has cpu, gpu", "slurm/partitions.yaml"),
        # n2 has the GPUs, n3 the time
        ({"gpus": 4, "minutes": 3000}, "no one node of partition 'gpu' has all of that", "gpus of its model"),
        ({"gpus": 6}, "6 GPUs of one node; no node of partition 'gpu' gives more than 4", "gpus of its model"),
        ({"cpus": 33}, "33 CPUs", "set-threads"),
        ({"mem_mb": 600000}, "600000 MB of memory", "mem_mb under set-resources"),
        (
            {"partition": "cpu", "gpus": 0, "minutes": 1441},
            "1441 minutes; no node of partition 'cpu' gives more than 1440",
            "runtime under set-resources",
        ),
    ],
)
def test_a_job_that_no_node_can_take_is_refused_naming_the_setting_to_change(changes, problem, setting):
    with pytest.raises(UserError) as caught:
        cluster.check_need(need(**changes), NODES)
    assert problem in caught.value.problem and setting in caught.value.hint


def test_without_slurm_there_is_an_error_message(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="there is no Slurm here") as caught:
        cluster.check([need()], cluster.Executor(False, "sacct", 30), Path.cwd(), set())
    assert "--profile slurm" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exec sleep 60", "no answer in 1 s"),
        ("echo slow >&2; exit 1", "slow"),
        ("exit 3", "exit status 3, without a message"),
    ],
)
def test_the_reason_why_slurm_does_not_answer_is_passed_on(script, reason, tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, sinfo=script)
    monkeypatch.setattr(slurm, "TIMEOUT", 1)
    with pytest.raises(UserError) as caught:
        slurm.ask("sinfo")
    assert f"Slurm does not answer sinfo: {reason}" in caught.value.problem
    assert "ask the cluster's support" in caught.value.hint


def programs(folder, monkeypatch, **scripts):
    """Shell scripts first on PATH, which answer like Slurm's commands."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def config(storage="slurmdbd", age=300, preempt=("preempt/none", "OFF")):
    """The output of `scontrol show config`."""
    return (
        f"AccountingStorageTRES = cpu,mem\nAccountingStorageType   = accounting_storage/{storage}\n"
        f"MinJobAge               = {age} sec\nPreemptMode             = {preempt[1]}\n"
        f"PreemptType             = {preempt[0]}\n"
    )


@pytest.mark.parametrize(
    ("storage", "age", "command", "has_sacct"),
    [
        ("slurmdbd", 300, "squeue", True),
        ("none", 300, "squeue", True),
        ("slurmdbd", 20, "sacct", True),
        ("slurmdbd", 20, "squeue", True),  # within three intervals, 90 s, the executor uses sacct by itself
        ("slurmdbd", 0, "squeue", True),
        ("none", 0, "squeue", False),
        ("none", 300, "sacct", False),  # without sacct it uses squeue
    ],
)
def test_a_cluster_that_tells_when_jobs_end_is_accepted(storage, age, command, has_sacct, monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda name: "/usr/bin/sacct" if has_sacct else None)
    cluster.check_states(config(storage, age), command, 30)


@pytest.mark.parametrize(
    ("storage", "age", "command", "has_sacct", "problem", "hint"),
    [
        ("slurmdbd", 120, "squeue", True, "forgets a finished job after 120 s", "slurm-status-command: sacct"),
        ("none", 300, "sacct", True, "accounts no jobs, so sacct knows none", "slurm-status-command: squeue"),
        ("none", 60, "squeue", True, "forgets a finished one after 60 s", "MinJobAge of 240 s"),  # it uses sacct
        ("none", 120, "squeue", False, "forgets a finished one after 120 s", "MinJobAge of 240 s"),
        ("none", 60, "sacct", True, "forgets a finished one after 60 s", "MinJobAge of 240 s"),
        ("none", 0, "squeue", True, "accounts no jobs", "MinJobAge of 240 s"),
    ],
)
def test_a_cluster_that_would_not_tell_when_jobs_end_is_refused(
    storage, age, command, has_sacct, problem, hint, monkeypatch
):
    monkeypatch.setattr(cluster.shutil, "which", lambda name: "/usr/bin/sacct" if has_sacct else None)
    with pytest.raises(UserError) as caught:
        cluster.check_states(config(storage, age), command, 30)
    assert problem in caught.value.problem and hint in caught.value.hint


def test_preemption_that_cancels_causes_a_warning_if_the_run_uses_the_partition():
    partitions = "PartitionName=cpu PreemptMode=CANCEL State=UP\nPartitionName=gpu PreemptMode=REQUEUE State=UP\n"
    cancels = config(preempt=("preempt/partition_prio", "REQUEUE"))
    [warning] = cluster.warn_of_preemption(cancels, partitions, [need(partition="cpu,gpu")])
    assert "partition cpu cancels jobs that it preempts" in warning
    assert "What to do: " in warning and "slurm/partitions.yaml" in warning
    assert cluster.warn_of_preemption(cancels, partitions, [need(partition="gpu")]) == []
    assert cluster.warn_of_preemption(config(), partitions, [need(partition="cpu")]) == []


def test_retries_that_do_not_fit_cause_one_warning_per_rule():
    later = [
        need(attempt=2, mem_mb=600000),
        need(attempt=3, mem_mb=900000),
        need(rule="respond", attempt=2, partition=None),
        need(rule="embed", attempt=3),
    ]
    warnings = cluster.warn_of_retries([need(), *later], NODES)
    assert len(warnings) == 2
    first = "warning: attempt 2 of generate does not fit: generate asks for 600000 MB of memory"
    assert warnings[0].startswith(first) and "attempt 2 of respond does not fit" in warnings[1]
    assert all("set-resources in slurm/config.yaml" in warning for warning in warnings)


def test_jobs_of_an_earlier_run_that_make_the_same_files_are_refused(tmp_path):
    queue = (
        f"7|run-a|{tmp_path}|rule_generate_wildcards_p_0\n"
        f"9_[1-3]|run-b|{tmp_path}|rule_respond_wildcards_x\n"
        f"8|wrap|{tmp_path}|(null)\n"
    )
    with pytest.raises(UserError, match="still in Slurm's queue: 7\n") as caught:
        leftover_jobs.check_leftovers(queue, tmp_path, {"rule_generate_wildcards_p_0", "rule_prepare_data"})
    assert "scancel --name=run-a;" in caught.value.hint
    with pytest.raises(UserError, match="queue: 7, 9"):  # the comment of an array names only its first job
        leftover_jobs.check_leftovers(queue, tmp_path, {"rule_generate_wildcards_p_0", "rule_respond_wildcards_y"})
    leftover_jobs.check_leftovers(queue, tmp_path, {"rule_generate_wildcards_p_1"})
    leftover_jobs.check_leftovers(queue, tmp_path / "elsewhere", {"rule_generate_wildcards_p_0"})
    leftover_jobs.check_leftovers("", tmp_path, {"rule_generate_wildcards_p_0"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("partitions:\n  cpu:\n", "the partition 'cpu' has no limits"),
        ("partitions:\n  cpu: {max_runtme: 60}\n", "the partition 'cpu' has an unexpected limit 'max_runtme'"),
        ("partitions:\n  cpu: {max_runtime: soon}\n", "the partition 'cpu' has"),
        (f"partitions:\n  cpu: {{max_runtime: 2-{'0' * 500}}}\n", "which is no number of at least 0"),  # takes 5 s
        ("partitions: [cpu]\n", "names no partitions"),
        ("cpu: {max_runtime: 60}\n", "names no partitions"),
        ("partitions:\n\tcpu: {}\n", "line 2: not YAML"),
    ],
)
def test_a_file_of_partitions_that_cannot_be_read_is_refused(text, problem, tmp_path):
    path = tmp_path / "partitions.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        partition_file.check_partitions(path, PartitionLimits)
    assert f"{path}" in caught.value.problem and problem in caught.value.problem
    path.write_text("partitions:\n  cpu: {}\n  gpu: {max_runtime: 2-00:00:00, max_gpu: 8, cluster: other}\n")
    partition_file.check_partitions(path, PartitionLimits)


def test_a_mistake_in_the_partitions_ends_the_run_with_an_error_message(checkout):
    (checkout.folder / "slurm/partitions.yaml").write_text("partitions:\n  cpu:\n")
    without_containers(checkout.folder)
    done = checkout.snakemake("--profile", "slurm", *SMALL, "--", "results/small/ed/report.json")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "the partition 'cpu' has no limits" in output
    assert "What to do: " in output and "Traceback" not in output


def planned(checkout):
    """The jobs of a dry-run on the cluster, by output: their resources and command."""
    done = checkout.snakemake("--profile", "slurm", "-n", "-p", "--", "all", "novelty")
    assert done.returncode == 0, done.stdout + done.stderr
    pattern = r"(?m)^    output: (.*)\n(?:    .*\n)*?    resources: (.*)\nShell command: (.*)"
    jobs = {}
    for output, resources, command in re.findall(pattern, done.stdout):
        jobs[output] = dict(part.split("=") for part in resources.split(", ")), command
    return jobs


def test_the_documented_way_to_request_gpus_by_gres_requests_the_same_gpus(checkout, repository):
    [block] = re.findall(r"```yaml\n(set-resources:.*?)```", (repository / "docs/cluster.md").read_text(), re.DOTALL)
    text = "".join(path.read_text() for path in sorted((repository / "rules").glob("*.smk")))
    rules = re.findall(r"(?ms)^rule (\w+):(.*?)(?=^\S|\Z)", text)
    with_gpus = {name for name, body in rules if re.search(r"(?m)^ +gpu=", body)}
    with_gpus |= {name for base, name in re.findall(r"(?m)^use rule (\w+) as (\w+) with:", text) if base in with_gpus}
    assert yaml.safe_load(block)["set-resources"].keys() == with_gpus
    without_containers(checkout.folder)
    by_gpu = planned(checkout)
    with (checkout.folder / "slurm/config.yaml").open("a") as profile:
        profile.write(block)
    by_gres = planned(checkout)
    gpus_by_output = {output: int(resources.get("gpu", 0)) for output, (resources, _) in by_gpu.items()}
    with_gpus = {output: gpus for output, gpus in gpus_by_output.items() if gpus}
    assert len(with_gpus) > 20 and set(with_gpus.values()) == {1, 4, 8}
    for output, gpus in with_gpus.items():
        resources, command = by_gres[output]
        assert (resources["gpu"], resources["gres"]) == ("0", f"gpu:h100:{gpus}"), output
        assert command == by_gpu[output][1]  # with --gpus N, which the step checks


SLURM = {"sinfo", "sbatch", "sacct", "sacctmgr", "squeue", "scontrol", "scancel", "srun", "sshare"}


@pytest.fixture
def bare(tmp_path):
    """An environment whose PATH has all programs of this machine except Slurm's and those that run containers."""
    path = tmp_path / "bin"
    path.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            link = path / program.name
            if program.name not in SLURM | {"apptainer", "singularity"} and not link.is_symlink():
                link.symlink_to(program)
    return os.environ | {"PATH": str(path)}


def test_a_dry_run_with_the_profile_needs_neither_slurm_nor_apptainer(checkout, bare):
    done = checkout.snakemake("--profile", "slurm", "-n", "-p", "table1", env=bare)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    for part in ("warning: there is no apptainer", "nor is there Slurm", "  What to do: load its module"):
        assert part in output
    assert "/opt/env/bin/python -E -B -s scripts/train_model.py" in output
    assert ".venv/bin/python scripts" not in output
    assert not (checkout.folder / "results/paper").exists()


def test_a_run_with_the_profile_on_a_machine_without_apptainer_ends_before_the_first_job(checkout, bare):
    done = checkout.snakemake("--profile", "slurm", "table1", env=bare)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "there is no apptainer" in output and "slurm/config.yaml" in output
    assert "Traceback" not in output
    assert not (checkout.folder / "results/paper").exists()


def test_the_profile_on_a_machine_without_slurm_ends_before_the_first_job(checkout, bare):
    without_containers(checkout.folder)
    done = checkout.snakemake("--profile", "slurm", *SMALL, "--", "results/small/ed/report.json", env=bare)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "there is no Slurm here" in output
    assert "What to do: " in output and "Traceback" not in output


def test_a_missing_account_is_refused_unless_there_are_none():
    with pytest.raises(UserError, match="names no account") as caught:
        cluster.check_accounts({None}, no_account=False)
    assert "slurm_account" in caught.value.hint and "slurm-no-account" in caught.value.hint
    cluster.check_accounts({None}, no_account=True)


def test_only_jobs_without_a_log_are_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "nodes_of", lambda job: {"6": [], "7": ["n7"]}[job])
    (tmp_path / "8.log").write_text("a line")
    lines = [f"Job 1 has been submitted with SLURM jobid {job} (log: {tmp_path}/{job}.log).\n" for job in (6, 7, 8)]
    submitted = "".join(lines)
    failed = "SLURM-job '8' failed, SLURM status is: 'FAILED'."
    assert silent_jobs.explain_silence(submitted + failed, tmp_path) is None
    failed = "".join(f"SLURM-job '{job}' failed, x\n" for job in (7, 7, 8, 6))
    explanation = silent_jobs.explain_silence(submitted + failed, tmp_path)
    assert explanation.startswith("error: Slurm jobs ended without a line in their log (7, on n7): ")
    assert f"most likely these nodes do not see {tmp_path}" in explanation
    assert "slurm-exclude-failed-nodes: n7 in" in explanation


def test_a_job_that_never_had_a_node_and_a_late_log_are_not_silent(tmp_path, monkeypatch):
    log = f"submitted with SLURM jobid 6 (log: {tmp_path}/6.log).\nSLURM-job '6' failed, x"
    monkeypatch.setattr(slurm, "nodes_of", lambda job: [])  # cancelled while it was pending
    assert silent_jobs.explain_silence(log, tmp_path) is None
    monkeypatch.setattr(slurm, "nodes_of", lambda job: ["n6"])
    monkeypatch.setattr(silent_jobs.time, "sleep", lambda seconds: (tmp_path / "6.log").touch())
    assert silent_jobs.explain_silence(log, tmp_path, patience=60) is None
    long = f"Job 1 has been submitted with SLURM jobid 9 (log: {'*' * 300}).\nSLURM-job '9' failed, x\n"
    explanation = silent_jobs.explain_silence(long, tmp_path)  # no file system takes the name: no file, and no error
    assert "jobs ended without a line in their log (9, on n6)" in explanation


@pytest.mark.parametrize(
    ("scontrol", "sacct", "nodes"),
    [
        ("echo '   ReqNodeList=n9 ExcNodeList=(null)'; echo '   NodeList=n7'", "exit 1", ["n7"]),
        ("echo '   NodeList='", "echo 'None assigned'", []),
        ("echo '   NodeList=(null)'", "echo n8", ["n8"]),
        ("exit 1", "exit 1", []),
    ],
)
def test_the_nodes_of_a_job_are_those_on_which_it_ran(scontrol, sacct, nodes, tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, scontrol=scontrol, sacct=sacct)
    assert slurm.nodes_of("6") == nodes


def test_the_tests_do_not_replace_another_clusters_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(own_cluster, "ETC", tmp_path)
    (tmp_path / "gres.conf").write_text(f"{own_cluster.MARK}\n")
    assert not any("somebody else's" in absent for absent in own_cluster.lacking())
    (tmp_path / "cgroup.conf").write_text("ConstrainCores=yes\n")
    expected = f"{tmp_path}/cgroup.conf that is not somebody else's"
    assert any(expected in absent for absent in own_cluster.lacking())


# Unusual output of Slurm, and unusual configuration


def test_lines_of_sinfo_without_a_node_are_skipped(shared):
    real = (shared / "cases/18-sinfo/sinfo.txt").read_text()
    lines = "CLUSTER: alpha\n\n" + real + "\n \nn9|night|64+|1K+|n/a|NOT_SET\n"
    nodes = slurm.read_nodes(lines)
    assert [(node.name, node.cpus, node.mem_mb, node.gpus, node.minutes) for node in nodes] == [
        ("g01", 128, 1031000, 8, 2880),
        ("n9", 64, 1024, 0, float("inf")),
    ]
    unknown = slurm.read_nodes("n9|night|n/a|N/A||\n")
    cluster.check_need(need(partition="night", gpus=0), unknown)  # unknown limits refuse nothing


@pytest.mark.parametrize(
    "line",
    [
        "slurm_load_node error",
        "CLUSTER:",
        "n1|cpu|64|1000|(null)",
        "n1|cpu|many|1000|(null)|1:00",
        "n1|cpu|64|\u00b2|(null)|1:00",
        "n1|cpu|64|1000|(null)|soon",
    ],
)
def test_a_line_of_sinfo_in_another_form_is_refused(line):
    with pytest.raises(UserError, match="Slurm's sinfo answers in an unknown form: ") as caught:
        slurm.read_nodes(line)
    assert "try `sinfo` yourself" in caught.value.hint


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("NOT_SET", float("inf")),
        ("unlimited", float("inf")),
        ("60", 60),
        ("2-12", 3600),
        ("1-06:30", 1830),
        ("1:00:30", 60.5),
        ("0:30", 0.5),
    ],
)
def test_time_limits_in_every_form_of_slurm(limit, found):
    assert slurm.minutes(limit) == found


PARTS = st.sampled_from(["n1", "|", "\n", "64", "+", "-", ":", "gpu:", "(", "CLUSTER: a", "n/a"])


def read_queue(text):
    leftover_jobs.check_leftovers(text, Path(), {"a"})


@given(st.text(max_size=20) | st.lists(PARTS, max_size=20).map("".join))
def test_any_answer_is_read_or_refused(text):
    for read in (slurm.read_nodes, slurm.minutes, slurm.amount, read_queue):
        try:
            read(text)
        except UserError as error:
            assert "answers in an unknown form" in error.problem
    assert slurm.count_gpus(text) >= 0
    assert all(part.name for part in slurm.read_partitions(text))


def test_squeue_with_fewer_columns_is_refused():
    leftover_jobs.check_leftovers("CLUSTER: alpha\n\n7|name|/elsewhere|rule_a|b\n", Path.cwd(), {"rule_a"})
    leftover_jobs.check_leftovers("7|name|a\0b|rule_a\n", Path.cwd(), {"rule_a"})
    for line in (f"7|a|b|{Path.cwd()}|rule_a", f"7|a|{Path.cwd()}|rule_a|b"):
        with pytest.raises(UserError, match="still in Slurm's queue: 7"):
            leftover_jobs.check_leftovers(line, Path.cwd(), {"rule_a", "rule_a|b"})
    with pytest.raises(UserError, match="Slurm's squeue answers in an unknown form: '7.name.rule_a'"):
        leftover_jobs.check_leftovers("7|name|rule_a\n", Path.cwd(), {"rule_a"})


def test_settings_without_a_value_and_long_answers():
    assert slurm.setting("  MinJobAge = \nMinJobAgeOf = 3\nPreemptType=preempt/none \n", "MinJobAge") == ""
    assert slurm.setting("MinJobAgeOf = 3\n\tPreemptType=a=b \n", "PreemptType") == "a=b"
    start = time.perf_counter()
    assert slurm.setting("\n" * 200_000 + "MinJobAge = 3", "MinJobAge") == "3"
    assert slurm.count_gpus("gpu:" + "(" * 200_000) == 1
    assert silent_jobs.explain_silence("submitted with SLURM jobid 7 (log: " * 20_000, Path()) is None
    assert time.perf_counter() - start < 5  # quadratic, they take minutes


def test_a_partition_without_a_name_is_skipped():
    text = "AllowGroups=ALL PreemptMode=CANCEL\nPartitionName= \nPartitionName=a PreemptMode=OFF\n"
    assert slurm.read_partitions(text) == [slurm.Partition("a", "OFF")]


def test_a_user_without_a_name_is_identified_by_number(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, id="echo 'cannot find name' >&2; exit 1")
    assert slurm.user() == str(os.getuid())


def test_a_command_that_does_not_run_and_an_answer_that_is_not_utf_8(tmp_path, monkeypatch):
    programs(tmp_path, monkeypatch, squeue=r"printf '7|caf\351|/x|c\n'")
    assert slurm.ask("squeue") == "7|caf\ufffd|/x|c\n"
    (tmp_path / "sinfo").write_bytes(b"\x7fELF")
    (tmp_path / "sinfo").chmod(0o755)
    with pytest.raises(UserError, match=r"Slurm does not answer sinfo: it does not run \(Exec format error\)"):
        slurm.ask("sinfo")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("partitions:\n  null: {}\n", "line 2: the key 'null' is not a text"),
        ("partitions:\n  '': {}\n", "'' is no partition's name"),
        ("partitions:\n  'a,b': {}\n", "'a,b' is no partition's name"),
        ("partitions:\n  2024-01-01: {}\n", "line 2: the key '2024-01-01' is not a text"),
        ("partitions:\n  cpu: {max_runtime: 60}\n  cpu: {}\n", "line 3: the key 'cpu' is on line 2 already"),
        ("partitions:\n  cpu: {max_mem_mb: .nan}\n", "line 2: nan is not a finite number"),
        ("partitions:\n  cpu: {max_gpu: many}\n", "the partition 'cpu' has the max_gpu 'many', which is no number"),
        ("partitions:\n  cpu: {max_threads: -1}\n", "the partition 'cpu' has the max_threads -1, which is no number"),
        (
            "partitions:\n  cpu: {available_constraints: fast}\n",
            "available_constraints 'fast', which is no list of names",
        ),
    ],
)
def test_an_invalid_partition_is_refused(text, problem, tmp_path):
    (tmp_path / "partitions.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        partition_file.check_partitions(tmp_path / "partitions.yaml", PartitionLimits)
    assert problem in caught.value.problem and "partitions.yaml" in caught.value.problem
