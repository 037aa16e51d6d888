"""Every measure of given images is the same for any batch size, up to float rounding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from landscape.curvature import input_hessian
from landscape.flatness.boundary import boundary_distance
from landscape.flatness.coherence import gradient_coherence
from landscape.flatness.cure import gradient_change
from landscape.flatness.dimension import local_dimension
from landscape.flatness.gradients import gradient_norm
from landscape.flatness.linearity import linearity_gap
from landscape.flatness.log_odds import log_odds_shift
from landscape.flatness.noise import noise_rise
from landscape.flatness.persistence import label_persistence
from landscape.flatness.stability import label_stability
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss

N = 9
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
Measure = Callable[[Loss, Tensor, int], list[Tensor]]


def noise(loss: Loss, images: Tensor, batch_size: int, *, kind: str) -> list[Tensor]:
    found = noise_rise(loss, images, [1.0, 4.0], kind=kind, draws=16, batch_size=batch_size)
    return [found.centre, found.mean, found.standard_error]


def stability(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    found = label_stability(
        loss.classifier, images, loss.labels, [0.1, 0.5], draws=16, batch_size=batch_size
    )
    return [found.share, found.lower, found.radius]


def worst_case(loss: Loss, images: Tensor, batch_size: int, *, norm: str) -> list[Tensor]:
    radii = [0.01, 0.05] if norm == "linf" else [0.1, 0.5]
    found = worst_case_rise(
        loss, images, radii, norm=norm, steps=6, restarts=2, batch_size=batch_size, box=(0.0, 1.0)
    )
    return [found.centre, found.rise]


def gradient(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    return list(gradient_norm(loss, images, batch_size=batch_size).values())


def linearity(loss: Loss, images: Tensor, batch_size: int, *, norm: str) -> list[Tensor]:
    # A gap is a difference of losses, each rounded: it is to be well above their last digit.
    radii = [0.2, 0.5] if norm == "linf" else [1.0, 3.0]
    return [linearity_gap(loss, images, radii, norm=norm, steps=4, batch_size=batch_size).gap]


def change(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    return [gradient_change(loss, images, 0.3, batch_size=batch_size)]


def coherence(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    found = gradient_coherence(loss, images, [0.5, 2.0], draws=8, batch_size=batch_size)
    return [found.mean, found.standard_error]


def persistent(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    found = label_persistence(loss.classifier, images, loss.labels, draws=16, batch_size=batch_size)
    return [found.sigma, found.low, found.high.clamp_max(2)]


def log_odds(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    found = log_odds_shift(loss.classifier, images, [0.5, 2.0], draws=8, batch_size=batch_size)
    return [found.shift, found.standard_error]


def boundary(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    return [boundary_distance(loss.classifier, images, steps=25, batch_size=batch_size).distance]


def dimension(loss: Loss, images: Tensor, batch_size: int) -> list[Tensor]:
    references = torch.rand(40, *images.shape[1:], generator=torch.Generator().manual_seed(5))
    return [local_dimension(images, references, neighbours=9, batch_size=batch_size)]


def hessian(loss: Loss, images: Tensor, batch_size: int, **options: object) -> list[Tensor]:
    found = input_hessian(loss, images, batch_size=batch_size, **options)  # type: ignore[arg-type]
    return [found.top, found.trace, found.trace_standard_error]


MEASURES: dict[str, Measure] = {
    "gaussian": partial(noise, kind="gaussian"),
    "sphere": partial(noise, kind="sphere"),
    "stability": stability,
    "worst linf": partial(worst_case, norm="linf"),
    "worst l2": partial(worst_case, norm="l2"),
    "linearity linf": partial(linearity, norm="linf"),
    "linearity l2": partial(linearity, norm="l2"),
    "gradient": gradient,
    "gradient change": change,
    "gradient coherence": coherence,
    "persistence": persistent,
    "log-odds": log_odds,
    "boundary": boundary,
    "dimension": dimension,
    "closed form": partial(hessian, method="gauss_newton"),
    "closed form, some classes": partial(hessian, method="gauss_newton", classes=2),
    "lanczos": partial(hessian, method="lanczos"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_numbers_do_not_depend_on_the_batch_size(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.GELU(), nn.Flatten(), nn.Linear(96, 5)
    ).to(dtype)  # fmt: skip
    net.eval().requires_grad_(False)
    net[-1].weight *= 5
    images = torch.rand(N, 1, 6, 6, generator=torch.Generator().manual_seed(1)).to(dtype)
    loss = Loss(net, torch.arange(N) % 5)
    whole, *others = (MEASURES[name](loss, images, size) for size in (256, 7, 1))
    for other in others:
        for a, b in zip(whole, other, strict=True):
            scale = a.abs().amax() * 1e-2  # for sums that cancel, such as an indefinite trace
            assert ((a - b).abs() <= TOLERANCE[dtype] * (a.abs() + scale)).all()
