"""The worked examples of data sets, readers and CSV files, followed to the letter; a whole run on such data."""

import csv
import json
import re

import pytest

from conftest import BIN, DEMO, SMALL
from synth_empathy.core.records import DATA_SAMPLE, read_jsonl
from worked_examples import Example

PETS = Example("A data set, worked through")
PLAIN = Example("A reader, worked through")
CSV = Example("Dialogues of your own: JSON Lines", page="docs/data.md")
#: Jobs of the demo's Table 1 on data that are prepared and mixed already.
LEFT = {
    "fetch_model": 2, "generate": 1, "list_test_ids": 1, "mix_training_set": 1, "respond": 4, "evaluate": 3,
    "evaluate_bertscore": 3, "parse_rounds": 1, "train_model": 2, "make_bertscore_cells": 3, "make_cells": 3,
    "sample_turns": 1, "embed_texts": 1, "select_quality": 1, "select_diverse": 1,
    "make_table": 1, "table1": 1,
}  # fmt: skip


def jobs_in(printed):
    """Jobs by rule, as a dry-run counts them."""
    table = printed.rpartition("\njob ")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def follow(example, checkout):
    """Write an example's files, and run its commands; returns what the last block prints, without Snakemake's log."""
    example.write_files(checkout)
    printed = ""
    for done in example.run_commands(checkout):
        assert done.returncode == 0, done.stdout + done.stderr
        printed = done.stdout
    return printed


def samples(folder, split):
    """The prepared samples of a split, by their place in it."""
    return read_jsonl(folder / f"{split}.jsonl", DATA_SAMPLE)


def test_a_data_set_added_by_the_documentation(checkout):
    assert jobs_in(follow(PETS, checkout)) == LEFT
    folder = checkout.folder / "results/pets"
    prepared = {split: samples(folder / "pets", split) for split in ("train", "valid", "test")}
    given = [json.loads(line) for line in PETS.files["pets.jsonl"].splitlines()]
    texts = [(row["history"], row["response"]) for rows in prepared.values() for row in rows]
    assert sorted(texts) == sorted((row["history"], row["response"]) for row in given)
    assert not prepared["valid"] and prepared["test"]
    mixed = [json.loads(line) for line in (folder / "training/pets/seed0.jsonl").read_text().splitlines()]
    assert [row["id"] for row in mixed] == [row["id"] for row in prepared["train"]]
    assert {row["source"] for row in mixed} == {"pets"}
    plan = checkout.run(BIN / "python", "scripts/plan.py", *DEMO, "pets.yaml", "--", "table1")
    assert plan.returncode == 0, plan.stderr
    assert "ed_test" not in plan.stdout  # the test samples are counted, not assumed to be ED's


def test_a_reader_added_by_the_documentation(checkout):
    registry = checkout.folder / "scripts/synth_empathy/data/readers/__init__.py"
    [line] = PLAIN.lines
    registry.write_text(registry.read_text().replace("READERS = {\n", f"READERS = {{\n{line}"))
    assert jobs_in(follow(PLAIN, checkout)) == LEFT
    by_hand, by_rule = checkout.folder / "by-hand", checkout.folder / "results/plain/plain"
    for split, count in (("train", 3), ("valid", 1), ("test", 1)):
        assert (by_hand / f"{split}.jsonl").read_bytes() == (by_rule / f"{split}.jsonl").read_bytes()
        assert len(samples(by_hand, split)) == count
    assert samples(by_hand, "train")[1]["history"][-1] == "Last night, in the storm."
    (checkout.folder / "plain.yaml").write_text("datasets: {plain: {reader: plain_text, foldr: .}}\n")
    done = checkout.snakemake("-n", *DEMO, "plain.yaml", "--", "table1")
    assert done.returncode == 1
    assert "datasets: plain: unknown key 'foldr' (did you mean 'folder'?)" in done.stdout + done.stderr


def test_a_csv_file_converted_by_the_documentation(checkout):
    assert len(CSV.files["csv_to_jsonl.py"].splitlines()) <= 10
    follow(CSV, checkout)
    rows = list(csv.DictReader(CSV.files["dialogues.csv"].splitlines()))
    records = [row for split in ("train", "test") for row in samples(checkout.folder / "prepared", split)]
    assert len(records) == 3 and all(samples(checkout.folder / "prepared", split) for split in ("train", "test"))
    for record in records:
        texts = [row["text"] for row in rows if row["dialogue"] == record["conv_id"]]
        assert texts[: len(record["history"]) + 1] == [*record["history"], record["response"]]
    assert any('"woof"' in text for record in records for text in record["history"])


#: Situations of the made-up dialogues of a run to its end; each is two conversations of two samples.
SITUATIONS = [
    f"{animal} {event}" for animal in ("dog", "cat", "horse", "snake", "parrot") for event in ("left", "came", "sang")
]


def made_up():
    """Dialogues as a user may have them: commas, quotes and capitals in the text, no ids."""
    for number, situation in enumerate(SITUATIONS * 2):
        first = f"Yesterday, my {situation}; it was no. {number}!"
        turns = [first, f'Your "{situation}"? Tell me more, please.', f"It was a day like no other, {number}."]
        yield {"history": turns[:1], "response": turns[1], "situation": situation}
        yield {"history": turns, "response": f"I feel with you, and with no. {number}."}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout with a run on such dialogues to a table, a figure and claims, on tiny models that can talk."""
    from conftest import Checkout
    from tiny import make_talking_model

    checkout = Checkout(tmp_path_factory.mktemp("own") / "checkout")
    make_talking_model(checkout.folder / "models/smollm2-135m", "smollm2-135m")
    (checkout.folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up()))
    (checkout.folder / "short.yaml").write_text("{evaluation: {bertscore: {model: null}}}\n")
    words = [*SMALL, "config/own-data.yaml", "short.yaml", "--config", 'datasets={"mine": {"file": "own.jsonl"}}']
    done = checkout.snakemake("--cores", "2", *words, "--", "table1", "figure5")
    assert done.returncode == 0, done.stdout + done.stderr
    done = checkout.snakemake("--cores", "2", *words, "--", "check_claims")
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout.folder / "results/demo-mine"


def test_a_run_on_other_data_has_its_name_in_paths_and_tables(finished):
    assert (finished / "training/mine+prompt2-dk0-kcenter/seed0.jsonl").exists() and not (finished / "ed").exists()
    with open(finished / "tables/table1.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["system"].partition("/")[2] for line in lines} == {"mine+prompt2-dk0-kcenter", "mine", "none"}
    assert {line["paper"] for line in lines} == {"not available"}
    markdown = (finished / "tables/table1.md").read_text()
    assert markdown.startswith("# Table 1: automatic evaluation on the mine test split")
    reason = "This run's data set is mine, not EmpatheticDialogues"
    assert f"{reason}: no value of the paper stands beside ours." in markdown
    assert reason in (finished / "tables/table1.tex").read_text()


def test_every_other_table_and_figure_of_such_a_run_is_planned_under_its_name(checkout):
    (checkout.folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up()))
    words = [*DEMO, "config/own-data.yaml", "--config", 'datasets={"mine": {"file": "own.jsonl"}}']
    done = checkout.snakemake("-n", "-p", *words, "--", "all", "novelty", "archive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"\bed[+/]", done.stdout)  # neither a path nor a training set
    drawn = [line for line in done.stdout.splitlines() if "scripts/make_figure" in line and "--figures" in line]
    assert len(drawn) == 3 and all("none of the paper" in line for line in drawn)
    assert not any("--paper " in line for line in drawn)
    assert done.stdout.count("--data=mine") == 1 and "--dataset=mine" in done.stdout


def test_no_number_of_the_paper_is_in_its_figures(finished):
    with open(finished / "figures/figure5.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["paper"] for line in lines} == {"not available"}
    assert {line["note"] for line in lines if line["note"]} != set()
    assert "none of the paper's numbers is shown" in lines[0]["note"]


def test_its_claims_are_not_tested_and_say_why(finished):
    document = json.loads((finished / "claims.json").read_text())
    assert {claim["verdict"] for claim in document["claims"]} == {"not tested"}
    assert {claim["found"] for claim in document["claims"]} == {"this run's data set is mine, not EmpatheticDialogues"}
    assert "what to build" not in (finished / "claims.md").read_text()


def test_every_conversation_is_in_one_split_and_its_text_stays_as_written(finished):
    homes = {}
    for split in ("train", "valid", "test"):
        for row in samples(finished / "mine", split):
            homes.setdefault(row["history"][0], set()).add(split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert any('"' in row["response"] for row in samples(finished / "mine", "train"))
