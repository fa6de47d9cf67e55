"""A language model small enough for tests: random weights, a tokenizer of its own, the ChatML template."""

import math
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from synth_empathy.folders import new_folder
from synth_empathy.models import write_manifest

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = ["Speaker: i am so happy today . Listener: that is wonderful to hear , what happened ?", "system user assistant You are a helpful assistant."]


def make_tiny_model(folder: Path, name: str = "tiny", reach: int = 512, change=None) -> Path:
    """A complete model folder: Llama of 2 layers and 64 dimensions, float32, seeded.

    Args:
        reach: tokens that it sees at most.
        change: called with model and tokenizer before they are saved.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.chat_template = CHATML
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=reach, eos_token_id=fast.eos_token_id, bos_token_id=0, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    if change:
        change(model, fast)
    with new_folder(folder) as partial:
        model.save_pretrained(partial)
        fast.save_pretrained(partial)
        write_manifest(partial, {"kind": "fetched", "name": name})
    return folder


def make_marking_model(folder: Path, odds: dict[str, float], reach: int = 512) -> Path:
    """A model that writes one of a few characters, whatever it is asked, with these probabilities, and then ends its turn.

    The first number of every token's embedding outweighs all that the layers add, so that it alone decides what comes
    next; those characters have a second one like it, after which the end is all but sure.
    """

    def change(model, tokenizer):
        ids = {character: tokenizer.convert_tokens_to_ids(character) for character in odds}
        embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
        with torch.no_grad():
            embedding[:, :2] = torch.tensor([1000.0, 0.0])
            head.zero_()
            head[:, 0] = -30 / 8  # the first number is 8 when normalised: the root of 64 dimensions
            for character, probability in odds.items():
                embedding[ids[character], 1] = 1000.0
                head[ids[character], 0] = math.log(probability) / 8
                head[ids[character], 1] = -8.0
            head[tokenizer.eos_token_id, 1] = 12.0

    return make_tiny_model(folder, "marking", reach, change)
