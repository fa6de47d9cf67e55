"""Fuzzers of every reader of files, programs' answers and settings (docs/extending.md says how to add one).

mutations   small valid files, and ways to damage them
checks      what must hold for every input of a reader
readers     the registry: one entry for each reader, with its files and the function that reads them
"""
