#!/usr/bin/env python3
"""Let a language model score synthetic samples, 1 to 3 by each criterion (paper, section 3.4, Figures 4 and 5)."""

import argparse
from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.files import remove_outputs
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import SAMPLE, Record, read_jsonl, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.evaluation import judging
from synth_empathy.inference import engines, runner


def main() -> None:
    """Parse flags, draw samples, judge those that are not judged yet, write scores, summary and manifest."""
    flags = cli.parser(__doc__)
    add_flags(flags)
    args = flags.parse_args()
    if args.temperature <= 0:
        flags.error("--temperature must be above 0: at 0 every score would be the most likely one")
    if args.no_header:
        flags.error("--no-header: a score is the first token after the assistant's header")

    rubrics = [prompts.load_rubric(path) for path in args.rubrics]
    judging.check_rubrics(rubrics)
    samples = read_jsonl(args.samples, SAMPLE)
    drawn = judging.draw(samples, args.keep, args.seed)
    print(f"judge: {len(drawn):,} of {len(samples):,} samples drawn, {len(rubrics)} criteria")
    completed, judged = judge(drawn, rubrics, args)
    summary = judging.summarise(judged, rubrics)

    remove_outputs(args.output, args.summary, runner.manifest_path(args))
    write_jsonl(args.output, judged)
    what = {"prompt": args.prompt, "stage": args.stage, "seed": args.seed, "judge": completed.facts["model"]["name"]}
    how = {"mode": args.mode, "temperature": args.temperature}
    counts = {"available": len(samples), "drawn": len(drawn), "scored": summary.pop("scored")}
    write_json(args.summary, what | how | {"samples": counts} | summary | {"note": args.note})
    rubric_hashes = {rubric["name"]: provenance.sha256_file(path) for rubric, path in zip(rubrics, args.rubrics)}
    inputs = {"samples_sha256": provenance.sha256_file(args.samples), "rubrics_sha256": rubric_hashes}
    runner.write_manifest(args, "judge", completed, {"judging": how | {"samples": counts} | inputs})
    everything = summary["all"]
    full = f"full marks by every criterion: {100 * everything['full_share']:.1f} %"
    print(f"judge: mean {everything['mean']:.2f} of 1 to 3, {full}")


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of the samples, the judge and the outputs."""
    samples = "the samples to draw from: id, history, response"
    flags.add_argument("--samples", type=Path, required=True, metavar="JSONL", help=samples)
    keep = "judge N of them, drawn by --seed; default: all"
    flags.add_argument("--keep", type=cli.count, metavar="N", help=keep)
    rubrics = "one file a criterion (resources/judge/)"
    flags.add_argument("--rubrics", type=Path, nargs="+", required=True, metavar="YAML", help=rubrics)
    modes = "probabilities: of 1, 2 and 3 as the answer; sampling: a score that is drawn and parsed"
    flags.add_argument("--mode", choices=judging.MODES, default="probabilities", help=modes)
    flags.add_argument("--prompt", default="", help="the samples' generation prompt, for the summary")
    stage = "before, or the selection of the samples (dk60-kcenter), for the summary"
    flags.add_argument("--stage", default="", help=stage)
    flags.add_argument("--note", help="a sentence for the summary and its figure")
    runner.add_flags(flags)
    output = "id, and for each criterion score, mark, probabilities, mass, output"
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help=output)
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="means and shares of full marks")
    flags.set_defaults(temperature=0.8, max_tokens=8)


def judge(
    drawn: list[Record], rubrics: list[Record], args: argparse.Namespace
) -> tuple[runner.Completed, list[Record]]:
    """The model's answers, and the ``records.JUDGED`` of every sample."""
    requests = judging.requests(drawn, rubrics, args.seed)
    code = provenance.code(__file__, entries=[engines.module_of(args.engine)])
    if args.mode == "probabilities":
        completed = runner.answer(requests, judging.SCORES, args, step="judge", code=code)
        entries = {name: judging.entry_of_answer(row, args.temperature) for name, row in completed.rows.items()}
    else:
        completed = runner.complete(requests, args, step="judge", code=code)
        entries = {name: judging.entry_of_completion(row) for name, row in completed.rows.items()}
    judged = []
    for sample in drawn:
        criteria = {rubric["name"]: entries[judging.request_id(sample, rubric)] for rubric in rubrics}
        judged.append({"id": sample["id"], "criteria": criteria})
    return completed, judged


if __name__ == "__main__":
    cli.run(main)
