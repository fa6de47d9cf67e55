"""Refusing to compute on less than a step was given to."""

from __future__ import annotations

from .errors import UserError


def check_gpus(asked: int, found: int | None = None) -> None:
    """Refuse to start on fewer GPUs than asked for: a model meant for them would run for weeks on a CPU, in silence.

    Args:
        asked: what the step counts on; 0 takes what there is.
        found: what torch sees; asked of torch when None.

    Raises:
        UserError: names what usually hides GPUs.
    """
    if asked == 0:
        return
    if found is None:
        import torch

        found = torch.cuda.device_count()
    if asked > found:
        raise UserError(
            f"the step is to run on {asked} GPUs, and torch sees {found} here",
            "run it where they are; in a container, check that apptainer-args in the profile has --nv; check by nvidia-smi that the node's driver "
            "is not too old (CUDA 13 needs 580 or newer); or change `gpus` in the configuration",
        )
