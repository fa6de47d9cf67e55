"""Snakemake whose Slurm executor asks for job states every second: `python tests/hpc/asking_often.py`, as `snakemake`.

The executor waits ten seconds longer after every answer without a finished job; for jobs of seconds, tests would mostly wait.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
sys.argv[0] = "snakemake"
sys.exit(main())
