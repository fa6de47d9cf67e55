#!/usr/bin/env python3
"""Generate new dialogues from ED samples with a language model, one shard of them (paper, section 3.1)."""

from pathlib import Path

from synth_empathy.core import cli, provenance, seeds
from synth_empathy.core.files import remove_outputs
from synth_empathy.core.records import SAMPLE, Record, read_jsonl, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.inference import engines, runner
from synth_empathy.inference.engines import Request


def main() -> None:
    """Parse flags, generate what is not finished yet, write the shard."""
    flags = cli.parser(__doc__)
    seeds_help = "ED samples to generate dialogues from"
    flags.add_argument("--seeds", type=Path, required=True, metavar="JSONL", help=seeds_help)
    keep_help = "use N of the samples, chosen by a hash of their ids; all when not given"
    flags.add_argument("--keep", type=cli.count, metavar="N", help=keep_help)
    prompt_help = "the generation prompt (resources/prompts/)"
    flags.add_argument("--prompt", type=Path, required=True, metavar="YAML", help=prompt_help)
    demonstration_help = "a worked example shown before the prompt; none when not given"
    flags.add_argument("--demonstration", type=Path, metavar="YAML", help=demonstration_help)
    flags.add_argument("--samples-per-seed", type=cli.count, default=1, help="outputs per ED sample")
    flags.add_argument("--shard", type=cli.count_or_none, default=0, help="the part of the rows to make, from 0")
    flags.add_argument("--shards", type=cli.count, default=1, help="the number of parts")
    runner.add_flags(flags)
    output_help = "id, seed_id, pass, text, tokens, finish"
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help=output_help)
    args = flags.parse_args()
    if args.shard >= args.shards:
        flags.error(f"--shard {args.shard} does not exist: there are {args.shards} shards, counted from 0")

    prompt = prompts.load_prompt(args.prompt)
    demonstration = prompts.load_demonstration(args.demonstration) if args.demonstration else None
    samples = seeds.keep_by_hash(read_jsonl(args.seeds, SAMPLE), args.keep, lambda sample: sample["id"])
    rows = [(sample, number) for number in range(args.samples_per_seed) for sample in samples][
        args.shard :: args.shards
    ]
    requests = []
    for sample, number in rows:
        row_id = f"{sample['id']}/{prompt['name']}/pass{number}"
        messages = prompts.generation_messages(sample, prompt, demonstration)
        seed = seeds.row_seed(args.seed, row_id, "generate")
        requests.append(Request(row_id, messages, seed, shared=len(messages) - 1))

    code = provenance.code(__file__, entries=[engines.module_of(args.engine)])
    completed = runner.complete(requests, args, "generate", code)
    outputs = (output(completed.rows[request.id], *row) for request, row in zip(requests, rows))
    remove_outputs(args.output, runner.manifest_path(args))
    write_jsonl(args.output, outputs)
    runner.write_manifest(args, "generate", completed)


def output(row: Record, sample: Record, number: int) -> Record:
    """``records.OUTPUT``: what the model wrote, from which ED sample and in which pass."""
    return {
        "id": row["id"],
        "seed_id": sample["id"],
        "pass": number,
        "text": row["text"],
        "tokens": row["tokens"],
        "finish": row["finish"],
    }


if __name__ == "__main__":
    cli.run(main)
