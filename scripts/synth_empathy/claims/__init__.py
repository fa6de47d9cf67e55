"""The paper's claims, each tested against a run's results."""
