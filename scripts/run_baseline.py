#!/usr/bin/env python3
"""Run the code of a baseline's authors in its laid-out copy: to train it, or to let it answer ED's test split.

It runs with the interpreter, and so with the packages, that runs this script. That may be a Python as old as 3.6, so this
script stands alone: it imports nothing of ours and uses nothing newer.
"""

import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys


def parse():
    """The command line."""
    flags = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    flags.add_argument("--code", required=True, metavar="DIR", help="the laid-out copy of the repository (prepare_baseline.py)")
    flags.add_argument("--command", required=True, help="the code's script and flags; {checkpoint} is the trained one's path")
    flags.add_argument("--checkpoint", metavar="FILE", help="what training wrote with --name-to; fills in {checkpoint}")
    flags.add_argument("--made", required=True, metavar="PATTERN", help="what the command makes, relative to the copy; of several, the last iteration's")
    flags.add_argument("--name-to", metavar="FILE", help="write the path of what was made there")
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
    """Let ``write`` make a file under a private name, then give it its own: it is there whole or not at all."""
    partial = f"{path}.{os.getpid()}.partial"
    write(partial)
    os.replace(partial, path)


def read_text(path):
    """Read UTF-8 text."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def write_text(path, text):
    """Write UTF-8 text."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    """Remove what an interrupted run left, run the command, hand over what it made."""
    args = parse()
    if not os.path.isdir(args.code):
        fail(f"there is no copy of the code in {args.code}", "delete prepared.json beside it and start the same command again")
    checkpoint = read_text(args.checkpoint).strip() if args.checkpoint else ""
    pattern = os.path.join(args.code, args.made)
    for path in glob.glob(pattern):
        os.remove(path)
    isolated = ["-E"] if sys.flags.ignore_environment else []
    command = [sys.executable, *isolated, *shlex.split(args.command.replace("{checkpoint}", checkpoint))]
    print("in {}: {}".format(args.code, " ".join(command)), flush=True)
    environment = dict(os.environ, NLTK_DATA=os.path.abspath(os.path.join(args.code, "nltk_data")))
    done = subprocess.call(command, cwd=args.code, env=environment)
    if done != 0:
        fail(f"the authors' code ended with status {done}", "read what it said above; docs/baselines.md says what it needs")
    made = sorted(glob.glob(pattern), key=iteration)
    if not made:
        fail(f"the authors' code ended well and made no {pattern}", "compare its flags with the patterns of the configuration (baselines)")
    if args.name_to:
        publish(args.name_to, lambda partial: write_text(partial, os.path.relpath(made[-1], args.code) + "\n"))
    if args.copy_to:
        publish(args.copy_to, lambda partial: shutil.copyfile(made[-1], partial))
    print(f"made {made[-1]}")


if __name__ == "__main__":
    main()
