"""`ascend`: every combination of objective, optimiser and constraint, in one function.

Its arguments are the settings of the recipes `pgd`, `fgsm` and `minnorm`, and go through the same
code; functions may stand where a recipe has names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from attacks.crafting import Crafted, craft
from attacks.forms import FORMS
from attacks.forms.gradient import STEPS, TORCH
from attacks.noisy import Weights
from attacks.objectives import Objective
from attacks.optimisers import Factory, named_optimiser
from attacks.recipes import filled
from attacks.trajectories import Record
from attacks.transforms import Transform
from core.errors import InputError


@dataclass(frozen=True)
class Ball:
    """All images within a radius of the genuine one, and in the box.

    Attributes:
        norm: `linf`, `l2` or `l1`.
        eps: the radius, in input units.
    """

    norm: str
    eps: float


@dataclass(frozen=True)
class Minimum:
    """The whole box; the nearest image that reaches the goal is looked for.

    Attributes:
        norm: in which it is near.
    """

    norm: str = "l2"


def ascend(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    objective: str | Objective = "cross_entropy",
    optimiser: str | Factory = "steepest",
    constraint: str | Ball | Minimum = "linf 8/255",
    noise: str | None = None,
    *,
    steps: int | None = None,
    step_size: float | None = None,
    schedule: str | Callable[[Tensor], Tensor] = "constant",
    momentum: float = 0.0,
    restarts: int = 1,
    random_start: bool = True,
    stop: bool | None = None,
    patience: int = 0,
    targets: Tensor | str | None = None,
    transform: str | Transform | None = None,
    samples: int = 1,
    langevin: float = 0.0,
    weights: Sequence[Weights] | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
    record: bool | int | str | Record | None = None,
) -> Crafted:
    """Optimise images inside a ball and the box, or find the nearest one that fools.

    This is `attacks.craft` with its settings as arguments, through the same code: what a recipe can
    say gives the same bits as the recipe. All that `craft` promises holds.

    Args:
        classifier: images in `[0, 1]` to logits `(n, k)`.
        images: `(n, ...)` in `[0, 1]`, float32 or float64.
        labels: `(n,)` the true classes.
        objective: what is climbed, `cross_entropy`, `margin`, `log_probability`, `dlr` or `logit`,
            see `attacks.objectives.objective`; or a function of logits `(n, k)` and references
            `(n,)` (the targets, if there are any, else the labels) to `(n,)`, which is climbed as
            it is; examples may not interact in it.
        optimiser: `steepest`, `sign`, `normalised` or `plain`, see `attacks.optimisers.step_along`;
            or one of `torch.optim`, by name or as what is called with parameters and `lr`. It is
            refused if the examples of a batch change each other in it.
        constraint: `linf 8/255`, `l2 0.5`, `l1 12` or a `Ball`; or `minimum l2` or a `Minimum`,
            which has a walk of its own and takes none but `steps` and `targets` of the settings.
        noise: of the classifier that the gradients are taken with, `gaussian 0.1`, `filter`,
            `dropout` or `weights`, see `attacks.noisy`; None for the classifier itself.
        steps: gradient steps; 40 if not given, or 99 for a minimum norm.
        step_size: length of the first step in the norm, in input units, or the learning rate of
            `plain` and of torch's; a quarter of the radius if not given (the whole one with the
            schedule `cosine`), where the optimiser's steps have a length in the norm.
        schedule: `constant`, `cosine` (down to a tenth) or a function of the steps taken, as a
            share of all, `(n,) -> (n,)`, to the length of the next as a share of the first.
        momentum: of our own steps, for direction-only ones on gradients of l1 norm 1 (Dong et al.
            2018); or the option of this name of an optimiser of torch.
        restarts: runs from fresh random starts.
        random_start: whether the first point is drawn uniformly from the ball.
        stop: whether an example stops at its first success; if not given, it does unless noise or
            a transform is given: there it costs a forward pass per step more, and without it the
            last point of a run is kept.
        patience: give an example up after so many steps without a marked gain; 0 for never.
        targets: `(n,)` classes to reach, or `random` for drawn ones; None to leave the label.
        transform: the gradient is that at a changed copy, `diverse`, `shift` or `noise`, each with
            its scale if it is to be another than the default, such as `diverse 0.2`; or a function
            of points `(n, ...)` and a numpy generator for each, differentiable in the points.
        samples: the gradient is the mean over so many copies (and noisy classifiers).
        langevin: standard deviation, in input units, of Gaussian noise added to the first step, see
            `attacks.gradient_ascent`.
        weights: for the noise `weights`, see `attacks.craft`.
        seed: of the random numbers.
        ids: one name per image; `"0"`, `"1"`, ... if not given.
        batch_size: the most images evaluated at once.
        record: True for the whole way of each example, a number for every so-many-th step,
            `figures` for all without the images; see `attacks.trajectories`.

    Returns:
        The images, whether they won, predictions, passes, and the trajectories if recorded.

    Raises:
        InputError: an argument cannot be used, or the classifier's logits or gradients are not
            finite; the message names the argument.

    Cost: see `attacks.gradient_ascent.GradientAscent`, at most
    `restarts * steps * samples` backward passes per image.

    >>> import torch
    >>> classifier = nn.Linear(2, 2)
    >>> with torch.no_grad():
    ...     _ = classifier.weight.copy_(torch.eye(2)), classifier.bias.zero_()
    >>> image, label = torch.tensor([[0.6, 0.5]]), torch.tensor([0])
    >>> ascend(classifier, image, label, "margin", "steepest", "linf 0.2", stop=False).images
    tensor([[0.4000, 0.7000]])
    """
    name, given = constrained(constraint)
    settings = {
        "steps": steps,
        "step_size": step_size,
        "restarts": restarts,
        "random_start": random_start,
        "schedule": schedule,
        "momentum": momentum,
        "optimiser": named(optimiser),
        "objective": objective,
        "langevin": langevin,
        **scaled("transform", transform, "transform_scale"),
        "samples": samples,
        **scaled("noisy", noise, "noise_scale"),
        "stop": stop,
        "patience": patience,
        "targeted": targets is not None,
    }
    defaults = {setting.name: setting.default for setting in FORMS["pgd"].settings}
    given |= {
        key: value
        for key, value in settings.items()
        if value is not None and (key == "steps" or callable(value) or value != defaults[key])
    }
    if isinstance(targets, str):
        if targets != "random":
            raise InputError(f"targets: expected classes or 'random', found {targets!r}.")
        targets = None
    return craft(
        classifier,
        images,
        labels,
        filled(name, given),
        seed,
        ids=ids,
        targets=targets,
        batch_size=batch_size,
        weights=weights,
        record=record,
    )


def constrained(constraint: str | Ball | Minimum) -> tuple[str, dict[str, Any]]:
    """Return the attack of a constraint, and the settings that say it."""
    if isinstance(constraint, Minimum):
        return "minnorm", {"norm": constraint.norm}
    if isinstance(constraint, Ball):
        return "pgd", {"norm": constraint.norm, "eps": constraint.eps}
    words = constraint.split() if isinstance(constraint, str) else []
    if len(words) == 2 and words[0] == "minimum":
        return "minnorm", {"norm": words[1]}
    if len(words) == 2:
        return "pgd", {"norm": words[0], "eps": read_number(words[1], "constraint")}
    raise InputError(
        f"constraint: expected a norm and a radius such as 'linf 8/255', or 'minimum l2', found "
        f"{constraint!r}."
    )


def scaled(name: str, chosen: Any, scale: str) -> dict[str, Any]:
    """Return the two settings that a word and its scale, such as `filter 0.1`, stand for."""
    if not isinstance(chosen, str):
        return {name: chosen}
    word, *number = chosen.split(maxsplit=1)
    if not number:
        return {name: word}
    return {name: word, scale: read_number(number[0], name)}


def named(optimiser: str | Factory) -> str | Factory:
    """Return the name that a recipe knows the optimiser by, else what makes it."""
    if not callable(optimiser):
        known = optimiser.lower()
        return known if known in (*STEPS, *TORCH) else named_optimiser(known)
    same = (name for name in TORCH if named_optimiser(name) is optimiser)
    return next(same, optimiser)


def read_number(text: str, argument: str) -> float:
    """Read a number or a fraction, `0.5` or `8/255`."""
    try:
        parts = [float(part) for part in text.split("/")]
        if len(parts) <= 2:
            return parts[0] / parts[1] if len(parts) == 2 else parts[0]
    except (ValueError, ZeroDivisionError):
        pass
    raise InputError(f"{argument}: expected a number or a fraction such as 8/255, found {text!r}.")
