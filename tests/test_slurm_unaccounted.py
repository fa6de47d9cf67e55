"""The shipped profile on a cluster without accounting, where only squeue knows the states of jobs."""

import pytest

from conftest import SMALL, Checkout
from hpc.profile import ASKING_OFTEN, set_profile, without_containers
from hpc.slurm import Cluster

pytestmark = pytest.mark.more

TARGET = "results/small/training/ed/seed0.jsonl"


@pytest.fixture
def unaccounted(slurm, tmp_path_factory):
    """A cluster without accounting, which replaces the session's for one test.

    The path of its folder is short, because the names of Slurm's sockets have at most 108 characters.
    """
    slurm.stop()
    cluster = Cluster(tmp_path_factory.mktemp("slurm") / "cluster", accounting=False, hidden=slurm.hidden)
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        slurm.start()


def test_without_accounting_squeue_works_and_sacct_is_refused(unaccounted, tmp_path):
    site = Checkout(tmp_path / "checkout")
    set_profile(site.folder, account=None)
    without_containers(site.folder)
    words = ["--profile", "slurm", "--slurm-no-account", *SMALL, "--", TARGET]
    unaccounted.reconfigure(PreemptType="preempt/partition_prio", PreemptMode="CANCEL")
    done = site.run(*ASKING_OFTEN, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "partition cpu cancels jobs that it preempts (PreemptMode=CANCEL)" in done.stdout + done.stderr
    assert (site.folder / TARGET).stat().st_size > 0

    done = site.run(*ASKING_OFTEN, "--slurm-status-command", "sacct", "--forceall", *words)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "accounts no jobs" in output
    assert "slurm-status-command: squeue" in output and "Traceback" not in output

    unaccounted.reconfigure(MinJobAge="120")
    done = site.run(*ASKING_OFTEN, "--forceall", *words)
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "forgets a finished one after 120 s (MinJobAge)" in output
    assert "What to do: " in output and "Traceback" not in output
    unaccounted.reconfigure(MinJobAge="3600")

    (site.folder / "broken").mkdir()
    for split in ("train", "valid", "test"):
        (site.folder / f"broken/{split}.csv").write_text("not,ed\n")
    (site.folder / "broken.yaml").write_text("{run: broken, datasets: {ed: {folder: broken}}}\n")
    done = site.run(*ASKING_OFTEN, *words[:-2], "broken.yaml", "--retries", 0, "--", "results/broken/ed/report.json")
    assert done.returncode == 1 and "What to do: " in done.stdout + done.stderr
