"""How a gradient becomes a step: the steps of attacks, and the optimisers of torch.

The steps of attacks use the direction of the gradient only, in the length that the schedule says.
An optimiser of torch keeps a state per component and a step counter for all of them: the examples
of a batch go in lockstep, and the state's rows leave with their examples. That it treats each
component by itself is tried out beforehand; one that does not (LBFGS, Adafactor, Muon) would let
the examples of a batch change each other's results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attacks.forms.gradient import STEPS
from attacks.norms import per_example, sparse_steps, steepest, unit
from core.errors import InputError, unknown_name

Factory = Callable[..., torch.optim.Optimizer]
ROUNDS = 4


def step_along(name: str, norm: str, points: Tensor, direction: Tensor, sizes: Tensor) -> Tensor:
    """Return the step of one of our own optimisers.

    - `steepest`: the step of this length in the ball's norm that a linear function rises most
      along: the sign in linf, the normalised gradient in l2, the largest components in l1 (see
      `attacks.norms.sparse_steps`).
    - `sign`: every component moves by the length.
    - `normalised`: the gradient with the length as its l2 norm.
    - `plain`: the gradient times the length, a learning rate then.

    Args:
        name: which.
        norm: of the ball.
        points: `(n, ...)` where the step begins.
        direction: `(n, ...)` the gradient, or the velocity.
        sizes: `(n,)` the lengths.
    """
    if name == "steepest" and norm == "l1":
        return sparse_steps(points, direction, sizes)
    if name == "steepest":
        direction = steepest(direction, norm)
    elif name == "sign":
        direction = direction.sign()
    elif name == "normalised":
        direction = unit(direction)
    return per_example(sizes, direction) * direction


@dataclass(frozen=True)
class Memory:
    """What an optimiser of torch remembers between steps, selected by rows like a tensor.

    Attributes:
        rows: what has a row per example, by name.
        shared: what the examples have in common, such as the step counter.
        options: the optimiser's options, which some of them change as they go.
    """

    rows: dict[str, Tensor] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, which: Tensor) -> Memory:
        rows = {name: values[which] for name, values in self.rows.items()}
        return Memory(rows, dict(self.shared), dict(self.options))


def torch_step(
    factory: Factory, memory: Memory, values: Tensor, gradients: Tensor, rate: float
) -> tuple[Tensor, Memory]:
    """Take one step up the gradients, `(n, ...) -> (n, ...)`; return the values and the memory.

    The optimiser is made anew around the examples that are left, and told what it remembers.
    """
    parameter = nn.Parameter(values.detach().clone())
    # Optimisers of torch descend.
    parameter.grad = -gradients
    made = factory([parameter], lr=rate)
    (group,) = made.param_groups
    group.update({**memory.options, "lr": rate})
    if memory.rows or memory.shared:
        made.state[parameter] = {**memory.shared, **memory.rows}
    # The gradient is given; none is recorded through the step.
    made.step()
    state = made.state[parameter]
    belongs = {
        name: isinstance(kept, Tensor) and kept.shape == values.shape
        for name, kept in state.items()
    }
    rows = {name: state[name] for name in state if belongs[name]}
    shared = {name: state[name] for name in state if not belongs[name]}
    options = {name: value for name, value in group.items() if name not in ("params", "lr")}
    return parameter.detach(), Memory(rows, shared, options)


def factory_of(chosen: str | Factory, momentum: float, ndim: int) -> Factory:
    """Return what makes the optimiser, after trying out that it treats examples by themselves.

    Args:
        chosen: a name in `torch.optim`, in any case, or a class or function that is called with a
            list of parameters and `lr`.
        momentum: given to optimisers that have such an option.
        ndim: of the images, the batch's axis among them.

    Raises:
        InputError: no such optimiser, one that cannot be run like this, or one in which the
            examples of a batch change each other.
    """
    factory = named_optimiser(chosen) if isinstance(chosen, str) else chosen
    name = chosen if isinstance(chosen, str) else getattr(chosen, "__name__", repr(chosen))
    if momentum:
        if "momentum" not in inspect.signature(factory).parameters:
            raise InputError(f"momentum: the optimiser {name} has no such option.")
        inner = factory

        def factory(parameters: Any, lr: float) -> torch.optim.Optimizer:
            return inner(parameters, lr=lr, momentum=momentum)

    check_rows_are_apart(factory, name, ndim)
    return factory


def named_optimiser(name: str) -> Factory:
    """Return the optimiser of torch with this name, `adam` or `Adam`."""
    known = {
        key.lower(): value
        for key, value in vars(torch.optim).items()
        if inspect.isclass(value)
        and issubclass(value, torch.optim.Optimizer)
        and value is not torch.optim.Optimizer
    }
    if name.lower() not in known:
        raise unknown_name("optimiser", name, [*STEPS, *known])
    return known[name.lower()]


def check_rows_are_apart(factory: Factory, name: str, ndim: int) -> None:
    """Raise an InputError where two examples do not step as each of them does alone."""
    generator = torch.Generator().manual_seed(0)
    shape = (ROUNDS, 2, *[3] * (ndim - 1))
    gradients = torch.randn(shape, generator=generator, dtype=torch.float64)
    gradients[:, 1] *= 100

    def walked(rows: slice) -> Tensor:
        values, memory = torch.zeros_like(gradients[0, rows]), Memory()
        for round_ in gradients[:, rows]:
            values, memory = torch_step(factory, memory, values, round_, 0.1)
        return values

    try:
        together = walked(slice(0, 2))
        apart = torch.cat([walked(slice(0, 1)), walked(slice(1, 2))])
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
        raise InputError(
            f"optimiser: {name} cannot step on a batch of images with given gradients ({reason})."
        ) from error
    if not torch.allclose(together, apart, rtol=1e-9, atol=1e-12):
        raise InputError(
            f"optimiser: {name} does not treat each component by itself, so that the images of a "
            "batch would change each other's results."
        )
