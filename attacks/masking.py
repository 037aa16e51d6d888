"""Signs that an attack fails because gradients are masked, not because the classifier is robust.

Carlini et al. 2019, "On evaluating adversarial robustness", section 4; Athalye et al. 2018,
"Obfuscated gradients give a false sense of security".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import comb

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from attacks.crafting import craft
from attacks.inputs import checked_ids, checked_images, checked_labels, device_of
from core.errors import InputError
from core.models import evaluating
from core.options import positive

TOLERATED = 0.05
"""Share of images that may lack a gradient before attacks on the classifier are in doubt."""

SATURATED = 0.5
"""Share of images whose probability may round to exactly 1."""

SIGNIFICANT = 0.01
"""A change of success is called a fall when its one-sided exact p is below this."""

CHECKS = {
    "repeatable": "Two forward passes of the same images give the same logits",
    "gradients": "The cross-entropy has a gradient in float32",
    "not saturated": "The predicted probability does not round to 1 in float32",
    "unbounded": "With the whole box to move in, every image is fooled",
    "larger radius": "Success never falls as the radius grows",
    "more steps": "Success never falls with more steps",
    "iterative": "Many steps fool at least as many images as a single one",
}
"""What each check asks, in the order of the rows."""


def default_radii(shape: Sequence[int], norm: str = "linf") -> tuple[float, ...]:
    """Return radii from hardly visible to large for images of this shape.

    >>> default_radii((1, 8, 8)), default_radii((3, 32, 32))[:2] == (1 / 255, 2 / 255)
    ((0.05, 0.1, 0.2, 0.4), True)
    """
    pixels = torch.Size(shape).numel()
    radii = (0.05, 0.1, 0.2, 0.4) if pixels <= 784 else (1 / 255, 2 / 255, 8 / 255, 32 / 255)
    return radii if norm == "linf" else tuple(radius * pixels**0.5 / 2 for radius in radii)


def masking_checks(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    norm: str = "linf",
    radii: Sequence[float] | None = None,
    steps: int = 20,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Check a classifier for masked gradients, one row per check.

    Only images that are classified correctly take part. The whole box (radius 1 in linf, the
    diagonal in l2) is always the last radius. A ball contains every smaller one, so an image that
    was fooled at one radius counts as fooled at all larger ones where 100 % is asked for, but not
    where success is compared between radii. Steps and single step are compared at the radius whose
    success is nearest to a half; comparisons are paired, and a fall counts when the exact
    one-sided test (McNemar) finds it at p < 0.01.

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        images: `(n, ...)` in `[0, 1]`.
        labels: `(n,)` the true classes.
        norm: linf or l2.
        radii: in input units; default: `default_radii`.
        steps: of PGD; "more steps" compares a quarter of them with four times as many.
        seed: of the random starts, and of a classifier that is random itself.
        ids: one name per image.
        batch_size: the most images evaluated at once.

    Returns:
        Columns check (a key of `CHECKS`), passed (missing where it cannot be said), number (what
        the check looks at), explanation (what the number is, and what follows).

    Raises:
        InputError: an argument cannot be used, or the classifier's logits are not finite.

    Cost: at most `(r + 1) * steps + 4.25 * steps + 3` forward and backward passes per image for r
    radii; far fewer where images are fooled.
    """
    images = checked_images(images)
    labels = checked_labels(labels, len(images), "labels")
    names = checked_ids(ids, len(images))
    positive(steps, "steps")
    positive(batch_size, "batch_size")
    if norm not in ("linf", "l2"):
        raise InputError(f"norm: expected linf or l2, found {norm!r}.")
    box = 1.0 if norm == "linf" else images[0].numel() ** 0.5 if len(images) else 1.0
    chosen = default_radii(images.shape[1:], norm) if radii is None else radii
    lengths = [*sorted({positive(float(r), "radii") for r in chosen if r < box}), box]
    device = device_of(classifier, images)
    cuda = [device] if device.type == "cuda" else []
    # A classifier that draws random numbers does so from a seed of ours, and leaves no trace.
    with torch.random.fork_rng(cuda), torch.inference_mode(False), evaluating(classifier):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        rows, right, differentiable = _outputs(classifier, images, labels, batch_size, device)
        images, labels = images[right], labels[right]
        names = tuple(name for name, kept in zip(names, right.tolist(), strict=True) if kept)
        if not len(images) or not differentiable:
            why = (
                "No image is classified correctly, so there is nothing to attack."
                if differentiable
                else "The logits are not a differentiable function of the image: no such attack."
            )
            rows += [_row(check, None, float("nan"), why) for check in list(CHECKS)[len(rows) :]]
            return _table(rows)

        def fooled(eps: float, count: int, attack: str = "pgd") -> Tensor:
            many = f", steps={count}" if attack == "pgd" else ""
            recipe = f"{attack}(norm={norm}, eps={eps!r}{many})"
            made = craft(classifier, images, labels, recipe, seed, ids=names, batch_size=batch_size)
            # Right a moment ago: only a random classifier gets such an image wrong as it is.
            return (made.success | ~made.clean_correct).cpu()

        won = torch.stack([fooled(eps, steps) for eps in lengths])
        share = won.double().mean(1)
        middle = lengths[int((share - 0.5).abs().argmin())]
        few, many = max(steps // 4, 1), 4 * steps
        rows += [
            _unbounded(won, lengths, norm),
            _larger_radius(won, lengths, norm),
            _compared(
                "more steps",
                fooled(middle, few),
                fooled(middle, many),
                (f"PGD with {few} steps", f"with {many}"),
                f"{norm} {middle:.4g}",
            ),
            _compared(
                "iterative",
                fooled(middle, 1, "fgsm"),
                won[lengths.index(middle)],
                ("a single step", f"PGD with {steps}"),
                f"{norm} {middle:.4g}",
            ),
        ]
    return _table(rows)


def _outputs(
    classifier: nn.Module, images: Tensor, labels: Tensor, batch_size: int, device: torch.device
) -> tuple[list[dict[str, object]], Tensor, bool]:
    """Check outputs and gradients; say which images are right, and whether there are gradients."""
    difference = scale = 0.0
    right, flat, certain = [], [], []
    differentiable = True
    for pixels, own in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        points = pixels.to(device, torch.float32).requires_grad_()
        own = own.to(device)
        with torch.enable_grad():
            logits = _logits(classifier, points)
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
            again = _logits(classifier, points)
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
        _row(
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
        _row(
            "gradients",
            without / counted <= TOLERATED,
            without / counted,
            f"Share of images whose gradient of the plain cross-entropy is exactly zero "
            f"({without} of {counted}): there an attack that follows it does not move.",
        ),
        _row(
            "not saturated",
            saturated / counted <= SATURATED,
            saturated / counted,
            f"Share of images whose softmax is exactly 1 ({saturated} of {counted}): the "
            "cross-entropy has lost the digits an attack needs; a margin loss has not.",
        ),
    ]
    return rows, correct, differentiable


def _logits(classifier: nn.Module, points: Tensor) -> Tensor:
    """Run the classifier, also one whose weights are float64, and return float32."""
    floats = [p.dtype for p in classifier.parameters() if p.is_floating_point()]
    return classifier(points.to(floats[0] if floats else points.dtype)).float()


def _unbounded(won: Tensor, lengths: Sequence[float], norm: str) -> dict[str, object]:
    fooled = won.any(0)
    shares = ", ".join(
        f"{100 * float(row.double().mean()):.0f} % at {eps:.4g}"
        for eps, row in zip(lengths, won, strict=True)
    )
    return _row(
        "unbounded",
        bool(fooled.all()),
        float(fooled.double().mean()),
        f"Share of {won.shape[1]} images fooled within the whole box; PGD in {norm}: {shares}. "
        "Every image can be turned into another one there: what is left was not found.",
    )


def _larger_radius(won: Tensor, lengths: Sequence[float], norm: str) -> dict[str, object]:
    pairs = list(pairwise(won))
    worst = min(range(len(pairs)), key=lambda i: _p_of_fall(*pairs[i]), default=None)
    if worst is None:
        return _row("larger radius", None, float("nan"), "There is one radius only.")
    return _compared(
        "larger radius",
        *pairs[worst],
        (f"PGD at {norm} {lengths[worst]:.4g}", f"at {lengths[worst + 1]:.4g}"),
        "the pair of neighbouring radii that speaks most for a fall",
        tests=len(pairs),
    )


def _compared(
    check: str,
    less: Tensor,
    more: Tensor,
    called: tuple[str, str],
    where: str,
    tests: int = 1,
) -> dict[str, object]:
    """Compare two attacks, of which the second should be no weaker; the number is its gain."""
    p = min(1.0, tests * _p_of_fall(less, more))
    lost, gained = int((less & ~more).sum()), int((more & ~less).sum())
    return _row(
        check,
        p >= SIGNIFICANT,
        float(more.double().mean() - less.double().mean()),
        f"Gain in success: {called[0]} fools {int(less.sum())} of {len(less)}, {called[1]} "
        f"{int(more.sum())} ({where}; {gained} gained, {lost} lost, p of a fall {p:.2g}).",
    )


def _p_of_fall(less: Tensor, more: Tensor) -> float:
    """Return the exact p, one-sided, of as many lost among the images that changed sides."""
    lost, gained = int((less & ~more).sum()), int((more & ~less).sum())
    changed = lost + gained
    return sum(comb(changed, k) for k in range(lost, changed + 1)) / 2**changed


def _row(check: str, passed: bool | None, number: float, explanation: str) -> dict[str, object]:
    return {"check": check, "passed": passed, "number": number, "explanation": explanation}


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype({"passed": "boolean", "number": float})
