"""Made cells and judge's summaries, for the tests of what figures show and how they look."""

import json

from synth_empathy.reporting.cells import METRICS, Cell, missing_cell
from synth_empathy.reporting.tables import Row, Table

#: Figure 7's, in the paper's order.
BASELINES = ["SEEK", "CASE", "ESCM", "Qwen1.5-7B-F.T.", "LLaMA3-8B-F.T."]


def cell(value, metric="cider", base="b", training_set="ed", title="A system", table="table1", **rest):
    """A cell; one without a value says why."""
    place = {"table": table, "base": base, "training_set": training_set, "metric": metric, "title": title}
    defaults = {"why_null": None if value is not None else "its run failed", "by_seed": {}}
    defaults |= dict.fromkeys(("sd", "paper", "difference", "instead"))
    defaults |= {"protocol": "paper", "test_samples": 5255, "empty_predictions": 0}
    return Cell(**place, value=value, **(defaults | rest))


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
    """Table 1 of systems, each a title and its cells by metric, or the values of the first metrics.

    None stands for a cell that was not made.
    """
    rows = [Row(f"b{i}", "ed", title, None) for i, (title, _) in enumerate(systems)]
    contents = [content if isinstance(content, dict) else dict(zip(METRICS, content)) for _, content in systems]
    cells = {}
    for row, values in zip(rows, contents):
        cells[row.system] = {metric: made_or_missing(value, metric) for metric, value in values.items()}
    return Table("table1", rows, cells, None)


def table2(*points):
    """Table 2 of (base, prompt, DK, CIDEr cell or value), each with the title that the tables give it."""
    rows, cells = [], {}
    for base, prompt, dk, value in points:
        rows.append(Row(base, f"ed+{prompt}-dk{dk}-kcenter", f"{base}, {prompt}, DK {dk}", None))
        cells[rows[-1].system] = {"cider": made_or_missing(value, "cider")}
    return Table("table2", rows, cells, None)


def summary(stage="before", seed=0, mean=2.0, full=0.5, **rest):
    """A judge's summary whose criteria lie 0.1 above, at and 0.1 below the mean."""
    titles = {"coherence": 0.1, "naturalness": 0.0, "empathy": -0.1}
    criteria = {}
    for name, shift in titles.items():
        criteria[name] = {"title": name.title(), "mean": mean + shift, "full_share": full}
    about = {"prompt": "prompt2", "stage": stage, "seed": seed, "judge": "a-judge"}
    about |= {"mode": "probabilities", "temperature": 0.8, "samples": {"scored": 12}, "note": None}
    return about | {"criteria": criteria, "all": {"mean": mean, "full_share": full / 2}} | rest
