"""The transformers engine: static batches on whatever device torch has, with a seed of its own for every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessor, LogitsProcessorList, TopPLogitsWarper

from . import repeatability
from .chats import ChatTokenizer
from .engine_types import Answer, Completion, Engine, EngineSettings, Guarantee, Request, Sampling

GPU_ROUNDS = (
    "Each row draws from its own seed, but the GPU rounds by the batch: another batch size, another number of shards or "
    "a resumed run may change single texts, and nothing is promised of a repeated run."
)


class RowSeededSampling(LogitsProcessor):
    """Sample by adding Gumbel noise and letting greedy search take the largest score.

    ``generate`` has one global random state, which would make a row's text depend on its neighbours. The largest
    of (logit + Gumbel noise) is a draw from the softmax, and here each row's noise comes from its own generator,
    one draw a step. Noise dwarfs float32's rounding, so that no text changes with the batch size (tests).
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.temperature = sampling.temperature
        self.top_p = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores of shape (rows, vocabulary) with noise added; -inf where top-p leaves a token out."""
        scores = scores.float() / self.temperature
        if self.top_p is not None:
            scores = self.top_p(input_ids, scores)
        noise = torch.stack([torch.empty(scores.shape[1]).exponential_(generator=generator) for generator in self.generators])
        return scores - noise.log().to(scores.device)


class TransformersEngine(Engine):
    """``Engine`` by ``transformers.generate``: static batches of requests of like length, which wastes least padding."""

    @classmethod
    def packages(cls) -> list[str]:
        """As of ``Engine``; transformers is everywhere that this module can be imported."""
        return ["torch", "transformers"]

    @classmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """As of ``Engine``."""
        if kind == "cpu":
            return repeatability.on_a_cpu(settings, reading)
        if reading:
            where = {"device": "GPU", "threads": "", "tried": ", which was not tried on a GPU"}
            return Guarantee(repeatability.READ_ALONE.format(**where), batch_free=True)
        return Guarantee(GPU_ROUNDS, batch_free=False)

    def __init__(self, model: Path, settings: EngineSettings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.chats = ChatTokenizer(model, settings.header)
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, settings.dtype)).to(self.device).eval()
        self.batch_size = settings.batch_size
        # Models ship defaults of their own (a repetition penalty, say), which generate() would mix into ours.
        self.model.generation_config = GenerationConfig()

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request, a batch at a time, the longest prompts first: memory runs out at once or never."""
        prompts = self.chats.prompts(requests, sampling)
        ordered = sorted(requests, key=lambda request: (-len(prompts[request.id]), request.id))
        batches = [ordered[start : start + self.batch_size] for start in range(0, len(ordered), self.batch_size)]
        padded = sum(len(batch) * len(prompts[batch[0].id]) for batch in batches)
        print(f"transformers on {self.device}: {sum(map(len, prompts.values())):,} prompt tokens, {padded:,} with the padding of {len(batches):,} batches")
        return self.completions(batches, prompts, sampling)

    def completions(self, batches: list[Sequence[Request]], prompts: dict[str, list[int]], sampling: Sampling) -> Iterator[Completion]:
        """One batch after the other, in the order given."""
        for batch in batches:
            yield from self.complete_batch(batch, [prompts[request.id] for request in batch], sampling)

    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """Read every request's prompt, the longest first, each on its own.

        No neighbour and no padding can move a digit of the result; reading is bound by arithmetic, so that batches would gain little.
        """
        prompts = self.chats.prompts(requests, Sampling(temperature=0.0, top_p=1.0, max_tokens=1))
        tokens = self.chats.answer_tokens(requests[0], answers)
        print(f"transformers on {self.device}: {sum(map(len, prompts.values())):,} prompt tokens")
        ordered = sorted(prompts, key=lambda name: (-len(prompts[name]), name))
        return (Answer(name, self.next_token(prompts[name], tokens), len(prompts[name])) for name in ordered)

    @torch.inference_mode()
    def next_token(self, prompt: list[int], tokens: list[int]) -> list[float]:
        """Log-probabilities of tokens, among all, as the one after a prompt."""
        logits = self.model(torch.tensor([prompt], device=self.device), logits_to_keep=1).logits[0, -1]
        return logits.float().log_softmax(dim=-1)[tokens].tolist()

    @torch.inference_mode()
    def complete_batch(self, batch: Sequence[Request], prompts: list[list[int]], sampling: Sampling) -> Iterator[Completion]:
        """One static batch; rows are padded on the left to the longest prompt."""
        inputs = self.chats.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self.device)
        noise = [RowSeededSampling([request.seed for request in batch], sampling)] if sampling.temperature > 0 else []
        output = self.model.generate(
            **inputs,
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=sampling.max_tokens,
                eos_token_id=self.chats.stops,
                pad_token_id=self.chats.tokenizer.pad_token_id,
            ),
            logits_processor=LogitsProcessorList(noise),
        )
        for request, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist()):
            yield self.chats.completion(request.id, row)
