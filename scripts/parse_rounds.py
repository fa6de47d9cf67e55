#!/usr/bin/env python3
"""Read the generator's outputs into dialogues of rounds; every output that gives none is kept with its reason."""

from collections import Counter
from operator import itemgetter
from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import (
    OUTPUT,
    Record,
    field_at,
    missing,
    read_json,
    read_jsonl,
    remove_outputs,
    write_json,
    write_jsonl,
)
from synth_empathy.data import rounds


def main() -> None:
    """Parse flags, parse outputs, write dialogues, rejected outputs and the counts."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--outputs",
        type=Path,
        nargs="+",
        required=True,
        metavar="JSONL",
        help="the generator's outputs, all shards, manifests beside them",
    )
    flags.add_argument(
        "--max-words", type=cli.count, default=120, help="a turn with more words runs on and is not used"
    )
    flags.add_argument(
        "--dialogues", type=Path, required=True, metavar="JSONL", help="id, rounds of {context, response}"
    )
    flags.add_argument(
        "--rejected",
        type=Path,
        required=True,
        metavar="JSONL",
        help="outputs without a usable round, each with its reason",
    )
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="counts")
    without = "take outputs that have no manifest beside them, made elsewhere; a manifest that is there is checked all the same"
    flags.add_argument("--without-manifests", action="store_true", help=without)
    args = flags.parse_args()

    models = models_of(args.outputs, args.without_manifests)
    outputs = read_outputs(args.outputs)
    dialogues, rejected, cut = parsed(outputs, args.max_words)
    reasons = Counter(output["reason"] for output in rejected)
    if not dialogues:
        raise UserError(
            f"none of the {len(outputs)} generated outputs holds a usable round ({dict(reasons)})",
            "look at their texts in the generator's shards; a small model needs `generation: demonstration`, a cut text more `max_tokens`",
        )
    remove_outputs(args.dialogues, args.rejected, args.summary)
    code = provenance.code(__file__)
    written = write_jsonl(args.dialogues, dialogues, code=code), write_jsonl(args.rejected, rejected, code=code)
    check_count(len(outputs), *written)
    counts = summary(outputs, dialogues, reasons, cut)
    write_json(args.summary, counts | {"made_by": made_by(models, outputs)}, code=code)
    print(f"{len(dialogues):,} of {len(outputs):,} outputs hold usable rounds; rejected: {dict(reasons)}")
    print("outputs in: {:,} = dialogues out: {:,} + outputs rejected: {:,}".format(len(outputs), *written))


def read_outputs(paths: list[Path]) -> list[Record]:
    """All shards' outputs in the order of their ids.

    Raises:
        UserError: a record is bad, or one id stands in two shards, so that a row would count twice.
    """
    first: dict[str, Path] = {}
    outputs = []
    for path in paths:
        for line, output in enumerate(read_jsonl(path, OUTPUT), start=1):
            other = first.setdefault(output["id"], path)
            if other is not path:
                problem = f"{path}, line {line}: the id {output['id']!r} stands in {other}, too"
                raise UserError(problem, "give each shard once, and shards of one generation alone")
            outputs.append(output)
    return sorted(outputs, key=itemgetter("id"))


def parsed(outputs: list[Record], max_words: int) -> tuple[list[Record], list[Record], Counter]:
    """Dialogues, rejected outputs with their reasons, and how many dialogues leave the rest of their output unused, by reason."""
    dialogues, rejected, cut = [], [], Counter()
    for output in outputs:
        found = rounds.parse_rounds(output["text"], output["finish"], max_words)
        if found.rounds:
            dialogues.append({"id": output["id"], "rounds": found.rounds, "rest_unused": found.reason})
            cut[found.reason] += found.reason is not None
        else:
            rejected.append(output | {"reason": found.reason})
    return dialogues, rejected, cut


def check_count(outputs: int, dialogues: int, rejected: int) -> None:
    """Every output becomes a dialogue or is rejected: rows in are rows out and rows counted.

    Raises:
        UserError: they are not.
    """
    if outputs != dialogues + rejected:
        problem = (
            f"{outputs:,} outputs came in, {dialogues:,} dialogues and {rejected:,} rejected outputs were written"
        )
        raise UserError(problem, "this is a defect of the package: report it, with the outputs")


def models_of(outputs: list[Path], without_manifests: bool) -> list[str]:
    """The models that wrote the outputs, by the manifest beside each; none of outputs without one.

    The manifests are not inputs of the rule, since the job that writes an output writes its manifest, too, and with
    thousands of shards each input costs a dry-run time. Without one nobody knows whether a shard is whole: an empty file
    reads as a shard of no rows.

    Args:
        without_manifests: whether an output may lack its manifest.

    Raises:
        UserError: there is no such output, or it lacks its manifest, or has one that is not its own.
    """
    found = set()
    for path in outputs:
        manifest = path.with_suffix(".manifest.json")
        if not path.exists():
            raise missing(path)
        if manifest.exists():
            found.add(model_of(path, manifest))
        elif not without_manifests:
            problem = f"{path} has no manifest beside it: {manifest} does not exist"
            hint = "delete the output and run the generation of this shard again; for outputs made elsewhere give --without-manifests"
            raise UserError(problem, hint)
    return sorted(found)


def model_of(path: Path, manifest: Path) -> str:
    """The model that wrote one output, by the manifest beside it.

    Raises:
        UserError: the manifest is another output's, or names no model.
    """
    again = "delete both, and run the generation of this shard again"
    content = read_json(manifest)
    if field_at(content, "output: sha256") != provenance.sha256_file(path):
        raise UserError(f"{manifest} is not the manifest of {path}", again)
    name = field_at(content, "model: name")
    if not isinstance(name, str):
        raise UserError(f"{manifest} does not say which model wrote {path} (model: name)", again)
    return name


def made_by(models: list[str], outputs: list[Record]) -> Record:
    """What wrote the outputs, and after how many of ED's samples: what the paper's claims ask of a run (docs/claims.md)."""
    return {
        "models": models,
        "seed_samples": len({output["seed_id"] for output in outputs}),
        "samples_per_seed": len({output["pass"] for output in outputs}),
    }


def summary(outputs: list, dialogues: list, reasons: Counter, cut: Counter) -> dict:
    """The counts that the step answers for, with the meaning of every reason."""
    return {
        "outputs": len(outputs),
        "dialogues": len(dialogues),
        "rounds_per_dialogue": dict(sorted(Counter(str(len(d["rounds"])) for d in dialogues).items())),
        "rejected": dict(sorted(reasons.items())),
        "rest_of_output_unused": dict(sorted((reason, count) for reason, count in cut.items() if reason)),
        "reasons": rounds.REASONS,
    }


if __name__ == "__main__":
    cli.run(main)
