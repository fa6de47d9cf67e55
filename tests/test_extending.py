"""The examples of docs/extending.md, followed to the letter in a fresh checkout, to a dry-run with the right jobs."""

import json
import os
import re
import subprocess

import numpy as np
import pytest

from conftest import BIN, REPOSITORY
from synth_empathy.data import prompts
from test_workflow import TABLE3_JOBS, TABLE4_JOBS

#: Samples whose responses have 4, 1, 3, 1 and 6 words, and their similarities.
SAMPLES = [
    {"id": f"s{place}", "history": [f"I said {place}."], "response": "word " * words}
    for place, words in enumerate((4, 1, 3, 1, 6))
]  # fmt: skip
SIMILARITIES = [10.0, 50.0, 30.0, 50.0, 20.0]


def example(name: str) -> list[tuple[str, str]]:
    """The blocks of an example of docs/extending.md: their language and text."""
    text = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
    section = text.partition(f"## Example: {name}\n")[2].partition("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, flags=re.DOTALL)


def follow(checkout, name: str, module: str = "") -> list[str]:
    """Do what an example says; returns what its commands print.

    A block that begins with a file's name is that file. Python of no name is added to ``module``. Commands are run.
    """
    printed = []
    for language, text in example(name):
        named = re.match(r"# (\S+\.(?:py|yaml))\n", text)
        if named:
            (checkout.folder / named[1]).write_text(text)
        elif language == "python":
            with open(checkout.folder / module, "a") as file:
                file.write("\n\n" + text)
        else:
            done = run(checkout, text)
            assert done.returncode == 0, done.stdout + done.stderr
            printed.append(done.stdout)
    return printed


def run(checkout, commands: str) -> subprocess.CompletedProcess:
    """Run lines of a shell in the checkout, with its environment."""
    words = ["bash", "-e", "-c", commands]
    path = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(words, cwd=checkout.folder, env=path, capture_output=True, text=True, timeout=300)


def jobs_in(printed: str) -> dict[str, int]:
    """Jobs by rule, as a dry-run counts them."""
    table = printed.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def write_lines(path, rows) -> None:
    """Write JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_lines(path) -> list[dict]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def embedded(checkout):
    """The samples with their texts, embeddings and similarities, in a fresh checkout."""
    folder = checkout.folder
    write_lines(folder / "samples.jsonl", SAMPLES)
    texts = [{"row": row, "text": prompts.flat_sample(sample)} for row, sample in enumerate(reversed(SAMPLES))]
    write_lines(folder / "texts.jsonl", texts)
    ids = [sample["id"] for sample in SAMPLES]
    write_lines(folder / "similarity.jsonl", ({"id": i, "similarity": s} for i, s in zip(ids, SIMILARITIES)))
    np.save(folder / "embeddings.npy", np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    return checkout


def test_a_diversity_selection(embedded):
    _, printed = follow(embedded, "a diversity selection", module="scripts/synth_empathy/selection/diversity.py")
    assert [(row["id"], row["rank"]) for row in read_lines(embedded.folder / "best.jsonl")] == [("s1", 0), ("s3", 1)]
    # Two base models at two thresholds: four systems more, of two selections more.
    more = {"select_diverse": 2, "mix_training_set": 2, "train_model": 4, "respond": 4, "evaluate": 4, "make_cells": 4}
    assert jobs_in(printed) == {rule: count + more.get(rule, 0) for rule, count in TABLE4_JOBS.items()}
    done = embedded.snakemake(
        "-n", "-p", "--configfile", "best.yaml", "--",
        "results/paper/tables/table4.csv",
        "results/paper/judged/prompt2/draw60-best/seed0.summary.json",
        "results/paper/reports/novelty/prompt2/dk60/best/seed0.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    title = "'qwen1.5-7b-chat, prompt2, DK 55, the best scores instead of k-center'"
    assert f"--base=qwen1.5-7b-chat --training-set=ed+prompt2-dk55-best --title={title}" in done.stdout
    scored = "--method best --scores=results/paper/scored/prompt2/similarity.jsonl --scorer=similarity"
    assert done.stdout.count(scored) == 3  # dk55, dk60, draw60
    assert "--method kcenter --ratio" in done.stdout and "--method none --ratio" in done.stdout


def test_a_selection_that_needs_scores_is_refused_without_them_and_a_wrong_one_is_named(embedded):
    module = embedded.folder / "scripts/synth_empathy/selection/diversity.py"
    [code] = [text for language, text in example("a diversity selection") if language == "python"]
    module.write_text(module.read_text() + "\n\n" + code)
    flags = "--embeddings embeddings.npy --samples samples.jsonl --texts texts.jsonl --method best --output out.jsonl"
    done = run(embedded, f"python scripts/select_diverse.py {flags}")
    assert done.returncode == 1 and "the selection best needs quality scores" in done.stderr
    assert "Traceback" not in done.stderr and "--scores FILE" in done.stderr
    module.write_text(module.read_text().replace("[:size].tolist()", "[:1].tolist() * size"))
    done = run(embedded, f"python scripts/select_diverse.py {flags} --scores similarity.jsonl")
    assert done.returncode == 1 and "it returned 4 rows, of which 1 are different, instead of 4" in done.stderr


def test_a_quality_scorer(checkout):
    write_lines(checkout.folder / "results/paper/synthetic/prompt2/samples.jsonl", SAMPLES)
    [printed] = follow(checkout, "a quality scorer")
    longest = read_lines(checkout.folder / "longest.jsonl")
    assert [(row["id"], row["score"]) for row in longest] == [("s0", 4), ("s4", 6)]
    assert "scores by length, made by score_length.py" in printed
    # Two base models, each with two quality selections more.
    more = {"select_diverse": 2, "mix_training_set": 2, "train_model": 4, "respond": 4, "evaluate": 4, "make_cells": 4}
    expected = {rule: count + more.get(rule, 0) for rule, count in TABLE3_JOBS.items()}
    assert jobs_in(printed) == expected | {"select_top": 2}
    done = checkout.snakemake(
        "-n", "-p", "--configfile", "length.yaml", "--",
        "results/paper/tables/table3.csv",
        "results/paper/judged/prompt2/top7-length-kcenter/seed0.summary.json",
        "results/paper/reports/novelty/prompt2/top7-length/none/seed0.json",
        "results/paper/cells/table2/qwen1.5-7b-chat/ed+prompt2-top7-length-kcenter/samples_quality.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    title = "'qwen1.5-7b-chat, prompt2, the 1,000 best by length'"
    system = "--base=qwen1.5-7b-chat --training-set=ed+prompt2-top1000-length-kcenter"
    assert f"{system} --title={title}" in done.stdout
    assert "--title='prompt2, the 7 best by length, none, seed 0'" in done.stdout
    assert "--scores=length.jsonl --scorer=length --size 7" in done.stdout


def test_an_unknown_scorer_is_refused_by_its_name(checkout):
    done = checkout.snakemake("-n", "results/paper/selected/prompt2/top5-simlarity/quality.jsonl")
    assert done.returncode == 1
    assert "there is no scorer 'simlarity' (did you mean 'similarity'?)" in done.stdout + done.stderr
