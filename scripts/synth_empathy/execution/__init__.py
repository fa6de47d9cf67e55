"""Where a run takes place and what it costs: Slurm, images, the plan, comparing runs, stale files."""
