"""How steep and how curved a classifier's loss is around each image, in a few passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from attacks.noise import random_steps
from attacks.norms import lengths
from attacks.objectives import log_odds
from core.losses import cross_entropy
from core.models import evaluating
from core.randomness import generators


def sharpness(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    radius: float,
    *,
    draws: int = 16,
    seed: int = 0,
    ids: Sequence[str],
    batch_size: int = 256,
) -> dict[str, Tensor]:
    """Return measures of the loss around images, one number per example.

    `loss`: cross-entropy, in nats. `gradient`: l2 norm of its gradient, in nats per unit of the
    input; it vanishes with the probability of being wrong, however the classifier behaves further
    on. `slope`: l2 norm of the gradient of the log-odds, which does not. `rise`: mean of the loss
    over random points at an l2 distance, minus the loss, in nats; the points lie in the box, as
    those of the noise control of attacks.

    `landscape.flatness` measures more, and better: this is what a study of training needs beside
    its accuracies.

    Args:
        classifier: images in [0, 1] to logits.
        images: `(n, c, h, w)`.
        labels: `(n,)`.
        radius: of the sphere.
        draws: points on it for each image.
        seed: with an example's id, names its random numbers: two classifiers see the same points.
        ids: of the examples.
        batch_size: images in a forward pass; it changes the numbers by float rounding only.

    Returns:
        `(n,)` each, float64 on the CPU.

    Cost: two forward and two backward passes, and `draws` forward passes.

    >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> with torch.no_grad():
    ...     linear[1].weight.copy_(torch.tensor([[3.0, 0, 0, 0], [0, 4.0, 0, 0]])).shape
    torch.Size([2, 4])
    >>> image, label = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
    >>> sharpness(linear, image, label, 0.1, ids=["a"])["slope"].item()
    5.0
    """
    found: dict[str, list[Tensor]] = {"loss": [], "gradient": [], "slope": [], "rise": []}
    with evaluating(classifier):
        for rows in torch.arange(len(images)).split(batch_size):
            x, y = images[rows], labels[rows]
            loss, gradient = _slope(classifier, cross_entropy, x, y)
            _, slope = _slope(classifier, log_odds, x, y)
            streams = generators(seed, [ids[int(i)] for i in rows], "points on a sphere")
            radii = torch.full((len(x),), radius, dtype=x.dtype, device=x.device)
            total = torch.zeros(len(x), dtype=torch.float64)
            for _ in range(draws):
                with torch.no_grad():
                    around = classifier(x + random_steps(x, radii, "l2", streams))
                    total += cross_entropy(around, y).cpu().double()
            for name, values in (
                ("loss", loss), ("gradient", gradient), ("slope", slope),
                ("rise", total / draws - loss),
            ):  # fmt: skip
                found[name].append(values)
    return {name: torch.cat(parts) for name, parts in found.items()}


def _slope(
    classifier: nn.Module,
    function: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return a function of the logits at each image, and the l2 norm of its gradient."""
    with torch.enable_grad():
        points = images.detach().clone().requires_grad_()
        values = function(classifier(points), labels)
        (gradient,) = torch.autograd.grad(values.sum(), points)
    return values.detach().cpu().double(), lengths(gradient, "l2").cpu().double()
