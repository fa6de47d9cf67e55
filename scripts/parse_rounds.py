#!/usr/bin/env python3
"""Read the generator's outputs into dialogues of rounds; every output that gives none is kept with its reason."""

from collections import Counter
from pathlib import Path

from synth_empathy import cli, rounds
from synth_empathy.errors import UserError
from synth_empathy.records import OUTPUT, read_jsonl, write_json, write_jsonl


def main() -> None:
    """Parse flags, parse outputs, write dialogues, rejected outputs and the counts."""
    flags = cli.parser(__doc__)
    flags.add_argument("--outputs", type=Path, nargs="+", required=True, metavar="JSONL", help="the generator's outputs, all shards")
    flags.add_argument("--max-words", type=int, default=120, help="a turn with more words runs on and is not used")
    flags.add_argument("--dialogues", type=Path, required=True, metavar="JSONL", help="id, rounds of {context, response}")
    flags.add_argument("--rejected", type=Path, required=True, metavar="JSONL", help="outputs without a usable round, each with its reason")
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="counts")
    args = flags.parse_args()

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
    write_json(args.summary, summary(outputs, dialogues, reasons, cut))
    print(f"{len(dialogues):,} of {len(outputs):,} outputs hold usable rounds; rejected: {dict(reasons)}")


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
