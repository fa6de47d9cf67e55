"""The comparison of two runs: the files that differ, their order, and by how much."""

import json
import re
import shutil
from operator import itemgetter

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from conftest import jobs_of
from synth_empathy import systems
from synth_empathy.core.records import seal_of, write_json, write_jsonl, write_text
from synth_empathy.execution import run_diff


def write_run(folder):
    """A run with a file of each kind."""
    samples = [{"id": f"s{row}", "similarity": row / 4, "texts": ["a", "b"]} for row in range(4)]
    write_jsonl(folder / "scored/prompt2/similarity.jsonl", samples)
    write_json(folder / "metrics/m/ed/seed0/paper.json", {"values": {"bleu1": 12.5, "cider": 3.0}, "name": "x"})
    write_text(folder / "tables/table1.csv", "a,b\n1,2\n3,4\n")
    write_text(folder / "figures/figure1.svg", "<svg/>")
    write_text(folder / "config.yaml", f"run: {folder.name}\n")
    write_text(folder / "logs/x.log", folder.name)
    write_text(folder / "models/m/ed/.seed0.checked-abc.json", folder.name)
    np.save(folder / "scored/prompt2/embeddings.npy", np.eye(3, 4, dtype=np.float32))
    weights = {"w": torch.ones(2, 3, dtype=torch.bfloat16), "v": torch.zeros(2)}
    save_file(weights, folder / "models/m/ed/model.safetensors")
    return folder


@pytest.fixture
def runs(tmp_path):
    """Two runs with the same files."""
    return write_run(tmp_path / "x"), write_run(tmp_path / "y")


def how(runs):
    """How each file differs, by path, in the reported order."""
    return {difference.path: difference.how for difference in run_diff.compare(*runs)}


def test_equal_runs_do_not_differ(runs, step):
    assert how(runs) == {}
    done = step("compare_results.py", *runs)
    assert done.returncode == 0 and "contain the same files" in done.stdout


def test_rows_are_identified_by_their_ids(runs):
    rows = [json.loads(line) for line in (runs[0] / "scored/prompt2/similarity.jsonl").read_text().splitlines()]
    rows[1]["similarity"], rows[2]["similarity"], rows[2]["texts"] = 0.5, 0.625, ["a", "c"]
    write_jsonl(runs[1] / "scored/prompt2/similarity.jsonl", [{"id": "new"}, *rows[:3]])
    assert how(runs) == {
        "scored/prompt2/similarity.jsonl": "2 of 3 rows differ in similarity, texts, first s1; "
        "numbers differ by at most 0.25 (similarity: 0.25 and 0.5); "
        "rows only in A: 1, first s3; rows only in B: 1, first new"
    }
    write_jsonl(runs[1] / "scored/prompt2/similarity.jsonl", reversed(json_rows(runs[0])))
    assert how(runs) == {"scored/prompt2/similarity.jsonl": "the same rows in another order"}


def json_rows(run):
    lines = (run / "scored/prompt2/similarity.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_rows_without_an_id_are_identified_by_their_line(runs):
    for run, last in zip(runs, (1, 2)):
        write_jsonl(run / "human/judgements.jsonl", [{"example": "e", "n": 1}, {"example": "e", "n": last}])
    expected = "1 of 2 rows differ in n, first line 2; numbers differ by at most 1 (n: 1 and 2)"
    assert how(runs) == {"human/judgements.jsonl": expected}


def test_numbers_are_compared_by_amount_and_other_values_by_place(runs):
    write_json(runs[1] / "metrics/m/ed/seed0/paper.json", {"values": {"bleu1": 12.25, "cider": 3.0}, "name": True})
    [difference] = how(runs).values()
    numbers = "numbers differ by at most 0.25 (values: bleu1: 12.5 and 12.25)"
    assert difference == f"2 of 3 values differ: {numbers}; not a number: name"
    (runs[1] / "metrics/m/ed/seed0/paper.json").write_text('{"name":"x","values":{"cider":3,"bleu1":12.50}}')
    assert list(how(runs).values()) == ["the same values, written differently"]


def test_texts_and_damaged_files_are_compared_by_lines(runs):
    (runs[1] / "tables/table1.csv").write_text("a,b\n3,4\n5,6\n7,8\n")
    assert list(how(runs).values()) == ["lines only in A: 1, only in B: 2, from line 2"]
    (runs[1] / "tables/table1.csv").write_bytes(b"a,b\r\n1,2\r\n3,4\r\n")
    assert list(how(runs).values()) == ["the same lines, other line endings"]
    write_text(runs[1] / "tables/table1.csv", "a,b\n1,2\n3,4\n", sealed=False)
    (runs[1] / "metrics/m/ed/seed0/paper.json").write_text("{")
    (runs[1] / "scored/prompt2/embeddings.npy").write_bytes(b"\x93\xff")
    differences = list(how(runs).values())
    assert differences[0].endswith(" bytes in A, 2 in B")
    assert differences[1] == "lines only in A: 6, only in B: 0, from line 2"


def test_arrays_and_weights_are_compared_by_shape_type_and_numbers(runs):
    np.save(runs[1] / "scored/prompt2/embeddings.npy", np.eye(3, 4, dtype=np.float32) * 0.5)
    weights = {"w": torch.full((2, 3), 0.5, dtype=torch.bfloat16), "v": torch.zeros(2)}
    save_file(weights, runs[1] / "models/m/ed/model.safetensors")
    numbers = "numbers differ by at most 0.5, cosine 1.000000000"
    assert how(runs) == {
        "models/m/ed/model.safetensors": f"1 of 2 tensors differ, first w; {numbers}",
        "scored/prompt2/embeddings.npy": f"3 x 4 of float32: {numbers}",
    }
    half = np.eye(3, 4, dtype=np.float16)
    half[0, 1] = np.nan
    np.save(runs[1] / "scored/prompt2/embeddings.npy", half)
    save_file({"w": torch.ones(3, 2)}, runs[1] / "models/m/ed/model.safetensors")
    assert list(how(runs).values()) == [
        "tensors only in A: 1, only in B: 0, first v",
        "3 x 4 of float32 in A, 3 x 4 of float16 in B; numbers differ by at most 0, cosine 1.000000000; not finite: 1",
    ]
    np.save(runs[1] / "scored/prompt2/embeddings.npy", np.eye(4))
    assert list(how(runs).values())[1] == "3 x 4 of float32 in A, 4 x 4 of float64 in B"


def test_drawings_differ_and_files_of_only_one_run_are_named(runs):
    (runs[1] / "figures/figure1.svg").write_text("<svg> </svg>")
    (runs[0] / "scored/prompt2/similarity.jsonl").unlink()
    shutil.rmtree(runs[1] / "tables")
    assert how(runs) == {
        "scored/prompt2/similarity.jsonl": "only in B",
        "tables/table1.csv": "only in A",
        "figures/figure1.svg": "the drawing differs",
    }


def test_a_seal_is_listed_only_if_its_file_does_not_differ(runs):
    samples = runs[1] / "scored/prompt2/similarity.jsonl"
    content = samples.read_bytes()
    write_jsonl(samples, [])
    assert list(how(runs)) == ["scored/prompt2/similarity.jsonl"]
    samples.write_bytes(content)
    assert list(how(runs)) == ["scored/prompt2/.similarity.jsonl.sha256"]
    seal_of(samples).unlink()
    assert how(runs) == {"scored/prompt2/.similarity.jsonl.sha256": "only in A"}


def test_the_report_names_where_the_runs_diverge(runs, step):
    for run, code in zip(runs, "ab"):
        write_json(run / "synthetic/prompt2/outputs/0.manifest.json", {"code": {"generate.py": code}})
    done = step("compare_results.py", *runs)
    assert done.returncode == 1 and "All are manifests" in done.stdout and not done.stderr
    write_json(runs[1] / "metrics/m/ed/seed0/paper.json", {})
    write_text(runs[1] / "tables/table1.csv", "a\x1b\n")
    done = step("compare_results.py", *runs)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and lines[0].endswith("in the order in which data flow (3 files)")
    assert [line.split(": ")[0] for line in lines[1:4]] == [
        "synthetic/prompt2/outputs/0.manifest.json",
        "metrics/m/ed/seed0/paper.json",
        "tables/table1.csv",
    ]
    assert lines[1].endswith("1 of 1 values differ: not a number: code: generate.py")
    assert lines[4].startswith("The first is synthetic/prompt2/outputs/0.manifest.json: what made it is the cause")
    assert lines[5] == "The first that is not a manifest is metrics/m/ed/seed0/paper.json."


def test_a_folder_that_does_not_exist_is_a_usage_error(runs, step):
    done = step("compare_results.py", runs[0], runs[1] / "none")
    assert done.returncode == 2 and f"there is no folder {runs[1]}/none" in done.stderr


def in_results(paths):
    """Those of some paths that are in the run's results, relative to them."""
    return [path.removeprefix("results/paper/") for path in paths if path.startswith("results/paper/")]


def test_files_are_in_the_order_in_which_snakemake_makes_them(checkout):
    overlay = checkout.folder / "overlay.yaml"
    overlay.write_text("baselines: {seek: {data: data}}\nhuman: {judgements: mine.jsonl}\n")
    (checkout.folder / "mine.jsonl").touch()
    words = ["--configfile", "overlay.yaml", "--", "all", "archive", "novelty", "check_claims"]
    jobs = [list(map(in_results, job)) for job in jobs_of(checkout, *words)]
    assert len(jobs) > 200
    for inputs, outputs in filter(itemgetter(1), jobs):
        made = [run_diff.rank(path) for path in outputs]
        assert max(made) < len(run_diff.ORDER), outputs
        assert all(run_diff.rank(path) < min(made) for path in inputs), (inputs, outputs)


def test_no_data_set_may_have_the_name_of_a_runs_folder():
    folders = {pattern.split("/")[0] for pattern in run_diff.ORDER if not pattern.startswith("{alone}")}
    folders |= set(run_diff.NOT_COMPARED)
    named = {folder for folder in folders if re.fullmatch("[a-z0-9_]+", folder)}
    assert named == set(systems.FOLDERS)


@pytest.mark.parametrize("name", ["ed", "mine"])
def test_the_order_is_that_of_the_data_for_every_data_set(name):
    paths = [
        f"{name}/raw/train.csv", f"{name}/train.jsonl", f"{name}/test_ids.json", f"{name}/embedded/train/texts.jsonl",
        "synthetic/prompt2/samples.jsonl", f"training/{name}/seed0.jsonl", f"models/m/{name}/seed0/manifest.json",
        f"training/{name}+prompt2-dk60-kcenter/seed0.jsonl",
        f"models/m/{name}+prompt2-dk60-kcenter/seed0/manifest.json",
    ]  # fmt: skip
    assert sorted(reversed(paths), key=run_diff.place) == paths
