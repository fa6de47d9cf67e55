#!/usr/bin/env python3
"""Prepare EmpatheticDialogues: raw CSV files to one sample per listener turn (paper, section 4.1.1)."""

from pathlib import Path

from synth_empathy.core import cli, provenance, seeds
from synth_empathy.core.records import remove_outputs, write_json, write_jsonl
from synth_empathy.data import empathetic_dialogues


def main() -> None:
    """Parse flags, prepare the three splits, write ``{split}.jsonl`` and ``report.json``."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--raw", type=Path, required=True, metavar="DIR", help="folder with ED's train.csv, valid.csv and test.csv"
    )
    flags.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for {train,valid,test}.jsonl and report.json"
    )
    for split in empathetic_dialogues.SPLITS:
        flags.add_argument(
            f"--keep-{split}",
            type=cli.count,
            metavar="N",
            help=f"keep N samples of {split}, chosen by a hash of their ids; all when not given",
        )
    args = flags.parse_args()

    # All three are read before the first is written: a bad file leaves nothing behind.
    prepared = {
        split: empathetic_dialogues.prepare_split(args.raw / f"{split}.csv", split)
        for split in empathetic_dialogues.SPLITS
    }
    report = {}
    code = provenance.code(__file__)
    remove_outputs(
        *(args.output / f"{split}.jsonl" for split in empathetic_dialogues.SPLITS), args.output / "report.json"
    )
    for split, preparation in prepared.items():
        kept = seeds.keep_by_hash(preparation.samples, getattr(args, f"keep_{split}"), lambda sample: sample["id"])
        write_jsonl(args.output / f"{split}.jsonl", kept, code=code)
        report[split] = preparation.report | {"kept": len(kept)}
        print(
            f"{split}: {len(kept):,} of {len(preparation.samples):,} samples from {preparation.report['conversations']:,} conversations"
        )
    write_json(args.output / "report.json", report, code=code)


if __name__ == "__main__":
    cli.run(main)
