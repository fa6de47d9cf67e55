"""The shipped profile on a real Slurm cluster with accounting: what jobs request, how they end, and how they resume.

The cluster runs on this machine (tests/hpc/slurm.py). Without Slurm's packages these tests are skipped; with CI=true
they fail. They set only what docs/cluster.md tells a user to set (the account) and, for speed, the status interval.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import yaml

from conftest import SMALL, Checkout
from hpc.profile import ASKING_OFTEN, set_profile, without_containers
from hpc.slurm import ACCOUNT
from processes import heed_signals

pytestmark = pytest.mark.more

#: rule: GPUs, CPUs, MB and time limit of its jobs in the reduced demo, in Slurm's form.
REQUESTED = {
    "prepare_data": (0, 1, 2000, "00:20:00"),
    "generate": (0, 2, 4000, "08:00:00"),
    "parse_rounds": (0, 1, 4000, "00:20:00"),
    "sample_turns": (0, 1, 4000, "00:20:00"),
    "mix_training_set": (0, 1, 4000, "00:20:00"),
    "train_model": (0, 2, 8000, "16:00:00"),
    "respond": (0, 2, 4000, "08:00:00"),
    "embed_texts": (0, 2, 2000, "08:00:00"),
    "select_quality": (0, 1, 4000, "00:20:00"),
    "select_diverse": (0, 2, 16000, "01:00:00"),
    "evaluate": (0, 1, 4000, "01:00:00"),
    "evaluate_bertscore": (0, 1, 6000, "01:00:00"),
}
FIELDS = ("JobID", "Comment", "State", "ReqTRES", "Timelimit", "Partition", "Account", "NNodes", "JobName")
SHARD = "results/small/synthetic/prompt2/outputs/0.jsonl"


@pytest.fixture
def site(slurm, small, tmp_path):
    """A fresh checkout set up for the cluster as docs/cluster.md says, without containers; its jobs are cancelled."""
    yield make_site(tmp_path / "checkout", small)
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True)


#: Runs in the background, which a failing test may leave.
STARTED = []


def make_site(folder, small):
    """Like `site`, in a given folder."""
    checkout = Checkout(folder)
    set_profile(checkout.folder, account=ACCOUNT)
    without_containers(checkout.folder)
    (checkout.folder / "site.yaml").write_text(f"models_dir: {small.folder / 'models'}\n")
    return checkout


def arguments(*more):
    """The arguments of Snakemake: the reduced demo, on the cluster."""
    return ["--profile", "slurm", *SMALL, "site.yaml", *more]


def snakemake(site, *more):
    """Run the reduced demo on the cluster, to its end."""
    return site.run(*ASKING_OFTEN, *arguments(*more))


def jobs_of(slurm, output, rule=None):
    """sacct's records of the jobs of one Snakemake run, or of one of its rules."""
    [run] = set(re.findall(r"SLURM run ID: (\S+)", output))
    jobs = slurm.jobs(*FIELDS, name=run)
    return [job for job in jobs if rule is None or rule_of(job) == rule]


def rule_of(job):
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def requested(job):
    """GPUs, CPUs, MB and time limit in one of sacct's records."""
    tres = dict(part.split("=") for part in job["ReqTRES"].split(","))
    return int(tres.get("gres/gpu", 0)), int(tres["cpu"]), int(tres["mem"].removesuffix("M")), job["Timelimit"]


def test_the_demo_on_slurm_makes_the_same_bytes_and_requests_what_its_rules_say(slurm, site, small):
    (site.folder / "one-system.yaml").write_text("tables: {table1: {systems: [demo-ours]}}\n")
    done = snakemake(site, "one-system.yaml", "--jobs", 1, "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = jobs_of(slurm, done.stdout + done.stderr)
    assert {rule_of(job) for job in jobs} == set(REQUESTED) and len(jobs) == 16
    for job in jobs:
        assert requested(job) == REQUESTED[rule_of(job)], job
        facts = (job["State"], job["Partition"], job["Account"], job["NNodes"])
        assert facts == ("COMPLETED", "cpu", ACCOUNT, "1"), job
    made, expected = site.made("small"), small.made("small")
    assert "tables/table1.csv" in made
    compared = [name for name in made if not name.startswith("tables/")]
    assert len(compared) > 20 and [name for name in compared if made[name] != expected[name]] == []


def test_a_job_with_gpus_gets_them_on_one_node_and_each_retry_requests_more(slurm, site):
    """The GPUs are simulated, so the step itself refuses to start, says why, and is retried twice."""
    (site.folder / "gpus.yaml").write_text("models: {smollm2-135m: {gpus: 2}}\n")
    done = snakemake(site, "gpus.yaml", "--", SHARD)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "What to do: " in output and "GPU" in output
    jobs = jobs_of(slurm, output, "generate")
    assert [requested(job) for job in jobs] == [
        (2, 4, 4000, "08:00:00"),
        (2, 4, 8000, "16:00:00"),
        (2, 4, 12000, "1-00:00:00"),
    ]
    assert {(job["State"], job["Partition"], job["NNodes"]) for job in jobs} == {("FAILED", "gpu", "1")}


def start(site, *more):
    """Start Snakemake in the background, with its output in a file; an interrupt reaches it like Ctrl-C."""
    command = list(map(str, [*ASKING_OFTEN, *arguments(*more)]))
    with open(site.folder / "run.log", "w") as log:
        streams = {"stdout": log, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=site.folder, preexec_fn=heed_signals, **streams)
    STARTED.append(process)
    return process


def log_of(site):
    """The output of the run in the background."""
    return (site.folder / "run.log").read_text()


def until(ready, process, what, limit=600):
    """Poll until `ready()` is true, and return its value; fail if the run ends first."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = ready()
        if value:
            return value
        assert process.poll() is None, f"the run ended before {what}"
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {limit} s")


def finished_rows(site):
    """Finished rows of generation in the run's state."""
    return sum(path.read_text().count("\n") for path in site.folder.glob("results/small/.state/generate-*/*.jsonl"))


def running(rule):
    """The Slurm id of a running job of a rule; None if there is none."""
    lines = squeue("-t", "R", "-o", "%i %k").splitlines()
    return next((line.split()[0] for line in lines if f"rule_{rule}" in line), None)


def state_of(job):
    """A job's state, by squeue."""
    return squeue("-t", "all", "-j", job, "-o", "%T").strip()


def squeue(*words):
    """What squeue prints."""
    return subprocess.run(["squeue", "-h", *words], capture_output=True, text=True).stdout


def scontrol(*words):
    """Run scontrol, which must succeed."""
    subprocess.run(["scontrol", *words], check=True)


def finished_before(site):
    """The rows finished by earlier jobs, from the latest log of shard 0; 0 before the log has the number."""
    log = site.folder / "results/small/logs/generate/prompt2/0.log"
    match = re.search(r"(\d+) finished before", log.read_text()) if log.exists() else None
    return int(match[1]) if match else 0


def test_a_shard_that_is_preempted_then_killed_then_out_of_time_resumes_each_time(slurm, site, small):
    """Slurm requeues the job, then it is killed, then stopped until its time limit is over, then left alone."""
    (site.folder / "slow.yaml").write_text("generation: {batch_size: 1, keep: 10}\n")
    process = start(site, "slow.yaml", "--", SHARD)
    until(lambda: finished_rows(site) >= 1, process, "the first finished row")
    first = running("generate")
    scontrol("requeue", first)
    until(lambda: state_of(first) == "PENDING", process, "the preempted job in the queue")
    time.sleep(3)  # for a second, the node refuses a job that was taken off it ("Job credential revoked")
    scontrol("update", f"JobId={first}", "StartTime=now")  # Slurm would wait two minutes
    until(lambda: finished_before(site) >= 1, process, "the requeued job")
    rows_before = finished_rows(site)
    until(lambda: finished_rows(site) > rows_before, process, "a row of the requeued job")
    subprocess.run(["scancel", "--signal=KILL", "--full", first], check=True)
    second = until(lambda: running("generate") not in (None, first) and running("generate"), process, "the second job")
    until(lambda: finished_before(site) > rows_before, process, "the second job's start")
    subprocess.run(["scancel", "--signal=STOP", second], check=True)
    scontrol("update", f"JobId={second}", "TimeLimit=1")  # minute
    assert process.wait(900) == 0, log_of(site)
    jobs = jobs_of(slurm, log_of(site), "generate")
    assert [(job["JobID"] == first, job["State"].split()[0], job["Timelimit"]) for job in jobs] == [
        (True, "REQUEUED", "08:00:00"),
        (True, "CANCELLED", "08:00:00"),
        (False, "TIMEOUT", "00:01:00"),
        (False, "COMPLETED", "1-00:00:00"),
    ]
    assert finished_before(site) >= rows_before + 1
    rows = [json.loads(line) for line in (site.folder / SHARD).read_text().splitlines()]
    shards = sorted((small.folder / SHARD).parent.glob("[01].jsonl"))
    undisturbed = {row["id"]: row for path in shards for row in map(json.loads, path.read_text().splitlines())}
    common = [row for row in rows if row["id"] in undisturbed]
    assert common and all(row == undisturbed[row["id"]] for row in common)


def test_ctrl_c_cancels_the_jobs(slurm, site):
    """A second run in the folder is refused before that; the first warned of retries that no partition takes."""
    set_profile(site.folder, account=ACCOUNT, partitions={"cpu": {"max_runtime": 900}})
    process = start(site, "--", SHARD)
    job = until(lambda: running("generate"), process, "the job")
    twin = snakemake(site, "--nolock", "--", SHARD)
    output = twin.stdout + twin.stderr
    assert twin.returncode == 1 and f"still in Slurm's queue: {job}\n" in output
    assert "What to do: let them end, or cancel" in output and "Traceback" not in output
    [run] = set(re.findall(r"SLURM run ID: (\S+)", log_of(site)))
    assert f"scancel --name={run};" in output
    need = "generate asks for 0 GPUs, 2 CPUs, 8000 MB and 960 minutes; no partition"
    assert f"attempt 2 of generate does not fit: {need}" in log_of(site)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0

    def ended():
        jobs = jobs_of(slurm, log_of(site), "generate")
        return [job for job in jobs if job["State"] != "RUNNING"]

    [job] = until(ended, FOREVER, "its end")
    assert job["State"].startswith("CANCELLED")


class FOREVER:
    """Stands for a process that never ends."""

    @staticmethod
    def poll():
        return None


@pytest.mark.parametrize(
    ("change", "overlay", "fragments"),
    [
        ({"account": None}, "{}", ["names no account", "slurm_account"]),
        ({"account": "nobody"}, "{}", ["'nobody' is not yours; yours are empathy", "slurm_account"]),
        (
            {"partitions": {"night": {"max_runtime": 2880}}},
            "{}",
            ["no partition 'night'; it has cpu, gpu, lost", "slurm/partitions.yaml"],
        ),
        (
            {"partitions": {"cpu": {"max_runtime": 60}}},
            "{}",
            ["generate asks for 0 GPUs", "480 minutes; no partition of slurm/partitions.yaml takes that"],
        ),
        (
            {},
            "models: {smollm2-135m: {gpus: 8}}",
            ["asks for 8 GPUs of one node; no node of partition 'gpu' gives more than 2", "gpus of its model"],
        ),
        (
            {},
            "models: {smollm2-135m: {mem_mb: 900000}}",
            ["generate asks for 900000 MB of memory", "mem_mb under set-resources in slurm/config.yaml"],
        ),
    ],
)
def test_a_run_that_the_cluster_cannot_take_ends_before_its_first_job(slurm, site, change, overlay, fragments):
    set_profile(site.folder, **{"account": ACCOUNT} | change)
    (site.folder / "overlay.yaml").write_text(overlay + "\n")
    done = snakemake(site, "overlay.yaml", "--", SHARD)
    output = done.stdout + done.stderr
    assert done.returncode == 1
    for fragment in (*fragments, "What to do: "):
        assert fragment in output, output
    assert "Traceback" not in output and not (site.folder / "results/small").exists()


def test_a_node_without_the_shared_folder_is_named(slurm, small):
    site = make_site(slurm.hidden / "checkout", small)
    try:
        set_profile(site.folder, account=ACCOUNT, partitions={"lost": {"max_runtime": 2880}})
        done = snakemake(site, "--retries", 0, "--latency-wait", 2, "--", "results/small/ed/report.json")
        output = done.stdout + done.stderr
        assert done.returncode == 1
        problem = (
            r"Slurm jobs ended without a line in their log \(\d+, on lost1\): most likely these nodes do not see "
        )
        assert re.search(problem + re.escape(str(site.folder)), output), output
        assert "move the repository to a file system that all nodes share" in output
    finally:
        shutil.rmtree(site.folder)


def test_the_profile_is_valid_and_explains_each_entry(repository):
    text = (repository / "slurm/config.yaml").read_text()
    profile = yaml.safe_load(text)
    assert profile["executor"] == "slurm" and profile["default-resources"]["nodes"] == 1 and profile["retries"] == 2
    assert "slurm_account" not in profile["default-resources"]  # not somebody else's account
    pairs = list(zip(["", *text.splitlines()], text.splitlines()))
    entries = [pair for pair in pairs if re.match(r"\s*(- )?[\w-]+[:=]\s*\S", pair[1])]
    assert len(entries) >= 10
    for before, line in entries:
        assert "#" in line or before.startswith("#"), f"{line!r} has no comment"
