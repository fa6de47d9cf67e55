"""Chats as tokens and tokens as text: the part of generating that must not differ between engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import TemplateError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from ..core.errors import UserError
from .types import Completion, Request, Sampling


class ChatTokenizer:
    """A model's tokenizer with its chat template, its stop tokens and its reach.

    Args:
        model: a complete model folder.
        header: whether the prompt ends with the assistant's header.
    """

    def __init__(self, model: Path, header: bool):
        self.tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.header = header
        self.config = AutoConfig.from_pretrained(model).get_text_config()
        self.reach = self.config.max_position_embeddings
        self.stops = stop_tokens(model, self.config, self.tokenizer)

    def prompts(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, list[int]]:
        """Every request's prompt as token ids, by the request's id.

        Raises:
            UserError: a prompt and its new tokens together exceed what the model can see.
        """
        return {request.id: self.tokens(request, sampling) for request in requests}

    def tokens(self, request: Request, sampling: Sampling) -> list[int]:
        """A request's prompt as token ids, by the model's own chat template, which holds all special tokens.

        Raises:
            UserError: prompt and new tokens together exceed what the model can see.
        """
        ids = self.ids(self.text(request))
        if len(ids) + sampling.max_tokens > self.reach:
            raise UserError(
                f"{request.id}: a prompt of {len(ids)} tokens and {sampling.max_tokens} new ones exceed the model's {self.reach}",
                "lower max_tokens in the configuration, or use a model that reaches further",
            )
        return ids

    def text(self, request: Request) -> str:
        """A request's prompt as text; where the template takes no system prompt, it opens the user's turn."""
        try:
            return self._templated(request.messages)
        except TemplateError:
            if request.messages[0]["role"] != "system":
                raise
            return self._templated(without_system(request.messages))

    def _templated(self, messages: list[dict[str, str]]) -> str:
        """Messages by the model's own chat template."""
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=self.header)

    def ids(self, text: str) -> list[int]:
        """A prompt's text as token ids."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def shared(self, request: Request, prompt: list[int]) -> list[int]:
        """The tokens of a request's shared messages, where its prompt begins with them as they are; else none."""
        if not request.shared:
            return []
        opening = self.tokenizer.apply_chat_template(request.messages[: request.shared], tokenize=False)
        ids = self.ids(opening)
        return ids if prompt[: len(ids)] == ids else []

    def answer_tokens(self, request: Request, answers: Sequence[str]) -> list[int]:
        """The one token that each answer is right after a request's prompt, where tokenizers may join or mark what they write elsewhere.

        Raises:
            UserError: an answer is not one token there, or two answers are the same one.
        """
        text = self.text(request)
        prompt = self.ids(text)
        found = []
        for answer in answers:
            ids = self.ids(text + answer)
            if ids[:-1] != prompt or ids[-1] in found:
                raise UserError(
                    f"the model's tokenizer has no token of its own for the answer {answer!r} after a prompt",
                    "judge with another model, or with `mode: sampling` (judge in the configuration)",
                )
            found.append(ids[-1])
        return found

    def completion(self, request_id: str, row: Sequence[int]) -> Completion:
        """A row of new token ids up to its first stop token, as text."""
        end = next((place for place, token in enumerate(row) if token in self.stops), None)
        text = self.tokenizer.decode(row[:end], skip_special_tokens=True)
        return Completion(request_id, text.strip(), len(row[:end]), "length" if end is None else "stop")


def without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Messages with the system prompt at the head of the first user turn, as Mixtral-8x7B-Instruct's template wants it."""
    system, user, *rest = messages
    return [user | {"content": f"{system['content']}\n\n{user['content']}"}, *rest]


def stop_tokens(model: Path, config, tokenizer) -> list[int]:
    """Every token that ends a turn: the tokenizer's and those that the model's generation configuration names."""
    has_own = (model / "generation_config.json").is_file()
    named = (GenerationConfig.from_pretrained(model) if has_own else config).eos_token_id
    named = named if isinstance(named, list) else [named]
    return sorted({token for token in [*named, tokenizer.eos_token_id] if token is not None})
