"""The shipped profile on a real Slurm cluster with accounting: what jobs ask for, how they end, and how they go on.

The cluster is this machine's own (tests/hpc/slurm.py). Without Slurm's packages these tests are skipped; with CI=true
they fail. Only what docs/cluster.md tells a user to set is set: the account, and for speed how often states are asked.
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

#: rule: GPUs, CPUs, MB, time limit of its jobs in the demo cut down, in Slurm's words.
ASKED = {
    "prepare_ed": (0, 1, 2000, "00:20:00"),
    "generate": (0, 2, 4000, "08:00:00"),
    "parse_rounds": (0, 1, 4000, "00:20:00"),
    "sample_turns": (0, 1, 4000, "00:20:00"),
    "mix_training_set": (0, 1, 4000, "00:20:00"),
    "train_model": (0, 2, 8000, "16:00:00"),
    "respond": (0, 2, 4000, "08:00:00"),
    "embed_texts": (0, 2, 2000, "08:00:00"),
    "score_similarity": (0, 1, 16000, "00:30:00"),
    "select_quality": (0, 1, 4000, "00:20:00"),
    "select_diverse": (0, 2, 16000, "01:00:00"),
    "evaluate": (0, 1, 4000, "01:00:00"),
    "evaluate_bertscore": (0, 1, 6000, "01:00:00"),
}
FIELDS = ("JobID", "Comment", "State", "ReqTRES", "Timelimit", "Partition", "Account", "NNodes", "JobName")
SHARD = "results/small/synthetic/prompt2/outputs/0.jsonl"


@pytest.fixture
def site(slurm, small, tmp_path):
    """A fresh checkout set up for the cluster as docs/cluster.md says, without containers, with the demo's models; its jobs end with it."""
    yield make_site(tmp_path / "checkout", small)
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True)


#: Runs in the background; a test that fails may leave one.
STARTED = []


def make_site(folder, small):
    """As `site`, in a folder of the caller's."""
    checkout = Checkout(folder)
    set_profile(checkout.folder, account=ACCOUNT)
    without_containers(checkout.folder)
    (checkout.folder / "site.yaml").write_text(f"models_dir: {small.folder / 'models'}\n")
    return checkout


def words(*more):
    """The command after `snakemake`: the demo cut down, on the cluster."""
    return ["--profile", "slurm", *SMALL, "site.yaml", *more]


def snakemake(site, *more):
    """Run the demo cut down on the cluster, to the run's end."""
    return site.run(*ASKING_OFTEN, *words(*more))


def jobs_of(slurm, done, rule=None):
    """sacct's records of the jobs of one Snakemake run, or of one of its rules."""
    [run] = set(re.findall(r"SLURM run ID: (\S+)", done))
    found = slurm.jobs(*FIELDS, name=run)
    return [job for job in found if rule is None or rule_of(job) == rule]


def rule_of(job):
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def asked(job):
    """(GPUs, CPUs, MB, time limit) of one of sacct's records."""
    wanted = dict(part.split("=") for part in job["ReqTRES"].split(","))
    return int(wanted.get("gres/gpu", 0)), int(wanted["cpu"]), int(wanted["mem"].removesuffix("M")), job["Timelimit"]


def test_the_demo_through_slurm_makes_the_same_bytes_and_asks_for_what_its_rules_say(slurm, site, small):
    (site.folder / "one-system.yaml").write_text("tables: {table1: {systems: [demo-ours]}}\n")
    done = snakemake(site, "one-system.yaml", "--jobs", 1, "--", "table1")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = jobs_of(slurm, done.stdout + done.stderr)
    assert {rule_of(job) for job in jobs} == set(ASKED) and len(jobs) == 17
    for job in jobs:
        assert asked(job) == ASKED[rule_of(job)], job
        assert (job["State"], job["Partition"], job["Account"], job["NNodes"]) == ("COMPLETED", "cpu", ACCOUNT, "1"), (
            job
        )
    made, calm = site.made("small"), small.made("small")
    assert "tables/table1.csv" in made
    compared = [name for name in made if not name.startswith("tables/")]
    assert len(compared) > 20 and [name for name in compared if made[name] != calm[name]] == []


def test_a_job_with_gpus_gets_them_of_one_node_and_each_retry_is_a_new_job_with_more(slurm, site):
    """Its GPUs are simulated, so the step itself refuses to start, says why, and is tried twice more."""
    (site.folder / "gpus.yaml").write_text("models: {smollm2-135m: {gpus: 2}}\n")
    done = snakemake(site, "gpus.yaml", "--", SHARD)
    told = done.stdout + done.stderr
    assert done.returncode == 1 and "What to do: " in told and "GPU" in told
    jobs = jobs_of(slurm, told, "generate")
    assert [asked(job) for job in jobs] == [
        (2, 4, 4000, "08:00:00"),
        (2, 4, 8000, "16:00:00"),
        (2, 4, 12000, "1-00:00:00"),
    ]
    assert {(job["State"], job["Partition"], job["NNodes"]) for job in jobs} == {("FAILED", "gpu", "1")}


def start(site, *more):
    """Snakemake in the background with its output in a file; an interrupt reaches it as Ctrl-C would."""
    command = list(map(str, [*ASKING_OFTEN, *words(*more)]))
    with open(site.folder / "told.log", "w") as log:
        STARTED.append(
            subprocess.Popen(command, cwd=site.folder, stdout=log, stderr=subprocess.STDOUT, preexec_fn=heed_signals)
        )
    return STARTED[-1]


def until(ready, process, what, limit=600):
    """Poll until `ready()` says something, as long as the run lives."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        assert process.poll() is None, f"the run ended before {what}"
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {limit} s")


def rows_kept(site):
    """Rows of generation that are finished and kept."""
    return sum(path.read_text().count("\n") for path in site.folder.glob("results/small/.state/generate-*/*.jsonl"))


def running(rule):
    """The Slurm id of a running job of a rule, or None."""
    lines = subprocess.run(
        ["squeue", "-h", "-t", "R", "-o", "%i %k"], capture_output=True, text=True
    ).stdout.splitlines()
    found = [line.split()[0] for line in lines if f"rule_{rule}" in line]
    return found[0] if found else None


def state_of(job):
    """A job's state, as squeue has it."""
    return subprocess.run(
        ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"], capture_output=True, text=True
    ).stdout.strip()


def finished_before(site):
    """What the newest log of shard 0 says was finished by earlier jobs; None before it says so."""
    log = site.folder / "results/small/logs/generate/prompt2/0.log"
    said = re.search(r"(\d+) finished before", log.read_text()) if log.exists() else None
    return int(said[1]) if said else None


def test_a_shard_that_is_preempted_then_killed_then_out_of_time_goes_on_from_its_rows_each_time(slurm, site, small):
    """Requeued by Slurm (the same job again), then killed, then stopped until its time limit is over, then left alone."""
    (site.folder / "slow.yaml").write_text("generation: {batch_size: 1, keep: 10}\n")
    process = start(site, "slow.yaml", "--", SHARD)
    until(lambda: rows_kept(site) >= 1, process, "the first finished row")
    first = running("generate")
    subprocess.run(["scontrol", "requeue", first], check=True)
    until(lambda: state_of(first) == "PENDING", process, "the preempted job in the queue")
    time.sleep(3)  # in the second in which a job was taken off a node, the node refuses it ("Job credential revoked")
    subprocess.run(
        ["scontrol", "update", f"JobId={first}", "StartTime=now"], check=True
    )  # Slurm would wait two minutes
    until(lambda: (finished_before(site) or 0) >= 1, process, "the requeued job")
    kept = rows_kept(site)
    until(lambda: rows_kept(site) > kept, process, "a row of the requeued job")
    subprocess.run(["scancel", "--signal=KILL", "--full", first], check=True)
    second = until(lambda: running("generate") not in (None, first) and running("generate"), process, "the second job")
    until(lambda: (finished_before(site) or 0) > kept, process, "the second job's start")
    subprocess.run(["scancel", "--signal=STOP", second], check=True)
    subprocess.run(
        ["scontrol", "update", f"JobId={second}", "TimeLimit=1"], check=True
    )  # of a minute, for the test's sake
    assert process.wait(900) == 0, (site.folder / "told.log").read_text()
    jobs = jobs_of(slurm, (site.folder / "told.log").read_text(), "generate")
    assert [(job["JobID"] == first, job["State"].split()[0], job["Timelimit"]) for job in jobs] == [
        (True, "REQUEUED", "08:00:00"), (True, "CANCELLED", "08:00:00"), (False, "TIMEOUT", "00:01:00"), (False, "COMPLETED", "1-00:00:00"),
    ]  # fmt: skip
    assert finished_before(site) >= kept + 1
    rows = [json.loads(line) for line in (site.folder / SHARD).read_text().splitlines()]
    shards = sorted((small.folder / SHARD).parent.glob("[01].jsonl"))
    calm = {row["id"]: row for path in shards for row in map(json.loads, path.read_text().splitlines())}
    shared = [row for row in rows if row["id"] in calm]
    assert shared and all(row == calm[row["id"]] for row in shared)


def test_ctrl_c_cancels_the_jobs(slurm, site):
    """Before it, a second run in the folder is refused; at its start, the run warned of the attempts that nothing takes."""
    set_profile(site.folder, account=ACCOUNT, partitions={"cpu": {"max_runtime": 900}})
    process = start(site, "--", SHARD)
    job = until(lambda: running("generate"), process, "the job")
    twin = snakemake(site, "--nolock", "--", SHARD)
    told = twin.stdout + twin.stderr
    assert (
        twin.returncode == 1
        and f"still in Slurm's queue: {job}\n" in told
        and "What to do: let them end, or cancel" in told
        and "Traceback" not in told
    )
    [run] = set(re.findall(r"SLURM run ID: (\S+)", (site.folder / "told.log").read_text()))
    assert f"scancel --name={run};" in told
    warned = (site.folder / "told.log").read_text()
    assert (
        "attempt 2 of generate does not fit: generate asks for 0 GPUs, 2 CPUs, 8000 MB and 960 minutes; no partition"
        in warned
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0
    [job] = until(
        lambda: [
            job
            for job in jobs_of(slurm, (site.folder / "told.log").read_text(), "generate")
            if job["State"] != "RUNNING"
        ],
        FOREVER,
        "its end",
    )
    assert job["State"].startswith("CANCELLED")


class FOREVER:
    """Stands for a process that lives on."""

    @staticmethod
    def poll():
        return None


@pytest.mark.parametrize(
    ("change", "overlay", "told"),
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
            [
                "generate asks for 8 GPUs of one node; no node of partition 'gpu' gives more than 2",
                "gpus of its model",
            ],
        ),
        (
            {},
            "models: {smollm2-135m: {mem_mb: 900000}}",
            ["generate asks for 900000 MB of memory", "mem_mb under set-resources in slurm/config.yaml"],
        ),
    ],
)
def test_a_run_that_the_cluster_cannot_take_ends_before_its_first_job(slurm, site, change, overlay, told):
    set_profile(site.folder, **{"account": ACCOUNT} | change)
    (site.folder / "overlay.yaml").write_text(overlay + "\n")
    done = snakemake(site, "overlay.yaml", "--", SHARD)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    for fragment in (*told, "What to do: "):
        assert fragment in said, said
    assert "Traceback" not in said and not (site.folder / "results/small").exists()


def test_a_node_without_the_shared_folder_is_named(slurm, small):
    site = make_site(slurm.hidden / "checkout", small)
    try:
        set_profile(site.folder, account=ACCOUNT, partitions={"lost": {"max_runtime": 2880}})
        done = snakemake(site, "--retries", 0, "--latency-wait", 2, "--", "results/small/ed/report.json")
        said = done.stdout + done.stderr
        assert done.returncode == 1
        where = re.escape(str(site.folder))
        assert re.search(
            rf"Slurm jobs ended without a line in their log \(\d+, on lost1\): most likely these nodes do not see {where}",
            said,
        ), said
        assert "move the repository to a file system that all nodes share" in said
    finally:
        shutil.rmtree(site.folder)


def test_the_profile_is_found_from_the_root_and_names_every_site_fact_once(repository):
    text = (repository / "slurm/config.yaml").read_text()
    profile = yaml.safe_load(text)
    assert profile["executor"] == "slurm" and profile["default-resources"]["nodes"] == 1 and profile["retries"] == 2
    assert "slurm_account" not in profile["default-resources"]  # nobody else's account
    entries = [
        line for line in text.splitlines() if re.match(r"\s*(- )?[\w-]+[:=]\s*\S", line) and not line.startswith("#")
    ]
    assert len(entries) >= 10 and all("#" in line for line in entries), "each line says why"
