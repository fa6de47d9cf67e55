#!/usr/bin/env python3
"""Let a model answer the histories of samples: the discriminator (paper, section 3.2) and every evaluated system."""

from pathlib import Path

from synth_empathy.core import cli, provenance, seeds
from synth_empathy.core.files import remove_outputs
from synth_empathy.core.records import SAMPLE, Record, read_jsonl, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.inference import engines, runner
from synth_empathy.inference.engines import Request


def main() -> None:
    """Parse flags, answer what is not answered yet, write the predictions with the samples' own responses."""
    flags = cli.parser(__doc__)
    flags.add_argument("--inputs", type=Path, required=True, metavar="JSONL", help="samples: id, history, response")
    format_help = "the form of a dialogue in the prompt; flat is that of the released code"
    flags.add_argument("--format", choices=prompts.STYLES, default="flat", help=format_help)
    flags.add_argument("--system", default="", help="system prompt; none when empty")
    runner.add_flags(flags)
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="id, prediction, reference")
    args = flags.parse_args()

    samples = read_jsonl(args.inputs, SAMPLE)
    requests = []
    for sample in samples:
        messages = prompts.dialogue_messages(sample["history"], args.format, args.system)
        requests.append(Request(sample["id"], messages, seeds.row_seed(args.seed, sample["id"], "respond")))

    code = provenance.code(__file__, entries=[engines.module_of(args.engine)])
    completed = runner.complete(requests, args, "respond", code)
    responses = (response(completed.rows[sample["id"]], sample) for sample in samples)
    remove_outputs(args.output, runner.manifest_path(args))
    write_jsonl(args.output, responses)
    runner.write_manifest(args, "respond", completed)


def response(row: Record, sample: Record) -> Record:
    """``records.RESPONSE``: the model's response as the prediction, the sample's own as the reference."""
    return {"id": sample["id"], "prediction": row["text"], "reference": sample["response"]}


if __name__ == "__main__":
    cli.run(main)
