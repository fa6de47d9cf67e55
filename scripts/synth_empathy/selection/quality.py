"""Quality selection: the samples' scores, and the samples that are kept by them (paper, section 3.2).

The pipeline's own score is a response's similarity to the discriminator's response. Users add scorers as files of JSON
Lines with ``id`` and ``score``, each with a manifest next to it that says what made the scores (docs/files.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core import records, seeds
from ..core.errors import UserError, nearest
from ..core.json_files import read_json
from ..core.provenance import sha256_file
from ..core.records import Record, read_jsonl

QUALITY_RULES = ("greater", "released")
#: The pipeline's own scorer: the similarity to the discriminator's response.
SIMILARITY = "similarity"
RESCORE = "correct the scorer's file, or the program that writes it (docs/extending.md has an example)"

# Scores


def add_score_flags(flags: argparse.ArgumentParser, required: bool = False) -> None:
    """Add the flags that name a file of scores and say how to read it."""
    scores = f"each sample's id and score; of the scorer {SIMILARITY}, id and similarity"
    flags.add_argument("--scores", type=Path, required=required, metavar="JSONL", help=scores)
    scorer = f"the scorer's name; any scorer but {SIMILARITY} needs a manifest next to its file"
    flags.add_argument("--scorer", default=SIMILARITY, metavar="NAME", help=scorer)
    flags.add_argument("--lower-is-better", action="store_true", help="the best samples have the lowest scores")


def manifest_of(scores: str | Path) -> Path:
    """The manifest of a file of scores: scores.jsonl has scores.manifest.json next to it."""
    return Path(scores).with_suffix(".manifest.json")


def read_scores(
    path: Path, samples: list[Record], scorer: str = SIMILARITY, lower_is_better: bool = False
) -> list[float]:
    """The samples' scores in the samples' order, with the sign changed where lower is better.

    Raises:
        UserError: the file breaks its contract, lacks a sample, or is not the file that its manifest describes.
    """
    if scorer == SIMILARITY:
        score_of = {record["id"]: record["similarity"] for record in read_jsonl(path, records.SIMILARITY)}
    else:
        score_of = {record["id"]: record["score"] for record in read_jsonl(path, records.SCORE)}
        print(f"scores by {scorer}, made by {made_by(path)}")
    missing = [sample["id"] for sample in samples if sample["id"] not in score_of]
    if missing:
        count = f"{len(missing):,} of {len(samples):,} samples"
        problem = f"{path} has no score for {count}; the first is {missing[0]!r}"
        hint = "run embed_texts.py on responses to these samples" if scorer == SIMILARITY else RESCORE
        raise UserError(problem, hint)
    sign = -1 if lower_is_better else 1
    return [sign * score_of[sample["id"]] for sample in samples]


def made_by(scores: Path) -> str:
    """What made a file of scores, according to its manifest.

    Raises:
        UserError: the manifest is missing, lacks a field, or describes another file.
    """
    path = manifest_of(scores)
    manifest = read_json(path)
    output = manifest.get("output") if isinstance(manifest, dict) else None
    maker = manifest.get("made_by") if isinstance(manifest, dict) else None
    if not isinstance(maker, str) or not maker or not isinstance(output, dict) or "sha256" not in output:
        form = 'an object with "made_by": "...", and "output": {"sha256": "..."}'
        raise UserError(f"{path} is not a manifest of scores: it must be {form}", RESCORE)
    digest = sha256_file(scores)
    if output["sha256"] != digest:
        problem = f"{scores} is not the file that {path} describes: its SHA-256 is {digest}"
        raise UserError(problem, "write the manifest again when the scores change")
    return maker


def check_scorer(scorer: str, known: list[str]) -> None:
    """Refuse a scorer that is not among the known ones.

    Raises:
        UserError: names the scorer, and a known one with a similar name.
    """
    if scorer not in known:
        hint = "add it to scorers in the configuration (docs/extending.md)"
        raise UserError(f"there is no scorer {scorer!r}{nearest(scorer, known)}", hint)


# Selections


def passes_quality(similarity: float, threshold: float, rule: str) -> bool:
    """Whether a sample is kept at a DK threshold.

    Args:
        rule: ``greater``: S > T, as in the paper (section 3.2, step 4). ``released``: int(S) >= T, as in the authors'
            code; for a whole T it also keeps S = T.
    """
    return int(similarity) >= threshold if rule == "released" else similarity > threshold


def select_quality(scored: list[Record], threshold: float, rule: str) -> list[Record]:
    """The samples that pass the DK threshold, in their order.

    Args:
        scored: samples, each with its ``similarity``.

    Raises:
        UserError: no sample passes. The message has the highest similarity.
    """
    selected = [record for record in scored if passes_quality(record["similarity"], threshold, rule)]
    if not selected:
        highest = max((record["similarity"] for record in scored), default=float("nan"))
        problem = f"no sample of {len(scored)} passes the DK threshold {threshold:g}"
        hint = "lower the threshold in the configuration (systems: training_set), or generate more samples"
        raise UserError(f"{problem}; the highest similarity is {highest:.2f}", hint)
    return selected


def select_top(samples: list[Record], scores: list[float], size: int) -> list[Record]:
    """The ``size`` samples with the highest scores, in the samples' order; of equal scores the lower id is chosen.

    Raises:
        UserError: there are fewer samples.
    """
    if size > len(samples):
        hint = "ask for fewer, or generate more samples"
        raise UserError(f"the {size:,} best cannot be chosen from {len(samples):,} samples", hint)
    ranked = sorted(range(len(samples)), key=lambda row: (-scores[row], samples[row]["id"]))
    return [samples[row] for row in sorted(ranked[:size])]


def draw_samples(samples: list[Record], size: int, seed: int) -> list[Record]:
    """A seeded draw without replacement, in the samples' order: the paper's Table 3, without quality selection.

    Each id has a seed of its own. A smaller draw is part of a larger one: what is drawn at DK 60 is also drawn at 55.

    Raises:
        UserError: there are fewer samples.
    """
    if size > len(samples):
        hint = "draw from the samples that the quality selection chose from"
        raise UserError(f"{size} samples cannot be drawn from {len(samples)}", hint)
    return seeds.keep_lowest(samples, size, lambda sample: seeds.row_seed(seed, sample["id"], "draw"))
