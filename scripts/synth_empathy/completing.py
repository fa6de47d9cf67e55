"""Running a language model over many requests: the same flags, resuming and counting for every step that does it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import provenance
from .engines import ENGINES, Engine, Request, Sampling, open_engine
from .models import DTYPES, fingerprint, open_model
from .records import Record
from .resumable import FinishedRows


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of every step that runs a language model."""
    flags.add_argument("--model", type=Path, required=True, metavar="DIR", help="the model's folder (fetch_model.py or train_model.py made it)")
    flags.add_argument("--engine", choices=ENGINES, default="transformers", help="what runs the model")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="the weights' type")
    flags.add_argument("--batch-size", type=int, default=16, help="requests in flight at once")
    flags.add_argument("--threads", type=int, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument("--temperature", type=float, default=0.0, help="0 is greedy")
    flags.add_argument("--top-p", type=float, default=1.0, help="draw from the likeliest tokens of this probability")
    flags.add_argument("--max-tokens", type=int, default=128, help="the most new tokens per request")
    flags.add_argument("--no-header", action="store_true", help="leave out the assistant's header after the prompt, as the released generation code does")
    flags.add_argument("--seed", type=int, default=0, help="the run's global seed; each row's own follows from it and the row's id")
    flags.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder for finished rows of unfinished runs (results/RUN/.state)")


def complete(requests: Sequence[Request], args: argparse.Namespace, step: str, code: Record) -> FinishedRows:
    """Complete the requests that an earlier, interrupted run did not finish, keeping each as it comes.

    Args:
        args: parsed ``add_flags``, with the step's ``output``, whose path names this job's own file of finished rows.
        step: names the step in the state folder and the log.
        code: hashes of the code that decides the texts.

    Returns:
        All rows by id: ``id``, ``text``, ``tokens``, ``finish``. Call ``clear`` when the output is in place.
    """
    import torch

    sampling = Sampling(args.temperature, args.top_p, args.max_tokens)
    open_model(args.model)
    decides = {
        "model": fingerprint(args.model),
        "sampling": sampling.facts(),
        "engine": [args.engine, args.dtype, args.threads, not args.no_header],
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "batch_size": None if args.dtype == "float32" else args.batch_size,  # in bfloat16 a row's text depends on its batch
        "code": code,
        "versions": provenance.versions("torch", "transformers"),
    }
    finished = FinishedRows(args.state, step, decides, provenance.sha256_json(str(args.output))[:16])
    asked = {request.id: provenance.sha256_json([request.messages, request.seed]) for request in requests}
    left = [request for request in requests if finished.rows.get(request.id, {}).get("asked") != asked[request.id]]
    print(f"{step}: {len(requests)} rows, {len(requests) - len(left)} finished before")
    if left:
        for completion in load(args).complete(left, sampling):
            finished.add(vars(completion) | {"asked": asked[completion.id]})
    return finished


def load(args: argparse.Namespace) -> Engine:
    """The engine that the flags name, with its threads set."""
    import torch

    torch.set_num_threads(args.threads)
    return open_engine(args.engine, args.model, args.dtype, args.batch_size, not args.no_header)
