"""Fuzzers of all that reads files, answers of programs and settings (docs/extending.md says how to add one).

mutations   small valid files, and what is done to them
checks      what must hold whatever a reader is given
readers     the registry: one entry a reader, its files and the function that reads them
"""
