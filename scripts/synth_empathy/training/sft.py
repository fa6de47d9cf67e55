"""Supervised fine-tuning with TRL: loss on the completion alone, LoRA or full, resumable, saved as merged safetensors.

The discriminator, the ED-only baselines, the ablations and our systems all use it (paper, sections 3.2 and 4.1).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer

from ..core.errors import UserError
from ..core.json_files import read_json, write_json
from ..core.model_folder import open_model
from ..core.provenance import describe_files, hashed
from ..core.records import Record
from ..data.prompts import dialogue_messages
from .recipes import Recipe


def conversations(samples: list[Record], style: str, system: str) -> list[Record]:
    """Samples in TRL's form of prompt and completion, where the loss is on the completion alone.

    Args:
        samples: ``records.SAMPLE``.
        style: the form of a dialogue in the prompt (``prompts.STYLES``).
        system: the system prompt; none when empty.
    """
    return [
        {
            "id": sample["id"],
            "prompt": dialogue_messages(sample["history"], style, system),
            "completion": [{"role": "assistant", "content": sample["response"]}],
        }
        for sample in samples
    ]


def split_overlong(rows: list[Record], tokenizer, max_length: int) -> tuple[list[Record], list[str]]:
    """The rows that fit into ``max_length`` tokens, and the ids of those that do not.

    TRL would truncate longer rows, and drop those that lose their whole completion, without reporting either.

    Raises:
        UserError: no row fits.
    """
    fitting, overlong = [], []
    for row in rows:
        text = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
        length = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        fitting.append(row) if length <= max_length else overlong.append(row["id"])
    if not fitting:
        hint = "raise max_length in the recipe (config.yaml, training: recipes)"
        raise UserError(f"all {len(rows)} training samples are longer than {max_length} tokens", hint)
    return fitting, overlong


#: The file that marks a checkpoint as complete. It lists the checkpoint's files with their hashes.
WHOLE = "written-whole"


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint whose files are all written as complete."""
    write_json(checkpoint / WHOLE, describe_files(checkpoint))


def whole_checkpoint(state: Path) -> Path | None:
    """The newest checkpoint that is complete and undamaged; None if there is none. Newer ones are removed."""
    checkpoints = sorted(state.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in checkpoints:
        fault = fault_of(checkpoint)
        if not fault:
            return checkpoint
        print(f"train: {checkpoint.name} is not used: {fault}")
        shutil.rmtree(checkpoint)
    return None


def fault_of(checkpoint: Path) -> str | None:
    """Why training cannot continue from a checkpoint; None if it can."""
    if not (checkpoint / WHOLE).is_file():
        return "it is incomplete"
    try:
        listed = read_json(checkpoint / WHOLE)
        hashes = hashed(checkpoint, listed)
        damaged = [name for name, file in listed.items() if hashes[name] != file["sha256"]]
    except (UserError, OSError, TypeError, KeyError, AttributeError) as error:
        return f"it is damaged ({error})".replace("\n", " ")
    return f"{damaged[0]} is damaged" if damaged else None


def drop_checkpoints(state: Path) -> None:
    """Remove the checkpoints of a finished training. Marks go first, so that after a kill none looks complete."""
    for mark in state.glob(f"checkpoint-*/{WHOLE}"):
        mark.unlink()
    shutil.rmtree(state, ignore_errors=True)


class MarkWhole(TrainerCallback):
    """Marks a checkpoint when all of it is written, because the trainer writes its files one by one, in place."""

    def on_save(self, args, state, control, **kwargs):
        """Called by the trainer after this process has written its last file of a checkpoint."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class LogProgress(TrainerCallback):
    """Prints one line for each logged step: its number, the number of all steps, and the loss."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Called by the trainer after each logged step."""
        if logs and "loss" in logs:
            print(f"train: step {state.global_step} of {state.max_steps}, loss {logs['loss']:.4f}")


def sft_config(recipe: Recipe, state: Path, *, seed: int, dtype: str, gpu: bool, processes: int = 1) -> SFTConfig:
    """TRL's settings for a recipe. Settings that the recipe does not name keep TRL's defaults.

    Each of several processes takes its share of the steps of an update. Creating the settings connects them.

    Args:
        state: the folder of checkpoints.
        dtype: the type that a GPU or CPU computes in; weights in full fine-tuning stay float32.
        gpu: whether to train on a GPU.
        processes: the number of processes that train together.
    """
    settings = recipe.trainer_arguments() | dict(
        output_dir=str(state),
        gradient_accumulation_steps=recipe.gradient_accumulation // processes,
        save_strategy="steps",
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        seed=seed,
        data_seed=seed,
        use_cpu=not gpu,
        bf16=dtype == "bfloat16",
        activation_checkpointing=gpu,  # saves GPU memory; on a CPU it only costs time
        packing=False,
        dataloader_pin_memory=gpu,
    )
    if processes == 1:
        return SFTConfig(**settings)
    from . import fsdp

    return fsdp.communicate_in_float32(SFTConfig(**settings | fsdp.sharding(gpu)))


def lora_config(recipe: Recipe) -> LoraConfig | None:
    """LoRA on all linear layers; None for full fine-tuning."""
    if recipe.method != "lora":
        return None
    return LoraConfig(**recipe.lora_arguments(), target_modules="all-linear", task_type="CAUSAL_LM")


def fine_tune(
    base: Path,
    rows: list[Record],
    recipe: Recipe,
    *,
    seed: int,
    dtype: str,
    state: Path,
    folder: Path | None,
    processes: int = 1,
) -> list[Record]:
    """Fine-tune ``base`` on rows of ``conversations``, and save merged weights and tokenizer to ``folder``.

    Args:
        base: the folder of the base model.
        state: the folder of this training's checkpoints. Training continues from the newest complete one.
        folder: where to save the model; None in all but the first of several processes.
        processes: the number of processes that train together, including this one (``launcher.launch`` starts them).

    Returns:
        Step and loss of every step, including those before an interruption.

    Raises:
        UserError: several GPUs are visible to a single process, or the base model changed while it was loaded.
    """
    if processes == 1:
        check_single_gpu()
    tokenizer = load_tokenizer(base)
    gpu = torch.cuda.is_available()
    config = sft_config(recipe, state, seed=seed, dtype=dtype, gpu=gpu, processes=processes)
    trainer_class, model = trainer_and_base(base, recipe, dtype, processes=processes, first=folder is not None)
    trainer = trainer_class(
        model=model,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]),
        processing_class=tokenizer,
        peft_config=lora_config(recipe),
        callbacks=[MarkWhole(), LogProgress()],
    )
    open_model(base)  # checks that the files did not change while they were loaded
    trainer.remove_callback(PrinterCallback)  # LogProgress prints the same in a readable line
    train(trainer, state, len(rows))
    trained = trained_model(trainer, recipe, processes)
    if trained is not None:
        trained.to(getattr(torch, dtype))
        trained.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    PartialState().destroy_process_group()
    return [{"step": entry["step"], "loss": entry["loss"]} for entry in trainer.state.log_history if "loss" in entry]


def check_single_gpu() -> None:
    """Refuse to train by a single process that sees several GPUs, because the trainer would use all of them.

    Raises:
        UserError: several GPUs are visible.
    """
    if torch.cuda.device_count() > 1:
        hint = (
            "let the job see one: set CUDA_VISIBLE_DEVICES=0, or ask the scheduler for one; "
            "full fine-tuning takes several with `gpus` in its recipe"
        )
        raise UserError(f"{torch.cuda.device_count()} GPUs are visible, and this step trains on one", hint)


def load_tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """The base model's tokenizer, with a padding token."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def trainer_and_base(
    base: Path, recipe: Recipe, dtype: str, *, processes: int, first: bool
) -> tuple[type[SFTTrainer], PreTrainedModel]:
    """The class of the trainer, and the base model: whole for a single process, to be sharded for several.

    Full fine-tuning keeps float32 weights, because in bfloat16 an update at a rate of 1e-5 is rounded away. LoRA's
    base is frozen.
    """
    if processes > 1:
        from . import fsdp

        return fsdp.ShardedTrainer, fsdp.load(base, first)
    weights = torch.float32 if recipe.method == "full" else getattr(torch, dtype)
    return SFTTrainer, AutoModelForCausalLM.from_pretrained(base, dtype=weights)


def train(trainer: SFTTrainer, state: Path, samples: int) -> None:
    """Train on so many samples, from the start or from the newest complete checkpoint."""
    with trainer.accelerator.main_process_first():  # the first process removes torn checkpoints before others look
        checkpoint = whole_checkpoint(state)
    start = "from the start" if checkpoint is None else f"goes on from {checkpoint.name}"
    print(f"train: {samples} samples, {start}")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def trained_model(trainer: SFTTrainer, recipe: Recipe, processes: int) -> PreTrainedModel | None:
    """The model to save: merged, or gathered in the first of several processes; None in the others."""
    if processes > 1:
        from . import fsdp

        return fsdp.gather(trainer)
    return trainer.model.merge_and_unload() if recipe.method == "lora" else trainer.model
