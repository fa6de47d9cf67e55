#!/usr/bin/env python3
"""Draw one training sample from each generated dialogue: rounds as history, a context, and the response to learn."""

from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import DIALOGUE, Record, read_jsonl, write_jsonl
from synth_empathy.data import rounds
from synth_empathy.data.tokenization import normalise


def main() -> None:
    """Parse flags, draw, write samples."""
    flags = cli.parser(__doc__)
    flags.add_argument("--dialogues", type=Path, required=True, metavar="JSONL", help="output of parse_rounds.py")
    modes = "matched: the target answers the last context of the input; released: it is the last round's response"
    flags.add_argument("--mode", choices=rounds.MODES, default="matched", help=f"{modes}, as in the authors' code")
    fewest = "fewest rounds of history; a shorter dialogue has as many as it can"
    flags.add_argument("--min-history", type=cli.count_or_none, default=1, help=fewest)
    flags.add_argument("--max-history", type=cli.count_or_none, default=3, help="most rounds of history")
    form = "bring the text into the form of prepared ED; the authors keep the text as generated"
    flags.add_argument("--normalise", action="store_true", help=form)
    flags.add_argument("--seed", type=cli.seed, default=0, help="the run's global seed")
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="id, history, response")
    args = flags.parse_args()
    if args.min_history > args.max_history:
        flags.error(f"--min-history {args.min_history} is above --max-history {args.max_history}")

    dialogues = read_jsonl(args.dialogues, DIALOGUE)
    for line, dialogue in enumerate(dialogues, start=1):
        rounds.check_dialogue(dialogue, f"{args.dialogues}, line {line}")
    history = (args.min_history, args.max_history)
    samples = [rounds.sample_turns(dialogue, args.mode, args.seed, history) for dialogue in dialogues]
    if args.normalise:
        samples = [normalised(sample) for sample in samples]
    write_jsonl(args.output, samples, code=provenance.code(__file__))
    print(f"{len(samples):,} samples, turns drawn as {args.mode}")


def normalised(sample: Record) -> Record:
    """A sample whose turns have the form of prepared ED."""
    history = [normalise(turn) for turn in sample["history"]]
    return sample | {"history": history, "response": normalise(sample["response"])}


if __name__ == "__main__":
    cli.run(main)
