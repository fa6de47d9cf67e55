"""A recipe: how a base model is fine-tuned. To add a field, add it to ``Recipe``; nothing else lists the fields.

``training: recipes`` in config.yaml takes the field, train_model.py has a flag for it, the trained model's manifest
records it, and sft.py passes it on to TRL's ``SFTConfig`` or PEFT's ``LoraConfig``.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from ..core import cli
from ..core.errors import UserError
from ..schema.declared import Declared
from ..schema.setting_types import Count, Gpus, Section

METHODS = ("lora", "full")
#: The schedules of transformers that need no settings of their own.
SCHEDULERS = (
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
)


@dataclass(frozen=True)
class ByHand:
    """The default of the flag when train_model.py is run by hand. A recipe in config.yaml must state the field."""

    default: Any


@dataclass(frozen=True)
class Trainer:
    """The argument of ``SFTConfig`` that takes the field. Without this annotation it has the field's own name."""

    argument: str


@dataclass(frozen=True)
class Lora:
    """The argument of ``LoraConfig`` that takes the field. Recipes of other methods may not have the field.

    Args:
        required: whether each LoRA recipe in config.yaml must have the field.
    """

    argument: str
    required: bool = False


@dataclass(frozen=True)
class NotPassed:
    """The field is an argument of neither class; our own code reads it."""


@dataclass(frozen=True)
class NoWeights:
    """The field does not affect the weights: manifests omit it, and a change of it trains no model again."""


class Recipe(Section):
    """How a base model is fine-tuned. Settings that it does not name keep TRL's defaults."""

    method: Annotated[Literal[METHODS], ByHand("lora"), NotPassed()] = Field(
        description="what is trained: LoRA's adapters, or all weights (full)",
    )
    learning_rate: Annotated[float, ByHand(1e-4)] = Field(gt=0, le=1, description="peak learning rate")
    epochs: Annotated[float, ByHand(1.0), Trainer("num_train_epochs")] = Field(
        gt=0,
        le=1_000_000,
        description="passes over the training set",
    )
    batch_size: Annotated[Count, ByHand(8), Trainer("per_device_train_batch_size")] = Field(
        description="samples per device and step",
    )
    gradient_accumulation: Annotated[Count, ByHand(1), Trainer("gradient_accumulation_steps")] = Field(
        description="steps accumulated before an update, over all GPUs; each GPU takes its share of them"
    )
    max_length: Annotated[Count, ByHand(512)] = Field(
        description="longest sample in tokens; longer ones are left out and listed",
    )
    scheduler: Annotated[Literal[SCHEDULERS], ByHand("cosine"), Trainer("lr_scheduler_type")] = Field(
        description="learning-rate schedule, as transformers names it"
    )
    # transformers 5 reads a value of warmup_steps below 1 as a share of all steps.
    warmup_ratio: Annotated[float, ByHand(0.0), Trainer("warmup_steps")] = Field(
        ge=0,
        lt=1,
        description="share of the steps that warm up",
    )
    weight_decay: Annotated[float, ByHand(0.0)] = Field(ge=0, le=100, description="AdamW's weight decay")
    adam_beta2: Annotated[float, ByHand(0.999)] = Field(gt=0, lt=1, description="AdamW's beta 2")
    save_steps: Annotated[Count, ByHand(100), NoWeights()] = Field(
        description="steps between checkpoints: at most these are lost when training is killed",
    )
    lora_r: Annotated[Count, Lora("r", required=True)] = Field(8, description="rank of the LoRA adapters")
    lora_alpha: Annotated[Count, Lora("lora_alpha", required=True)] = Field(
        32, description="scale of the LoRA adapters"
    )
    lora_dropout: Annotated[float, Lora("lora_dropout", required=True)] = Field(
        0.1,
        ge=0,
        lt=1,
        description="dropout of the LoRA adapters",
    )
    gpus: Annotated[Gpus, ByHand(0), NotPassed(), NoWeights()] = Field(
        description="GPUs to train on, with one process for each; the step is refused if there are fewer"
    )

    def facts(self) -> dict[str, Any]:
        """The fields that affect the weights, for manifests."""
        return {name: getattr(self, name) for name in FIELDS if name not in NO_WEIGHTS}

    def trainer_arguments(self) -> dict[str, Any]:
        """The fields that ``SFTConfig`` takes, under its names."""
        passed = {
            name: field
            for name, field in FIELDS.items()
            if not annotation(field, NotPassed) and not annotation(field, Lora)
        }
        return {argument_of(name, field): getattr(self, name) for name, field in passed.items()}

    def lora_arguments(self) -> dict[str, Any]:
        """The fields that ``LoraConfig`` takes, under its names."""
        return {annotation(FIELDS[name], Lora).argument: getattr(self, name) for name in LORA}


def annotation(field: FieldInfo, kind: type) -> Any:
    """A field's annotation of the given class; None if it has none."""
    return next((entry for entry in field.metadata if isinstance(entry, kind)), None)


def argument_of(name: str, field: FieldInfo) -> str:
    """The argument of ``SFTConfig`` that takes a field."""
    renamed = annotation(field, Trainer)
    return renamed.argument if renamed else name


FIELDS = Recipe.model_fields
#: Fields that do not affect the weights.
NO_WEIGHTS = frozenset(name for name, field in FIELDS.items() if annotation(field, NoWeights))
#: The fields of LoRA alone, and whether each LoRA recipe must have them.
LORA = {name: annotation(field, Lora).required for name, field in FIELDS.items() if annotation(field, Lora)}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each field of a recipe."""
    for name, field in FIELDS.items():
        by_hand = annotation(field, ByHand)
        default = by_hand.default if by_hand else field.default
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=default,
            help=field.description,
            **cli_type(Declared.of_field(field)),
        )


def cli_type(declared: Declared) -> dict[str, Any]:
    """How argparse reads a field's value."""
    if declared.names:
        return {"choices": declared.names}
    if declared.kind is bool:
        return {"action": "store_true"}  # the default is false, because rules write no flag for false
    if declared.kind is int:
        return {"type": cli.whole(declared.limits.get("at least", 0), declared.limits.get("at most", cli.MOST))}
    if declared.kind is float:
        argument = {"at least": "least", "at most": "most"}
        return {"type": cli.number(**{argument.get(name, name): limit for name, limit in declared.limits.items()})}
    raise TypeError(f"there is no flag of type {declared.kind}")


def threads_each(threads: int, processes: int) -> int:
    """The CPU threads of each process, out of those of the step."""
    return max(1, threads // processes)


def process_faults(method: str, gradient_accumulation: int, processes: int) -> Iterator[str]:
    """The reasons why a recipe cannot train in a number of processes."""
    if processes > 1 and method == "lora":
        yield f"LoRA trains on one GPU, which is enough for it, and not on {processes}"
    elif gradient_accumulation % processes:
        steps = f"gradient_accumulation {gradient_accumulation}"
        yield f"{steps} is shared by the GPUs, and {processes} does not divide it"


def number_of_processes(requested: int | None, gpus: int) -> int:
    """The processes of a training: one for each GPU or, without GPUs, the number requested.

    Raises:
        UserError: both numbers are given, and they differ.
    """
    if requested and gpus and requested != gpus:
        problem = f"--processes {requested} and --gpus {gpus} differ: each process has one GPU"
        raise UserError(problem, "leave out --processes if the step has GPUs")
    return requested or max(1, gpus)


def from_flags(args: argparse.Namespace) -> Recipe:
    """The recipe according to the flags of ``add_flags``."""
    return Recipe(**{name: getattr(args, name) for name in FIELDS})
