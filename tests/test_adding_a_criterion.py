"""The worked example of a criterion of the judge in docs/extending.md, followed to the letter on a tiny model."""

import csv
import json
import re

from synth_empathy.core.records import write_jsonl
from synth_empathy.reporting.paper_values import PAPER_CRITERIA
from worked_examples import Example

HELPFULNESS = Example("A criterion of the judge, worked through")
RUN = "results/demo"


def test_a_fourth_criterion_is_drawn_and_its_mean_is_held_against_nothing(checkout):
    from tiny import make_tiny_model

    make_tiny_model(checkout.folder / "models/smollm2-135m", "smollm2-135m", reach=4096)
    results = checkout.folder / RUN
    rows = [
        {"id": f"s{n}", "history": [f"i lost my job {n} days ago ."], "response": "i am sorry to hear that ."}
        for n in range(6)
    ]
    for name, some in {
        "synthetic/prompt2/samples.jsonl": rows,
        "selected/prompt2/dk20/kcenter/seed0.jsonl": rows[::2],
    }.items():
        (results / name).parent.mkdir(parents=True)
        write_jsonl(results / name, some)
    HELPFULNESS.write_files(checkout)
    [done] = HELPFULNESS.run_commands(checkout)
    logs = "\n".join(path.read_text() for path in (results / "logs").rglob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs

    summary = json.loads((results / "judged/prompt2/before/seed0.summary.json").read_text())
    assert set(summary["criteria"]) == {*PAPER_CRITERIA, "helpfulness"}
    said = f"over the criteria {', '.join(summary['criteria'])}, and the paper's over {', '.join(PAPER_CRITERIA)}"
    with open(results / "figures/figure5.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 5 * 2 and {line["criterion"] for line in lines} >= {"Helpfulness", "all"}
    assert {(line["paper"], line["difference"]) for line in lines} == {("not available", "not available")}
    assert all(said in line["note"] and "This is the demo" in line["note"] for line in lines)
    texts = re.findall(r"<text[^>]*>([^<]*)", (results / "figures/figure5.svg").read_text())
    drawn = " ".join(" ".join(texts).split())
    assert "Helpfulness" in drawn and "2.65" not in drawn and "paper:" not in drawn and "not comparable" in drawn
