"""The transformers engine: static batches on a GPU, or on a CPU where torch sees none; each row has its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch.utils.mkldnn import to_mkldnn
from transformers import AutoModelForCausalLM, DynamicCache

from .chat_template import ChatTokenizer
from .engines import Answer, Completion, Engine, EngineSettings, Guarantee, Request, Sampling, cpu_guarantee

GPU_TEXTS = (
    "Each row draws from its own seed, but the GPU rounds by the batch: another batch size, another number of shards "
    "or a resumed run may change single texts, and nothing is promised of a repeated run."
)
GPU_PROBABILITIES = (
    "Each prompt is read on its own, and nothing is drawn: on this kind of GPU, with these package versions, any "
    "batch size and any resumed run give the same probabilities to the last digit, which was not tested on a GPU."
)

#: Top-p first looks at this number of most likely tokens. If they are too few, it looks at four times as many.
LIKELIEST = 256


class RowSeededSampling:
    """Draws each row's next token with the row's own generator, so that the text does not depend on other rows.

    The token with the largest sum of logit and Gumbel noise is a draw from the softmax (the Gumbel-max trick). The
    noise is much larger than float32's rounding, so no text changes with the batch size (tests/test_engine.py).

    Args:
        seeds: one for each row.
        sampling: a temperature of 0 takes the most likely token, without noise.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.sampling = sampling

    def __call__(self, logits: torch.FloatTensor) -> torch.LongTensor:
        """The next tokens, of shape (rows,), from logits of shape (rows, vocabulary)."""
        if self.sampling.temperature == 0:
            return logits.argmax(dim=-1)
        scores = logits.float() / self.sampling.temperature
        if self.sampling.top_p < 1:
            scores = nucleus(scores, self.sampling.top_p)
        noise = [torch.empty(scores.shape[1]).exponential_(generator=generator) for generator in self.generators]
        return (scores - torch.stack(noise).log().to(scores.device)).argmax(dim=-1)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        self.generators = [self.generators[row] for row in rows]


def nucleus(scores: torch.FloatTensor, top_p: float) -> torch.FloatTensor:
    """Keep the scores of the most likely tokens that together have the probability ``top_p``; all others become -inf.

    This gives the result of transformers' ``TopPLogitsWarper``, which takes longer because it sorts the whole
    vocabulary.

    Args:
        scores: finite, of shape (rows, vocabulary).
    """
    probabilities = scores.softmax(dim=-1)
    size, vocabulary = 0, scores.shape[1]
    while True:
        size = min(max(LIKELIEST, 4 * size), vocabulary)
        top = probabilities.topk(size).values
        before = top.cumsum(dim=-1) - top  # the probability of all more likely tokens
        if size == vocabulary or bool((before[:, -1] >= top_p).all()):
            break
    threshold = top.masked_fill(before >= top_p, 1.0).amin(dim=-1, keepdim=True)
    return scores.masked_fill(probabilities < threshold, -torch.inf)


@dataclass(frozen=True)
class Batch:
    """Requests that are continued together.

    Args:
        prefix: the tokens that every row begins with; they are read once.
        suffixes: each row's other tokens, the longest first; the other rows are padded to its length.
    """

    requests: list[Request]
    prefix: list[int]
    suffixes: list[list[int]]

    def tokens_read(self) -> int:
        """The number of prompt tokens that the model reads, including padding."""
        return len(self.prefix) + len(self.suffixes) * len(self.suffixes[0])


class TransformersEngine(Engine):
    """An ``Engine`` on transformers' models, which writes one token of every row of a batch at a time."""

    @classmethod
    def packages(cls) -> list[str]:
        """As in ``Engine``. It raises nothing, because this module cannot be imported without transformers."""
        return ["torch", "transformers"]

    @classmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """As in ``Engine``."""
        if kind == "cpu":
            return cpu_guarantee(settings, reading)
        if reading:
            return Guarantee(GPU_PROBABILITIES, batch_invariant=True)
        return Guarantee(GPU_TEXTS, batch_invariant=False)

    def __init__(self, model: Path, settings: EngineSettings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.chats = ChatTokenizer(model, settings.header)
        dtype = getattr(torch, settings.dtype)
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=dtype).to(self.device).eval()
        if self.device == "cpu" and settings.dtype == "float32":
            # oneDNN uses AVX-512 on every processor that has it, MKL only on Intel's. On others oneDNN is twice as
            # fast.
            self.model = to_mkldnn(self.model)
        self.batch_size = settings.batch_size

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """As in ``Engine``, a batch at a time, longest prompts first, so that memory runs out at once or never.

        Raises:
            UserError: a prompt does not fit the model's context.
        """
        prompts = self.chats.prompts(requests, sampling)
        batches = self.batches(requests, prompts)
        total, to_read = sum(map(len, prompts.values())), sum(batch.tokens_read() for batch in batches)
        print(
            f"transformers on {self.device}: {total:,} prompt tokens, {to_read:,} to read in {len(batches):,} batches"
        )
        return (completion for batch in batches for completion in self.complete_batch(batch, sampling))

    def batches(self, requests: Sequence[Request], prompts: dict[str, list[int]]) -> list[Batch]:
        """Batches of requests of similar length that begin with the same tokens.

        Args:
            prompts: each request's token ids, by its id.
        """
        prefixes = {request.id: self.chats.shared_prefix(request, prompts[request.id]) for request in requests}
        ordered = sorted(requests, key=lambda request: (prefixes[request.id], -len(prompts[request.id]), request.id))
        batches = []
        for prefix, group in groupby(ordered, key=lambda request: prefixes[request.id]):
            members = list(group)
            for start in range(0, len(members), self.batch_size):
                rows = members[start : start + self.batch_size]
                batches.append(Batch(rows, prefix, [prompts[request.id][len(prefix) :] for request in rows]))
        return batches

    def answer(self, requests: Sequence[Request], answers: Sequence[str]) -> Iterator[Answer]:
        """As in ``Engine``, one prompt at a time, the longest first.

        Other rows and padding therefore cannot change a digit of the result. Batches would gain little, because
        arithmetic limits the speed of reading.

        Raises:
            UserError: a prompt does not fit the model's context, or an answer is not a single token.
        """
        prompts = self.chats.prompts(requests, Sampling(temperature=0.0, top_p=1.0, max_tokens=1))
        tokens = self.chats.answer_tokens(requests[0], answers)
        print(f"transformers on {self.device}: {sum(map(len, prompts.values())):,} prompt tokens")
        ordered = sorted(prompts, key=lambda name: (-len(prompts[name]), name))
        return (Answer(name, self.logprobs(prompts[name], tokens), len(prompts[name])) for name in ordered)

    @torch.inference_mode()
    def logprobs(self, prompt: list[int], tokens: list[int]) -> list[float]:
        """The log-probability of each of ``tokens``, among all tokens, as the next one after a prompt."""
        logits = self.model(torch.tensor([prompt], device=self.device), logits_to_keep=1).logits[0, -1]
        return logits.float().log_softmax(dim=-1)[tokens].tolist()

    @torch.inference_mode()
    def complete_batch(self, batch: Batch, sampling: Sampling) -> Iterator[Completion]:
        """Continue one batch. A row that ends leaves the batch, so that it costs nothing more."""
        draw = RowSeededSampling([request.seed for request in batch.requests], sampling)
        cache = DynamicCache(config=self.model.config)
        tokens, mask = self.padded(batch)
        if batch.prefix:
            prefix = torch.tensor([batch.prefix], device=self.device)
            self.logits(prefix, torch.ones_like(prefix), cache)
            cache.batch_repeat_interleave(len(batch.requests))
        rows: list[tuple[Request, list[int]]] = [(request, []) for request in batch.requests]
        while rows:
            drawn = draw(self.logits(tokens, mask, cache))
            unfinished = []
            for place, ((request, written), token) in enumerate(zip(rows, drawn.tolist())):
                written.append(token)
                if token in self.chats.stops or len(written) == sampling.max_tokens:
                    yield self.chats.completion(request.id, written)
                else:
                    unfinished.append(place)
            if len(unfinished) < len(rows):
                draw.keep(unfinished)
                rows, drawn, mask = [rows[place] for place in unfinished], drawn[unfinished], mask[unfinished]
                cache.batch_select_indices(torch.tensor(unfinished, dtype=torch.long, device=self.device))
            tokens, mask = drawn[:, None], torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def padded(self, batch: Batch) -> tuple[torch.LongTensor, torch.LongTensor]:
        """The rows' suffixes as one tensor, and the attention mask of prefix and suffixes.

        Rows are padded on the left: padding stands between the prefix and a row's suffix.

        Returns:
            Token ids of shape (rows, longest suffix), and a mask of shape (rows, prefix and longest suffix).
        """
        padded = self.chats.tokenizer.pad({"input_ids": batch.suffixes}, return_tensors="pt").to(self.device)
        mask = padded["attention_mask"]
        return padded["input_ids"], torch.cat([mask.new_ones(len(mask), len(batch.prefix)), mask], dim=1)

    def logits(self, tokens: torch.LongTensor, mask: torch.LongTensor, cache: DynamicCache) -> torch.FloatTensor:
        """The logits of each row's next token, of shape (rows, vocabulary).

        Args:
            tokens: those that the cache does not hold yet, of shape (rows, new).
            mask: 1 for a token and 0 for padding, of shape (rows, cached and new).
            cache: keys and values of the tokens read so far; those of ``tokens`` are added to it.
        """
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        inputs = {"attention_mask": mask, "position_ids": positions, "past_key_values": cache, "use_cache": True}
        return self.model(tokens, **inputs, logits_to_keep=1).logits[:, -1]
