"""The optimiser and its schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn, optim
from torch.optim.lr_scheduler import OneCycleLR

from core.training.settings import TrainingSettings


def parameter_groups(
    parameters: Iterable[nn.Parameter], weight_decay: float
) -> list[dict[str, Any]]:
    """Split parameters: matrices and convolutions decay; biases, scales and shifts do not."""
    groups: list[dict[str, Any]] = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for parameter in parameters:
        groups[parameter.ndim < 2]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def build_optimiser(
    parameters: Iterable[nn.Parameter], settings: TrainingSettings, *, fused: bool = False
) -> optim.Optimizer:
    """Return the optimiser that the settings ask for.

    Args:
        parameters: to be trained.
        settings: of the training.
        fused: make a step for all parameters in one pass: the same formula, other rounding, and a
            quarter of the time where they are many and small.
    """
    groups = parameter_groups(parameters, settings.resolved_weight_decay)
    rate = settings.resolved_learning_rate
    # Left to torch unless it is asked for: what it picks differs between devices.
    how = {"fused": True} if fused else {}
    if settings.optimiser == "adamw":
        return optim.AdamW(groups, lr=rate, betas=(settings.momentum, 0.999), **how)
    momentum = settings.momentum
    return optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, **how)


def build_schedule(
    optimiser: optim.Optimizer, settings: TrainingSettings, steps: int
) -> OneCycleLR:
    """Return the OneCycle schedule over `steps` steps (Smith & Topin 2018), the momentum held.

    The rate rises from 1/25 of the peak to the peak, and falls to 1/250,000 of it at the end.
    """
    # The peak lies on a whole step: torch divides by zero where it falls on the first one.
    peak = min(steps - 1, max(1, round(settings.warmup * (steps - 1))))
    return OneCycleLR(
        optimiser,
        max_lr=settings.resolved_learning_rate,
        total_steps=steps,
        pct_start=(peak + 1) / steps if peak else 0.0,
        cycle_momentum=False,
    )
