"""A comparison of two systems (``bootstrap.compare``, docs/comparisons.md) as a table: CSV, and Markdown to read."""

from __future__ import annotations

from ..core.escaping import csv_with_note, markdown_cell, markdown_row, markdown_text
from ..core.records import Record
from .cells import METRICS

CSV_COLUMNS = [
    "system", "baseline", "metric", "mean_system", "mean_baseline", "difference", "low", "high",
    "p_two_sided", "p_sacrebleu",
    "test_samples", "draws", "seeds_system", "seeds_baseline", "protocol", "remark",
]  # fmt: skip
#: What parts a metric's name from that of the model which computed BERTScore in place of the paper's
#: (bootstrap.read_bertscore).
BY = " by "

READING = (
    "p, two-sided: how often the draw of test samples alone would make so large a difference between two systems that are equally good;"
    " below 0.05 where, nearly, the interval leaves 0 out. Each metric is a test of its own, and neither the choice among them nor how much"
    " training itself varies is in p. sacreBLEU's p counts one tail alone and is smaller; it is there to be held against papers that report it."
)
OTHER_MODEL = "BERTScore by another model than roberta-large is not the paper's BERTScore."
NO_BERTSCORE = "BERTScore was left out."


def as_csv(comparison: Record, note: str | None = None) -> str:
    """One line a metric, values with four decimals.

    Args:
        comparison: what ``compare_systems.py`` writes as JSON.
    """
    lines = []
    about = [
        comparison["samples"],
        comparison["draws"],
        comparison["seeds"]["system"],
        comparison["seeds"]["baseline"],
        comparison["protocol"],
    ]
    for metric, entry in comparison["metrics"].items():
        means = [f"{entry[side]['mean']:.4f}" for side in ("system", "baseline")]
        changes = [signed(value, 4) for value in (entry["difference"], *entry["interval"])]
        ps = [probability(entry[key]) for key in ("p_two_sided", "p")]
        remark = "not the paper's BERTScore" if BY in metric else ""
        names = [comparison["system"], comparison["baseline"], heading(metric)]
        lines.append([*names, *means, *changes, *ps, *about, remark])
    return csv_with_note(CSV_COLUMNS, lines, note)


def as_markdown(comparison: Record, note: str | None = None) -> str:
    """The same to read, values with two decimals: what is compared, a line a metric, and how to read p."""
    lines = [f"# {markdown_text(comparison['system'])} against {markdown_text(comparison['baseline'])}", ""]
    lines += [f"> {markdown_text(note)}", ""] if note else []
    lines += [measured(comparison), ""]
    lines += [
        "| metric | system | baseline | difference | 95 % interval | p, two-sided | p, sacreBLEU's |",
        "|---|" + "---:|" * 6,
    ]
    for metric, entry in comparison["metrics"].items():
        means = [f"{entry[side]['mean']:.2f}" for side in ("system", "baseline")]
        low, high = (signed(value, 2) for value in entry["interval"])
        change = [signed(entry["difference"], 2), f"{low} to {high}"]
        ps = [probability(entry[key]) for key in ("p_two_sided", "p")]
        lines.append(markdown_row([markdown_cell(heading(metric)), *means, *change, *ps]))
    return "\n".join([*lines, "", READING, *remarks(comparison)]) + "\n"


def measured(comparison: Record) -> str:
    """What was drawn how often, from what, and what the values are."""
    seeds = {side: f"{count} {'seed' if count == 1 else 'seeds'}" for side, count in comparison["seeds"].items()}
    return (
        f"Paired bootstrap resampling: {comparison['draws']:,} draws (seed {comparison['seed']}) of {comparison['samples']:,} test samples,"
        f" {comparison['protocol']} protocol."
        f" Values are times 100, means over {seeds['system']} of the system and {seeds['baseline']} of the baseline."
    )


def remarks(comparison: Record) -> list[str]:
    """What is to be said of BERTScore, as paragraphs; nothing where it is the paper's."""
    names = [metric.partition(BY)[0] for metric in comparison["metrics"]]
    if "bert_f1" not in names:
        return ["", NO_BERTSCORE]
    return ["", OTHER_MODEL] if any(BY in metric for metric in comparison["metrics"]) else []


def heading(metric: str) -> str:
    """A metric as the tables head its column, with the model behind it where BERTScore is by another."""
    name, by, model = metric.partition(BY)
    return f"{METRICS[name]}{by}{model}"


def signed(value: float, places: int) -> str:
    """A difference with its sign; none that rounds to 0 is negative."""
    return f"{value:+z.{places}f}"


def probability(p: float) -> str:
    """A p with four decimals; never 0, which no p is."""
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.0e}"
