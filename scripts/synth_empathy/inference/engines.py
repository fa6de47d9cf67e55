"""What an engine is, what it takes and returns, and which engines there are.

An engine runs a language model. A new one is a class in a module of its own and an entry in ``ENGINES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from ..core.devices import check_gpus
from ..core.errors import UserError
from ..core.model_folder import open_model
from ..data.prompts import Message

#: Each engine's module and class. A module is imported when its engine is used, because it may need other packages.
ENGINES = {
    "transformers": "transformers_engine:TransformersEngine",
    "vllm": "vllm_engine:VllmEngine",
}

CPU_FLOAT32 = (
    "On this kind of CPU, with these package versions and this number of threads, a row's text depends on its "
    "messages and its own seed alone: any batch size, any number of shards and any resumed run give the same bytes. "
    "Float32 itself rounds by the batch: a text would change only where that rounding decides between two tokens, "
    "which was never seen (tests/test_engine.py, tests/test_vllm.py, tests/test_kill.py)."
)
CPU_OTHER = (
    "Each row draws from its own seed, but {dtype} rounds by the batch: the same rows in the same batches give the "
    "same bytes; another batch size, another number of shards or a resumed run may change single texts."
)
CPU_PROBABILITIES = (
    "Each prompt is read on its own, and nothing is drawn: on this kind of CPU, with these package versions and this "
    "number of threads, any batch size and any resumed run give the same probabilities to the last digit "
    "(tests/test_judge.py)."
)


@dataclass(frozen=True)
class Sampling:
    """How a text is drawn.

    Args:
        temperature: 0 takes the most likely token each time (greedy).
        top_p: draws from the most likely tokens that together have this probability.
        max_tokens: the largest number of new tokens.
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
        seed: decides the random draws of this request, and of no other.
        shared: the number of leading messages that all requests of the step have in common. An engine may read them
            once.
    """

    id: str
    messages: list[Message]
    seed: int
    shared: int = 0


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Args:
        tokens: the number of new tokens.
        finish: ``stop``, or ``length`` if the text was cut at ``max_tokens``.
    """

    id: str
    text: str
    tokens: int
    finish: str


@dataclass(frozen=True)
class Answer:
    """How likely each answer is as a model's next token.

    Args:
        logprobs: the natural logarithm of each answer's probability among all tokens.
        tokens: the number of tokens read.
    """

    id: str
    logprobs: list[float]
    tokens: int


@dataclass(frozen=True)
class EngineSettings:
    """How an engine runs a model.

    Args:
        dtype: the type of the weights, as torch names it ("float32", "bfloat16").
        batch_size: the number of requests in flight at once.
        header: whether the prompt ends with the assistant's header, as chat models expect.
        threads: the number of CPU threads.
        gpus: the number of GPUs that the step needs. An engine that can split a model uses all of them.
        batch_invariant: whether to use kernels whose result does not depend on the batch, if the engine has them.
    """

    dtype: str = "float32"
    batch_size: int = 1
    header: bool = True
    threads: int = 2
    gpus: int = 0
    batch_invariant: bool = False


@dataclass(frozen=True)
class Guarantee:
    """What an engine promises of its results, for manifests.

    Args:
        text: the promise in words.
        batch_invariant: whether the batch size has no effect on the results.
    """

    text: str
    batch_invariant: bool


class Engine(ABC):
    """A language model as the steps use it.

    An engine draws a request's text from the request's own seed. Batches, shards and resumed runs therefore change no
    text, as far as the engine's guarantee says.

    Args:
        model: a complete model folder.
        settings: how to run it.
    """

    #: Whether ``EngineSettings.batch_invariant`` changes what this engine computes on GPUs.
    has_batch_invariant_kernels: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, model: Path, settings: EngineSettings): ...

    @abstractmethod
    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request. The model is loaded when this returns. Completions come in any order."""

    @abstractmethod
    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """How likely each answer is as the next token of every request. Nothing is drawn, so seeds have no effect."""

    @classmethod
    @abstractmethod
    def packages(cls) -> list[str]:
        """The installed packages that affect the engine's results.

        Raises:
            UserError: the engine is not installed.
        """

    @classmethod
    @abstractmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """What the engine promises on a kind of device.

        Args:
            kind: "cpu" or "cuda".
            reading: whether the promise is about the probabilities of answers instead of texts.
        """


def cpu_guarantee(settings: EngineSettings, reading: bool) -> Guarantee:
    """What each of our engines promises on a CPU."""
    if reading:
        return Guarantee(CPU_PROBABILITIES, batch_invariant=True)
    if settings.dtype == "float32":
        return Guarantee(CPU_FLOAT32, batch_invariant=True)
    return Guarantee(CPU_OTHER.format(dtype=settings.dtype), batch_invariant=False)


def module_of(name: str) -> str:
    """The dotted name of an engine's module in the library, as ``code_graph`` uses it.

    Raises:
        UserError: there is no such engine.
    """
    if name not in ENGINES:
        raise UserError(f"there is no engine {name!r}", f"use one of: {', '.join(ENGINES)}")
    package = __package__.partition(".")[2]
    return ".".join(filter(None, [package, ENGINES[name].partition(":")[0]]))


def engine_class(name: str) -> type[Engine]:
    """The class of an engine.

    Raises:
        UserError: there is no such engine.
    """
    library = __package__.partition(".")[0]
    return getattr(import_module(f"{library}.{module_of(name)}"), ENGINES[name].partition(":")[2])


def open_engine(name: str, model: Path, settings: EngineSettings) -> Engine:
    """Load a model with the named engine.

    Raises:
        UserError: the engine does not exist or is not installed, there are too few GPUs, or the model folder is
            incomplete.
    """
    open_model(model)
    engine_class(name).packages()
    check_gpus(settings.gpus)
    engine = engine_class(name)(model, settings)
    open_model(model)  # checks that the files did not change while they were loaded
    return engine
