"""Full fine-tuning over several processes: weights, gradients and optimizer state in shards, one per device (FSDP2).

Only a training on several GPUs imports this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from accelerate.data_loader import SeedableRandomSampler
from accelerate.utils import AutocastKwargs, DistributedType, FullyShardedDataParallelPlugin
from datasets import Dataset, concatenate_datasets
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.initialization import no_init_weights
from trl import SFTConfig, SFTTrainer


def sharding(gpu: bool) -> dict:
    """The arguments of ``SFTConfig`` that several processes need in addition."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "SHARDED_STATE_DICT",  # each process writes its own part of a checkpoint
            "cpu_ram_efficient_loading": True,  # the first process sends its weights to the others (see load)
            "activation_checkpointing": True,  # saves nothing on CPUs, but there tests run the code that GPUs run
        },
        "activation_checkpointing": False,  # the trainer's own, which FSDP's replaces
        # Without this, each device holds gradients of whole weights until the last step of an update.
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
        # With GPUs too, processes use gloo to agree on their parts of a checkpoint.
        "ddp_backend": "cuda:nccl,cpu:gloo" if gpu else "gloo",
    }


def load(base: Path, first: bool) -> PreTrainedModel:
    """The base model: in float32 on the first process; on the others a model of the same shape in untouched memory.

    transformers (5.23) would read the weights on every process. On the meta device all parameters have the address 0,
    and accelerate (1.15) confuses them. Untouched memory has addresses and occupies nothing.

    Args:
        base: the folder of the base model.
        first: whether this is the first process.
    """
    if first:
        return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base), dtype=torch.float32)
    model.tie_weights()
    return model


class PaddingLast(SeedableRandomSampler):
    """The samples of each epoch in the order of a single process, followed by padding samples."""

    def __init__(self, samples: int, padding: int, seed: int):
        super().__init__(range(samples), data_seed=seed)
        self.padding = range(samples, samples + padding)

    def __iter__(self) -> Iterator[int]:
        """Indices of one epoch."""
        yield from super().__iter__()
        yield from self.padding

    def __len__(self) -> int:
        return super().__len__() + len(self.padding)


class ShardedTrainer(SFTTrainer):
    """TRL's trainer with the same samples in each update as a single process has, and with shards on CPUs too.

    All processes must take the same number of steps. If the number of samples does not divide evenly, accelerate would
    repeat the first samples. Here padding samples, which have no loss, fill the last batches.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        rows = self.train_dataset.select_columns(["input_ids", "labels"])
        self.samples = len(rows)
        missing = -self.samples % (self.args.per_device_train_batch_size * self.args.world_size)
        padding = {"input_ids": [[self.processing_class.pad_token_id] * 2] * missing, "labels": [[-100] * 2] * missing}
        self.train_dataset = concatenate_datasets([rows, Dataset.from_dict(padding, features=rows.features)])

    def get_train_dataloader(self) -> DataLoader:
        """Called by the trainer: the batches of this process."""
        loader = super().get_train_dataloader()
        loader.set_sampler(PaddingLast(self.samples, len(self.train_dataset) - self.samples, self.args.data_seed))
        return loader

    def compute_loss_context_manager(self) -> AbstractContextManager:
        """Called by the trainer around each forward pass, where accelerate sets up no autocast with FSDP.

        Autocast's cache is off: it would keep the whole weights of every layer, in bfloat16, until the pass ends.
        """
        return self.accelerator.autocast(AutocastKwargs(cache_enabled=False))

    def create_accelerator_and_postprocess(self) -> None:
        """Called by the trainer once. It makes accelerate (1.15) shard on CPUs too, which torch supports."""
        super().create_accelerator_and_postprocess()
        state = self.accelerator.state
        if state.distributed_type == DistributedType.MULTI_CPU:
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            state.distributed_type = DistributedType.FSDP
            self.is_fsdp_enabled = True


def communicate_in_float32(args: SFTConfig) -> SFTConfig:
    """The same settings, with weights gathered and gradients added up in float32.

    transformers has no setting for it, and would use bfloat16. Autocast decides what is computed in bfloat16, as on
    one device.
    """
    args.fsdp_plugin_args["mixed_precision_policy"] = MixedPrecisionPolicy()
    return args


def gather(trainer: ShardedTrainer) -> PreTrainedModel | None:
    """The whole trained model in the main memory of the first process; None on the others. All processes must call it.

    Tensors are gathered one after the other, so that no device holds more than one whole tensor. (On CPUs accelerate's
    ``get_state_dict`` does not gather shards.)
    """
    weights = {}
    for name, shard in trainer.model.state_dict().items():
        tensor = shard.full_tensor() if isinstance(shard, DTensor) else shard
        if trainer.accelerator.is_main_process:
            weights[name] = tensor.cpu()
    if not trainer.accelerator.is_main_process:
        return None
    with torch.device("meta"):  # the weights replace its parameters, so that there is no second copy
        model = AutoModelForCausalLM.from_config(trainer.model.config, dtype=torch.float32)
    model.generation_config = trainer.model.generation_config
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model
