"""A step refuses to run on fewer GPUs than it needs."""

from __future__ import annotations

from .errors import UserError


def check_gpus(needed: int, available: int | None = None) -> None:
    """Refuse to start on fewer GPUs than a step needs: its model would run silently on a CPU for weeks.

    Args:
        needed: the step's number of GPUs; 0 accepts any number.
        available: the number that torch sees; None lets this function ask torch.

    Raises:
        UserError: there are too few; the hint names what usually hides GPUs.
    """
    if needed == 0:
        return
    if available is None:
        import torch

        available = torch.cuda.device_count()
    if needed > available:
        hints = (
            "run it on a node that has them",
            "in a container, check that apptainer-args in the profile has --nv",
            "check with nvidia-smi that the node's driver is not too old (CUDA 13 needs 580 or newer)",
            "or change `gpus` in the configuration",
        )
        raise UserError(f"the step is to run on {needed} GPUs, and torch sees {available} here", "; ".join(hints))
