"""The configuration: what it may hold, and that what it names exists."""
