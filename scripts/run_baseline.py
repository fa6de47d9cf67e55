#!/usr/bin/env python3
"""Run the code of a baseline's authors in its laid-out copy: to train it, or to let it answer ED's test split.

It runs with the interpreter, and so with the packages, that runs this script. That may be a Python as old as 3.6, so this
script stands alone: it imports nothing of ours and uses nothing newer.
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
    flags.add_argument(
        "--code", required=True, metavar="DIR", help="the laid-out copy of the repository (prepare_baseline.py)"
    )
    command = "the code's script and flags; {checkpoint} is the trained one's path; empty: training itself made what is copied"
    made = "what the command makes, relative to the copy; of several, the last iteration's"
    flags.add_argument("--command", required=True, help=command)
    flags.add_argument(
        "--checkpoint", metavar="FILE", help="what training wrote with --name-to; fills in {checkpoint}"
    )
    flags.add_argument("--made", required=True, metavar="PATTERN", help=made)
    flags.add_argument("--name-to", metavar="FILE", help="write the path of what was made, and its hash, there")
    flags.add_argument("--copy-to", metavar="FILE", help="copy what was made there")
    return flags.parse_args()


def fail(problem, hint):
    """End with a sentence and what to do."""
    sys.exit(f"error: {problem}\n  What to do: {hint}")


def iteration(path):
    """The first number in a checkpoint's name: they are NAME_ITERATION_PERPLEXITY."""
    found = re.search(r"\d+", os.path.basename(path))
    return int(found.group()) if found else -1


def publish(path, write):
    """Let ``write`` make a file under a private name, then give it its own: it is there whole or not at all.

    Its SHA-256 stands beside it, and this script's, in the form that the other steps check (records.sealed_path).
    """
    folder, name = os.path.split(path)
    for left in glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.partial")):
        os.remove(left)  # by a kill; nobody else writes this file
    partial = os.path.join(folder, f".{name}.{os.getpid()}.partial")
    try:
        write(partial)
        digest = sha256(partial)
        seal = os.path.join(folder, f".{name}.sha256")
        if os.path.exists(seal):
            os.remove(seal)  # before the file: a kill between the two leaves a whole file without a seal
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
    """A file's hash."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            whole.update(block)
    return whole.hexdigest()


def trained(code, note):
    """The path, in the copy, of what training made, as ``note`` names it: the same file, and whole."""
    name, _, digest = read_text(note).strip().partition("\n")
    again = f"delete {note} and start the same command again: it trains anew"
    if not digest:
        fail(f"{note} does not name a file and its hash", again)
    path = os.path.join(code, name)
    if not os.path.isfile(path) or sha256(path) != digest:
        fail(f"{path} is not the file any more that training made", again)
    return name


def words_of(command, checkpoint):
    """The words of a command, as a shell splits them; the checkpoint's path is in one word, whatever is in it."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        fail(
            f"the command {command!r} cannot be split into words: {error}",
            "correct its quotes (baselines: train, generate)",
        )
    return [word.replace("{checkpoint}", checkpoint) for word in words]


def made_by(words, code, name):
    """Run the authors' code, and find what it made: nothing that was there before is taken for it."""
    pattern = os.path.join(glob.escape(code), name)
    for path in filter(os.path.isfile, glob.glob(pattern)):
        os.remove(path)
    isolated = ["-E"] if sys.flags.ignore_environment else []
    command = [sys.executable, *isolated, *words]
    print("in {}: {}".format(code, " ".join(command)), flush=True)
    environment = dict(os.environ, NLTK_DATA=os.path.abspath(os.path.join(code, "nltk_data")))
    done = subprocess.call(command, cwd=code, env=environment)
    if done != 0:
        hint = "read what it said above; docs/baselines.md says what it needs"
        fail(f"the authors' code ended with status {done}", hint)
    made = sorted(filter(os.path.isfile, glob.glob(pattern)), key=iteration)
    if not made:
        where = "compare its flags with the patterns of the configuration (baselines: checkpoint, makes)"
        hint = f"{where}; with generate: null, training itself is to write what makes names"
        fail(f"the authors' code ended well and made no {os.path.join(code, name)}", hint)
    return made[-1]


def main():
    """Run the command, or take what training made, and hand it over."""
    args = parse()
    if not os.path.isdir(args.code):
        fail(
            f"there is no copy of the code in {args.code}",
            "delete prepared.json beside it and start the same command again",
        )
    checkpoint = trained(args.code, args.checkpoint) if args.checkpoint else ""
    if args.command:
        made = made_by(words_of(args.command, checkpoint), args.code, args.made)
    elif checkpoint:
        made = os.path.join(args.code, checkpoint)
    else:
        fail("there is neither a command nor what training made", "give --command, or --checkpoint")
    if args.name_to:
        text = f"{os.path.relpath(made, args.code)}\n{sha256(made)}\n"
        publish(args.name_to, lambda partial: write_text(partial, text))
    if args.copy_to:
        publish(args.copy_to, lambda partial: shutil.copyfile(made, partial))
    print(f"made {made}")


if __name__ == "__main__":
    main()
