"""Supervised fine-tuning with TRL: completion-only loss, LoRA or full, resumable, to merged safetensors.

One way for the discriminator, the ED-only baselines, the ablations and our systems (paper, sections 3.2 and 4.1).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from ..core.errors import UserError
from ..core.model_folder import open_model
from ..core.provenance import describe_files, hashed
from ..core.records import Record, read_json, write_json
from ..data.prompts import dialogue_messages
from .recipes import Recipe


def conversations(samples: list[Record], style: str, system: str) -> list[Record]:
    """Samples as TRL's prompt and completion: the loss is on the completion alone."""
    return [
        {
            "id": sample["id"],
            "prompt": dialogue_messages(sample["history"], style, system),
            "completion": [{"role": "assistant", "content": sample["response"]}],
        }
        for sample in samples
    ]


def set_aside_overlong(rows: list[Record], tokenizer, max_length: int) -> tuple[list[Record], list[str]]:
    """The rows that fit into ``max_length`` tokens, and the ids of those that do not.

    TRL truncates such rows, and drops those whose completion is cut away whole, without a word; here they are named.

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


#: The file that marks a checkpoint as whole: it lists the checkpoint's files with their hashes.
WHOLE = "written-whole"


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint that is written to its end, with the hashes of its files."""
    write_json(checkpoint / WHOLE, describe_files(checkpoint))


def whole_checkpoint(state: Path) -> Path | None:
    """The newest checkpoint that is as it was written. Torn and damaged ones before it are removed, with their steps."""
    found = sorted(state.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in found:
        fault = fault_of(checkpoint)
        if not fault:
            return checkpoint
        print(f"train: {checkpoint.name} is not used: {fault}")
        shutil.rmtree(checkpoint)
    return None


def fault_of(checkpoint: Path) -> str | None:
    """Why training cannot go on from a checkpoint; None where it can."""
    if not (checkpoint / WHOLE).is_file():
        return "it was not written to its end"
    try:
        listed = read_json(checkpoint / WHOLE)
        found = hashed(checkpoint, listed)
        damaged = [name for name, file in listed.items() if found[name] != file["sha256"]]
    except (UserError, OSError, TypeError, KeyError, AttributeError) as error:
        return f"it is damaged ({error})".replace("\n", " ")
    return f"{damaged[0]} is damaged" if damaged else None


def drop_checkpoints(state: Path) -> None:
    """Remove a finished training's checkpoints, their marks first: a kill in between leaves none that looks whole."""
    for mark in state.glob(f"checkpoint-*/{WHOLE}"):
        mark.unlink()
    shutil.rmtree(state, ignore_errors=True)


class MarkWhole(TrainerCallback):
    """Marks a checkpoint once all of it is written: the trainer writes its files one by one, in place."""

    def on_save(self, args, state, control, **kwargs):
        """Called by the trainer behind the last file of a checkpoint that this process writes; the others write theirs."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class LogProgress(TrainerCallback):
    """One plain line a logged step: step, loss, and the share done."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Called by the trainer after each logged step."""
        if logs and "loss" in logs:
            print(f"train: step {state.global_step} of {state.max_steps}, loss {logs['loss']:.4f}")


def sft_config(recipe: Recipe, state: Path, seed: int, dtype: str, gpu: bool, processes: int = 1) -> SFTConfig:
    """TRL's settings for a recipe; what a recipe does not name stays at TRL's default.

    Each of several processes takes its share of an update's steps. Making the settings joins them together.
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

    return fsdp.in_full(SFTConfig(**settings | fsdp.sharding(gpu)))


def lora_config(recipe: Recipe) -> LoraConfig | None:
    """LoRA on all linear layers, or None for full fine-tuning."""
    if recipe.method != "lora":
        return None
    return LoraConfig(**recipe.lora_arguments(), target_modules="all-linear", task_type="CAUSAL_LM")


def fine_tune(
    base: Path,
    rows: list[Record],
    recipe: Recipe,
    seed: int,
    dtype: str,
    state: Path,
    folder: Path | None,
    processes: int = 1,
) -> list[Record]:
    """Fine-tune ``base`` on rows of ``conversations`` and save merged weights and tokenizer to ``folder``.

    Args:
        state: folder of this training's checkpoints; it is resumed from the newest whole one.
        folder: used by the first of several processes; the others need none.
        processes: how many train together, this one among them (``spreading.launch`` starts them).

    Returns:
        Step and loss of every step, those before a resume included.
    """
    gpu = torch.cuda.is_available()
    if processes == 1 and torch.cuda.device_count() > 1:
        hint = "let the job see one: set CUDA_VISIBLE_DEVICES=0, or ask the scheduler for one; full fine-tuning takes several with `gpus` in its recipe"
        raise UserError(f"{torch.cuda.device_count()} GPUs are visible, and this step trains on one", hint)
    tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    settings = sft_config(recipe, state, seed, dtype, gpu, processes)
    trainer_class, model = trainer_and_model(base, recipe, dtype, processes)
    trainer = trainer_class(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list([{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]),
        processing_class=tokenizer,
        peft_config=lora_config(recipe),
        callbacks=[MarkWhole(), LogProgress()],
    )
    open_model(base)  # the files that were loaded are those that were checked, unless they changed meanwhile
    trainer.remove_callback(PrinterCallback)  # LogProgress says it in a line a person can read
    with trainer.accelerator.main_process_first():  # it removes torn checkpoints before another looks
        checkpoint = whole_checkpoint(state)
    print(
        f"train: {len(rows)} samples, {'from the start' if checkpoint is None else f'goes on from {checkpoint.name}'}"
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model = trained_model(trainer, recipe, processes)
    if model is not None:
        model.to(getattr(torch, dtype))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    PartialState().destroy_process_group()
    return [{"step": entry["step"], "loss": entry["loss"]} for entry in trainer.state.log_history if "loss" in entry]


def trainer_and_model(
    base: Path, recipe: Recipe, dtype: str, processes: int
) -> tuple[type[SFTTrainer], PreTrainedModel]:
    """The class of the trainer, and the base model that it trains: whole in one process, in shards in several."""
    if processes == 1:
        return SFTTrainer, load_base(base, recipe, dtype)
    from . import fsdp, launcher

    return fsdp.ShardedTrainer, fsdp.load(base, launcher.first())


def trained_model(trainer: SFTTrainer, recipe: Recipe, processes: int) -> PreTrainedModel | None:
    """The model to save: merged, or gathered in the first process; None in the others."""
    if processes > 1:
        from . import fsdp

        return fsdp.gather(trainer)
    return trainer.model.merge_and_unload() if recipe.method == "lora" else trainer.model


def load_base(base: Path, recipe: Recipe, dtype: str) -> PreTrainedModel:
    """The base model for one device.

    Full fine-tuning keeps float32 weights: in bfloat16 an update at a rate of 1e-5 is rounded away. LoRA's base is frozen.
    """
    return AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32 if recipe.method == "full" else getattr(torch, dtype)
    )
