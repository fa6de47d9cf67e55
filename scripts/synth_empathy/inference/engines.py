"""The engines by name: the one place that knows which there are. An engine is a class and an entry in ``ENGINES``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ..core.devices import check_gpus
from ..core.errors import UserError
from ..core.model_folder import open_model
from .types import Engine, EngineSettings

#: Each engine's module and class, imported when it is asked for: an engine may bring packages that others do without.
ENGINES = {
    "transformers": "transformers_engine:TransformersEngine",
    "vllm": "vllm_engine:VllmEngine",
}


def module_of(name: str) -> str:
    """The dotted name, in the library, of an engine's module, as ``code_graph`` knows it.

    Raises:
        UserError: no such engine.
    """
    if name not in ENGINES:
        raise UserError(f"there is no engine {name!r}", f"use one of: {', '.join(ENGINES)}")
    package = __package__.partition(".")[2]
    return ".".join(filter(None, [package, ENGINES[name].partition(":")[0]]))


def engine_class(name: str) -> type[Engine]:
    """The class of an engine.

    Raises:
        UserError: no such engine.
    """
    library = __package__.partition(".")[0]
    return getattr(import_module(f"{library}.{module_of(name)}"), ENGINES[name].partition(":")[2])


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
