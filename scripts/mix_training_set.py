#!/usr/bin/env python3
"""Put a training set together: the train split, and selected synthetic samples if any (paper, section 4.2)."""

from collections import Counter
from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import SAMPLE, read_jsonl, write_jsonl


def main() -> None:
    """Parse flags, write all samples with their source; the trainer shuffles, by its own seed."""
    flags = cli.parser(__doc__)
    flags.add_argument("--data", type=Path, required=True, metavar="JSONL", help="the data set's prepared samples")
    flags.add_argument("--name", default="ed", help="the data set's name, the source of its samples")
    flags.add_argument(
        "--synthetic", type=Path, metavar="JSONL", help="selected synthetic samples; the data set alone when not given"
    )
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="id, history, response, source")
    args = flags.parse_args()

    rows = [pick(sample, args.name) for sample in read_jsonl(args.data, SAMPLE)]
    if args.synthetic:
        rows += [pick(sample, "synthetic") for sample in read_jsonl(args.synthetic, SAMPLE)]
    counts = Counter(row["id"] for row in rows)
    repeated = [row_id for row_id, count in counts.items() if count > 1]
    if repeated:
        hint = "give synthetic samples of this workflow, whose ids name prompt and pass"
        raise UserError(f"{len(repeated)} ids stand in both sources; the first is {repeated[0]}", hint)
    write_jsonl(args.output, rows, code=provenance.code(__file__))
    sources = Counter(row["source"] for row in rows)
    print(", ".join(f"{count:,} {source}" for source, count in sorted(sources.items())))


def pick(sample: dict, source: str) -> dict:
    """The fields that training needs."""
    return {"id": sample["id"], "history": sample["history"], "response": sample["response"], "source": source}


if __name__ == "__main__":
    cli.run(main)
