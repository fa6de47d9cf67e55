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


def guarantee(engine: str, dtype: str, kind: str, batch_invariant: bool) -> str:
    """What is promised of a text on a kind of device."""
    if kind == "cpu":
        return CPU_FLOAT32 if dtype == "float32" else CPU_OTHER.format(dtype=dtype)
    if engine != "vllm":
        return GPU_TRANSFORMERS
    return GPU_INVARIANT if batch_invariant else GPU_SCHEDULED


def engine_facts(engine: str, dtype: str, kind: str, threads: int, batch_size: int, header: bool, gpus: int, batch_invariant: bool) -> Record:
    """The settings that decide a row's text on a kind of device; null where one has no part in it there."""
    batch_free = guarantee(engine, dtype, kind, batch_invariant) in (CPU_FLOAT32, GPU_INVARIANT)
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
