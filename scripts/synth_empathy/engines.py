"""Language models behind one small interface: requests in, completions out, in whatever order they finish.

``open_engine`` is the only place that knows which engines there are. Every engine draws a request's text from the
request's own seed, so that batches, shards and resumed runs change no text, as far as ``repeatability`` says.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from .devices import check_gpus
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
    """One chat to continue.

    Args:
        seed: alone decides the draws for it.
        shared: how many of its first messages stand before every request of the step; an engine may read them once.
    """

    id: str
    messages: list[Message]
    seed: int
    shared: int = 0


@dataclass(frozen=True)
class Completion:
    """What a model wrote: ``tokens`` counts the new ones, ``finish`` is ``stop`` or, when cut at max_tokens, ``length``."""

    id: str
    text: str
    tokens: int
    finish: str


@dataclass(frozen=True)
class Answer:
    """What a model would say first: ``logprobs`` are natural logarithms of each answer's probability among all tokens; ``tokens`` counts those read."""

    id: str
    logprobs: list[float]
    tokens: int


class Engine(Protocol):
    """What a step needs of a language model."""

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request; the model is loaded when this returns, and completions come as they finish, in any order."""

    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """How likely each answer is as every request's next token; on the same terms. Nothing is drawn: seeds have no part in it."""


def open_engine(name: str, model: Path, dtype: str, batch_size: int, header: bool = True, gpus: int = 0, batch_invariant: bool = False) -> Engine:
    """Load a model behind the named engine.

    Args:
        dtype: the weights' type, as torch names it ("float32", "bfloat16").
        batch_size: requests in flight at once.
        header: whether the prompt ends with the assistant's header, as chat models expect.
        gpus: how many the step counts on; vllm spreads the model over them.
        batch_invariant: of the vllm engine alone.

    Raises:
        UserError: no such engine, one that is not installed, fewer GPUs, or the model folder is not complete.
    """
    open_model(model)
    packages(name)
    check_gpus(gpus)
    if name == "transformers":
        from .transformers_engine import TransformersEngine

        engine = TransformersEngine(model, dtype, batch_size, header)
    else:
        from .vllm_engine import VllmEngine

        engine = VllmEngine(model, dtype, batch_size, header, gpus, batch_invariant)
    open_model(model)  # the files that were loaded are those that were checked, unless they changed meanwhile
    return engine


def packages(name: str) -> list[str]:
    """The packages that decide an engine's texts. vllm's build for CPUs is a package of another name.

    Raises:
        UserError: no such engine, or it is not installed.
    """
    if name not in ENGINES:
        raise UserError(f"there is no engine {name!r}", f"use one of: {', '.join(ENGINES)}")
    if name == "transformers":
        return ["torch", "transformers"]
    builds = importlib.metadata.packages_distributions().get("vllm")
    if builds is None:
        raise UserError(
            f"the vllm engine is not installed for {sys.executable}",
            "run `make setup-vllm` and add config/vllm-cpu.yaml to --configfile, or set `engine: transformers` (envs/README.md)",
        )
    return ["torch", "transformers", *builds]
