#!/usr/bin/env python3
"""Report whether selected synthetic samples leak ED's test split or repeat its train split, and what they cover."""

import argparse
from pathlib import Path

from synth_empathy.core import cli
from synth_empathy.core.json_files import write_json
from synth_empathy.core.records import DATA_SAMPLE, SAMPLE, read_jsonl, write_jsonl
from synth_empathy.evaluation import novelty
from synth_empathy.reporting.figures import novelty_plot


def main() -> None:
    """Parse flags, find every nearest neighbour, write the report, a record a sample, and the figure."""
    flags = cli.parser(
        __doc__ + " A folder of embeddings holds texts.jsonl and embeddings.npy, as embed_texts.py writes them."
    )
    add_input_flags(flags)
    add_output_flags(flags)
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

    splits = novelty.Splits(selected, train, test)
    nearest = novelty.find(splits)
    report, records = novelty.leakage_report(splits, nearest, near_duplicate=args.near_duplicate)
    draws = list(range(args.seed + 1, args.seed + 1 + args.draws))
    coverage = novelty.coverage_report(passed.points, chosen, kcenter, draws=draws)
    settings = {"embedder": args.embedder, "near_duplicate": args.near_duplicate, "selection": args.title}
    write_json(args.report, settings | report | {"coverage": coverage})
    write_jsonl(args.records, records)
    figure = novelty_plot.draw(nearest, args.near_duplicate, args.embedder, args.title, data=args.data)
    for path in args.figures:
        novelty_plot.save(figure, path)
    leaked = report["nearest_ed_test"]["selected"]["near_duplicates"]
    print(f"{leaked:,} of {len(selected):,} selected samples are near-duplicates of a test sample: {args.report}")


def add_input_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of samples and their embeddings."""

    def add(name: str, metavar: str, text: str) -> None:
        flags.add_argument(name, type=Path, required=True, metavar=metavar, help=text)

    add("--selected", "JSONL", "the selected samples")
    add("--passed", "JSONL", "the samples that they were selected from")
    add("--kcenter", "JSONL", "k-center's selection of the same samples, for its coverage")
    add("--embedded", "DIR", "embeddings of the synthetic samples")
    for split in ("train", "test"):
        add(f"--{split}", "JSONL", f"the data set's {split} split")
        add(f"--{split}-embedded", "DIR", "its embeddings, by the same model")
    embedder = "the embedding model's name, for the report; it sets the scale of similarities"
    flags.add_argument("--embedder", required=True, metavar="NAME", help=embedder)


def add_output_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of thresholds, draws and outputs."""
    near = "cosine x 100 from which two dialogues count as near-duplicates"
    flags.add_argument("--near-duplicate", type=cli.number(above=0, below=100), default=95.0, metavar="S", help=near)
    draws = "random draws that the selection's coverage is compared with"
    flags.add_argument("--draws", type=cli.count, default=5, help=draws)
    seed = "the selection's seed; the draws use the seeds after it"
    flags.add_argument("--seed", type=cli.seed, default=0, help=seed)
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; they change no value")
    flags.add_argument("--data", default="ED", metavar="NAME", help="the data set's name in the figure")
    flags.add_argument("--title", required=True, help="the figure's second line: the name of the selection")
    flags.add_argument("--report", type=Path, required=True, metavar="JSON", help="the report")
    flags.add_argument("--records", type=Path, required=True, metavar="JSONL", help="one record a selected sample")
    files = "the figure, as .svg or .png"
    flags.add_argument("--figures", type=Path, nargs="+", required=True, metavar="FILE", help=files)


if __name__ == "__main__":
    cli.run(main)
