"""Top eigenvalue of the input Hessian, beside curvlinops with an eigensolver for each example."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from benchmarks.photographs import resnet_on_photographs
from landscape.curvature import input_hessian
from landscape.loss import Loss

EXAMPLES = 64
PEER_EXAMPLES = 16  # the peer takes examples one by one: its time for one does not fall with more
AGREEMENT = 1e-3
NOISE = 0.63  # of the thousand classes' images, so that about four in five can be told
OURS, PEER = "inputscape", "curvlinops + eigsh"
Solver = Callable[[], Tensor]


class AtImage(nn.Module):
    """A classifier whose parameter is the image, for a library that differentiates parameters."""

    def __init__(self, classifier: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.classifier = classifier
        self.image = nn.Parameter(image.clone())

    def forward(self, _: Tensor) -> Tensor:
        """Return the logits at the image, whatever the input."""
        return self.classifier(self.image)


def convolutional_network(classes: int = 10, pooled: int = 1) -> nn.Sequential:
    """Return a ReLU network for 3 x 32 x 32 images, its weights random and its statistics set."""
    widths = (3, 32, 32, 64, 64, 128)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for i, (before, after) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            if i % 2:
                layers.append(nn.MaxPool2d(2))
        layers += [nn.AdaptiveAvgPool2d(pooled), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(widths[-1] * pooled**2, classes))
        for _ in range(20):
            network(torch.rand(64, 3, 32, 32))
    return network.eval().requires_grad_(False)


def thousand_classes(steps: int = 200, count: int = 1000) -> tuple[nn.Module, Tensor, float]:
    """Train that network on noisy prototypes of a thousand classes; a minute or two.

    Random weights would give all classes the same probability, and few steps of training give a
    network that is never sure; what takes a spectrum's time is how natural probabilities spread.

    Returns:
        The network, new images of the same kind, and the share of a thousand more that it gets
        right.
    """
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(count, 3, 8, 8, generator=generator)
    prototypes = nn.functional.interpolate(small, size=32, mode="bicubic")

    def draw(many: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(count, (many,), generator=generator)
        noise = torch.randn(many, 3, 32, 32, generator=generator)
        return (0.5 + 0.1 * prototypes[labels] + NOISE * noise).clamp(0, 1), labels

    network = convolutional_network(count, pooled=4).train().requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        images, labels = draw(256)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
        rate.step()
    network.eval().requires_grad_(False)
    images, labels = draw(1000)
    right = torch.cat([network(part).argmax(1) for part in images.split(250)]) == labels
    return network, draw(EXAMPLES)[0], float(right.double().mean())


def settings() -> dict[str, tuple[nn.Module, Tensor]]:
    """Return classifiers and images: see `convolutional_network` and `thousand_classes`; and, where
    it lies, ResNet-18 on photographs.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(EXAMPLES, 3, 32, 32, generator=generator)
    network, noisy, right = thousand_classes()
    found: dict[str, tuple[nn.Module, Tensor]] = {
        "small CNN 32x32": (convolutional_network(), images),
        f"small CNN, 1,000 classes, {100 * right:.1f} % right": (network, noisy),
    }
    photographs = resnet_on_photographs()
    if photographs:
        classifier, data = photographs
        found["ResNet-18 64x64, 20 classes"] = (classifier, data.subset(EXAMPLES).tensors()[0])
    return found


def curvlinops(classifier: nn.Module, images: Tensor, labels: Tensor) -> Solver:
    """Return the peer's solver: ARPACK on Hessian-vector products, one example after the other."""
    library = importlib.import_module("curvlinops")
    loss = nn.CrossEntropyLoss(reduction="sum")
    start = np.random.default_rng(0).standard_normal(images[0].numel()).astype(np.float32)

    def solve() -> Tensor:
        found = []
        for image, label in zip(images.split(1), labels.split(1), strict=True):
            model = AtImage(classifier, image)
            hessian = library.HessianLinearOperator(
                model, loss, [model.image], [(image, label)], check_deterministic=False
            )
            operator = hessian.to_scipy(dtype=np.float32)
            values = eigsh(
                operator, k=1, which="LA", v0=start, tol=AGREEMENT / 10, return_eigenvectors=False
            )
            found.append(float(values[0]))
        return torch.tensor(found, dtype=torch.float64)

    return solve


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Measure all in alternating repetitions, and return one row per figure.

    Times are medians over the repetitions and per image: ours of a batch of 64, the peer's of 16
    images one by one. Both stop at a residual of 1e-4 of the eigenvalue, and what they find is
    compared. A further line gives all that `input_hessian` computes by default.
    """
    table = []
    for name, (classifier, images) in settings().items():
        with torch.no_grad():
            labels = classifier(images).argmax(1)
        table += _compare(name, classifier, images, labels, repeats)
    return table


def _compare(
    name: str, classifier: nn.Module, images: Tensor, labels: Tensor, repeats: int
) -> list[dict[str, Any]]:
    """Return the rows of one classifier."""
    loss = Loss(classifier, labels)
    shown = input_hessian(loss.select(slice(1)), images[:1]).eigenvalues.shape[1]
    whole = f"inputscape, {shown} eigenvalues and the trace"
    solvers: dict[str, tuple[Solver, int]] = {
        OURS: (lambda: input_hessian(loss, images, top=1, probes=0).top, len(images)),
        whole: (lambda: input_hessian(loss, images).top, len(images)),
    }
    missing = ""
    try:
        few = slice(0, PEER_EXAMPLES)
        solvers[PEER] = (curvlinops(classifier, images[few], labels[few]), PEER_EXAMPLES)
    except ImportError as error:
        missing = f"not installed ({error})"
    seconds: dict[str, list[float]] = {contender: [] for contender in solvers}
    tops: dict[str, Tensor] = {}
    for _ in range(repeats):
        for contender, (solve, examples) in solvers.items():
            begun = time.perf_counter()
            tops[contender] = solve()
            seconds[contender].append((time.perf_counter() - begun) / examples)
    own = statistics.median(seconds[OURS])
    table = []
    for contender in (OURS, whole, PEER):
        value = statistics.median(seconds[contender]) if contender in seconds else float("nan")
        table.append(
            {
                "benchmark": f"top input-Hessian eigenvalue, {name}",
                "contender": contender,
                "metric": "time per image",
                "value": 1000 * value,
                "unit": "ms",
                "ratio_to_ours": value / own,
                "note": _note(contender, tops, missing),
            }
        )
    return table


def _note(contender: str, tops: dict[str, Tensor], missing: str) -> str:
    """Say how far a contender's eigenvalues are from ours."""
    if contender == OURS:
        return ""
    if contender not in tops:
        return missing
    found = tops[contender]
    gap = float((found / tops[OURS][: len(found)] - 1).abs().max())
    said = f"largest relative difference {gap:.1e}"
    if gap > AGREEMENT:
        said += f", more than {AGREEMENT:g}: the times do not compare"
    return said
