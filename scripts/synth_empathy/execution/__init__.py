"""Where a run takes place and what it costs: Slurm, images, the plan; comparison of runs, and stale files."""
