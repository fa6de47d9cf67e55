"""From responses to tables and figures: metrics, cells, the paper's CSV files, judges' and people's verdicts."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st

from synth_empathy.core import files, json_files, records
from synth_empathy.evaluation import bootstrap, human, judging
from synth_empathy.evaluation.metrics import bertscore, scoring
from synth_empathy.reporting import cells, paper_values, table_latex, table_markdown, tables
from synth_empathy.reporting.figures import figure1, figure5

from ..checks import is_finite, same
from ..mutations import Part, json_file, json_lines, one_of, table, yaml_file
from . import valid
from .registry import Reader, run
from .selecting import rows_of

# Metrics


def evaluate(folder: Path, how: dict) -> None:
    """All responses of the file are scored, and every score is a number."""
    path, made = folder / "responses.jsonl", folder / "made.json"
    run("evaluate", "--responses", path, "--protocol", how["protocol"], "--no-bertscore", "--output", made)
    result = json_files.read_json(made)
    same("responses", len(rows_of(path)), result["samples"])
    scores = [result[metric] for metric in cells.OVERLAP]
    same("scores that are no numbers", [], [score for score in scores if not is_finite(score)])


def check_test_set(folder: Path, how: dict) -> None:
    """Accepted responses are those to the test samples, in their order."""
    path, listed = folder / "responses.jsonl", records.read_test_ids(folder / "test_ids.json")
    scoring.check_test_set(path, listed, how["subset"])
    given = [row["id"] for row in rows_of(path)]
    same("ids of responses", [name for name in listed if name in given] if how["subset"] else listed, given)


RESPONSES = json_lines(valid.RESPONSES)
IDS = [row["id"] for row in valid.RESPONSES]
SHARE = [0.5] * len(IDS)
BERTSCORE = {
    "protocol": "paper", "samples": len(IDS), "responses_sha256": hashlib.sha256(RESPONSES.valid).hexdigest(),
    "bertscore_other": {"model": "m", "layer": 5}, "by_sample": {"ids": IDS, "p": SHARE, "r": SHARE, "f1": SHARE},
}  # fmt: skip


def read_output(folder: Path, how: dict) -> None:
    """A response on each line, and a number of each metric for every response."""
    path = folder / "responses.jsonl"
    output = bootstrap.read_output(path, folder / "bertscore.json", "paper")
    same("responses", len(rows_of(path)), len(output.predictions))
    for name, values in output.bertscore.items():
        same(f"values of {name}", (len(output.ids),), values.shape)
        same(f"values of {name} that are no numbers", 0, sum(not is_finite(value) for value in values.tolist()))
    same("metrics", 3, len(output.bertscore))
    bootstrap.check_paired([output, output])


BASELINE = table([["LAYER", "P", "R", "F"], ["0", "0.3", "0.3", "0.3"], ["5", "0.8", "0.81", "0.82"]])


def read_baseline(folder: Path, how: dict) -> None:
    """Three numbers below 1."""
    numbers = bertscore.read_baseline(folder / "baseline.tsv", 5)
    same("numbers below 1", 3, sum(-1 <= number < 1 for number in numbers))


# Cells and tables

ROW = tables.Row("qwen1.5-7b-chat", "ed", "Qwen1.5-7B-F.T.", None)
CELL = {
    "table": "table1", "base": ROW.base, "training_set": ROW.training_set, "metric": "cider", "title": ROW.title,
    "value": 26.5, "why_null": None,
    "by_seed": {"0": 26.0, "1": 27.0}, "sd": 0.7, "paper": 26.96, "difference": -0.46, "protocol": "paper",
    "test_samples": 5255, "empty_predictions": 1,
    "instead": None,
}  # fmt: skip
OTHER = CELL | {
    "metric": "bert_f1",
    "value": None,
    "why_null": "another model",
    "by_seed": {},
    "sd": None,
    "difference": None,
}
OTHER |= {"instead": {"model": "m", "layer": 5, "value": 40.0}}


def read_table(folder: Path, how: dict) -> None:
    """Every cell is a line of the CSV, and the table can be written in its three formats."""
    options = {"note": how["note"], "partial": how["partial"], "columns": ("cider", "bert_f1")}
    shown = tables.read_table("table1", [ROW], folder, **options)
    found = shown.cells[ROW.system]
    lines = list(csv.reader(io.StringIO(tables.as_csv(shown))))
    same("lines", 1 + len(found) + sum(bool(cell.instead) for cell in found.values()), len(lines))
    same("lines of one length", 1, len({len(line) for line in lines}))
    whole = tables.Table(
        "table1", [ROW], {ROW.system: {metric: found["cider"] for metric in tables.COLUMNS["table1"]}}, how["note"]
    )
    for text in (table_markdown.as_markdown(whole), table_latex.as_latex(whole), figure1.radar_csv(shown)):
        files.write_text(folder / "made.txt", text)
    figure1.radar(shown)


RUN_CONFIG = {
    "systems": {"ours": {"base": "m", "training_set": "ed", "title": "Ours", "paper_row": None}},
    "tables": {
        "table1": {"systems": ["ours"]},
        "table2": {"selection": "kcenter", "thresholds": [20, 30.5], "series": [{"base": "m", "prompt": "p"}]},
        "table3": {"bases": ["m"], "prompt": "p", "thresholds": [20], "qualities": ["top5-similarity"]},
        "table4": {"bases": ["m"], "prompt": "p", "thresholds": [20], "selections": ["none"]},
    },
}


def read_rows(folder: Path, how: dict) -> None:
    """Rows are read, and each has a system's name."""
    for name in tables.COLUMNS:
        for row in tables.read_rows(folder / "config.yaml", name):
            same("names", True, "/" in row.system)


CELLS = {f"{ROW.system}/{cell['metric']}.json": json_file(cell) for cell in (CELL, OTHER)}
NOTE = one_of(None, "a note", "|\n\n<script>", "=cmd", "\x1b[31m", "\ud800", "$\\frac$", "\\", "a\0b")
METRICS = {
    "protocol": "paper", "samples": 5255, "cider": 26.0, "bleu1": 20.0, "empty_predictions": {"count": 0, "ids": []},
    "bertscore_other": {"model": "m", "layer": 5, "p": 40.0, "r": 40.0, "f1": 40.0},
}  # fmt: skip
TABLE1 = [["system", *cells.METRICS, "source"], ["SEEK", *[""] * 13, "lost"], ["ours", *["22.05"] * 13, "section 4.2"]]
PAPER = table(TABLE1)


def make_cells(folder: Path, how: dict) -> None:
    """A cell of each metric, with a value for every seed, or a reason why not."""
    seeds = [word for seed in ("0", "1") for word in ("--seed", seed, folder / f"{seed}.json")]
    place = [
        "--table",
        "table1",
        "--base",
        "b",
        "--training-set",
        "ed",
        "--title",
        "t",
        "--metrics",
        "cider",
        "bert_f1",
    ]
    run(
        "make_cells",
        *place,
        *seeds,
        "--paper",
        folder / "paper.csv",
        "--paper-row",
        how["row"],
        "--output",
        folder / "made",
    )
    for metric in ("cider", "bert_f1"):
        cell = cells.read_cell(folder / "made" / f"{metric}.json")
        same("seeds, or why none", True, sorted(cell.by_seed) == ["0", "1"] or bool(cell.why_null))


def read_paper_table(folder: Path, how: dict) -> None:
    """Finite numbers by system, and no system is lost."""
    found = paper_values.read_table(folder / "table.csv")
    same(
        "numbers that are none",
        [],
        [value for row in found.values() for value in row.values() if not is_finite(value)],
    )
    same("systems", lines_in(folder / "table.csv"), len(found))


def lines_in(path: Path) -> int:
    """Lines of a CSV below its header, without empty ones; none has the byte order mark of a spreadsheet."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return sum(map(bool, csv.reader(file))) - 1


def read_figure5(folder: Path, how: dict) -> None:
    """Two stages, whose numbers are finite if they have any."""
    stages = paper_values.read_figure5(folder / "figure5.csv")
    numbers = [number for stage in stages for number in (stage.mean, stage.share) if number is not None]
    same("numbers that are none", [], [number for number in numbers if not is_finite(number)])


def read_figure7(folder: Path, how: dict) -> None:
    """Finite numbers by baseline, and no baseline is lost."""
    found = paper_values.read_figure7(folder / "figure7.csv")
    same(
        "numbers that are none",
        [],
        [value for row in found.values() for value in row.values() if not is_finite(value)],
    )
    same("baselines", lines_in(folder / "figure7.csv"), len(found))


STAGES = ["stage", "mean_score_of_coherence_naturalness_empathy", "share_with_full_marks"]
FIGURE5 = table([STAGES, ["before selection", "2.65", ""], ["after selection", "2.88", ">0.95"]])
FIGURE7 = table(
    [["baseline", "win_pct", "loss_pct", "tie_pct"], ["SEEK", "66.0", "", ""], ["Qwen", "31.0", "19.8", "49.2"]]
)

# Judges and people

RUBRIC = {"name": "coherence", "title": "Coherence", "template": "{context} {response} 1 2 3"}
RUBRICS = [RUBRIC, RUBRIC | {"name": "empathy", "title": "Empathy"}]


FLOATS = (-0.1, 0.0, -1e308, 1e308, math.nan, math.inf, -math.inf, -1000.0, 5.0)
ANSWER = {"id": "s0", "logprobs": [-0.1, -2.5, -3.0], "tokens": 9}
ANSWERS = st.lists(st.sampled_from(FLOATS), min_size=3, max_size=3).map(lambda values: ANSWER | {"logprobs": values})


def entry_of_answer(folder: Path, how: dict) -> None:
    """A score from 1 to 3, and probabilities that sum to 1."""
    entry = judging.entry_of_answer(how["row"], how["temperature"])
    same("mark", True, 1 <= entry["score"] <= 3.000001 and entry["mark"] in (1, 2, 3))
    same("probabilities", 1.0, round(sum(entry["probabilities"].values()), 4))
    judging.full_share(entry)


def summarise(folder: Path, how: dict) -> None:
    """Every output of the judge is a score and counted, or set aside."""
    rows = [{"text": text, "finish": "stop"} for text in how["texts"]]
    names = [rubric["name"] for rubric in RUBRICS]
    entries = [dict.fromkeys(names, judging.entry_of_completion(row)) for row in rows]
    judged = [{"id": f"s{n}", "criteria": criteria} for n, criteria in enumerate(entries)]
    judged.append({"id": "read", "criteria": {name: judging.entry_of_answer(how["row"], 0.8) for name in names}})
    found = judging.summarise(judged, RUBRICS)
    for name, one in found["criteria"].items():
        same(f"outputs on {name}", len(judged), one["scored"] + one["set_aside"])
    json_files.write_json(folder / "summary.json", found)


MARKS = (
    "2",
    "Score: 3",
    " 1\n",
    "4",
    "22",
    "2.",
    "٢",
    "²",
    "",
    "\n" * 5000 + "2",
    "score" * 500,
    " " * 20_000 + "x",
    "1\0",
    "Score:" + "\t" * 5000 + "9",
)

SCORES = st.lists(st.sampled_from(["score", "Score", ":", " ", "\n", "1", "3", "4", "x", "."]), max_size=9).map(
    "".join
)
TEXTS = st.lists(st.sampled_from(MARKS), max_size=3)


def parse_score(folder: Path, how: dict) -> None:
    """A score from 1 to 3, or none."""
    mark = judging.parse_score({"text": how["text"], "finish": how["finish"]})
    same("mark", True, mark in (None, 1, 2, 3))
    judging.full_share(judging.entry_of_completion({"text": how["text"], "finish": how["finish"]}))


def read_summary(folder: Path, how: dict) -> None:
    """One stage's summaries, as many seeds as files, and the CSV of them."""
    before = figure5.judged([folder / "seed0.json", folder / "seed1.json"])
    same("seeds", 2, before.seeds)
    paper = (paper_values.PaperStage(None, None, False), paper_values.PaperStage(2.8, 0.95, True))
    text = figure5.judged_csv(before, before, paper)
    same("lines", 1 + 4 * (len(before.titles) + 1), len(list(csv.reader(io.StringIO(text)))))


SUMMARY = valid.SUMMARY
BASELINES = ["SEEK"]


def read_judgements(folder: Path, how: dict) -> None:
    """Every judgement is a win, a tie or a loss on one criterion, and none of the file is lost."""
    path = folder / "judgements.jsonl"
    found = human.read_judgements(
        path, BASELINES, set(records.read_test_ids(folder / "test_ids.json")) if how["checked"] else None
    )
    same("judgements", len(rows_of(path)), len(found))
    for result in human.results(found, BASELINES, "judgements"):
        same("verdicts", Counter(row["verdict"] for row in found), result.counts[human.ALL])
        same("verdicts by criterion", len(found), sum(result.counts[name].total() for name in human.CRITERIA))
    for count in human.COUNTS:
        human.as_csv(human.results(found, BASELINES, count), count, {"SEEK": {"win": 66.0}})


MEASURED = {"responses.jsonl": RESPONSES, "bertscore.json": json_file(BERTSCORE)}
TEST_IDS = json_file(IDS)
JUDGED_IDS = json_file(sorted({row["example"] for row in valid.JUDGEMENTS}))
READERS = [
    Reader("evaluate.py", evaluate, {"responses.jsonl": RESPONSES}, {"protocol": one_of("paper", "standard")}),
    Reader(
        "scoring.check_test_set",
        check_test_set,
        {"responses.jsonl": RESPONSES, "test_ids.json": TEST_IDS},
        {"subset": one_of(False, True)},
    ),
    Reader("bootstrap.read_output", read_output, MEASURED),
    Reader("bertscore.read_baseline", read_baseline, {"baseline.tsv": BASELINE}),
    Reader("tables.read_table, cells.read_cell", read_table, CELLS, {"note": NOTE, "partial": one_of(False, True)}),
    Reader("tables.read_rows", read_rows, {"config.yaml": yaml_file(RUN_CONFIG)}),
    Reader(
        "make_cells.py",
        make_cells,
        {"0.json": json_file(METRICS), "1.json": json_file(METRICS), "paper.csv": PAPER},
        {"row": one_of("ours", "SEEK", "x", "a/b", "")},
    ),
    Reader("paper_values.read_table", read_paper_table, {"table.csv": PAPER}, scripted=False),
    Reader("paper_values.read_figure5", read_figure5, {"figure5.csv": FIGURE5}),
    Reader("paper_values.read_figure7", read_figure7, {"figure7.csv": FIGURE7}),
    Reader("judging.summarise", summarise, how={"texts": Part(["2", "3"], TEXTS), "row": Part(ANSWER, ANSWERS)}),
    Reader(
        "judging.entry_of_answer",
        entry_of_answer,
        how={"row": Part(ANSWER, ANSWERS), "temperature": one_of(0.8, 1e-9, 1e9)},
    ),
    Reader(
        "judging.parse_score",
        parse_score,
        how={"text": Part("2", st.one_of(st.sampled_from(MARKS), SCORES)), "finish": one_of("stop", "length")},
    ),
    Reader(
        "figures.figure5.read_summary",
        read_summary,
        {"seed0.json": json_file(SUMMARY), "seed1.json": json_file(SUMMARY | {"seed": 1})},
    ),
    Reader(
        "human.read_judgements",
        read_judgements,
        {"judgements.jsonl": json_lines(valid.JUDGEMENTS), "test_ids.json": JUDGED_IDS},
        {"checked": one_of(True, False)},
    ),
]
