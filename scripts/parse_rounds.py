#!/usr/bin/env python3
"""Read the generator's outputs into dialogues of rounds; every output that gives none is kept with its reason."""

from collections import Counter
from pathlib import Path

from synth_empathy import cli, evidence, provenance, rounds
from synth_empathy.errors import UserError
from synth_empathy.records import OUTPUT, Record, read_json, read_jsonl, write_json, write_jsonl


def main() -> None:
    """Parse flags, parse outputs, write dialogues, rejected outputs and the counts."""
    flags = cli.parser(__doc__)
    flags.add_argument("--outputs", type=Path, nargs="+", required=True, metavar="JSONL", help="the generator's outputs, all shards, manifests beside them")
    flags.add_argument("--max-words", type=cli.count, default=120, help="a turn with more words runs on and is not used")
    flags.add_argument("--dialogues", type=Path, required=True, metavar="JSONL", help="id, rounds of {context, response}")
    flags.add_argument("--rejected", type=Path, required=True, metavar="JSONL", help="outputs without a usable round, each with its reason")
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="counts")
    args = flags.parse_args()

    models = models_of(args.outputs)
    outputs = sorted((output for path in args.outputs for output in read_jsonl(path, OUTPUT)), key=lambda output: output["id"])
    dialogues, rejected, cut = [], [], Counter()
    for output in outputs:
        parsed = rounds.parse_rounds(output["text"], output["finish"], args.max_words)
        if parsed.rounds:
            dialogues.append({"id": output["id"], "rounds": parsed.rounds, "rest_unused": parsed.reason})
            cut[parsed.reason] += parsed.reason is not None
        else:
            rejected.append(output | {"reason": parsed.reason})
    reasons = Counter(output["reason"] for output in rejected)
    if not dialogues:
        raise UserError(
            f"none of the {len(outputs)} generated outputs holds a usable round ({dict(reasons)})",
            "look at their texts in the generator's shards; a small model needs `generation: demonstration`, a cut text more `max_tokens`",
        )
    write_jsonl(args.dialogues, dialogues)
    write_jsonl(args.rejected, rejected)
    write_json(args.summary, summary(outputs, dialogues, reasons, cut) | {"made_by": made_by(models, outputs)})
    print(f"{len(dialogues):,} of {len(outputs):,} outputs hold usable rounds; rejected: {dict(reasons)}")


def models_of(outputs: list[Path]) -> list[str]:
    """The models that wrote the outputs, by the manifest beside each; none where there are no manifests.

    They are not inputs of the rule, since the job that writes an output writes its manifest, too, and with thousands of
    shards each input costs a dry-run time.

    Raises:
        UserError: an output lacks its manifest, though others have theirs, or has another's.
    """
    manifests = [path.with_suffix(".manifest.json") for path in outputs]
    if not any(manifest.is_file() for manifest in manifests):
        return []
    told = [read_json(manifest) for manifest in manifests]
    for path, manifest, content in zip(outputs, manifests, told):
        if evidence.field_at(content, "output: sha256") != provenance.sha256_file(path):
            raise UserError(f"{manifest} is not the manifest of {path}", "delete both, and run the generation of this shard again")
    return sorted({str(evidence.field_at(content, "model: name")) for content in told})


def made_by(models: list[str], outputs: list[Record]) -> Record:
    """What wrote the outputs, and after how many of ED's samples: what the paper's claims ask of a run (docs/claims.md)."""
    return {"models": models, "seed_samples": len({output["seed_id"] for output in outputs}), "passes": len({output["pass"] for output in outputs})}


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
