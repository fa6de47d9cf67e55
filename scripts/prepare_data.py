#!/usr/bin/env python3
"""Prepare a data set: raw files to one sample per listener turn (paper, section 4.1.1; docs/data.md)."""

import json
from pathlib import Path
from typing import Any

from synth_empathy.core import cli, provenance, seeds
from synth_empathy.core.errors import UserError
from synth_empathy.core.files import remove_outputs
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import write_jsonl
from synth_empathy.data import readers
from synth_empathy.data.readers import SPLITS, Reader
from synth_empathy.schema.setting_faults import faults_of


def main() -> None:
    """Parse flags, prepare the three splits, write ``{split}.jsonl`` and ``report.json``."""
    flags = cli.parser(__doc__)
    flags.add_argument("--reader", choices=readers.READERS, required=True, help="the form of the raw files")
    flags.add_argument(
        "--raw",
        type=Path,
        required=True,
        metavar="PATH",
        help="the raw files: of empathetic_dialogues a folder with train.csv, valid.csv and test.csv; of jsonl a "
        "folder with train.jsonl, valid.jsonl and test.jsonl, or one file, which is split here",
    )
    flags.add_argument(
        "--settings",
        default="{}",
        metavar="JSON",
        help="the reader's other keys, as in the configuration (docs/configuration.md)",
    )
    flags.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for {train,valid,test}.jsonl and report.json"
    )
    for split in SPLITS:
        flags.add_argument(
            f"--keep-{split}",
            type=cli.count,
            metavar="N",
            help=f"keep N samples of {split}, chosen by a hash of their ids; all when not given",
        )
    args = flags.parse_args()

    # All three are read before the first is written: a bad file leaves nothing behind.
    prepared = reader_by_hand(args.reader, args.settings, args.raw).prepare(args.raw)
    report = {}
    code = provenance.code(__file__, entries=readers.code(args.reader))
    remove_outputs(*(args.output / f"{split}.jsonl" for split in SPLITS), args.output / "report.json")
    for split, preparation in prepared.items():
        kept = seeds.keep_by_hash(preparation.samples, getattr(args, f"keep_{split}"), lambda sample: sample["id"])
        write_jsonl(args.output / f"{split}.jsonl", kept, code=code)
        report[split] = preparation.report | {"kept": len(kept)}
        total, conversations = len(preparation.samples), preparation.report["conversations"]
        print(f"{split}: {len(kept):,} of {total:,} samples from {conversations:,} conversations")
        print("".join(f"{sentence}\n" for sentence in preparation.log), end="")
    write_json(args.output / "report.json", report, code=code)


def reader_by_hand(name: str, settings: str, raw: Path) -> Reader:
    """A reader with the keys that --settings gives; its raw files are where --raw says.

    Raises:
        UserError: they are no JSON object, or not the reader's.
    """
    hint = "give a JSON object of the reader's keys (docs/configuration.md, datasets)"
    try:
        values: Any = json.loads(settings)
        entry = {**values, "reader": name, **readers.sources(name, str(raw))}
    except (ValueError, TypeError) as error:
        raise UserError(f"--settings is no JSON object: {error}", hint) from None
    faults = faults_of(readers.reader_class(name), entry)
    if faults:
        raise UserError("--settings is not valid:\n  - " + "\n  - ".join(map(str, faults)), hint)
    return readers.reader_of(entry)


if __name__ == "__main__":
    cli.run(main)
