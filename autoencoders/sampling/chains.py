"""Markov chains that draw from a density whose gradient is known: MALA and Hamiltonian moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from core.randomness import generators, normal, uniform
from core.statistics.chains import effective_sample_size, split_r_hat

LogDensity = Callable[[Tensor], Tensor]
"""Maps points `(chains, ...)` to log densities `(chains,)`, up to a constant, row by row."""

LANGEVIN_ACCEPTANCE, HAMILTONIAN_ACCEPTANCE = 0.574, 0.8
"""Shares of accepted proposals that are aimed at (Roberts and Rosenthal 1998; Betancourt 2015)."""
JITTER = 0.2
"""Hamiltonian steps vary by this share, so that no trajectory is a period of the target."""
DIVERGENT = 1000.0
"""A rise of the energy by so many nats: the step was too long for where the chain was."""


@dataclass(frozen=True)
class Chains:
    """What the chains have drawn after they were warmed up.

    Attributes:
        draws: `(n, chains, ...)`.
        log_density: of each draw, `(n, chains)`, float64 on the CPU.
        acceptance: share of the proposals that each chain accepted, `(chains,)`.
        steps: step size of each chain, `(chains,)`, as adapted while warming up.
        divergent: proposals of each chain whose energy had risen by more than 1,000 nats.
        gradients: gradients of the density spent per chain, warming up included.
    """

    draws: Tensor
    log_density: Tensor
    acceptance: Tensor
    steps: Tensor
    divergent: Tensor
    gradients: int

    def select(self, chains: slice) -> Chains:
        """Return some of the chains."""
        return Chains(
            self.draws[:, chains],
            self.log_density[:, chains],
            self.acceptance[chains],
            self.steps[chains],
            self.divergent[chains],
            self.gradients,
        )

    def r_hat(self) -> np.ndarray:
        """Return the split R-hat of every number of a point, `(...)`; see `split_r_hat`."""
        found: np.ndarray = np.asarray(split_r_hat(self.draws.double().cpu().numpy()))
        return found

    def effective(self) -> np.ndarray:
        """Return the effective sample size of every number of a point, `(...)`."""
        found: np.ndarray = np.asarray(effective_sample_size(self.draws.double().cpu().numpy()))
        return found


def sample(
    log_density: LogDensity,
    start: Tensor,
    *,
    draws: int = 500,
    warmup: int = 300,
    leapfrog: int = 1,
    step: float = 0.1,
    acceptance: float | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
) -> Chains:
    """Draw from a density by Metropolis-adjusted Langevin or Hamiltonian moves, chains in a batch.

    A move draws a momentum `m ~ N(0, I)`, follows the Hamiltonian `-log p(z) + |m|^2 / 2` for
    `leapfrog` steps (half a step of the momentum, a step of the point, half a step of the momentum)
    and is accepted with probability `min(1, exp(-rise of the energy))`, which makes the draws those
    of `p` whatever the step. One step is the Metropolis-adjusted Langevin algorithm (MALA; Roberts
    and Tweedie 1996); more are Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011).

    While warming up each chain adapts its step by dual averaging towards the acceptance that is
    aimed at (Hoffman and Gelman 2014); afterwards it is fixed. A chain draws from streams of its
    own: it does not depend on the chains beside it.

    Args:
        log_density: see `LogDensity`; differentiable almost everywhere. Points where it is not
            finite are never accepted.
        start: where the chains begin, `(chains, ...)`; several different points, if `r_hat` is to
            mean anything.
        draws: kept, per chain.
        warmup: moves before them.
        leapfrog: steps of a move; 1 is MALA.
        step: first step size.
        acceptance: aimed at; default: .574 for one step, .8 for more.
        seed: with a chain's id, names its stream of random numbers.
        ids: names of the chains, by default their positions.

    Returns:
        The draws, on the device and in the type of `start`.

    Raises:
        InputError: bad numbers, or a density that is not finite where a chain starts.

    Cost: `1 + (warmup + draws) * leapfrog` gradients per chain.

    >>> found = sample(lambda z: -z.square().sum(1) / 2, torch.zeros(4, 2), draws=200, leapfrog=4)
    >>> bool(found.draws.flatten(0, 1).std(0).sub(1).abs().max() < 0.2)
    True
    """
    for name, number in (("draws", draws), ("leapfrog", leapfrog), ("warmup", warmup + 1)):
        if number < 1:
            raise InputError(f"--{name}: expected at least {name != 'warmup':d}.")
    if not 0 < step < math.inf:
        raise InputError(f"--step: expected a length above 0, found {step}.")
    default = LANGEVIN_ACCEPTANCE if leapfrog == 1 else HAMILTONIAN_ACCEPTANCE
    aim = default if acceptance is None else acceptance
    if not 0 < aim < 1:
        raise InputError(f"--acceptance: expected a share between 0 and 1, found {aim}.")
    names = [str(i) for i in range(len(start))] if ids is None else list(ids)
    streams = generators(seed, names, "chain")
    state = _State.at(log_density, start)
    if not state.value.isfinite().all():
        raise InputError("the density is not finite where a chain starts.")
    adapted = _Adaptation.begin(step, aim, len(start))
    accepted, divergent = torch.zeros(len(start)), torch.zeros(len(start))
    kept, values = [], []
    for move in range(warmup + draws):
        sizes = adapted.current if move < warmup else adapted.averaged
        if leapfrog > 1:
            spread = uniform(streams, (), sizes)
            sizes = sizes * (1 + JITTER * (2 * spread - 1))
        momentum = normal(streams, start.shape[1:], start)
        chance = uniform(streams, (), sizes)
        proposed, rise = _follow(log_density, state, momentum, sizes, leapfrog)
        probability = (-rise).clamp(max=0).exp()
        taken = chance < probability
        state = state.where(taken, proposed)
        if move < warmup:
            adapted = adapted.seen(probability)
        else:
            accepted += taken
            divergent += rise > DIVERGENT
            kept.append(state.point)
            values.append(state.value)
    return Chains(
        torch.stack(kept),
        torch.stack(values),
        accepted / draws,
        adapted.averaged,
        divergent,
        1 + (warmup + draws) * leapfrog,
    )


@dataclass(frozen=True)
class _State:
    """Where chains are, with the log density (float64, CPU) and its gradient there."""

    point: Tensor
    value: Tensor
    gradient: Tensor

    @staticmethod
    def at(log_density: LogDensity, point: Tensor) -> _State:
        with torch.enable_grad():
            leaf = point.detach().requires_grad_()
            value = log_density(leaf)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return _State(point.detach(), value.detach().double().cpu(), gradient.nan_to_num(0, 0, 0))

    def where(self, taken: Tensor, other: _State) -> _State:
        """Return the other state for the chains that took it."""
        chosen = per_example(taken.to(self.point.device), self.point)
        return _State(
            torch.where(chosen, other.point, self.point),
            torch.where(taken, other.value, self.value),
            torch.where(chosen, other.gradient, self.gradient),
        )


def _follow(
    log_density: LogDensity, state: _State, momentum: Tensor, sizes: Tensor, leapfrog: int
) -> tuple[_State, Tensor]:
    """Return where leapfrog steps lead, and by how much the energy has risen there."""
    step = per_example(sizes.to(momentum), momentum)
    now, moving = state, momentum + step / 2 * state.gradient
    for i in range(leapfrog):
        now = _State.at(log_density, now.point + step * moving)
        moving = moving + step * now.gradient / (1 if i < leapfrog - 1 else 2)
    rise = state.value - now.value + _kinetic(moving) - _kinetic(momentum)
    return now, rise.nan_to_num(torch.inf, torch.inf, -torch.inf)


def _kinetic(momentum: Tensor) -> Tensor:
    return momentum.flatten(1).double().square().sum(1).cpu() / 2


@dataclass(frozen=True)
class _Adaptation:
    """Dual averaging of the logarithm of each chain's step (Hoffman and Gelman 2014, 3.2)."""

    aim: float
    centre: float
    moves: int
    error: Tensor
    log_step: Tensor
    log_average: Tensor

    gamma: float = field(default=0.05, init=False)
    delay: float = field(default=10.0, init=False)
    decay: float = field(default=0.75, init=False)

    @staticmethod
    def begin(step: float, aim: float, chains: int) -> _Adaptation:
        first = torch.full((chains,), math.log(step), dtype=torch.float64)
        return _Adaptation(aim, math.log(10 * step), 0, torch.zeros_like(first), first, first)

    @property
    def current(self) -> Tensor:
        """The step to try next, `(chains,)`."""
        return self.log_step.exp()

    @property
    def averaged(self) -> Tensor:
        """The step that the attempts average to, `(chains,)`."""
        return self.log_average.exp()

    def seen(self, probability: Tensor) -> _Adaptation:
        """Return what is tried after moves with these probabilities of acceptance."""
        moves = self.moves + 1
        weight = 1 / (moves + self.delay)
        error = (1 - weight) * self.error + weight * (self.aim - probability)
        log_step = self.centre - math.sqrt(moves) / self.gamma * error
        share = moves**-self.decay
        average = share * log_step + (1 - share) * self.log_average
        return _Adaptation(self.aim, self.centre, moves, error, log_step, average)
