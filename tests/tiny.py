"""Language models small enough for tests: untrained weights, a tokenizer of their own, and the ChatML template."""

import math
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from synth_empathy.core.folders import new_folder
from synth_empathy.core.model_folder import write_manifest

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = [
    "Speaker: i am so happy today . Listener: that is wonderful to hear , what happened ?",
    "system user assistant You are a helpful assistant.",
]


def make_tiny_model(
    folder: Path, name: str = "tiny", reach: int = 512, *, change=None, lines=(), dimensions: int = 64
) -> Path:
    """A complete model folder: Llama with 2 layers, float32, seeded.

    Args:
        reach: the most tokens that it can attend to.
        change: a function that is called with model and tokenizer before they are saved.
        lines: texts that become one token each.
        dimensions: of the embeddings.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.add_tokens(list(lines))
    fast.chat_template = CHATML
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=dimensions, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=reach,
        eos_token_id=fast.eos_token_id, bos_token_id=0, pad_token_id=fast.pad_token_id,
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
    """A model that answers any prompt with one of a few characters, with given probabilities, and then ends its turn.

    The first number of each token's embedding outweighs everything that the layers add, so that it alone decides the
    next token. Those characters have a second such number, after which the end is almost certain.
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

    return make_tiny_model(folder, "marking", reach, change=change)


#: The lines that the talking model writes, one token each: contexts and responses on different subjects, so that their
#: similarities differ.
CONTEXTS = [
    "Context: My dog ran away last week and the house is so quiet now.\n",
    "Context: I passed my driving test at the third try!\n",
    "Context: Somebody stole the tomatoes from my balcony again.\n",
    "Context: My grandmother's old clock stopped on the day she died.\n",
    "Context: I have to speak in front of two hundred people tomorrow.\n",
    "Context: The neighbours sang for me through the wall on my birthday.\n",
]
RESPONSES = [
    "Response: I am so sorry, losing a dog hurts like losing a friend.\n",
    "Response: Congratulations! Where will you drive first?\n",
    "Response: How annoying, after all that watering. Do you know who it was?\n",
    "Response: That must feel as if time itself took leave of her.\n",
    "Response: No wonder that you are nervous. What is your talk about?\n",
    "Response: 14, 15, 16, 17, 18, 19, 20.\n",
]


def make_talking_model(folder: Path, name: str) -> Path:
    """A model that answers any prompt with a dialogue in the form that the parser expects: a Markov chain of lines.

    Each token's embedding has its own dimension, the layers add nothing, and the head holds the logarithms of the
    chain's probabilities. Training changes them as in any model. A dialogue has two lines or more, in pairs.
    """
    lines = [*CONTEXTS, *RESPONSES]

    def change(model, tokenizer):
        ids = dict(zip(lines, tokenizer.convert_tokens_to_ids(lines), strict=True))
        end = tokenizer.eos_token_id
        responses = dict.fromkeys([ids[line] for line in RESPONSES], 1.0)
        contexts = dict.fromkeys([ids[line] for line in CONTEXTS], 1.0)
        followers = dict.fromkeys(CONTEXTS, responses) | dict.fromkeys(RESPONSES, contexts | {end: 2.0})
        scale = math.sqrt(model.config.hidden_size)  # the norm of a vector with a single nonzero number
        with torch.no_grad():
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight.zero_()
                layer.mlp.down_proj.weight.zero_()
            model.model.embed_tokens.weight.copy_(torch.eye(*model.model.embed_tokens.weight.shape))
            model.lm_head.weight.fill_(-20 / scale)
            for token in range(len(tokenizer)):
                model.lm_head.weight[[ids[line] for line in CONTEXTS], token] = 0.0
            for line, weights in followers.items():
                model.lm_head.weight[:, ids[line]] = -20 / scale
                for other, weight in weights.items():
                    model.lm_head.weight[other, ids[line]] = math.log(weight) / scale

    return make_tiny_model(folder, name, 4096, change=change, lines=lines, dimensions=512)
