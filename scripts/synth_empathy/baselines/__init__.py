"""Systems of other authors: their code, which is run here, and outputs that they published."""
