"""The paper's claims, each tested on a run's results."""
