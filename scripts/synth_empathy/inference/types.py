"""What a step says to a language model and what comes back, and what an engine is: the words that all engines share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from ..data.prompts import Message


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
    """How likely each answer is as a model's next token.

    ``logprobs`` are natural logarithms of each answer's probability among all tokens; ``tokens`` counts those read.
    """

    id: str
    logprobs: list[float]
    tokens: int


@dataclass(frozen=True)
class EngineSettings:
    """How an engine runs a model.

    Args:
        dtype: the weights' type, as torch names it ("float32", "bfloat16").
        batch_size: requests in flight at once.
        header: whether the prompt ends with the assistant's header, as chat models expect.
        threads: CPU threads.
        gpus: how many the step counts on; an engine that can spread a model spreads it over them.
        batch_invariant: of engines that have kernels whose result does not depend on the batch.
    """

    dtype: str = "float32"
    batch_size: int = 1
    header: bool = True
    threads: int = 2
    gpus: int = 0
    batch_invariant: bool = False


@dataclass(frozen=True)
class Guarantee:
    """What is promised of a text, in words, and whether the batch size has a part in it."""

    words: str
    batch_free: bool


class Engine(ABC):
    """What a step needs of a language model.

    An engine draws a request's text from the request's own seed, so that batches, shards and resumed runs change no
    text, as far as its guarantee says.

    Args:
        model: a complete model folder.
        settings: how to run it.
    """

    #: Whether ``batch_invariant`` changes what this engine computes on GPUs.
    has_batch_invariant_kernels: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, model: Path, settings: EngineSettings): ...

    @abstractmethod
    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request; the model is loaded when this returns, and completions come in any order."""

    @abstractmethod
    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """How likely each answer is as every request's next token; nothing is drawn, so that seeds have no part in it."""

    @classmethod
    @abstractmethod
    def packages(cls) -> list[str]:
        """The installed packages that decide the engine's texts.

        Raises:
            UserError: the engine is not installed.
        """

    @classmethod
    @abstractmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """What is promised of a text on a kind of device ("cpu" or "cuda"); with ``reading``, of answers' probabilities."""
