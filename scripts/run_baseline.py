#!/usr/bin/env python3
"""Run the code of a baseline's authors in its copy, to train the baseline or to answer ED's test split with it.

The code runs with this script's interpreter and packages. That may be Python 3.6, so the script uses nothing newer and
imports nothing of ours.
"""

import argparse
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys


def parse():
    """The command line."""
    flags = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    code = "the copy of the repository that prepare_baseline.py made"
    flags.add_argument("--code", required=True, metavar="DIR", help=code)
    command = "the code's script and flags, with {checkpoint} for the checkpoint's path; empty: use training's output"
    flags.add_argument("--command", required=True, help=command)
    checkpoint = "the file that training wrote with --name-to"
    flags.add_argument("--checkpoint", metavar="FILE", help=checkpoint)
    made = "the file that the command makes, as a pattern relative to the copy; the highest iteration of several"
    flags.add_argument("--made", required=True, metavar="PATTERN", help=made)
    flags.add_argument("--name-to", metavar="FILE", help="output: the made file's path in the copy, and its hash")
    flags.add_argument("--copy-to", metavar="FILE", help="output: a copy of the made file")
    return flags.parse_args()


def fail(problem, hint):
    """End with an error message and what to do."""
    sys.exit(f"error: {problem}\n  What to do: {hint}")


def iteration(path):
    """The iteration of a checkpoint, whose name is NAME_ITERATION_PERPLEXITY: its first number, or -1."""
    match = re.search(r"\d+", os.path.basename(path))
    return int(match.group()) if match else -1


def publish(path, write):
    """Write a file completely under another name, then rename it, so that an incomplete one never has its name.

    A file next to it has its SHA-256 and this script's, in the form that the other steps check (records.sealed_path).
    """
    folder, name = os.path.split(path)
    for partial in glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.partial")):
        os.remove(partial)  # a killed process left it; no other process writes this file
    partial = os.path.join(folder, f".{name}.{os.getpid()}.partial")
    try:
        write(partial)
        digest = sha256(partial)
        seal = os.path.join(folder, f".{name}.sha256")
        if os.path.exists(seal):
            os.remove(seal)  # first, so that a kill leaves a complete file without a seal, not with a wrong one
        os.replace(partial, path)
        write_text(partial, f"{digest}  {name}\n# {sha256(__file__)}  {os.path.basename(__file__)}\n")
        os.replace(partial, seal)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def read_text(path):
    """Read UTF-8 text."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write_text(path, text):
    """Write UTF-8 text."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def sha256(path):
    """A file's SHA-256."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def trained(code, note):
    """The path in the copy of the file that training made, read from ``note``. Fails if the file has changed."""
    name, _, digest = read_text(note).strip().partition("\n")
    again = f"delete {note} and start the same command again, which trains again"
    if not digest:
        fail(f"{note} does not name a file and its hash", again)
    path = os.path.join(code, name)
    if not os.path.isfile(path) or sha256(path) != digest:
        fail(f"{path} is no longer the file that training made", again)
    return name


def words_of(command, checkpoint):
    """The words of a command, as a shell splits them. The checkpoint's path is not split."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        problem = f"the command {command!r} cannot be split into words: {error}"
        fail(problem, "correct its quotes (baselines: train, generate)")
    return [word.replace("{checkpoint}", checkpoint) for word in words]


def made_by(words, code, name):
    """Run the authors' code and return the file that it made. Older files that match the pattern are removed first."""
    pattern = os.path.join(glob.escape(code), name)
    for path in filter(os.path.isfile, glob.glob(pattern)):
        os.remove(path)
    isolated = ["-E"] if sys.flags.ignore_environment else []
    command = [sys.executable, *isolated, *words]
    print("in {}: {}".format(code, " ".join(command)), flush=True)
    environment = dict(os.environ, NLTK_DATA=os.path.abspath(os.path.join(code, "nltk_data")))
    done = subprocess.call(command, cwd=code, env=environment)
    if done != 0:
        hint = "read its messages above; docs/baselines.md says what it needs"
        fail(f"the authors' code ended with status {done}", hint)
    made = sorted(filter(os.path.isfile, glob.glob(pattern)), key=iteration)
    if not made:
        hint = "compare its flags with the patterns of the configuration (baselines: checkpoint, makes)"
        problem = f"the authors' code ended without an error, but made no {os.path.join(code, name)}"
        fail(problem, f"{hint}; with generate: null, training itself must write the file of makes")
    return made[-1]


def main():
    """Run the command, or take the file that training made; write its name or a copy of it."""
    args = parse()
    if not os.path.isdir(args.code):
        hint = "delete prepared.json next to it and start the same command again"
        fail(f"there is no copy of the code in {args.code}", hint)
    checkpoint = trained(args.code, args.checkpoint) if args.checkpoint else ""
    if args.command:
        made = made_by(words_of(args.command, checkpoint), args.code, args.made)
    elif checkpoint:
        made = os.path.join(args.code, checkpoint)
    else:
        fail("there is neither a command nor a file that training made", "give --command, or --checkpoint")
    if args.name_to:
        text = f"{os.path.relpath(made, args.code)}\n{sha256(made)}\n"
        publish(args.name_to, lambda partial: write_text(partial, text))
    if args.copy_to:
        publish(args.copy_to, lambda partial: shutil.copyfile(made, partial))
    print(f"made {made}")


if __name__ == "__main__":
    main()
