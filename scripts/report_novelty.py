#!/usr/bin/env python3
"""Report whether selected synthetic samples leak ED's test split, repeat its train split or one another, and what they cover."""

from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.records import DATA_SAMPLE, SAMPLE, read_jsonl, write_json, write_jsonl
from synth_empathy.evaluation import novelty
from synth_empathy.reporting.figures import novelty_plot


def main() -> None:
    """Parse flags, find every nearest neighbour, write the report, a record a sample, and the figure."""
    flags = cli.parser(
        __doc__ + " A folder of embeddings holds texts.jsonl and embeddings.npy, as embed_texts.py writes them."
    )
    flags.add_argument("--selected", type=Path, required=True, metavar="JSONL", help="the selected samples")
    flags.add_argument(
        "--passed", type=Path, required=True, metavar="JSONL", help="the samples that they were selected from"
    )
    flags.add_argument(
        "--kcenter",
        type=Path,
        required=True,
        metavar="JSONL",
        help="what k-center selects of the same samples, for its coverage",
    )
    flags.add_argument(
        "--embedded", type=Path, required=True, metavar="DIR", help="embeddings of the synthetic samples"
    )
    for split in ("train", "test"):
        flags.add_argument(
            f"--{split}", type=Path, required=True, metavar="JSONL", help=f"the data set's {split} split"
        )
        flags.add_argument(
            f"--{split}-embedded", type=Path, required=True, metavar="DIR", help="its embeddings, by the same model"
        )
    flags.add_argument(
        "--embedder",
        required=True,
        metavar="NAME",
        help="the embedding model's name, for the report: similarities are on its scale",
    )
    near = "cosine x 100 from which two dialogues count as near-duplicates"
    flags.add_argument("--near-duplicate", type=cli.number(above=0, below=100), default=95.0, metavar="S", help=near)
    flags.add_argument(
        "--draws", type=cli.count, default=5, help="random draws that the selection's coverage is held against"
    )
    flags.add_argument(
        "--seed", type=cli.seed, default=0, help="the selection's seed; the draws take the seeds after it"
    )
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; changes no value")
    flags.add_argument("--data", default="ED", metavar="NAME", help="what the figure calls the data set")
    flags.add_argument("--title", required=True, help="the figure's second line: which selection it is")
    flags.add_argument("--report", type=Path, required=True, metavar="JSON", help="the report")
    flags.add_argument("--records", type=Path, required=True, metavar="JSONL", help="one record a selected sample")
    flags.add_argument(
        "--figures", type=Path, nargs="+", required=True, metavar="FILE", help="the figure, as .svg or .png"
    )
    args = flags.parse_args()
    if any(path.suffix not in (".svg", ".png") for path in args.figures):
        flags.error("--figures takes names that end in .svg or .png")

    import faiss

    faiss.omp_set_num_threads(args.threads)
    selected = novelty.load_samples(args.selected, args.embedded, SAMPLE)
    passed = novelty.load_samples(args.passed, args.embedded, SAMPLE)
    train = novelty.load_samples(args.train, args.train_embedded, DATA_SAMPLE)
    test = novelty.load_samples(args.test, args.test_embedded, DATA_SAMPLE)
    novelty.check_dimensions(synthetic=selected, train=train, test=test)
    among = "the samples that passed the quality rule", "give the quality.jsonl that the selection was made from"
    chosen = novelty.positions_of(selected.ids(), passed, *among)
    kcenter = novelty.positions_of([record["id"] for record in read_jsonl(args.kcenter, SAMPLE)], passed, *among)

    found = novelty.find(selected, train, test)
    report, records = novelty.leakage_report(selected, train, test, found, args.near_duplicate)
    draws = list(range(args.seed + 1, args.seed + 1 + args.draws))
    settings = {"embedder": args.embedder, "near_duplicate": args.near_duplicate, "selection": args.title}
    write_json(
        args.report, settings | report | {"coverage": novelty.coverage_report(passed.points, chosen, kcenter, draws)}
    )
    write_jsonl(args.records, records)
    figure = novelty_plot.draw(found, args.near_duplicate, args.embedder, args.title, data=args.data)
    for path in args.figures:
        novelty_plot.save(figure, path)
    leaked = report["nearest_ed_test"]["selected"]["near_duplicates"]
    near = f"at least {args.near_duplicate:g} near a test sample of {args.data}"
    print(f"{leaked:,} of {len(selected):,} selected samples are {near}; report in {args.report}")


if __name__ == "__main__":
    cli.run(main)
