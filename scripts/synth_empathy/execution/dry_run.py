"""What Snakemake would run, asked by a dry-run in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..core.paths import ROOT
from ..core.records import Record, read_json


def report(targets: Iterable[str], overlays: Iterable[Path], flags: Iterable[str] = ()) -> tuple[Record, str]:
    """The jobs of a dry-run, as scripts/plugins/snakemake_logger_plugin_jobs writes them, and what Snakemake printed.

    Args:
        overlays: configuration files over config.yaml, as absolute paths.
        flags: more flags of Snakemake's.

    Raises:
        SystemExit: the dry-run fails; its own words are on standard error, and the status is its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.json"
        logger = ["--logger", "jobs", "--logger-jobs-path", str(path)]
        command = [sys.executable, "-m", "snakemake", "--dry-run", *logger, *flags]
        configured = list(map(str, overlays))
        command += ["--configfile", *configured] if configured else []
        plugins = os.pathsep.join(filter(None, [str(ROOT / "scripts" / "plugins"), os.environ.get("PYTHONPATH")]))
        # Without a fixed hash seed, the order of jobs that do not depend on one another changes from run to run.
        environment = os.environ | {"PYTHONPATH": plugins, "PYTHONHASHSEED": "0"}
        done = subprocess.run([*command, "--", *targets], cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            sys.exit(done.returncode)
        return read_json(path), done.stdout + done.stderr
