"""Language models behind one small interface: requests in, completions out, in whatever order they finish.

``open_engine`` is the only place that knows which engines there are. Every engine draws a request's text from the
request's own seed, so that batches, shards and resumed runs change no text (on CPU in float32: identical text).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from .errors import UserError
from .models import open_model
from .prompts import Message

ENGINES = ("transformers", "vllm")


@dataclass(frozen=True)
class Sampling:
    """How a text is drawn.

    Args:
        temperature: 0 takes the likeliest token each time (greedy).
        top_p: draws from the likeliest tokens that together have this probability.
        max_tokens: the most new tokens.
    """

    temperature: float
    top_p: float
    max_tokens: int

    def facts(self) -> dict:
        """The settings for manifests and state keys."""
        return asdict(self)


@dataclass(frozen=True)
class Request:
    """One chat to continue. ``seed`` alone decides the draws for it."""

    id: str
    messages: list[Message]
    seed: int


@dataclass(frozen=True)
class Completion:
    """What a model wrote: ``tokens`` counts the new ones, ``finish`` is ``stop`` or, when cut at max_tokens, ``length``."""

    id: str
    text: str
    tokens: int
    finish: str


class Engine(Protocol):
    """What a step needs of a language model."""

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request; completions come as they finish, in any order."""


def open_engine(name: str, model: Path, dtype: str, batch_size: int, header: bool = True) -> Engine:
    """Load a model behind the named engine.

    Args:
        dtype: the weights' type, as torch names it ("float32", "bfloat16").
        batch_size: requests in flight at once.
        header: whether the prompt ends with the assistant's header, as chat models expect.

    Raises:
        UserError: no such engine, or the model folder is not complete.
    """
    open_model(model)
    if name == "transformers":
        from .transformers_engine import TransformersEngine

        return TransformersEngine(model, dtype, batch_size, header)
    if name == "vllm":
        raise UserError("the vllm engine is not part of this release yet", "set `engine: transformers` in the configuration (docs/status.md)")
    raise UserError(f"there is no engine {name!r}", f"use one of: {', '.join(ENGINES)}")
