"""Quality scorers: a file of scores by which the best samples are chosen.

The pipeline has one scorer, the similarity to the discriminator's answer. A user brings others as JSON Lines of ``id``
and ``score``, each file with a manifest beside it that says what made the scores (docs/files.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.errors import UserError, nearest
from ..core.provenance import sha256_file
from ..core.records import SCORE, SIMILARITY, Record, read_json, read_jsonl

#: The scorer that the pipeline has: the similarity to the discriminator's answer.
BUILT_IN = "similarity"
REPAIR = "correct the scorer's file, or the program that writes it (docs/extending.md has an example)"


def add_flags(flags: argparse.ArgumentParser, required: bool = False) -> None:
    """The flags that name a file of scores and say how it is read."""
    scores = f"each sample's id and score; of the scorer {BUILT_IN}, id and similarity"
    flags.add_argument("--scores", type=Path, required=required, metavar="JSONL", help=scores)
    named = f"whose scores they are; of any but {BUILT_IN} a manifest lies beside the file"
    flags.add_argument("--scorer", default=BUILT_IN, metavar="NAME", help=named)
    flags.add_argument("--lower-is-better", action="store_true", help="the best samples have the lowest scores")


def manifest_of(scores: str | Path) -> Path:
    """The manifest beside a file of scores: scores.jsonl has scores.manifest.json."""
    return Path(scores).with_suffix(".manifest.json")


def scores_of(samples: list[Record], args: argparse.Namespace) -> list[float]:
    """The samples' scores in their order, turned so that higher is better.

    Args:
        args: the flags of ``add_flags``.

    Raises:
        UserError: the file breaks its contract, lacks a sample, or is not the one that its manifest describes.
    """
    if args.scorer == BUILT_IN:
        found = {record["id"]: record["similarity"] for record in read_jsonl(args.scores, SIMILARITY)}
    else:
        found = {record["id"]: record["score"] for record in read_jsonl(args.scores, SCORE)}
        print(f"scores by {args.scorer}, made by {made_by(args.scores)}")
    lacking = [sample["id"] for sample in samples if sample["id"] not in found]
    if lacking:
        count = f"{len(lacking):,} of {len(samples):,} samples"
        problem = f"{args.scores} has no score of {count}; the first is {lacking[0]!r}"
        raise UserError(problem, f"score every sample that is selected from; {REPAIR}")
    sign = -1 if args.lower_is_better else 1
    return [sign * found[sample["id"]] for sample in samples]


def made_by(scores: Path) -> str:
    """What made a file of scores, by the manifest beside it.

    Raises:
        UserError: there is no such manifest, it lacks a field, or it describes another file.
    """
    path = manifest_of(scores)
    manifest = read_json(path)
    output = manifest.get("output") if isinstance(manifest, dict) else None
    maker = manifest.get("made_by") if isinstance(manifest, dict) else None
    if not isinstance(maker, str) or not maker or not isinstance(output, dict) or "sha256" not in output:
        form = 'an object with "made_by": "...", and "output": {"sha256": "..."}'
        raise UserError(f"{path} is no manifest of scores: it must be {form}", REPAIR)
    found = sha256_file(scores)
    if output["sha256"] != found:
        problem = f"{scores} is not the file that {path} describes: its SHA-256 is {found}"
        raise UserError(problem, "write the manifest again when the scores change")
    return maker


def check_known(scorer: str, known: list[str]) -> None:
    """Refuse a scorer that the configuration lacks."""
    if scorer not in known:
        hint = "add it to scorers in the configuration (docs/extending.md)"
        raise UserError(f"there is no scorer {scorer!r}{nearest(scorer, known)}", hint)


def best(samples: list[Record], scores: list[float], size: int) -> list[Record]:
    """The ``size`` samples with the highest scores, in the samples' order; among equals the lower id wins.

    Raises:
        UserError: there are not so many samples.
    """
    if size > len(samples):
        hint = "ask for fewer, or generate more samples"
        raise UserError(f"the {size:,} best cannot be chosen of {len(samples):,} samples", hint)
    places = range(len(samples))
    ranked = sorted(places, key=lambda place: (-scores[place], samples[place]["id"]))
    return [samples[place] for place in sorted(ranked[:size])]
