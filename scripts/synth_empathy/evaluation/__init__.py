"""How good responses and samples are: metrics, tests between systems, judges, people, novelty (paper, section 4)."""
