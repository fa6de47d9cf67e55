"""Full fine-tuning over several processes: weights, gradients and optimizer state in shards (FSDP2), one on each device."""

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
    """What SFTConfig needs beyond one device's settings."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "SHARDED_STATE_DICT",  # each process writes its own part of a checkpoint
            "cpu_ram_efficient_loading": True,  # the first process's weights are sent to the others (load)
            "activation_checkpointing": True,  # on CPUs, too, where it saves nothing: so tests run what GPUs run
        },
        "activation_checkpointing": False,  # the other way to have it, which FSDP's replaces
        # Without this, gradients of whole weights wait on every device for the last step of an update.
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}},
        "ddp_backend": "cuda:nccl,cpu:gloo"
        if gpu
        else "gloo",  # with GPUs, checkpoints still agree on their parts through gloo
    }


def load(base: Path, first: bool) -> PreTrainedModel:
    """The base model in float32 on the first process; on the others one of its shape, whose memory nobody touches.

    transformers (5.23) reads the weights on every process, and accelerate (1.15) confuses the parameters of a model on
    the meta device, which all have the address 0. Untouched memory has addresses and takes up nothing.
    """
    if first:
        return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base), dtype=torch.float32)
    model.tie_weights()
    return model


class BlanksLast(SeedableRandomSampler):
    """The samples of each epoch in one process's order, and blank ones behind them."""

    def __init__(self, samples: int, blanks: int, seed: int):
        super().__init__(range(samples), data_seed=seed)
        self.blanks = range(samples, samples + blanks)

    def __iter__(self) -> Iterator[int]:
        """Indices of one epoch."""
        yield from super().__iter__()
        yield from self.blanks

    def __len__(self) -> int:
        return super().__len__() + len(self.blanks)


class ShardedTrainer(SFTTrainer):
    """TRL's trainer, with the same samples in each update as in one process, and shards on CPUs, too.

    All processes must take as many steps. Where a training set does not come out even, accelerate repeats its first
    samples; here blank ones, on which there is no loss, fill it up.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        rows = self.train_dataset.select_columns(["input_ids", "labels"])
        self.samples = len(rows)
        lacking = -self.samples % (self.args.per_device_train_batch_size * self.args.world_size)
        blanks = {"input_ids": [[self.processing_class.pad_token_id] * 2] * lacking, "labels": [[-100] * 2] * lacking}
        self.train_dataset = concatenate_datasets([rows, Dataset.from_dict(blanks, features=rows.features)])

    def get_train_dataloader(self) -> DataLoader:
        """Called by the trainer: this process's batches."""
        loader = super().get_train_dataloader()
        loader.set_sampler(BlanksLast(self.samples, len(self.train_dataset) - self.samples, self.args.data_seed))
        return loader

    def compute_loss_context_manager(self) -> AbstractContextManager:
        """Called by the trainer around each forward pass: on one device accelerate sees to this, with FSDP it does not.

        Without autocast's cache, which would keep every layer's weights whole, in bfloat16, until the pass is over.
        """
        return self.accelerator.autocast(AutocastKwargs(cache_enabled=False))

    def create_accelerator_and_postprocess(self) -> None:
        """Called by the trainer once: accelerate (1.15) shards on GPUs alone, though torch can on CPUs; its state is told to."""
        super().create_accelerator_and_postprocess()
        state = self.accelerator.state
        if state.distributed_type == DistributedType.MULTI_CPU:
            state.fsdp_plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
            state.distributed_type = DistributedType.FSDP
            self.is_fsdp_enabled = True


def in_full(args: SFTConfig) -> SFTConfig:
    """Settings that gather weights and add up gradients in float32; transformers has no setting for it, and would take bfloat16.

    What is computed in bfloat16 is left to autocast, as on one device.
    """
    args.fsdp_plugin_args["mixed_precision_policy"] = MixedPrecisionPolicy()
    return args


def gather(trainer: ShardedTrainer) -> PreTrainedModel | None:
    """The whole trained model in the first process's main memory; None on the others. All must call it.

    One tensor after the other, so that no device holds more than one of them whole (accelerate's ``get_state_dict``
    leaves shards as they are on CPUs).
    """
    weights = {}
    for name, shard in trainer.model.state_dict().items():
        tensor = shard.full_tensor() if isinstance(shard, DTensor) else shard
        if trainer.accelerator.is_main_process:
            weights[name] = tensor.cpu()
    if not trainer.accelerator.is_main_process:
        return None
    with torch.device("meta"):  # the weights take the place of its parameters: no second copy
        model = AutoModelForCausalLM.from_config(trainer.model.config, dtype=torch.float32)
    model.generation_config = trainer.model.generation_config
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    return model
