"""Runs Snakemake with a Slurm executor that asks for job states every second. Its command line is Snakemake's.

The executor waits ten seconds longer after every answer without a finished job. With jobs of seconds, tests would
mostly wait.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
sys.argv[0] = "snakemake"
sys.exit(main())
