"""The engines by name: the one place that knows which there are. An engine is a class and an entry in ``ENGINES``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from .devices import check_gpus
from .engine_types import Engine, EngineSettings
from .errors import UserError
from .models import open_model

#: Each engine's module and class, imported when it is asked for: an engine may bring packages that others do without.
ENGINES = {
    "transformers": "transformers_engine:TransformersEngine",
    "vllm": "vllm_engine:VllmEngine",
}


def engine_class(name: str) -> type[Engine]:
    """The class of an engine.

    Raises:
        UserError: no such engine.
    """
    if name not in ENGINES:
        raise UserError(f"there is no engine {name!r}", f"use one of: {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    return getattr(import_module(f".{module}", __package__), attribute)


def open_engine(name: str, model: Path, settings: EngineSettings) -> Engine:
    """Load a model behind the named engine.

    Raises:
        UserError: no such engine, one that is not installed, fewer GPUs, or the model folder is not complete.
    """
    open_model(model)
    engine_class(name).packages()
    check_gpus(settings.gpus)
    engine = engine_class(name)(model, settings)
    open_model(model)  # the files that were loaded are those that were checked, unless they changed meanwhile
    return engine
