"""What every stage stands on: files and their contracts, errors, flags, seeds, model folders, and which code made a file."""
