"""Chats to tokens, and tokens to text: the part of generation that must be the same in all engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import TemplateError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from ..core.errors import UserError
from ..data.prompts import Message
from .engines import Completion, Request, Sampling


class ChatTokenizer:
    """A model's tokenizer with its chat template, its stop tokens and the length of its context.

    Args:
        model: a complete model folder.
        header: whether the prompt ends with the assistant's header.

    Attributes:
        config: the configuration of the model's language part.
        context: the largest number of tokens that the model can see.
        stops: the ids of the tokens that end a turn.
    """

    def __init__(self, model: Path, header: bool):
        self.tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.header = header
        self.config = AutoConfig.from_pretrained(model).get_text_config()
        self.context = self.config.max_position_embeddings
        self.stops = stop_tokens(model, self.config, self.tokenizer)

    def prompts(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, list[int]]:
        """Every request's prompt as token ids, by the request's id.

        Raises:
            UserError: a prompt and its new tokens exceed the model's context.
        """
        return {request.id: self.tokens(request, sampling) for request in requests}

    def tokens(self, request: Request, sampling: Sampling) -> list[int]:
        """A request's prompt as token ids. The model's chat template supplies all special tokens.

        Raises:
            UserError: the prompt and its new tokens exceed the model's context.
        """
        ids = self.ids(self.text(request))
        if len(ids) + sampling.max_tokens > self.context:
            lengths = f"a prompt of {len(ids)} tokens and {sampling.max_tokens} new ones"
            raise UserError(
                f"{request.id}: {lengths} exceed the model's context of {self.context}",
                "lower max_tokens in the configuration, or use a model with a longer context",
            )
        return ids

    def text(self, request: Request) -> str:
        """A request's prompt as text. If the template takes no system prompt, the user's turn begins with it."""
        try:
            return self._templated(request.messages)
        except TemplateError:
            if request.messages[0]["role"] != "system":
                raise
            return self._templated(without_system(request.messages))

    def _templated(self, messages: list[Message]) -> str:
        """Messages in the form of the model's chat template."""
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=self.header)

    def ids(self, text: str) -> list[int]:
        """A prompt's text as token ids."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def shared_prefix(self, request: Request, prompt: list[int]) -> list[int]:
        """The tokens of a request's shared messages if its prompt begins with exactly these; otherwise none."""
        if not request.shared:
            return []
        text = self.tokenizer.apply_chat_template(request.messages[: request.shared], tokenize=False)
        ids = self.ids(text)
        return ids if prompt[: len(ids)] == ids else []

    def answer_tokens(self, request: Request, answers: Sequence[str]) -> list[int]:
        """The token id of each answer directly after a request's prompt.

        Tokenizers may split or merge the same characters differently in other places.

        Raises:
            UserError: an answer is not a single token there, or two answers are the same token.
        """
        text = self.text(request)
        prompt = self.ids(text)
        tokens = []
        for answer in answers:
            ids = self.ids(text + answer)
            if ids[:-1] != prompt or ids[-1] in tokens:
                raise UserError(
                    f"the model's tokenizer has no token of its own for the answer {answer!r} after a prompt",
                    "judge with another model, or with `mode: sampling` (judge in the configuration)",
                )
            tokens.append(ids[-1])
        return tokens

    def completion(self, request_id: str, ids: Sequence[int]) -> Completion:
        """The completion that new token ids encode, up to their first stop token."""
        end = next((place for place, token in enumerate(ids) if token in self.stops), None)
        text = self.tokenizer.decode(ids[:end], skip_special_tokens=True)
        return Completion(request_id, text.strip(), len(ids[:end]), "length" if end is None else "stop")


def without_system(messages: list[Message]) -> list[Message]:
    """Messages with the system prompt at the start of the first user turn, for Mixtral-8x7B-Instruct's template."""
    system, user, *rest = messages
    return [user | {"content": f"{system['content']}\n\n{user['content']}"}, *rest]


def stop_tokens(model: Path, config, tokenizer) -> list[int]:
    """The ids of the tokens that end a turn: the tokenizer's own and those of the model's generation configuration."""
    has_own = (model / "generation_config.json").is_file()
    named = (GenerationConfig.from_pretrained(model) if has_own else config).eos_token_id
    named = named if isinstance(named, list) else [named]
    return sorted({token for token in [*named, tokenizer.eos_token_id] if token is not None})
