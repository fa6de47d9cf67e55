"""A recipe: how a base model is fine-tuned. To add a field, add it to ``Recipe``; nothing else lists the fields.

``training: recipes`` in config.yaml takes the field, train_model.py has a flag for it, the trained model's manifest
records it, and training.py passes it on to TRL's ``SFTConfig`` or PEFT's ``LoraConfig``.
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
    """The flag's default where train_model.py is run by hand. A recipe in config.yaml must state the field."""

    default: Any


@dataclass(frozen=True)
class Trainer:
    """The argument of ``SFTConfig`` that takes the field; without this mark, it is the one of the field's own name."""

    argument: str


@dataclass(frozen=True)
class Lora:
    """The argument of ``LoraConfig`` that takes the field; a recipe of another method may not have it.

    Args:
        stated: whether each LoRA recipe in config.yaml must have it.
    """

    argument: str
    stated: bool = False


@dataclass(frozen=True)
class NotPassed:
    """The field is an argument of neither; our own code reads it."""


@dataclass(frozen=True)
class NoWeights:
    """The field changes no weight: manifests leave it out, and a change of it trains nothing again."""


class Recipe(Section):
    """How a base model is fine-tuned. What it does not name stays at TRL's default."""

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
        description="steps added up before an update, those of all GPUs together; each GPU takes its share of them"
    )
    max_length: Annotated[Count, ByHand(512)] = Field(
        description="longest sample in tokens; longer ones are set aside and named",
    )
    scheduler: Annotated[Literal[SCHEDULERS], ByHand("cosine"), Trainer("lr_scheduler_type")] = Field(
        description="learning-rate schedule, as transformers names it"
    )
    # Below 1, transformers 5 reads warmup_steps as a share of all steps.
    warmup_ratio: Annotated[float, ByHand(0.0), Trainer("warmup_steps")] = Field(
        ge=0,
        lt=1,
        description="share of the steps that warm up",
    )
    weight_decay: Annotated[float, ByHand(0.0)] = Field(ge=0, le=100, description="AdamW's weight decay")
    adam_beta2: Annotated[float, ByHand(0.999)] = Field(gt=0, lt=1, description="AdamW's beta 2")
    save_steps: Annotated[Count, ByHand(100), NoWeights()] = Field(
        description="steps between checkpoints: the most that a kill costs",
    )
    lora_r: Annotated[Count, Lora("r", stated=True)] = Field(8, description="rank of the LoRA adapters")
    lora_alpha: Annotated[Count, Lora("lora_alpha", stated=True)] = Field(32, description="scale of the LoRA adapters")
    lora_dropout: Annotated[float, Lora("lora_dropout", stated=True)] = Field(
        0.1,
        ge=0,
        lt=1,
        description="dropout of the LoRA adapters",
    )
    gpus: Annotated[Gpus, ByHand(0), NotPassed(), NoWeights()] = Field(
        description="GPUs that the step trains on, with a process for each; refused where there are fewer"
    )

    def facts(self) -> dict[str, Any]:
        """The fields that decide weights, for manifests."""
        return {name: getattr(self, name) for name in FIELDS if name not in NO_WEIGHTS}

    def trainer_arguments(self) -> dict[str, Any]:
        """The fields that ``SFTConfig`` takes, under its names."""
        taken = {name: field for name, field in FIELDS.items() if not mark(field, NotPassed) and not mark(field, Lora)}
        return {argument_of(name, field): getattr(self, name) for name, field in taken.items()}

    def lora_arguments(self) -> dict[str, Any]:
        """The fields that ``LoraConfig`` takes, under its names."""
        return {mark(FIELDS[name], Lora).argument: getattr(self, name) for name in LORA}


def mark(field: FieldInfo, kind: type) -> Any:
    """A field's mark of a kind; None where it has none."""
    return next((entry for entry in field.metadata if isinstance(entry, kind)), None)


def argument_of(name: str, field: FieldInfo) -> str:
    """The argument of ``SFTConfig`` that takes a field."""
    renamed = mark(field, Trainer)
    return renamed.argument if renamed else name


FIELDS = Recipe.model_fields
#: Fields that change no weight.
NO_WEIGHTS = frozenset(name for name, field in FIELDS.items() if mark(field, NoWeights))
#: LoRA's own fields, and whether each LoRA recipe must state them.
LORA = {name: mark(field, Lora).stated for name, field in FIELDS.items() if mark(field, Lora)}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of a recipe."""
    for name, field in FIELDS.items():
        by_hand = mark(field, ByHand)
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
        return {"action": "store_true"}  # so that its default is false; rules write no flag for false
    if declared.kind is int:
        return {"type": cli.whole(declared.limits.get("at least", 0), declared.limits.get("at most", cli.MOST))}
    if declared.kind is float:
        words = {"at least": "least", "at most": "most"}
        return {"type": cli.number(**{words.get(name, name): limit for name, limit in declared.limits.items()})}
    raise TypeError(f"a flag takes no {declared.kind}")


def process_faults(method: str, gradient_accumulation: int, processes: int) -> Iterator[str]:
    """The reasons why a recipe cannot train in a number of processes."""
    if processes > 1 and method == "lora":
        yield f"LoRA trains on one GPU, which is enough for it, and not on {processes}"
    elif gradient_accumulation % processes:
        accumulation = f"gradient_accumulation {gradient_accumulation} is shared out among the GPUs"
        yield f"{accumulation}, and {processes} does not divide it"


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
    """The recipe that flags of ``add_flags`` give."""
    return Recipe(**{name: getattr(args, name) for name in FIELDS})
