#!/usr/bin/env python3
"""Parse the generator's outputs into dialogues of rounds. An output without a usable round is kept with its reason."""

import argparse
from collections import Counter
from operator import itemgetter
from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import missing, remove_outputs
from synth_empathy.core.json_files import field_at, read_json, write_json
from synth_empathy.core.records import OUTPUT, Record, read_jsonl, write_jsonl
from synth_empathy.data import rounds


def main() -> None:
    """Parse flags, parse outputs, write dialogues, rejected outputs and the counts."""
    args = parser().parse_args()
    models = models_of(args.outputs, args.without_manifests)
    outputs = read_outputs(args.outputs)
    dialogues, rejected, unused = parse(outputs, args.max_words)
    reasons = Counter(output["reason"] for output in rejected)
    if not dialogues:
        problem = f"none of the {len(outputs)} generated outputs holds a usable round ({dict(reasons)})"
        hint = "look at the texts in the generator's shards; a small model needs `generation: demonstration`"
        raise UserError(problem, f"{hint}, and texts that are cut need more `max_tokens`")
    remove_outputs(args.dialogues, args.rejected, args.summary)
    code = provenance.code(__file__)
    written = write_jsonl(args.dialogues, dialogues, code=code), write_jsonl(args.rejected, rejected, code=code)
    check_count(len(outputs), *written)
    counts = summary(outputs, dialogues, reasons, unused)
    write_json(args.summary, counts | {"made_by": made_by(models, outputs)}, code=code)
    print(f"{len(dialogues):,} of {len(outputs):,} outputs hold usable rounds; rejected: {dict(reasons)}")
    print("outputs in: {:,} = dialogues out: {:,} + outputs rejected: {:,}".format(len(outputs), *written))


def parser() -> argparse.ArgumentParser:
    """The script's flags."""
    flags = cli.parser(__doc__)
    outputs = "the generator's outputs, all shards, with their manifests next to them"
    flags.add_argument("--outputs", type=Path, nargs="+", required=True, metavar="JSONL", help=outputs)
    words = "the most words of a usable turn"
    flags.add_argument("--max-words", type=cli.count, default=120, help=words)
    dialogues = "id, rounds of {context, response}"
    flags.add_argument("--dialogues", type=Path, required=True, metavar="JSONL", help=dialogues)
    rejected = "outputs without a usable round, each with its reason"
    flags.add_argument("--rejected", type=Path, required=True, metavar="JSONL", help=rejected)
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="counts")
    without = "accept outputs without a manifest, made elsewhere; a manifest that exists is checked nevertheless"
    flags.add_argument("--without-manifests", action="store_true", help=without)
    return flags


def read_outputs(paths: list[Path]) -> list[Record]:
    """The outputs of all shards, in the order of their ids.

    Raises:
        UserError: a record is invalid, or two shards contain the same id, so that a row would count twice.
    """
    shard_of: dict[str, Path] = {}
    outputs = []
    for path in paths:
        for line, output in enumerate(read_jsonl(path, OUTPUT), start=1):
            shard = shard_of.setdefault(output["id"], path)
            if shard is not path:
                problem = f"{path}, line {line}: {shard} contains the id {output['id']!r}, too"
                raise UserError(problem, "give each shard once, and only shards of one generation")
            outputs.append(output)
    return sorted(outputs, key=itemgetter("id"))


def parse(outputs: list[Record], max_words: int) -> tuple[list[Record], list[Record], Counter]:
    """Parse outputs.

    Returns:
        Dialogues; rejected outputs with their reasons; and how many outputs are used in part, by the reason.
    """
    dialogues, rejected, unused = [], [], Counter()
    for output in outputs:
        parsed = rounds.parse_rounds(output["text"], output["finish"], max_words)
        if not parsed.rounds:
            rejected.append(output | {"reason": parsed.reason})
            continue
        dialogues.append({"id": output["id"], "rounds": parsed.rounds, "rest_unused": parsed.reason})
        if parsed.reason is not None:
            unused[parsed.reason] += 1
    return dialogues, rejected, unused


def check_count(outputs: int, dialogues: int, rejected: int) -> None:
    """Check that every output is written as a dialogue or as rejected.

    Raises:
        UserError: the numbers of rows differ.
    """
    if outputs != dialogues + rejected:
        problem = f"{outputs:,} outputs were read, {dialogues:,} dialogues and {rejected:,} rejected outputs written"
        raise UserError(problem, "this is a defect of the package: report it, with the outputs")


def models_of(outputs: list[Path], without_manifests: bool) -> list[str]:
    """The models that wrote the outputs, by the outputs' manifests; an output without a manifest adds none.

    The manifests are not inputs of the rule: the job that writes an output also writes its manifest, and inputs of
    thousands of shards slow down a dry-run. Without a manifest nobody knows whether a shard is complete: an empty file
    reads as a shard of no rows.

    Args:
        without_manifests: whether an output may lack its manifest.

    Raises:
        UserError: an output does not exist, or its manifest is missing or describes another file.
    """
    models = set()
    for path in outputs:
        manifest = path.with_suffix(".manifest.json")
        if not path.exists():
            raise missing(path)
        if manifest.exists():
            models.add(model_of(path, manifest))
        elif not without_manifests:
            problem = f"{path} has no manifest: {manifest} does not exist"
            hint = "delete the output and generate this shard again"
            raise UserError(problem, f"{hint}; for outputs made elsewhere give --without-manifests")
    return sorted(models)


def model_of(path: Path, manifest: Path) -> str:
    """The model that wrote one output, by its manifest.

    Raises:
        UserError: the manifest describes another file, or names no model.
    """
    again = "delete both files, and generate this shard again"
    content = read_json(manifest)
    if field_at(content, "output: sha256") != provenance.sha256_file(path):
        raise UserError(f"{manifest} is not the manifest of {path}", again)
    name = field_at(content, "model: name")
    if not isinstance(name, str):
        raise UserError(f"{manifest} does not say which model wrote {path} (model: name)", again)
    return name


def made_by(models: list[str], outputs: list[Record]) -> Record:
    """The models that wrote the outputs, and from how many ED samples: the claims ask for both (docs/claims.md)."""
    return {
        "models": models,
        "seed_samples": len({output["seed_id"] for output in outputs}),
        "samples_per_seed": len({output["pass"] for output in outputs}),
    }


def summary(outputs: list[Record], dialogues: list[Record], reasons: Counter, unused: Counter) -> Record:
    """The counts of this step, with the meaning of every reason."""
    lengths = Counter(str(len(dialogue["rounds"])) for dialogue in dialogues)
    return {
        "outputs": len(outputs),
        "dialogues": len(dialogues),
        "rounds_per_dialogue": dict(sorted(lengths.items())),
        "rejected": dict(sorted(reasons.items())),
        "rest_of_output_unused": dict(sorted(unused.items())),
        "reasons": rounds.REASONS,
    }


if __name__ == "__main__":
    cli.run(main)
