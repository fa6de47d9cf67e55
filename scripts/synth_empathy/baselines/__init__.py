"""Systems that are not ours: other authors' code, and outputs that somebody published."""
