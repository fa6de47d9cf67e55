"""What a value may be, and how a fault in one is said."""
