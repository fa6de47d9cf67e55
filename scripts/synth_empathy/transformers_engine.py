"""The transformers engine: static batches on whatever device torch has, with a seed of its own for every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LogitsProcessor, LogitsProcessorList, TopPLogitsWarper

from . import cli
from .engines import Completion, Request, Sampling
from .errors import UserError


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


class TransformersEngine:
    """``engines.Engine`` by ``transformers.generate``.

    Args:
        model: a complete model folder.
        dtype: as torch names it.
        batch_size: rows generated together; requests are batched by length, which wastes least padding.
        header: whether the prompt ends with the assistant's header.
    """

    def __init__(self, model: Path, dtype: str, batch_size: int, header: bool = True):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).to(self.device).eval()
        self.batch_size = batch_size
        self.header = header
        self.stops = stop_tokens(self.model, self.tokenizer)
        # Models ship defaults of their own (a repetition penalty, say), which generate() would mix into ours.
        self.model.generation_config = GenerationConfig()

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request, a batch at a time, the longest prompts first: memory runs out at once or never."""
        prompts = {request.id: self.tokens(request, sampling) for request in requests}
        ordered = sorted(requests, key=lambda request: (-len(prompts[request.id]), request.id))
        batches = [ordered[start : start + self.batch_size] for start in range(0, len(ordered), self.batch_size)]
        for batch in cli.progress(batches, len(batches), f"batches of up to {self.batch_size} rows"):
            yield from self.complete_batch(batch, [prompts[request.id] for request in batch], sampling)

    def tokens(self, request: Request, sampling: Sampling) -> list[int]:
        """A request's prompt as token ids, by the model's own chat template.

        Raises:
            UserError: prompt and new tokens together exceed what the model can see.
        """
        text = self.tokenizer.apply_chat_template(request.messages, tokenize=False, add_generation_prompt=self.header)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        reach = self.model.config.max_position_embeddings
        if len(ids) + sampling.max_tokens > reach:
            raise UserError(
                f"{request.id}: a prompt of {len(ids)} tokens and {sampling.max_tokens} new ones exceed the model's {reach}",
                "lower max_tokens in the configuration",
            )
        return ids

    @torch.inference_mode()
    def complete_batch(self, batch: Sequence[Request], prompts: list[list[int]], sampling: Sampling) -> Iterator[Completion]:
        """One static batch; rows are padded on the left to the longest prompt."""
        inputs = self.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self.device)
        noise = [RowSeededSampling([request.seed for request in batch], sampling)] if sampling.temperature > 0 else []
        output = self.model.generate(
            **inputs,
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=sampling.max_tokens,
                eos_token_id=self.stops,
                pad_token_id=self.tokenizer.pad_token_id,
            ),
            logits_processor=LogitsProcessorList(noise),
        )
        for request, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist()):
            yield self.completion(request, row)

    def completion(self, request: Request, row: list[int]) -> Completion:
        """A row of new token ids up to its first stop token, as text."""
        end = next((place for place, token in enumerate(row) if token in self.stops), None)
        text = self.tokenizer.decode(row[:end], skip_special_tokens=True)
        return Completion(request.id, text.strip(), len(row[:end]), "length" if end is None else "stop")


def stop_tokens(model, tokenizer) -> list[int]:
    """Every token that ends a turn: the tokenizer's and those that the model's generation configuration names."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    return sorted({token for token in [*named, tokenizer.eos_token_id] if token is not None})
