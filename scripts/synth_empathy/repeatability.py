"""How far a text repeats: which settings decide it, and what is guaranteed on which device, for state keys and manifests."""

from __future__ import annotations

import platform
from pathlib import Path

from .records import Record

CPU_FLOAT32 = (
    "On this kind of CPU, with these package versions and this number of threads, a row's text depends on its messages and its own seed alone: "
    "any batch size, any number of shards and any resumed run give the same bytes. Float32 itself rounds by the batch: a text would change only "
    "where that rounding decides between two tokens, which was never seen (tests/test_engine.py, tests/test_vllm.py, tests/test_kill.py)."
)
CPU_OTHER = (
    "Each row draws from its own seed, but {dtype} rounds by the batch: the same rows in the same batches give the same bytes; "
    "another batch size, another number of shards or a resumed run may change single texts."
)
GPU_INVARIANT = (
    "Each row draws from its own seed, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute capability 8.0 and above) compute it "
    "alike in every batch: on the same kind and number of GPUs, with these package versions, any batch size, any number of shards and any resumed run "
    "give the same text. This is vllm's guarantee, which it calls beta."
)
GPU_SCHEDULED = (
    "Each row draws from its own seed, and vllm schedules in the process (VLLM_ENABLE_V1_MULTIPROCESSING=0), so that the same rows at the same batch "
    "size, not interrupted, on the same GPUs give the same texts; another batch size, another number of shards or a resumed run may change single texts."
)
GPU_TRANSFORMERS = (
    "Each row draws from its own seed, but the GPU rounds by the batch: another batch size, another number of shards or a resumed run may change "
    "single texts, and nothing is promised of a repeated run."
)
READ_ALONE = (
    "Each prompt is read on its own, and nothing is drawn: on this kind of {device}, with these package versions{threads}, any batch size and any "
    "resumed run give the same probabilities to the last digit{tried}."
)
READ_INVARIANT = (
    "Nothing is drawn, and vllm's batch-invariant kernels (VLLM_BATCH_INVARIANT=1, for compute capability 8.0 and above) compute a prompt alike in every "
    "batch: on the same kind and number of GPUs, with these package versions, any batch size and any resumed run give the same probabilities. This is "
    "vllm's guarantee, which it calls beta."
)
READ_SCHEDULED = (
    "Nothing is drawn, but the GPU rounds by the batch: another batch size or a resumed run moves the probabilities by what {dtype} rounds off, and a "
    "likeliest mark where two are that near."
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


def guarantee(engine: str, dtype: str, kind: str, batch_invariant: bool, reading: bool = False) -> str:
    """What is promised of a text on a kind of device; with ``reading``, of the probabilities of answers."""
    if reading:
        return read_guarantee(engine, dtype, kind, batch_invariant)
    if kind == "cpu":
        return CPU_FLOAT32 if dtype == "float32" else CPU_OTHER.format(dtype=dtype)
    if engine != "vllm":
        return GPU_TRANSFORMERS
    return GPU_INVARIANT if batch_invariant else GPU_SCHEDULED


def read_guarantee(engine: str, dtype: str, kind: str, batch_invariant: bool) -> str:
    """What is promised of the probabilities of answers on a kind of device."""
    if kind == "cpu":
        return READ_ALONE.format(device="CPU", threads=" and this number of threads", tried=" (tests/test_judge.py)")
    if engine != "vllm":
        return READ_ALONE.format(device="GPU", threads="", tried=", which was not tried on a GPU")
    return READ_INVARIANT if batch_invariant else READ_SCHEDULED.format(dtype=dtype)


def engine_facts(
    engine: str, dtype: str, kind: str, threads: int, batch_size: int, header: bool, gpus: int, batch_invariant: bool, reading: bool = False
) -> Record:
    """The settings that decide a row's text on a kind of device, or, with ``reading``, its probabilities; null where one has no part in it there."""
    scheduled = (CPU_OTHER.format(dtype=dtype), GPU_SCHEDULED, GPU_TRANSFORMERS, READ_SCHEDULED.format(dtype=dtype))
    batch_free = guarantee(engine, dtype, kind, batch_invariant, reading) not in scheduled
    on_gpu = kind == "cuda"
    return {
        "name": engine,
        "dtype": dtype,
        "header": header,
        "threads": None if on_gpu else threads,
        "gpus": gpus if on_gpu else None,
        "batch_invariant": batch_invariant if on_gpu and engine == "vllm" else None,
        "batch_size": None if batch_free else batch_size,
    }
