"""What a classifier's outputs give away: random, without a gradient, or saturated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from attacks.masking.rows import Row, row
from core.errors import InputError

TOLERATED = 0.05
"""Share of images that may lack a gradient before attacks on the classifier are in doubt."""

SATURATED = 0.5
"""Share of images whose probability may round to exactly 1."""


def output_checks(
    classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int, device: torch.device
) -> tuple[list[Row], Tensor, bool]:
    """Check outputs and gradients; say which images are right, and whether there are gradients."""
    difference = scale = 0.0
    right, flat, certain = [], [], []
    differentiable = True
    for pixels, own in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        points = pixels.to(device, torch.float32).requires_grad_()
        own = own.to(device)
        with torch.enable_grad():
            logits = logits_of(classifier, points)
            if not bool(torch.isfinite(logits).all()):
                raise InputError("logits: some values are not finite.")
            # The loss as everyone writes it: where float32 loses it, their attacks fail.
            loss = functional.cross_entropy(logits, own, reduction="sum")
        gradients = None
        if loss.requires_grad:
            (gradients,) = torch.autograd.grad(loss, points, allow_unused=True)
        differentiable &= gradients is not None
        found = torch.zeros_like(points) if gradients is None else gradients
        with torch.no_grad():
            again = logits_of(classifier, points)
        difference = max(difference, float((again - logits).detach().abs().max()))
        scale = max(scale, float(logits.detach().abs().max()))
        right.append((logits.argmax(1) == own).cpu())
        flat.append((found.flatten(1) == 0).all(1).cpu())
        certain.append((torch.softmax(logits.detach(), 1).amax(1) == 1).cpu())
    correct = torch.cat(right) if right else torch.zeros(0, dtype=torch.bool)
    counted = int(correct.sum())
    # Kernels that add up in another order on every call differ by rounding, not by design.
    rounding = 1e-5 * max(scale, 1e-12)
    rows = [
        row(
            "repeatable",
            difference <= rounding,
            difference,
            f"Largest difference of a logit between two passes; the largest logit is {scale:.3g}. "
            "A random classifier has to be attacked through the average over its draws.",
        )
    ]
    if not counted:
        return rows, correct, differentiable
    without = int(torch.cat(flat)[correct].sum())
    saturated = int(torch.cat(certain)[correct].sum())
    rows += [
        row(
            "gradients",
            without / counted <= TOLERATED,
            without / counted,
            f"Share of images whose gradient of the plain cross-entropy is exactly zero "
            f"({without} of {counted}): there an attack that follows it does not move.",
        ),
        row(
            "not saturated",
            saturated / counted <= SATURATED,
            saturated / counted,
            f"Share of images whose softmax is exactly 1 ({saturated} of {counted}): the "
            "cross-entropy has lost the digits an attack needs; a margin loss has not.",
        ),
    ]
    return rows, correct, differentiable


def logits_of(classifier: nn.Module, points: Tensor) -> Tensor:
    """Run the classifier, also one whose weights are float64, and return float32."""
    floats = [p.dtype for p in classifier.parameters() if p.is_floating_point()]
    return classifier(points.to(floats[0] if floats else points.dtype)).float()
