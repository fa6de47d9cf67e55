"""What every package uses: files, errors, flags, seeds, model folders, and records of code."""
