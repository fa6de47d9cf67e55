"""The transformers engine: a row's text depends on its own seed and messages, not on its batch, shard or a resume."""

import hashlib
import json
import math
import re
import shutil
import sys
import time
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from processes import kill_when
from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import write_manifest
from synth_empathy.inference.engines import open_engine
from synth_empathy.inference.transformers_engine import RowSeededSampling, nucleus
from synth_empathy.inference.types import EngineSettings, Request, Sampling

SAMPLING = Sampling(temperature=0.8, top_p=0.9, max_tokens=12)


def requests(count):
    return [
        Request(f"row{i}", [{"role": "user", "content": "i am so happy today . " * (1 + i % 4)}], seed=1000 + i)
        for i in range(count)
    ]


def complete(model, rows, batch_size, sampling=SAMPLING):
    engine = open_engine("transformers", model, EngineSettings(batch_size=batch_size))
    return {completion.id: completion for completion in engine.complete(rows, sampling)}


def test_texts_do_not_depend_on_the_batch(tiny_model):
    alone, five, all_at_once = (complete(tiny_model, requests(12), size) for size in (1, 5, 12))
    assert alone == five == all_at_once
    assert len({completion.text for completion in alone.values()}) > 6  # they really are draws


def with_demonstration(count, shared):
    """Requests that open with the same two messages, of which the engine is told or not."""
    question, answer = "what is it like ? " * 6, "it is lovely . " * 5
    opening = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [Request(request.id, opening + request.messages, request.seed, shared) for request in requests(count)]


def test_messages_that_all_requests_share_are_read_once_and_change_no_text(tiny_model, capsys):
    whole = complete(tiny_model, with_demonstration(12, shared=0), 12)
    read_whole = tokens_to_read(capsys)
    for size in (1, 5, 12):
        assert complete(tiny_model, with_demonstration(12, shared=2), size) == whole
    assert tokens_to_read(capsys) < read_whole / 2
    left = with_demonstration(12, shared=2)[7:]  # as after an interruption
    assert complete(tiny_model, left, 5) == {request.id: whole[request.id] for request in left}


def tokens_to_read(capsys):
    """What the last call said it would read."""
    return int(re.findall(r"([\d,]+) to read", capsys.readouterr().out)[-1].replace(",", ""))


def test_requests_that_share_other_messages_are_kept_apart(tiny_model):
    opening = [{"role": "user", "content": f"number {i} ?"} for i in range(2)]
    odd = [Request(f"odd{i}", [opening[i % 2]] * 2, seed=i, shared=1) for i in range(6)]
    alone = {name: completion for request in odd for name, completion in complete(tiny_model, [request], 1).items()}
    assert complete(tiny_model, odd, 6) == alone


def test_a_row_that_ends_leaves_the_batch(tiny_model):
    """No row is computed after its end."""
    engine = open_engine("transformers", tiny_model, EngineSettings(batch_size=12))
    seen = []
    engine.model.register_forward_pre_hook(lambda model, args: seen.append(args[0].shape[0]))
    engine.chats.stops = list(range(0, engine.chats.config.vocab_size, 7))  # the tiny model's own ends are rare
    done = list(engine.complete(requests(12), SAMPLING))
    lengths = [completion.tokens + (completion.finish == "stop") for completion in done]
    assert lengths == sorted(lengths) and len(set(lengths)) > 3
    assert seen == [sum(length > step for length in lengths) for step in range(max(lengths))]


def test_texts_depend_on_the_seed(tiny_model):
    message = [{"role": "user", "content": "what happened ?"}]
    texts = complete(tiny_model, [Request(f"row{seed}", message, seed) for seed in (1, 2, 3)], 3)
    assert len({completion.text for completion in texts.values()}) == 3


def test_greedy_takes_the_likeliest_token_each_time(tiny_model):
    engine = open_engine("transformers", tiny_model, EngineSettings())
    request = requests(1)[0]
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=8)
    [completion] = engine.complete([request], greedy)
    ids = engine.chats.tokens(request, greedy)
    expected = []
    with torch.inference_mode():
        while len(expected) < 8:
            token = int(engine.model(torch.tensor([ids + expected])).logits[0, -1].argmax())
            if token in engine.chats.stops:
                break
            expected.append(token)
    assert completion.text == engine.chats.tokenizer.decode(expected).strip()
    assert completion.tokens == len(expected)


def test_the_models_own_decoding_defaults_do_not_leak_in(tiny_model, tmp_path):
    """A model may ship a repetition penalty: greedy has to stay greedy."""
    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    (copy / "generation_config.json").write_text(
        json.dumps({"eos_token_id": 1, "repetition_penalty": 5.0, "do_sample": True, "top_k": 2})
    )
    write_manifest(copy, {"kind": "fetched", "name": "tiny"})
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=12)
    assert complete(copy, requests(3), 3, greedy) == complete(tiny_model, requests(3), 3, greedy)


def test_draws_follow_the_softmax():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -3.0])
    count = 4000
    processor = RowSeededSampling(range(count), Sampling(temperature=0.7, top_p=1.0, max_tokens=1))
    drawn = processor(logits.expand(count, -1)).bincount(minlength=5)
    for token, probability in enumerate(torch.softmax(logits / 0.7, dim=0).tolist()):
        spread = math.sqrt(count * probability * (1 - probability))
        assert abs(int(drawn[token]) - count * probability) < 5 * spread


def test_top_p_never_draws_from_the_tail():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    processor = RowSeededSampling(range(2000), Sampling(temperature=1.0, top_p=0.7, max_tokens=1))
    drawn = processor(logits.expand(2000, -1)).bincount(minlength=4)
    assert drawn[0] > 0 and drawn[1] > 0 and drawn[2] == 0 and drawn[3] == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([3, 300, 3000]), st.floats(0.01, 0.999), st.floats(0.1, 6.0))
def test_top_p_keeps_the_tokens_that_transformers_keeps(seed, vocabulary, top_p, spread):
    scores = torch.randn(4, vocabulary, generator=torch.Generator().manual_seed(seed)) * spread
    kept, theirs = nucleus(scores, top_p).isfinite(), TopPLogitsWarper(top_p)(None, scores).isfinite()
    differing = kept != theirs
    assert int(differing.sum(dim=1).max()) <= 1  # at the edge, float32's sums decide
    assert float(scores.softmax(dim=1)[differing].sum()) < 0.01


def test_a_prompt_longer_than_the_model_reaches_is_refused(tiny_model):
    long = Request("row", [{"role": "user", "content": "happy " * 600}], 0)
    with pytest.raises(UserError, match="row: a prompt of .* exceed the model's 512"):
        complete(tiny_model, [long], 1)


@pytest.mark.parametrize(
    ("engine", "message", "hint"),
    [
        ("vllm", "the vllm engine is not installed for .*python", "make setup-vllm"),
        ("vlm", "no engine 'vlm'", "transformers, vllm"),
    ],
)
def test_engines_that_are_not_there_say_what_to_do(tiny_model, engine, message, hint):
    with pytest.raises(UserError, match=message) as caught:
        open_engine(engine, tiny_model, EngineSettings())
    assert hint in caught.value.hint


def generate_flags(tmp_path, repository, model, output, *more):
    seeds = tmp_path / "seeds.jsonl"
    if not seeds.exists():
        rows = [
            {"id": f"train/c{i}/0", "history": [f"i am happy today , {i} times ."], "response": "that is wonderful ."}
            for i in range(10)
        ]
        seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompt = repository / "resources/prompts/prompt2.yaml"
    command = [
        "--seeds",
        seeds,
        "--prompt",
        prompt,
        "--model",
        model,
        "--samples-per-seed",
        2,
        "--temperature",
        0.8,
        "--top-p",
        0.9,
    ]
    return [
        *command,
        "--max-tokens",
        10,
        "--threads",
        1,
        "--state",
        tmp_path / "state",
        "--output",
        output,
        "--manifest",
        f"{output}.manifest.json",
        *more,
    ]


def test_shards_and_batches_change_no_output(tmp_path, repository, tiny_model, step):
    whole = tmp_path / "whole.jsonl"
    assert (
        step("generate.py", *generate_flags(tmp_path, repository, tiny_model, whole, "--batch-size", 7)).returncode
        == 0
    )
    shutil.rmtree(tmp_path / "state")  # nothing is to be taken over
    parts = []
    for shard in range(3):
        part = tmp_path / f"part{shard}.jsonl"
        assert (
            step(
                "generate.py", *generate_flags(tmp_path, repository, tiny_model, part, "--shard", shard, "--shards", 3)
            ).returncode
            == 0
        )
        parts += part.read_text().splitlines()
    assert len(parts) == 20
    assert sorted(parts) == sorted(whole.read_text().splitlines())


def test_a_killed_shard_goes_on_from_its_finished_rows(tmp_path, repository, tiny_model, step):
    whole = tmp_path / "whole.jsonl"
    assert (
        step("generate.py", *generate_flags(tmp_path, repository, tiny_model, whole, "--batch-size", 2)).returncode
        == 0
    )
    shutil.rmtree(tmp_path / "state")  # the killed one is to start from nothing
    resumed = tmp_path / "resumed.jsonl"
    command = [
        sys.executable,
        repository / "scripts/generate.py",
        *generate_flags(tmp_path, repository, tiny_model, resumed, "--batch-size", 2),
    ]
    kill_when(lambda: rows_kept(tmp_path) >= 2, command)
    kept = rows_kept(tmp_path)
    assert kept >= 2 and not resumed.exists(), "the shard was to be killed half way"
    [state] = (tmp_path / "state").glob("*/*.jsonl")
    state.write_text(state.read_text() + '{"id": "torn')  # as if killed inside a write
    again = step("generate.py", *generate_flags(tmp_path, repository, tiny_model, resumed, "--batch-size", 2))
    assert f"{kept} finished before" in again.stdout
    assert resumed.read_bytes() == whole.read_bytes()
    assert (tmp_path / "resumed.jsonl.manifest.json").read_bytes() == (
        tmp_path / "whole.jsonl.manifest.json"
    ).read_bytes()


def test_another_number_of_shards_makes_no_row_again(tmp_path, repository, tiny_model, step):
    def shards(count):
        lines, made = [], 0
        for shard in range(count):
            output = tmp_path / f"outputs/{shard}.jsonl"
            done = step(
                "generate.py",
                *generate_flags(tmp_path, repository, tiny_model, output, "--shard", shard, "--shards", count),
            )
            assert done.returncode == 0, done.stderr
            rows, before = map(int, re.search(r"generate: (\d+) rows, (\d+) finished before", done.stdout).groups())
            assert ("model ready" in done.stdout) == (rows > before)  # no model is loaded for nothing
            made += rows - before
            lines += output.read_text().splitlines()
        return made, sorted(lines)

    made, three = shards(3)
    assert made == 20
    kept = rows_kept(tmp_path)
    assert shards(5) == (0, three)
    assert shards(1) == (0, three)
    assert rows_kept(tmp_path) == kept == 20


def test_the_manifest_says_what_made_the_shard_and_what_is_guaranteed(tmp_path, repository, tiny_model, step):
    output = tmp_path / "whole.jsonl"
    assert step("generate.py", *generate_flags(tmp_path, repository, tiny_model, output)).returncode == 0
    manifest = json.loads((tmp_path / "whole.jsonl.manifest.json").read_text())
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert manifest["model"] == {
        "name": "tiny",
        "manifest_sha256": hashlib.sha256((tiny_model / "manifest.json").read_bytes()).hexdigest(),
    }
    assert manifest["sampling"] == {"temperature": 0.8, "top_p": 0.9, "max_tokens": 10}
    assert manifest["engine"] == {
        "name": "transformers", "dtype": "float32", "header": True, "threads": 1, "gpus": None, "batch_invariant": None, "batch_size": None,
    }  # fmt: skip
    assert manifest["device"]["kind"] == "cpu" and manifest["versions"].keys() == {"python", "torch", "transformers"}
    assert "give the same bytes" in manifest["guarantee"]
    assert manifest["code"] == provenance.code(
        repository / "scripts/generate.py", entries=["inference.transformers_engine"]
    )
    finish = Counter(row["finish"] for row in rows)
    tokens = sum(row["tokens"] for row in rows)
    assert manifest["output"] == {
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
        "rows": 20,
        "tokens": tokens,
        "finish": dict(finish),
    }


def test_jobs_of_one_step_keep_their_finished_rows_apart(tmp_path, repository, tiny_model, step, monkeypatch):
    """Two prompts' shards have one key and one number: they must not write one file."""
    import argparse

    from synth_empathy.inference import runner

    flags = argparse.ArgumentParser()
    runner.add_flags(flags)
    parts = set()
    for output in ("prompt1/0.jsonl", "prompt2/0.jsonl"):
        manifest = ["--manifest", str(tmp_path / "manifest.json")]
        args = flags.parse_args(
            ["--model", str(tiny_model), "--state", str(tmp_path / "state"), "--max-tokens", "2", *manifest]
        )
        args.output = tmp_path / output
        runner.complete(requests(1), args, "generate", {})
        parts |= set((tmp_path / "state").glob("*/*.jsonl"))
    assert len(parts) == 2 and len({part.parent for part in parts}) == 1


def test_the_log_counts_rows_and_tokens(capsys):
    counter = cli.Throughput("generate", total=4, done=1, start=time.monotonic(), every_s=0.0)
    counter.add(10)
    counter.add(0)
    counter.every_s = 3600.0
    counter.add(5)  # the last row is always told
    ready, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"generate: model ready after [0-9.]+ s", ready)
    assert [line.split(" rows")[0] for line in lines] == ["generate: 2 of 4", "generate: 3 of 4", "generate: 4 of 4"]
    assert all(re.search(r" rows, [0-9.]+ tokens/s, [0-9.]+ s, about [0-9]+ s left$", line) for line in lines)
    assert lines[-1].endswith("about 0 s left")


def rows_kept(tmp_path):
    return sum(path.read_text().count("\n") for path in (tmp_path / "state").glob("generate-*/*.jsonl"))


def test_a_template_without_a_system_role_takes_the_system_prompt_in_the_users_turn(tiny_model, tmp_path):
    """As Mixtral's does, which raises; a fault of another kind is not hidden."""
    from jinja2 import TemplateError

    from synth_empathy.inference.chat_template import ChatTokenizer
    from synth_empathy.inference.types import Request

    chats = ChatTokenizer(tiny_model, header=True)
    plain = chats.tokenizer.chat_template
    chats.tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('roles must alternate') }}{% endif %}" + plain
    )
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}]
    assert chats.text(Request("a", turns, 0)) == chats.text(
        Request("a", [{"role": "user", "content": "Be kind.\n\nhello"}], 0)
    )
    chats.tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(TemplateError):
        chats.text(Request("a", turns[1:], 0))
