"""A comparison of two systems (``bootstrap.compare``, docs/comparisons.md) as CSV, and as Markdown for readers."""

from __future__ import annotations

from ..core.escaping import csv_with_note, markdown_cell, markdown_row, markdown_text
from ..core.records import Record
from ..evaluation.metrics import HEADINGS

CSV_COLUMNS = [
    "system", "baseline", "metric", "mean_system", "mean_baseline", "difference", "low", "high",
    "p_two_sided", "p_sacrebleu",
    "test_samples", "draws", "seeds_system", "seeds_baseline", "protocol", "remark",
]  # fmt: skip
#: Separates the name of a score from that of the model behind it, if BERTScore is by another model than the paper's
#: (``bootstrap.read_bertscore``).
BY = " by "

READING = (
    "p, two-sided: how often the choice of test samples alone would give so large a difference between two equally"
    " good systems; below 0.05 approximately when the interval excludes 0. Each metric is a test of its own. p"
    " accounts neither for the choice among metrics nor for the variation of training itself. sacreBLEU's p counts"
    " only one tail and is smaller; it allows comparison with papers that report it."
)
OTHER_MODEL = "BERTScore by another model than roberta-large is not the paper's BERTScore."
NO_BERTSCORE = "BERTScore was left out."


def as_csv(comparison: Record, note: str | None = None) -> str:
    """One line a metric, values with four decimals.

    Args:
        comparison: what ``compare_systems.py`` writes as JSON.
    """
    lines = []
    seeds = comparison["seeds"]
    about = [comparison["samples"], comparison["draws"], seeds["system"], seeds["baseline"], comparison["protocol"]]
    for metric, entry in comparison["metrics"].items():
        means = [f"{entry[side]['mean']:.4f}" for side in ("system", "baseline")]
        changes = [signed(value, 4) for value in (entry["difference"], *entry["interval"])]
        ps = [probability(entry[key]) for key in ("p_two_sided", "p")]
        remark = "not the paper's BERTScore" if BY in metric else ""
        names = [comparison["system"], comparison["baseline"], heading(metric)]
        lines.append([*names, *means, *changes, *ps, *about, remark])
    return csv_with_note(CSV_COLUMNS, lines, note)


def as_markdown(comparison: Record, note: str | None = None) -> str:
    """The same for readers: the systems, a line a metric with two decimals, and how to read p."""
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
    """How often which samples were drawn, and what the values are."""
    seeds = {side: f"{count} {'seed' if count == 1 else 'seeds'}" for side, count in comparison["seeds"].items()}
    draws = f"{comparison['draws']:,} draws (seed {comparison['seed']}) of {comparison['samples']:,} test samples"
    means = f"means over {seeds['system']} of the system and {seeds['baseline']} of the baseline"
    return f"Paired bootstrap resampling: {draws}, {comparison['protocol']} protocol. Values are times 100, {means}."


def remarks(comparison: Record) -> list[str]:
    """Paragraphs about BERTScore; none if it is the paper's."""
    names = [metric.partition(BY)[0] for metric in comparison["metrics"]]
    if "bert_f1" not in names:
        return ["", NO_BERTSCORE]
    return ["", OTHER_MODEL] if any(BY in metric for metric in comparison["metrics"]) else []


def heading(metric: str) -> str:
    """The heading of a metric's column in the tables; BERTScore by another model also names the model."""
    name, by, model = metric.partition(BY)
    return f"{HEADINGS[name]}{by}{model}"


def signed(value: float, places: int) -> str:
    """A difference with its sign; one that rounds to 0 is never negative."""
    return f"{value:+z.{places}f}"


def probability(p: float) -> str:
    """A p with four decimals; one that would round to 0 has an exponent."""
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.0e}"
