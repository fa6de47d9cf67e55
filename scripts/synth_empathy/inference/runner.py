"""Run a language model over many requests: the flags, resuming, log and manifest of every step that does so."""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import cli, provenance
from ..core.json_files import write_json
from ..core.model_folder import DTYPES, fingerprint, open_model
from ..core.records import Record
from ..core.resumable import FinishedRows
from .engines import (
    ENGINES,
    Answer,
    Completion,
    Engine,
    EngineSettings,
    Request,
    Sampling,
    engine_class,
    open_engine,
)

#: What an engine does with the requests that are left.
Work = Callable[[Engine, list[Request]], Iterator[Completion] | Iterator[Answer]]


@dataclass(frozen=True)
class Completed:
    """All rows of a step.

    Args:
        rows: each row's ``Completion`` or ``Answer`` as a record, by its id.
        facts: what decided the rows.
    """

    rows: dict[str, Record]
    facts: Record


def add_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags of every step that runs a language model."""
    add_model_flags(flags)
    add_sampling_flags(flags)
    state_help = "folder that keeps finished rows (results/RUN/.state)"
    flags.add_argument("--state", type=Path, required=True, metavar="DIR", help=state_help)
    manifest_help = "what made the output and what is guaranteed about it; next to the output when not given"
    flags.add_argument("--manifest", type=Path, metavar="JSON", help=manifest_help)


def add_model_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags that choose a model and how it is run."""
    model_help = "the model's folder (made by fetch_model.py or train_model.py)"
    flags.add_argument("--model", type=Path, required=True, metavar="DIR", help=model_help)
    flags.add_argument("--engine", choices=list(ENGINES), default="transformers", help="what runs the model")
    flags.add_argument("--dtype", choices=DTYPES, default="float32", help="type of the weights")
    flags.add_argument("--batch-size", type=cli.count, default=16, help="requests in flight at once")
    flags.add_argument("--threads", type=cli.count, default=2, help="CPU threads; they affect exact repeatability")
    gpus_help = "GPUs that the step needs; vllm splits the model over them"
    flags.add_argument("--gpus", type=cli.count_or_none, default=0, help=gpus_help)
    invariant_help = "with vllm on GPUs: use kernels whose result does not depend on the batch"
    flags.add_argument("--batch-invariant", action="store_true", help=invariant_help)
    header_help = "leave out the assistant's header after the prompt, as the released generation code does"
    flags.add_argument("--no-header", action="store_true", help=header_help)


def add_sampling_flags(flags: argparse.ArgumentParser) -> None:
    """Add the flags that decide how a text is drawn."""
    flags.add_argument("--temperature", type=cli.temperature, default=0.0, help="0 is greedy")
    top_p_help = "draw from the most likely tokens that together have this probability"
    flags.add_argument("--top-p", type=cli.probability, default=1.0, help=top_p_help)
    flags.add_argument("--max-tokens", type=cli.count, default=128, help="largest number of new tokens per request")
    seed_help = "the run's global seed; each row's seed is derived from it and from the row's id"
    flags.add_argument("--seed", type=cli.seed, default=0, help=seed_help)


def complete(requests: Sequence[Request], args: argparse.Namespace, step: str, code: Record) -> Completed:
    """Complete the requests that no earlier job of the step has finished. Each row is kept as soon as it is finished.

    Args:
        args: parsed ``add_flags``, and the step's ``output``, whose path names this job's own file of finished rows.
        step: names the step in the state folder and the log.
        code: hashes of the code that affects the texts.

    Raises:
        UserError: the engine cannot be opened, or a prompt does not fit the model's context.
    """
    sampling = Sampling(args.temperature, args.top_p, args.max_tokens)

    def work(engine: Engine, left: list[Request]) -> Iterator[Completion]:
        return engine.complete(left, sampling)

    facts = deciding_facts(args, {"sampling": sampling.facts()}, code)
    return run(requests, args, step=step, facts=facts, work=work)


def answer(
    requests: Sequence[Request], answers: Sequence[str], args: argparse.Namespace, *, step: str, code: Record
) -> Completed:
    """How likely each answer is as the next token of the requests; rows are kept and resumed as in ``complete``."""

    def work(engine: Engine, left: list[Request]) -> Iterator[Answer]:
        return engine.answer(left, answers)

    facts = deciding_facts(args, {"answers": list(answers)}, code)
    return run(requests, args, step=step, facts=facts, work=work)


def run(requests: Sequence[Request], args: argparse.Namespace, *, step: str, facts: Record, work: Work) -> Completed:
    """Do the requests that no earlier job has finished, and keep each row as soon as it is finished."""
    inputs = {request.id: provenance.sha256_json([request.messages, request.seed]) for request in requests}
    part = provenance.sha256_json(str(args.output))[:16]
    with FinishedRows(args.state, step, provenance.deciding(facts), part=part, asked=inputs) as finished:
        left = [request for request in requests if request.id not in finished.rows]
        print(f"{step}: {len(requests)} rows, {len(requests) - len(left)} finished before")
        if left:
            start = time.monotonic()
            rows = work(load_engine(args), left)
            throughput = cli.Throughput(step, total=len(requests), done=len(requests) - len(left), start=start)
            for row in rows:
                finished.add(vars(row))
                throughput.add(row.tokens)
    return Completed(finished.rows, facts | {"seed": args.seed, "requests_sha256": provenance.sha256_json(inputs)})


def deciding_facts(args: argparse.Namespace, task: Record, code: Record) -> Record:
    """Everything that affects a row, apart from its messages and its seed.

    Args:
        task: how texts are drawn (``sampling``), or which answers' probabilities are read (``answers``).
        code: hashes of the code that affects the rows.
    """
    model = open_model(args.model)
    computer = device()
    return {
        "model": {"name": model.get("name", args.model.name), "manifest_sha256": fingerprint(args.model)},
        **task,
        "engine": engine_facts(args.engine, settings_of(args), computer["kind"], "answers" in task),
        "device": computer,
        "versions": provenance.versions(*engine_class(args.engine).packages()),
        "code": code,
    }


def engine_facts(name: str, settings: EngineSettings, kind: str, reading: bool = False) -> Record:
    """The engine and those of its settings that affect a row; the others are null.

    Args:
        kind: the kind of device, "cpu" or "cuda".
        reading: whether rows are the probabilities of answers instead of texts.
    """
    engine = engine_class(name)
    on_gpu = kind == "cuda"
    ignores_batches = engine.guarantee(settings, kind, reading).batch_invariant
    return {
        "name": name,
        "dtype": settings.dtype,
        "header": settings.header,
        "threads": None if on_gpu else settings.threads,
        "gpus": settings.gpus if on_gpu else None,
        "batch_invariant": settings.batch_invariant if on_gpu and engine.has_batch_invariant_kernels else None,
        "batch_size": None if ignores_batches else settings.batch_size,
    }


def device() -> Record:
    """The device that torch computes on: its kind ("cpu" or "cuda") and its name."""
    import torch

    if torch.cuda.is_available():
        return {"kind": "cuda", "name": torch.cuda.get_device_name()}
    return {"kind": "cpu", "name": cpu_name(), "instructions": torch.backends.cpu.get_cpu_capability()}


def cpu_name(table: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name according to Linux; the machine's architecture if Linux names none."""
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def settings_of(args: argparse.Namespace) -> EngineSettings:
    """The engine's settings according to the flags."""
    return EngineSettings(
        dtype=args.dtype,
        batch_size=args.batch_size,
        header=not args.no_header,
        threads=args.threads,
        gpus=args.gpus,
        batch_invariant=args.batch_invariant,
    )


def load_engine(args: argparse.Namespace) -> Engine:
    """The engine that the flags name, with its threads set."""
    import torch

    torch.set_num_threads(args.threads)
    return open_engine(args.engine, args.model, settings_of(args))


def manifest_path(args: argparse.Namespace) -> Path:
    """The path of the manifest of ``args.output``."""
    return args.manifest or args.output.with_suffix(".manifest.json")


def write_manifest(args: argparse.Namespace, step: str, completed: Completed, more: Record | None = None) -> None:
    """Write what made ``args.output``, which exists. Nothing in the manifest depends on time, place or interruptions.

    Args:
        more: the step's own facts.
    """
    reading = "answers" in completed.facts
    kind = completed.facts["device"]["kind"]
    guarantee = engine_class(args.engine).guarantee(settings_of(args), kind, reading)
    output = {
        "sha256": provenance.sha256_file(args.output),
        "rows": len(completed.rows),
        "tokens": sum(row["tokens"] for row in completed.rows.values()),
    }
    if not reading:
        output["finish"] = dict(sorted(Counter(row["finish"] for row in completed.rows.values()).items()))
    facts = {"step": step} | completed.facts | (more or {}) | {"guarantee": guarantee.text, "output": output}
    write_json(manifest_path(args), facts)
