"""Running a language model over many requests: the same flags, resuming, counting and manifest for every step that does it."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import cli, provenance
from ..core.model_folder import DTYPES, fingerprint, open_model
from ..core.records import Record, write_json
from ..core.resumable import FinishedRows
from . import determinism
from .engines import ENGINES, engine_class, open_engine
from .types import Answer, Completion, Engine, EngineSettings, Request, Sampling


@dataclass(frozen=True)
class Completed:
    """All rows of a step by id (``Completion`` or ``Answer`` as records), and the facts that decided them."""

    rows: dict[str, Record]
    facts: Record


def add_flags(flags: argparse.ArgumentParser) -> None:
    """The flags of every step that runs a language model."""
    flags.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="DIR",
        help="the model's folder (fetch_model.py or train_model.py made it)",
    )
    flags.add_argument("--engine", choices=list(ENGINES), default="transformers", help="what runs the model")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="the weights' type")
    flags.add_argument("--batch-size", type=cli.count, default=16, help="requests in flight at once")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; part of what repeats a run exactly")
    flags.add_argument(
        "--gpus",
        type=cli.count_or_none,
        default=0,
        help="GPUs that the step counts on, and vllm spreads the model over",
    )
    flags.add_argument(
        "--batch-invariant",
        action="store_true",
        help="with vllm on GPUs: kernels whose result does not depend on the batch",
    )
    flags.add_argument("--temperature", type=cli.temperature, default=0.0, help="0 is greedy")
    flags.add_argument(
        "--top-p", type=cli.probability, default=1.0, help="draw from the likeliest tokens of this probability"
    )
    flags.add_argument("--max-tokens", type=cli.count, default=128, help="the most new tokens per request")
    flags.add_argument(
        "--no-header",
        action="store_true",
        help="leave out the assistant's header after the prompt, as the released generation code does",
    )
    flags.add_argument(
        "--seed",
        type=cli.seed,
        default=0,
        help="the run's global seed; each row's own follows from it and the row's id",
    )
    flags.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="folder that keeps finished rows (results/RUN/.state)"
    )
    flags.add_argument(
        "--manifest",
        type=Path,
        metavar="JSON",
        help="what made the output and what is guaranteed of it; beside it when not given",
    )


def complete(requests: Sequence[Request], args: argparse.Namespace, step: str, code: Record) -> Completed:
    """Complete the requests that no earlier job of the step has finished, keeping each as it comes.

    Args:
        args: parsed ``add_flags``, with the step's ``output``, whose path names this job's own file of finished rows.
        step: names the step in the state folder and the log.
        code: hashes of the code that decides the texts.
    """
    sampling = Sampling(args.temperature, args.top_p, args.max_tokens)
    facts = deciding_facts(args, {"sampling": sampling.facts()}, code)
    return finish(requests, args, step, facts, lambda engine, left: engine.complete(left, sampling))


def answer(
    requests: Sequence[Request], answers: Sequence[str], args: argparse.Namespace, step: str, code: Record
) -> Completed:
    """How likely each answer is as the next token of the requests; resumed and kept as in ``complete``."""
    facts = deciding_facts(args, {"answers": list(answers)}, code)
    return finish(requests, args, step, facts, lambda engine, left: engine.answer(left, answers))


def finish(
    requests: Sequence[Request],
    args: argparse.Namespace,
    step: str,
    facts: Record,
    work: Callable[[Engine, list[Request]], Iterable[Completion | Answer]],
) -> Completed:
    """Let ``work`` do the requests that no earlier job has finished, keeping each row as it comes."""
    asked = {request.id: provenance.sha256_json([request.messages, request.seed]) for request in requests}
    part = provenance.sha256_json(str(args.output))[:16]
    with FinishedRows(args.state, step, provenance.deciding(facts), part, asked) as finished:
        left = [request for request in requests if request.id not in finished.rows]
        print(f"{step}: {len(requests)} rows, {len(requests) - len(left)} finished before")
        if left:
            start = time.monotonic()
            rows = work(load(args), left)
            counter = cli.Throughput(step, len(requests), len(requests) - len(left), start)
            for row in rows:
                finished.add(vars(row))
                counter.add(row.tokens)
    return Completed(finished.rows, facts | {"seed": args.seed, "requests_sha256": provenance.sha256_json(asked)})


def deciding_facts(args: argparse.Namespace, asked: Record, code: Record) -> Record:
    """Everything that decides a row besides its messages and its seed.

    Args:
        asked: how texts are drawn (``sampling``), or which answers' probabilities are read (``answers``).
    """
    model = open_model(args.model)
    device = determinism.device()
    return {
        "model": {"name": model.get("name", args.model.name), "manifest_sha256": fingerprint(args.model)},
        **asked,
        "engine": determinism.engine_facts(args.engine, settings_of(args), device["kind"], "answers" in asked),
        "device": device,
        "versions": provenance.versions(*engine_class(args.engine).packages()),
        "code": code,
    }


def settings_of(args: argparse.Namespace) -> EngineSettings:
    """How the flags say that the engine runs the model."""
    return EngineSettings(
        dtype=args.dtype,
        batch_size=args.batch_size,
        header=not args.no_header,
        threads=args.threads,
        gpus=args.gpus,
        batch_invariant=args.batch_invariant,
    )


def load(args: argparse.Namespace) -> Engine:
    """The engine that the flags name, with its threads set."""
    import torch

    torch.set_num_threads(args.threads)
    return open_engine(args.engine, args.model, settings_of(args))


def manifest_path(args: argparse.Namespace) -> Path:
    """Where the manifest of ``args.output`` goes."""
    return args.manifest or args.output.with_suffix(".manifest.json")


def write_manifest(args: argparse.Namespace, step: str, completed: Completed, more: Record | None = None) -> None:
    """Write what made ``args.output``, which is in place: nothing in it depends on time, place or what was resumed.

    Args:
        more: the step's own facts.
    """
    reading = "answers" in completed.facts
    promise = engine_class(args.engine).guarantee(settings_of(args), completed.facts["device"]["kind"], reading)
    output = {
        "sha256": provenance.sha256_file(args.output),
        "rows": len(completed.rows),
        "tokens": sum(row["tokens"] for row in completed.rows.values()),
    }
    if not reading:
        output["finish"] = dict(sorted(Counter(row["finish"] for row in completed.rows.values()).items()))
    facts = {"step": step} | completed.facts | (more or {}) | {"guarantee": promise.words, "output": output}
    write_json(manifest_path(args), facts)
