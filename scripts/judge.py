#!/usr/bin/env python3
"""Let a language model mark synthetic samples, 1 to 3 by each criterion (paper, section 3.4, Figures 4 and 5)."""

import argparse
from pathlib import Path

from synth_empathy.core import cli, provenance
from synth_empathy.core.records import SAMPLE, Record, read_jsonl, remove_outputs, write_json, write_jsonl
from synth_empathy.data import prompts
from synth_empathy.evaluation import judging
from synth_empathy.inference import engines, runner


def main() -> None:
    """Parse flags, draw samples, judge those that are not judged yet, write marks, summary and manifest."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--samples", type=Path, required=True, metavar="JSONL", help="what to draw from: id, history, response"
    )
    flags.add_argument(
        "--keep", type=cli.count, metavar="N", help="judge N of them, a draw by --seed; all when not given"
    )
    flags.add_argument(
        "--rubrics",
        type=Path,
        nargs="+",
        required=True,
        metavar="YAML",
        help="one file a criterion (resources/judge/)",
    )
    modes = "probabilities: of 1, 2 and 3 as the answer; sampling: a mark that is drawn and parsed"
    flags.add_argument("--mode", choices=judging.MODES, default="probabilities", help=modes)
    flags.add_argument("--prompt", default="", help="the samples' generation prompt, for the summary")
    flags.add_argument(
        "--stage", default="", help="before, or what selected the samples (dk60-kcenter), for the summary"
    )
    flags.add_argument("--note", help="a sentence that the summary carries and its figure prints")
    runner.add_flags(flags)
    flags.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="JSONL",
        help="id, and by criterion score, mark, probabilities, mass, output",
    )
    flags.add_argument("--summary", type=Path, required=True, metavar="JSON", help="means and shares of full marks")
    flags.set_defaults(temperature=0.8, max_tokens=8)
    args = flags.parse_args()
    if args.temperature <= 0:
        flags.error("--temperature must be above 0: at 0 every mark would be the likeliest one alone")
    if args.no_header:
        flags.error("--no-header: a mark is the first thing after the assistant's header")

    rubrics = [prompts.load_rubric(path) for path in args.rubrics]
    judging.check_rubrics(rubrics)
    samples = read_jsonl(args.samples, SAMPLE)
    drawn = judging.draw(samples, args.keep, args.seed)
    print(f"judge: {len(drawn):,} of {len(samples):,} samples drawn, {len(rubrics)} criteria")
    completed, judged = judge(drawn, rubrics, args)
    found = judging.summarise(judged, rubrics)

    remove_outputs(args.output, args.summary, runner.manifest_path(args))
    write_jsonl(args.output, judged)
    what = {"prompt": args.prompt, "stage": args.stage, "seed": args.seed, "judge": completed.facts["model"]["name"]}
    how = {"mode": args.mode, "temperature": args.temperature}
    counts = {"available": len(samples), "drawn": len(drawn), "scored": found.pop("scored")}
    write_json(args.summary, what | how | {"samples": counts} | found | {"note": args.note})
    asked = {rubric["name"]: provenance.sha256_file(path) for rubric, path in zip(rubrics, args.rubrics)}
    inputs = {"samples_sha256": provenance.sha256_file(args.samples), "rubrics_sha256": asked}
    runner.write_manifest(args, "judge", completed, {"judging": how | {"samples": counts} | inputs})
    print(
        f"judge: mean {found['all']['mean']:.2f} of 1 to 3, full marks by every criterion: {100 * found['all']['full_share']:.1f} %"
    )


def judge(
    drawn: list[Record], rubrics: list[Record], args: argparse.Namespace
) -> tuple[runner.Completed, list[Record]]:
    """What the model answered, and ``records.JUDGED`` of every sample."""
    requests = judging.requests(drawn, rubrics, args.seed)
    code = provenance.code(__file__, entries=[engines.module_of(args.engine)])
    if args.mode == "probabilities":
        completed = runner.answer(requests, judging.MARKS, args, step="judge", code=code)
        entries = {name: judging.read_mark(row, args.temperature) for name, row in completed.rows.items()}
    else:
        completed = runner.complete(requests, args, "judge", code)
        entries = {name: judging.drawn_mark(row) for name, row in completed.rows.items()}

    def judged(sample: Record) -> Record:
        return {
            "id": sample["id"],
            "criteria": {rubric["name"]: entries[judging.request_id(sample, rubric)] for rubric in rubrics},
        }

    return completed, list(map(judged, drawn))


if __name__ == "__main__":
    cli.run(main)
