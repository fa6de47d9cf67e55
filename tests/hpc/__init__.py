"""A real Slurm cluster and real container images on one machine, for the tests that need them."""
