"""The transformers engine: a row's text depends on its seed and messages, not on batches, shards or interruptions."""

import argparse
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
from jinja2 import TemplateError
from transformers import TopPLogitsWarper

from processes import kill_when
from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import write_manifest
from synth_empathy.inference import runner
from synth_empathy.inference.chat_template import ChatTokenizer
from synth_empathy.inference.engines import EngineSettings, Request, Sampling, open_engine
from synth_empathy.inference.transformers_engine import RowSeededSampling, nucleus

SAMPLING = Sampling(temperature=0.8, top_p=0.9, max_tokens=12)


def user(content):
    """A message of the user."""
    return {"role": "user", "content": content}


def make_requests(count):
    """Requests of four lengths, each with its own seed."""
    return [
        Request(f"row{number}", [user("i am so happy today . " * (1 + number % 4))], seed=1000 + number)
        for number in range(count)
    ]


def complete(model, rows, batch_size, sampling=SAMPLING):
    engine = open_engine("transformers", model, EngineSettings(batch_size=batch_size))
    return {completion.id: completion for completion in engine.complete(rows, sampling)}


def test_texts_do_not_depend_on_the_batch(tiny_model):
    alone, five, together = (complete(tiny_model, make_requests(12), size) for size in (1, 5, 12))
    assert alone == five == together
    assert len({completion.text for completion in alone.values()}) > 6  # texts are random draws


def with_demonstration(count, shared):
    """Requests that begin with the same two messages; the engine knows of ``shared`` of them."""
    demonstration = [user("what is it like ? " * 6), {"role": "assistant", "content": "it is lovely . " * 5}]
    return [
        Request(request.id, demonstration + request.messages, request.seed, shared) for request in make_requests(count)
    ]


def test_shared_messages_are_read_once_and_change_no_text(tiny_model, capsys):
    whole = complete(tiny_model, with_demonstration(12, shared=0), 12)
    read_whole = tokens_to_read(capsys)
    for size in (1, 5, 12):
        assert complete(tiny_model, with_demonstration(12, shared=2), size) == whole
    assert tokens_to_read(capsys) < read_whole / 2
    left = with_demonstration(12, shared=2)[7:]  # as after an interruption
    assert complete(tiny_model, left, 5) == {request.id: whole[request.id] for request in left}


def tokens_to_read(capsys):
    """The number of tokens to read that the last call printed."""
    return int(re.findall(r"([\d,]+) to read", capsys.readouterr().out)[-1].replace(",", ""))


def test_requests_with_different_shared_messages_are_in_different_batches(tiny_model):
    messages = [user(f"number {number} ?") for number in range(2)]
    rows = [Request(f"row{number}", [messages[number % 2]] * 2, seed=number, shared=1) for number in range(6)]
    alone = {}
    for request in rows:
        alone |= complete(tiny_model, [request], 1)
    assert complete(tiny_model, rows, 6) == alone


def test_a_row_that_ends_leaves_the_batch(tiny_model):
    """The model computes no row after its end."""
    engine = open_engine("transformers", tiny_model, EngineSettings(batch_size=12))
    batch_sizes = []
    engine.model.register_forward_pre_hook(lambda model, args: batch_sizes.append(args[0].shape[0]))
    engine.chats.stops = list(range(0, engine.chats.config.vocab_size, 7))  # the tiny model rarely writes its own
    completions = list(engine.complete(make_requests(12), SAMPLING))
    lengths = [completion.tokens + (completion.finish == "stop") for completion in completions]
    assert lengths == sorted(lengths) and len(set(lengths)) > 3
    for step, size in enumerate(batch_sizes):
        assert size == len([length for length in lengths if length > step])
    assert len(batch_sizes) == max(lengths)


def test_texts_depend_on_the_seed(tiny_model):
    messages = [user("what happened ?")]
    texts = complete(tiny_model, [Request(f"row{seed}", messages, seed) for seed in (1, 2, 3)], 3)
    assert len({completion.text for completion in texts.values()}) == 3


def test_greedy_takes_the_most_likely_token_each_time(tiny_model):
    engine = open_engine("transformers", tiny_model, EngineSettings())
    request = make_requests(1)[0]
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


def test_the_models_own_decoding_defaults_have_no_effect(tiny_model, tmp_path):
    """A model may come with a repetition penalty, and greedy has to stay greedy."""
    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    defaults = {"eos_token_id": 1, "repetition_penalty": 5.0, "do_sample": True, "top_k": 2}
    (copy / "generation_config.json").write_text(json.dumps(defaults))
    write_manifest(copy, {"kind": "fetched", "name": "tiny"})
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=12)
    assert complete(copy, make_requests(3), 3, greedy) == complete(tiny_model, make_requests(3), 3, greedy)


def test_draws_follow_the_softmax():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -3.0])
    count = 4000
    draw = RowSeededSampling(range(count), Sampling(temperature=0.7, top_p=1.0, max_tokens=1))
    drawn = draw(logits.expand(count, -1)).bincount(minlength=5)
    for token, probability in enumerate(torch.softmax(logits / 0.7, dim=0).tolist()):
        deviation = math.sqrt(count * probability * (1 - probability))
        assert abs(int(drawn[token]) - count * probability) < 5 * deviation


def test_top_p_never_draws_from_the_tail():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    draw = RowSeededSampling(range(2000), Sampling(temperature=1.0, top_p=0.7, max_tokens=1))
    drawn = draw(logits.expand(2000, -1)).bincount(minlength=4)
    assert drawn[0] > 0 and drawn[1] > 0 and drawn[2] == 0 and drawn[3] == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([3, 300, 3000]), st.floats(0.01, 0.999), st.floats(0.1, 6.0))
def test_top_p_keeps_the_tokens_that_transformers_keeps(seed, vocabulary, top_p, scale):
    scores = torch.randn(4, vocabulary, generator=torch.Generator().manual_seed(seed)) * scale
    kept, theirs = nucleus(scores, top_p).isfinite(), TopPLogitsWarper(top_p)(None, scores).isfinite()
    differing = kept != theirs
    assert int(differing.sum(dim=1).max()) <= 1  # at the boundary, the rounding of float32's sums decides
    assert float(scores.softmax(dim=1)[differing].sum()) < 0.01


def test_a_prompt_longer_than_the_models_context_is_refused(tiny_model):
    long = Request("row", [user("happy " * 600)], 0)
    with pytest.raises(UserError, match="row: a prompt of .* exceed the model's context of 512"):
        complete(tiny_model, [long], 1)


@pytest.mark.parametrize(
    ("engine", "message", "hint"),
    [
        ("vllm", "the vllm engine is not installed for .*python", "make setup-vllm"),
        ("vlm", "no engine 'vlm'", "transformers, vllm"),
    ],
)
def test_a_missing_engine_is_refused_with_a_hint(tiny_model, engine, message, hint):
    with pytest.raises(UserError, match=message) as caught:
        open_engine(engine, tiny_model, EngineSettings())
    assert hint in caught.value.hint


@pytest.fixture
def generate_flags(tmp_path, repository, tiny_model):
    """The flags of generate.py for an output of 20 rows: two passes over ten samples."""
    history = "i am happy today , {} times ."
    rows = [
        {"id": f"train/c{number}/0", "history": [history.format(number)], "response": "that is wonderful ."}
        for number in range(10)
    ]
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompt = repository / "resources/prompts/prompt2.yaml"
    common = ["--seeds", seeds, "--prompt", prompt, "--model", tiny_model, "--samples-per-seed", 2, "--max-tokens", 10]
    common += ["--temperature", 0.8, "--top-p", 0.9, "--threads", 1, "--state", tmp_path / "state"]

    def flags_for(output, *more):
        return [*common, "--output", output, "--manifest", f"{output}.manifest.json", *more]

    return flags_for


@pytest.fixture
def generate(generate_flags, step):
    """Run generate.py for an output; returns the finished process."""

    def run(output, *more):
        done = step("generate.py", *generate_flags(output, *more))
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_shards_and_batches_change_no_output(tmp_path, generate):
    whole = tmp_path / "whole.jsonl"
    generate(whole, "--batch-size", 7)
    shutil.rmtree(tmp_path / "state")  # so that no finished row is reused
    lines = []
    for shard in range(3):
        part = tmp_path / f"part{shard}.jsonl"
        generate(part, f"--shard={shard}", "--shards=3")
        lines += part.read_text().splitlines()
    assert len(lines) == 20
    assert sorted(lines) == sorted(whole.read_text().splitlines())


def test_a_killed_shard_continues_from_its_finished_rows(tmp_path, repository, generate_flags, generate):
    whole, resumed = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    generate(whole, "--batch-size", 2)
    shutil.rmtree(tmp_path / "state")  # so that the killed shard begins from nothing
    flags = generate_flags(resumed, "--batch-size", 2)
    kill_when(lambda: rows_kept(tmp_path) >= 2, [sys.executable, repository / "scripts/generate.py", *flags])
    kept = rows_kept(tmp_path)
    assert kept >= 2 and not resumed.exists(), "the shard was to be killed half way"
    [state] = (tmp_path / "state").glob("*/*.jsonl")
    state.write_text(state.read_text() + '{"id": "torn')  # as if killed during a write
    assert f"{kept} finished before" in generate(resumed, "--batch-size", 2).stdout
    assert resumed.read_bytes() == whole.read_bytes()
    manifests = [tmp_path / f"{path.name}.manifest.json" for path in (whole, resumed)]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()


def test_another_number_of_shards_makes_no_row_again(tmp_path, generate):
    def generate_in_shards(count):
        lines, made = [], 0
        for shard in range(count):
            output = tmp_path / f"outputs/{shard}.jsonl"
            log = generate(output, f"--shard={shard}", f"--shards={count}").stdout
            rows, before = map(int, re.search(r"generate: (\d+) rows, (\d+) finished before", log).groups())
            assert ("model ready" in log) == (rows > before)  # a model is loaded only if there are rows to make
            made += rows - before
            lines += output.read_text().splitlines()
        return made, sorted(lines)

    made, three = generate_in_shards(3)
    assert made == 20
    kept = rows_kept(tmp_path)
    assert generate_in_shards(5) == (0, three)
    assert generate_in_shards(1) == (0, three)
    assert rows_kept(tmp_path) == kept == 20


def test_the_manifest_says_what_made_the_shard_and_what_is_guaranteed(tmp_path, repository, tiny_model, generate):
    output = tmp_path / "whole.jsonl"
    generate(output)
    manifest = json.loads((tmp_path / "whole.jsonl.manifest.json").read_text())
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    digest = hashlib.sha256((tiny_model / "manifest.json").read_bytes()).hexdigest()
    assert manifest["model"] == {"name": "tiny", "manifest_sha256": digest}
    assert manifest["sampling"] == {"temperature": 0.8, "top_p": 0.9, "max_tokens": 10}
    engine = {"name": "transformers", "dtype": "float32", "header": True, "threads": 1}
    assert manifest["engine"] == engine | {"gpus": None, "batch_invariant": None, "batch_size": None}
    assert manifest["device"]["kind"] == "cpu" and manifest["versions"].keys() == {"python", "torch", "transformers"}
    assert "give the same bytes" in manifest["guarantee"]
    script = repository / "scripts/generate.py"
    assert manifest["code"] == provenance.code(script, entries=["inference.transformers_engine"])
    assert manifest["output"] == {
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
        "rows": 20,
        "tokens": sum(row["tokens"] for row in rows),
        "finish": dict(Counter(row["finish"] for row in rows)),
    }


def test_jobs_of_one_step_keep_their_finished_rows_in_different_files(tmp_path, tiny_model):
    """The shards of two prompts have the same key and number, and must not write to one file."""
    parser = argparse.ArgumentParser()
    runner.add_flags(parser)
    files = set()
    for output in ("prompt1/0.jsonl", "prompt2/0.jsonl"):
        flags = ["--model", tiny_model, "--state", tmp_path / "state", "--max-tokens", 2]
        args = parser.parse_args(list(map(str, [*flags, "--manifest", tmp_path / "manifest.json"])))
        args.output = tmp_path / output
        runner.complete(make_requests(1), args, "generate", {})
        files |= set((tmp_path / "state").glob("*/*.jsonl"))
    assert len(files) == 2 and len({path.parent for path in files}) == 1


def test_the_log_counts_rows_and_tokens(capsys):
    counter = cli.Throughput("generate", total=4, done=1, start=time.monotonic(), every_s=0.0)
    counter.add(10)
    counter.add(0)
    counter.every_s = 3600.0
    counter.add(5)  # the last row is always reported
    ready, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"generate: model ready after [0-9.]+ s", ready)
    assert [line.split(" rows")[0] for line in lines] == ["generate: 2 of 4", "generate: 3 of 4", "generate: 4 of 4"]
    assert all(re.search(r" rows, [0-9.]+ tokens/s, [0-9.]+ s, about [0-9]+ s left$", line) for line in lines)
    assert lines[-1].endswith("about 0 s left")


def rows_kept(tmp_path):
    return sum(path.read_text().count("\n") for path in (tmp_path / "state").glob("generate-*/*.jsonl"))


def test_without_a_system_role_the_users_turn_begins_with_the_system_prompt(tiny_model):
    """Mixtral's template raises on a system role. An error of another kind is not hidden."""
    chats = ChatTokenizer(tiny_model, header=True)
    plain = chats.tokenizer.chat_template
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('roles must alternate') }}{% endif %}"
    chats.tokenizer.chat_template = refusal + plain
    messages = [{"role": "system", "content": "Be kind."}, user("hello")]
    assert chats.text(Request("a", messages, 0)) == chats.text(Request("a", [user("Be kind.\n\nhello")], 0))
    chats.tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(TemplateError):
        chats.text(Request("a", messages[1:], 0))
