#!/usr/bin/env python3
"""Let a model answer the histories of samples: the discriminator (paper, section 3.2) and every evaluated system."""

from pathlib import Path

from synth_empathy.core import cli, provenance, seeds
from synth_empathy.core.records import SAMPLE, read_jsonl, remove_outputs, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.inference import engines, runner
from synth_empathy.inference.types import Request


def main() -> None:
    """Parse flags, answer what is not answered yet, write predictions beside the samples' own responses."""
    flags = cli.parser(__doc__)
    flags.add_argument("--inputs", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    flags.add_argument(
        "--format",
        choices=prompts.STYLES,
        default="flat",
        help="how a dialogue is put to the model; flat is the released way",
    )
    flags.add_argument("--system", default="", help="system prompt; none when empty")
    runner.add_flags(flags)
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="id, prediction, reference")
    args = flags.parse_args()

    samples = read_jsonl(args.inputs, SAMPLE)
    requests = [
        Request(
            sample["id"],
            prompts.dialogue_messages(sample["history"], args.format, args.system),
            seeds.row_seed(args.seed, sample["id"], "respond"),
        )
        for sample in samples
    ]
    code = provenance.code(__file__, entries=[engines.module_of(args.engine)])
    completed = runner.complete(requests, args, "respond", code)
    remove_outputs(args.output, runner.manifest_path(args))
    write_jsonl(
        args.output,
        ({"id": s["id"], "prediction": completed.rows[s["id"]]["text"], "reference": s["response"]} for s in samples),
    )
    runner.write_manifest(args, "respond", completed)


if __name__ == "__main__":
    cli.run(main)
