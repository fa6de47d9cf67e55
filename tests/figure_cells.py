"""Made cells and judge's summaries, for the tests of what figures show and how they look."""

import json

from synth_empathy.reporting.cells import METRICS, Cell, missing_cell
from synth_empathy.reporting.tables import Row, Table

#: Figure 7's, in the paper's order.
BASELINES = ["SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T."]


def cell(value, metric="cider", base="b", training_set="ed", title="A system", table="table1", **rest):
    """A cell; one without a value says why."""
    known = {
        "why_null": None if value is not None else "its run failed",
        "by_seed": {},
        "sd": None,
        "paper": None,
        "difference": None,
    }
    known |= {"protocol": "paper", "test_samples": 5255, "empty_predictions": 0, "instead": None} | rest
    return Cell(table=table, base=base, training_set=training_set, metric=metric, title=title, value=value, **known)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def made_or_missing(content, metric, paper=None):
    """A cell as it is, one of a value, or for None one that was not made."""
    if content is None:
        place = {"table": "table1", "base": "b", "training_set": "ed", "metric": metric, "title": "A system"}
        return missing_cell(place, paper)
    return content if isinstance(content, Cell) else cell(content, metric)


def table1(*systems):
    """Table 1 of systems, each a title and its cells by metric: cells, or the values of the first metrics; None is a cell that was not made."""
    rows = [Row(f"b{i}", "ed", title, None) for i, (title, _) in enumerate(systems)]
    values = [content if isinstance(content, dict) else dict(zip(METRICS, content)) for _, content in systems]
    cells = [{metric: made_or_missing(v, metric) for metric, v in one.items()} for one in values]
    return Table("table1", rows, {row.system: one for row, one in zip(rows, cells)}, None)


def table2(*points):
    """Table 2 of (base, prompt, DK, CIDEr cell or value), each with the title that the tables give it."""
    rows = [
        Row(base, f"ed+{prompt}-dk{dk}-kcenter", f"{base}, {prompt}, DK {dk}", None) for base, prompt, dk, _ in points
    ]
    values = [point[-1] for point in points]
    return Table(
        "table2", rows, {row.system: {"cider": made_or_missing(v, "cider")} for row, v in zip(rows, values)}, None
    )


def summary(stage="before", seed=0, mean=2.0, full=0.5, **rest):
    """A judge's summary whose criteria lie 0.1 above, at and 0.1 below the mean."""
    titles = {"coherence": 0.1, "naturalness": 0.0, "empathy": -0.1}
    criteria = {
        name: {"title": name.title(), "mean": mean + shift, "full_share": full} for name, shift in titles.items()
    }
    whole = {
        "prompt": "prompt2",
        "stage": stage,
        "seed": seed,
        "judge": "a-judge",
        "mode": "probabilities",
        "temperature": 0.8,
    }
    return (
        whole
        | {
            "samples": {"scored": 12},
            "criteria": criteria,
            "all": {"mean": mean, "full_share": full / 2},
            "note": None,
        }
        | rest
    )
