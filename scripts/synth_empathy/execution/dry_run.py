"""A dry-run of Snakemake in a separate process: the jobs that it would run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.errors import UserError
from ..core.json_files import read_json
from ..core.paths import ROOT
from ..core.records import Record


def report(targets: Iterable[str], overlays: Sequence[Path], flags: Iterable[str] = ()) -> tuple[Record, str]:
    """The jobs of a dry-run, as scripts/plugins/snakemake_logger_plugin_jobs writes them, and what Snakemake printed.

    Args:
        overlays: configuration files over config.yaml, as absolute paths.
        flags: further flags for Snakemake.

    Raises:
        UserError: an overlay does not exist, which would end Snakemake in a traceback.
        SystemExit: the dry-run fails; Snakemake's output goes to standard error, and its exit status is passed on.
    """
    for overlay in overlays:
        if not overlay.exists():
            raise UserError(f"{overlay} does not exist", "check the path of the overlay, or leave it out")
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
