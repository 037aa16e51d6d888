"""All checks for masked gradients: one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd
import torch
from torch import Tensor, nn

from attacks.crafting import craft
from attacks.inputs import checked_ids, checked_images, checked_labels, device_of
from attacks.masking.comparisons import compared, compared_at_worst, unbounded
from attacks.masking.outputs import output_checks
from attacks.masking.points import fooled_at, random_search
from attacks.masking.rows import CHECKS, row, table
from core.errors import InputError
from core.models import evaluating
from core.options import positive


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
    others: Mapping[str, nn.Module] | None = None,
) -> pd.DataFrame:
    """Check a classifier for masked gradients, one row per check.

    Only images that are classified correctly take part. The whole box (radius 1 in linf, the
    diagonal in l2) is always the last radius. A ball contains every smaller one, so an image that
    was fooled at one radius counts as fooled at all larger ones where 100 % is asked for, but not
    where success is compared between radii. Steps and single step are compared at the radius whose
    success is nearest to a half; random points and examples made on other classifiers (with all
    steps) are compared with the attack at every radius. Comparisons are paired, and a fall counts
    when the exact one-sided test (McNemar) finds it at p < 0.01, corrected for the number of pairs.

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        images: `(n, ...)` in `[0, 1]`.
        labels: `(n,)` the true classes.
        norm: linf or l2.
        radii: in input units; default: `default_radii`.
        steps: of PGD, and the random points of an image and radius; "more steps" compares a quarter
            of them with four times as many.
        seed: of the random starts, and of a classifier that is random itself.
        ids: one name per image.
        batch_size: the most images evaluated at once.
        others: further classifiers of the same classes, by name, such as the same network trained
            otherwise: their examples should fool this one no more often than its own.

    Returns:
        Columns check (a key of `CHECKS`), passed (missing where it cannot be said), number (what
        the check looks at), explanation (what the number is, and what follows).

    Raises:
        InputError: an argument cannot be used, or the classifier's logits are not finite.

    Cost: at most `(r + 1) * steps + 4.25 * steps + 3` forward and backward passes per image for r
    radii, and `(r + 1) * steps` forward passes; far fewer where images are fooled. Each of the
    others takes `(r + 1) * steps` forward and backward passes.
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
        rows, right, differentiable = output_checks(classifier, images, labels, batch_size, device)
        images, labels = images[right], labels[right]
        names = tuple(name for name, kept in zip(names, right.tolist(), strict=True) if kept)
        if not len(images) or not differentiable:
            why = (
                "No image is classified correctly, so there is nothing to attack."
                if differentiable
                else "The logits are not a differentiable function of the image: no such attack."
            )
            rows += [row(check, None, float("nan"), why) for check in list(CHECKS)[len(rows) :]]
            return table(rows)

        def fooled(eps: float, count: int, attack: str = "pgd") -> Tensor:
            many = f", steps={count}" if attack == "pgd" else ""
            recipe = f"{attack}(norm={norm}, eps={eps!r}{many})"
            made = craft(classifier, images, labels, recipe, seed, ids=names, batch_size=batch_size)
            # Right a moment ago: only a random classifier gets such an image wrong as it is.
            return (made.success | ~made.clean_correct).cpu()

        def searched(eps: float) -> Tensor:
            return random_search(
                classifier,
                images.to(device),
                labels,
                norm=norm,
                eps=eps,
                draws=steps,
                seed=seed,
                ids=names,
                batch_size=batch_size,
            )

        def transferred(other: nn.Module, eps: float) -> Tensor:
            # An example that stops at the first success is made for its own classifier alone.
            recipe = f"pgd(norm={norm}, eps={eps!r}, steps={steps}, stop=false)"
            made = craft(other, images, labels, recipe, seed, ids=names, batch_size=batch_size)
            return fooled_at(classifier, made.images.to(device), labels, batch_size)

        won = torch.stack([fooled(eps, steps) for eps in lengths])
        share = won.double().mean(1)
        middle = lengths[int((share - 0.5).abs().argmin())]
        few, many = max(steps // 4, 1), 4 * steps
        at = [f"{norm} {eps:.4g}" for eps in lengths]
        own = f"PGD with {steps} steps"
        rows += [
            unbounded(won, lengths, norm),
            compared_at_worst(
                "larger radius",
                list(pairwise(won)),
                [(f"PGD at {less}", f"at {more}") for less, more in pairwise(at)],
                "the pair of neighbouring radii that speaks most for a fall",
                "There is one radius only.",
            ),
            compared(
                "more steps",
                fooled(middle, few),
                fooled(middle, many),
                (f"PGD with {few} steps", f"with {many}"),
                f"{norm} {middle:.4g}",
            ),
            compared(
                "iterative",
                fooled(middle, 1, "fgsm"),
                won[lengths.index(middle)],
                ("a single step", f"PGD with {steps}"),
                f"{norm} {middle:.4g}",
            ),
            compared_at_worst(
                "random search",
                [(searched(eps), one) for eps, one in zip(lengths, won, strict=True)],
                [(f"the best of {steps} random points at {where}", own) for where in at],
                "the radius that speaks most for random points",
                "There is no radius.",
            ),
        ]
        pairs = [
            (name, where, transferred(other, eps), one)
            for name, other in (others or {}).items()
            for eps, where, one in zip(lengths, at, won, strict=True)
        ]
        rows.append(
            compared_at_worst(
                "white box",
                [(transfer, one) for _, _, transfer, one in pairs],
                [(f"what was made on {name} at {where}", own) for name, where, _, _ in pairs],
                "the classifier and the radius that speak most for transfer",
                "No other classifier was given, whose examples could be compared.",
            )
        )
    return table(rows)
