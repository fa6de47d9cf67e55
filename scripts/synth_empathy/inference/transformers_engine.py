"""The transformers engine: static batches on whatever device torch has, with a seed of its own for every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch.utils.mkldnn import to_mkldnn
from transformers import AutoModelForCausalLM, DynamicCache

from . import determinism
from .chat_template import ChatTokenizer
from .types import Answer, Completion, Engine, EngineSettings, Guarantee, Request, Sampling

GPU_ROUNDS = (
    "Each row draws from its own seed, but the GPU rounds by the batch: another batch size, another number of shards or "
    "a resumed run may change single texts, and nothing is promised of a repeated run."
)

#: Tokens among which top-p looks first; where they are too few, it looks among four times as many.
LIKELIEST = 256


class RowSeededSampling:
    """Draw each row's next token with the row's own generator, so that its text does not depend on its neighbours.

    The largest of (logit + Gumbel noise) is a draw from the softmax. Noise dwarfs float32's rounding, so that no text
    changes with the batch size (tests).

    Args:
        seeds: one a row.
        sampling: a temperature of 0 takes the likeliest token, without noise.
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
        """Go on with some of the rows alone."""
        self.generators = [self.generators[row] for row in rows]


def nucleus(scores: torch.FloatTensor, top_p: float) -> torch.FloatTensor:
    """Scores of the likeliest tokens that together have the probability ``top_p``, and -inf for all others.

    As transformers' ``TopPLogitsWarper``, which sorts the whole vocabulary: most of the time that sampling took.

    Args:
        scores: of shape (rows, vocabulary), finite.
    """
    probabilities = scores.softmax(dim=-1)
    size, vocabulary = 0, scores.shape[1]
    while True:
        size = min(max(LIKELIEST, 4 * size), vocabulary)
        likeliest = probabilities.topk(size).values
        before = likeliest.cumsum(dim=-1) - likeliest  # the probability of all that are likelier
        if size == vocabulary or bool((before[:, -1] >= top_p).all()):
            break
    least = likeliest.masked_fill(before >= top_p, 1.0).amin(dim=-1, keepdim=True)
    return scores.masked_fill(probabilities < least, -torch.inf)


@dataclass(frozen=True)
class Batch:
    """Requests that are continued together.

    Args:
        shared: the tokens that every row begins with; they are read once.
        rests: each row's other tokens, the longest first; the others are padded to its length.
    """

    requests: list[Request]
    shared: list[int]
    rests: list[list[int]]

    def tokens_read(self) -> int:
        """How many prompt tokens the model reads, padding included."""
        return len(self.shared) + len(self.rests) * len(self.rests[0])


class TransformersEngine(Engine):
    """``Engine`` by transformers' models, a token of every row of a batch at a time."""

    @classmethod
    def packages(cls) -> list[str]:
        """As of ``Engine``; transformers is everywhere that this module can be imported."""
        return ["torch", "transformers"]

    @classmethod
    def guarantee(cls, settings: EngineSettings, kind: str, reading: bool = False) -> Guarantee:
        """As of ``Engine``."""
        if kind == "cpu":
            return determinism.on_a_cpu(settings, reading)
        if reading:
            where = {"device": "GPU", "threads": "", "tried": ", which was not tried on a GPU"}
            return Guarantee(determinism.READ_ALONE.format(**where), batch_free=True)
        return Guarantee(GPU_ROUNDS, batch_free=False)

    def __init__(self, model: Path, settings: EngineSettings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.chats = ChatTokenizer(model, settings.header)
        dtype = getattr(torch, settings.dtype)
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=dtype).to(self.device).eval()
        if self.device == "cpu" and settings.dtype == "float32":
            # oneDNN uses AVX-512 on every processor that has it, MKL on Intel's alone: twice as fast elsewhere.
            self.model = to_mkldnn(self.model)
        self.batch_size = settings.batch_size

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Continue every request, a batch at a time, the longest prompts first: memory runs out at once or never."""
        prompts = self.chats.prompts(requests, sampling)
        batches = self.batches(requests, prompts)
        given, read = sum(map(len, prompts.values())), sum(batch.tokens_read() for batch in batches)
        print(f"transformers on {self.device}: {given:,} prompt tokens, {read:,} to read in {len(batches):,} batches")
        return (completion for batch in batches for completion in self.complete_batch(batch, sampling))

    def batches(self, requests: Sequence[Request], prompts: dict[str, list[int]]) -> list[Batch]:
        """Requests that begin with the same shared tokens, in batches of like length."""
        shared = {request.id: self.chats.shared(request, prompts[request.id]) for request in requests}
        ordered = sorted(requests, key=lambda request: (shared[request.id], -len(prompts[request.id]), request.id))
        batches = []
        for opening, group in groupby(ordered, key=lambda request: shared[request.id]):
            alike = list(group)
            for start in range(0, len(alike), self.batch_size):
                rows = alike[start : start + self.batch_size]
                batches.append(Batch(rows, opening, [prompts[request.id][len(opening) :] for request in rows]))
        return batches

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
    def complete_batch(self, batch: Batch, sampling: Sampling) -> Iterator[Completion]:
        """Continue one batch. A row that ends leaves it, so that the others go on without its cost."""
        draw = RowSeededSampling([request.seed for request in batch.requests], sampling)
        cache = DynamicCache(config=self.model.config)
        tokens, mask = self.padded(batch)
        if batch.shared:
            opening = torch.tensor([batch.shared], device=self.device)
            self.logits(opening, torch.ones_like(opening), cache)
            cache.batch_repeat_interleave(len(batch.requests))
        rows: list[tuple[Request, list[int]]] = [(request, []) for request in batch.requests]
        while rows:
            drawn = draw(self.logits(tokens, mask, cache))
            going = []
            for place, ((request, written), token) in enumerate(zip(rows, drawn.tolist())):
                written.append(token)
                if token in self.chats.stops or len(written) == sampling.max_tokens:
                    yield self.chats.completion(request.id, written)
                else:
                    going.append(place)
            if len(going) < len(rows):
                draw.keep(going)
                rows, drawn, mask = [rows[place] for place in going], drawn[going], mask[going]
                cache.batch_select_indices(torch.tensor(going, dtype=torch.long, device=self.device))
            tokens, mask = drawn[:, None], torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def padded(self, batch: Batch) -> tuple[torch.LongTensor, torch.LongTensor]:
        """The rows' own tokens, of shape (rows, longest), and the mask of all that they see, the shared ones before.

        Rows are padded on the left, so that padding stands between the shared tokens and a row's own.
        """
        padded = self.chats.tokenizer.pad({"input_ids": batch.rests}, return_tensors="pt").to(self.device)
        mask = padded["attention_mask"]
        return padded["input_ids"], torch.cat([mask.new_ones(len(mask), len(batch.shared)), mask], dim=1)

    def logits(self, tokens: torch.LongTensor, mask: torch.LongTensor, cache: DynamicCache) -> torch.FloatTensor:
        """What the model says of each row's next token, of shape (rows, vocabulary).

        Args:
            tokens: those that the cache does not hold yet, of shape (rows, new).
            mask: 1 for a token and 0 for padding, of shape (rows, old and new).
        """
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        seen = {"attention_mask": mask, "position_ids": places, "past_key_values": cache, "use_cache": True}
        return self.model(tokens, **seen, logits_to_keep=1).logits[:, -1]
