"""How far a text repeats: which settings decide it, and what is guaranteed on which device, for state keys and manifests."""

from __future__ import annotations

import platform
from pathlib import Path

from ..core.records import Record
from .engines import engine_class
from .types import EngineSettings, Guarantee

CPU_FLOAT32 = (
    "On this kind of CPU, with these package versions and this number of threads, a row's text depends on its messages "
    "and its own seed alone: any batch size, any number of shards and any resumed run give the same bytes. Float32 "
    "itself rounds by the batch: a text would change only where that rounding decides between two tokens, which was "
    "never seen (tests/test_engine.py, tests/test_vllm.py, tests/test_kill.py)."
)
CPU_OTHER = (
    "Each row draws from its own seed, but {dtype} rounds by the batch: the same rows in the same batches give the same bytes; "
    "another batch size, another number of shards or a resumed run may change single texts."
)
READ_ALONE = (
    "Each prompt is read on its own, and nothing is drawn: on this kind of {device}, with these package versions{threads}, "
    "any batch size and any resumed run give the same probabilities to the last digit{tried}."
)


def device() -> Record:
    """What torch computes on: its kind ("cpu" or "cuda") and its name."""
    import torch

    if torch.cuda.is_available():
        return {"kind": "cuda", "name": torch.cuda.get_device_name()}
    return {"kind": "cpu", "name": cpu_name(), "instructions": torch.backends.cpu.get_cpu_capability()}


def cpu_name(table: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as Linux tells it, else its architecture."""
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def on_a_cpu(settings: EngineSettings, reading: bool) -> Guarantee:
    """What every engine that we have promises on a CPU."""
    if reading:
        where = {"device": "CPU", "threads": " and this number of threads", "tried": " (tests/test_judge.py)"}
        return Guarantee(READ_ALONE.format(**where), batch_free=True)
    if settings.dtype == "float32":
        return Guarantee(CPU_FLOAT32, batch_free=True)
    return Guarantee(CPU_OTHER.format(dtype=settings.dtype), batch_free=False)


def engine_facts(name: str, settings: EngineSettings, kind: str, reading: bool = False) -> Record:
    """The settings that decide a row's text on a kind of device, or, with ``reading``, its probabilities.

    A setting that has no part in it there is null.
    """
    engine = engine_class(name)
    on_gpu = kind == "cuda"
    batch_free = engine.guarantee(settings, kind, reading).batch_free
    return {
        "name": name,
        "dtype": settings.dtype,
        "header": settings.header,
        "threads": None if on_gpu else settings.threads,
        "gpus": settings.gpus if on_gpu else None,
        "batch_invariant": settings.batch_invariant if on_gpu and engine.has_batch_invariant_kernels else None,
        "batch_size": None if batch_free else settings.batch_size,
    }
