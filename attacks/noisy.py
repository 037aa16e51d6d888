"""Noisy classifiers: at every step of an attack a fresh one, drawn around the reference.

The step's gradient is the noisy classifier's; whether an example won is judged by the reference.
The noise belongs to (seed, step), not to an example: every example of every batch meets the same
classifiers in the same order, so that a batch shares one forward and backward pass per step and an
example's result does not depend on its companions. It is drawn in float32 on the device of the
parameters; another kind of device draws other numbers.

Nothing is copied or written: `torch.func.functional_call` runs the classifier's own modules with
other parameters. Its buffers, such as the statistics of a BatchNorm, are the reference's, unless
collected weights bring their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from attacks.active import Attack, Evaluation, State, evaluated
from attacks.counting import Counting
from attacks.forms.common import NOISES
from core import randomness
from core.errors import InputError, unknown_name

Weights = Mapping[str, Tensor]


def perturbed_parameters(
    network: nn.Module, kind: str, scale: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw the parameters of one noisy network.

    With `w` a parameter tensor and `z` standard normal of its shape:

    - `gaussian`: `w + scale * rms(w) * z`, for every tensor. A tensor of zeros stays as it is.
    - `filter`: `w_i + scale * |w_i| * z_i / |z_i|` for each output filter or row `i`, along the
      first axis; tensors with fewer than two axes (biases, the gains of a normalisation) stay as
      they are. Li et al. 2018, "Visualizing the loss landscape of neural nets".
    - `dropout`: each weight is left out with probability `scale` and divided by `1 - scale`
      otherwise, in tensors with two axes or more. Wan et al. 2013, "Regularization of neural
      networks using DropConnect".

    Args:
        network: whose parameters are taken as the centre; they are only read.
        kind: `gaussian`, `filter` or `dropout`.
        scale: not negative; relative to the parameters, or a probability below 1 for `dropout`.
        generator: on the device of the parameters.

    Returns:
        Names, as `named_parameters` gives them, and tensors without gradient, for
        `torch.func.functional_call`. Integers and complex parameters are left out.

    Raises:
        InputError: an unknown kind, or a scale out of range.

    >>> layer = nn.Linear(3, 2)
    >>> generator = torch.Generator().manual_seed(0)
    >>> noisy = perturbed_parameters(layer, "filter", 0.1, generator)
    >>> moved = (noisy["weight"] - layer.weight).norm(dim=1)
    >>> torch.allclose(moved, 0.1 * layer.weight.norm(dim=1), rtol=1e-4)
    True
    """
    if kind not in NOISES:
        raise unknown_name("noisy", kind, NOISES)
    if not scale >= 0 or (kind == "dropout" and scale >= 1):
        wanted = "at least 0 and below 1" if kind == "dropout" else "at least 0"
        raise InputError(f"noise_scale: of {kind} must be {wanted}, found {scale:g}.")
    draw = {"gaussian": _gaussian, "filter": _filter, "dropout": _dropout}[kind]
    with torch.no_grad():
        return {
            name: draw(parameter.detach(), scale, generator)
            for name, parameter in network.named_parameters()
            if torch.is_floating_point(parameter)
        }


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers, the same for every precision."""
    drawn = torch.randn(like.shape, generator=generator, device=like.device, dtype=torch.float32)
    return drawn.to(like.dtype)


def _gaussian(weight: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    size = torch.linalg.vector_norm(weight) / max(weight.numel(), 1) ** 0.5
    return _normal(weight, generator).mul_(scale * size).add_(weight)


def _filter(weight: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    if weight.ndim < 2:
        return weight
    noise, axes = _normal(weight, generator), tuple(range(1, weight.ndim))
    sizes, drawn = (
        torch.linalg.vector_norm(tensor, dim=axes, keepdim=True) for tensor in (weight, noise)
    )
    return noise.mul_(scale * sizes / drawn.clamp_min(torch.finfo(drawn.dtype).tiny)).add_(weight)


def _dropout(weight: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    if weight.ndim < 2:
        return weight
    kept = torch.empty(weight.shape, device=weight.device, dtype=torch.float32)
    kept.bernoulli_(1 - scale, generator=generator)
    return kept.to(weight.dtype).mul_(weight).div_(1 - scale)


class NoisyClassifier:
    """A sequence of classifiers around a reference; the step's number says which.

    Called with images `(n, ...)` and a step it returns the logits `(n, k)` of that step's
    classifier, differentiable in the images only.

    Args:
        classifier: the reference, in eval mode; only read.
        kind: `gaussian`, `filter` or `dropout`, see `perturbed_parameters`; or `weights`.
        scale: how far from the reference, for the first three.
        weights: for `weights`, the weights to choose from: state dicts of the classifier or of its
            `network`, from checkpoints or collected along a training run (Gubri et al. 2022, "LGV:
            boosting adversarial example transferability from large geometric vicinity") or drawn
            from a fitted distribution (Maddox et al. 2019, "SWAG"). Each has every parameter;
            buffers that one lacks are the reference's. One is used at each step, all of them once
            in random order before any comes again. They may lie on another device.
        seed: of the random numbers.

    Raises:
        InputError: the arguments do not fit together, the classifier has no parameters or holds
            a scripted module, or weights do not fit the classifier.

    >>> classifier = NoisyClassifier(nn.Linear(2, 2), "gaussian", 0.1)
    >>> images = torch.ones(3, 2)
    >>> torch.equal(classifier(images, 0), classifier(images, 0))
    True
    >>> torch.equal(classifier(images, 0), classifier(images, 1))
    False
    """

    def __init__(
        self,
        classifier: nn.Module,
        kind: str,
        scale: float | None = None,
        *,
        weights: Sequence[Weights] | None = None,
        seed: int = 0,
    ) -> None:
        if kind not in (*NOISES, "weights"):
            raise unknown_name("noisy", kind, (*NOISES, "weights"))
        if not any(torch.is_floating_point(p) for p in classifier.parameters()):
            raise InputError(f"noisy: {kind} needs a classifier with parameters; it has none.")
        if any(isinstance(part, torch.jit.ScriptModule) for part in classifier.modules()):
            raise InputError(f"noisy: {kind} cannot replace the parameters of a scripted module.")
        if (kind == "weights") != (weights is not None):
            problem = "needs weights" if kind == "weights" else "takes no weights"
            raise InputError(f"weights: a recipe with noisy={kind} {problem}.")
        if (kind == "weights") != (scale is None):
            problem = "takes no scale" if kind == "weights" else "needs a scale"
            raise InputError(f"noise_scale: noisy={kind} {problem}.")
        self.classifier = classifier
        self.kind = kind
        self.scale = scale
        self.seed = seed
        self.weights = [] if weights is None else fitting_weights(classifier, weights)

    def parameters(self, step: int) -> dict[str, Tensor]:
        """Return what replaces the reference's parameters (and buffers) at a step, by name."""
        if self.scale is None:
            return self._collected(step)
        device = next(self.classifier.parameters()).device
        stream = randomness.generator(self.seed, "", f"noisy classifier {step}")
        generator = torch.Generator(device).manual_seed(int(stream.integers(2**63)))
        return perturbed_parameters(self.classifier, self.kind, self.scale, generator)

    def _collected(self, step: int) -> dict[str, Tensor]:
        turn, place = divmod(step, len(self.weights))
        stream = randomness.generator(self.seed, "", f"order of weights {turn}")
        chosen = self.weights[int(stream.permutation(len(self.weights))[place])]
        own = {**dict(self.classifier.named_parameters()), **dict(self.classifier.named_buffers())}
        return {name: chosen[name].detach().to(own[name]) for name in chosen}

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """Return the logits of the step's classifier."""
        return torch.func.functional_call(self.classifier, self.parameters(step), (images,))


def fitting_weights(classifier: nn.Module, weights: Sequence[Weights]) -> list[Weights]:
    """Return the weights under the classifier's own names; raise where they do not fit it."""
    if isinstance(weights, Mapping) or not len(weights):
        raise InputError("weights: expected a list with at least one state dict.")
    parameters = dict(classifier.named_parameters())
    own = {**parameters, **dict(classifier.named_buffers())}
    # Parameters that share a tensor have several names in a state dict.
    known = {**own, **classifier.state_dict()}
    fitting: list[Weights] = []
    for number, given in enumerate(weights):
        inner = any(f"network.{name}" in known for name in given)
        named = {f"network.{name}" if inner else name: value for name, value in given.items()}
        for name, value in named.items():
            if name not in known:
                raise unknown_name(f"weights: in number {number}", name, known)
            if value.shape != known[name].shape:
                raise InputError(
                    f"weights: {name} of number {number} has shape {tuple(value.shape)}, the "
                    f"classifier's has {tuple(known[name].shape)}."
                )
            if not bool(torch.isfinite(value).all()):
                raise InputError(f"weights: {name} of number {number} is not finite.")
        missing = [name for name in parameters if name not in named]
        if missing:
            raise InputError(f"weights: number {number} lacks {missing[0]}.")
        fitting.append({name: value for name, value in named.items() if name in own})
    return fitting


class NoisyAttack(Attack, Protocol):
    """An attack whose gradients may come from noisy classifiers; its batch goes in lockstep."""

    def draw(self, state: State) -> int:
        """Return which noisy classifier gives the gradients at `state.points`."""

    def judged(self, state: State) -> bool:
        """Return whether the reference has to judge these points, too."""


def evaluated_noisily(
    noisy: NoisyClassifier,
    attack: Attack,
    counting: Counting,
    state: State,
    ids: Sequence[str],
    seen_as: Callable[[Tensor], Tensor] | None = None,
) -> Evaluation:
    """Evaluate a state whose rows are all at the same step, with the step's noisy classifier.

    The reference judges what no step follows and what the attack wants judged: one more forward
    pass. All but the gradients is the reference's then; what it has not judged has not won, and is
    never kept as the best. With `seen_as` both see the points changed by this function.
    """
    if bool(state.last.all()):
        return evaluated(attack, counting, state, state.points, ids, False, seen_as)
    climbing = cast(NoisyAttack, attack)
    with drawn(noisy, counting, climbing.draw(state)):
        climbed = evaluated(attack, counting, state, state.points, ids, True, seen_as)
    return judged_by_reference(climbed, climbing, counting, state, ids, seen_as)


@contextmanager
def drawn(noisy: NoisyClassifier, counting: Counting, step: int) -> Iterator[None]:
    """Run the step's noisy classifier inside the block; say so where its logits are not finite."""
    try:
        with counting.reweighted(noisy.parameters(step)):
            yield
    except InputError as error:
        found = str(error).removesuffix(".")
        raise InputError(f"{found}, with the noisy parameters of step {step}.") from error


def judged_by_reference(
    climbed: Evaluation,
    attack: NoisyAttack,
    counting: Counting,
    state: State,
    ids: Sequence[str],
    seen_as: Callable[[Tensor], Tensor] | None = None,
) -> Evaluation:
    """Return what the reference finds at the points, with the gradients found elsewhere.

    Where the attack does not want them judged they have not won, and are never kept as the best.
    """
    if attack.judged(state):
        judged = evaluated(attack, counting, state, state.points, ids, False, seen_as)
        return replace(judged, gradients=climbed.gradients)
    return replace(
        climbed,
        values=torch.full_like(climbed.values, float("-inf")),
        won=torch.zeros_like(climbed.won),
    )
