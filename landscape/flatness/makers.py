"""How the columns of the table are filled: one maker for all measures that share their passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from landscape.columns import column
from landscape.curvature import input_hessian
from landscape.flatness.gradients import gradient_norm
from landscape.flatness.noise import noise_rise
from landscape.flatness.stability import noise_and_stability
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss

Columns = dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """Images to be measured, and with what settings; see `measure` for what each means."""

    loss: Loss
    images: Tensor
    ids: Sequence[str]
    wanted: frozenset[str]
    radii: Sequence[float]
    worst_case_l2: Sequence[float]
    worst_case_linf: Sequence[float]
    worst_case_steps: int
    draws: int
    seed: int
    batch_size: int

    @property
    def drawn(self) -> dict[str, Any]:
        """The arguments of everything that draws random numbers."""
        return {"seed": self.seed, "ids": self.ids, "batch_size": self.batch_size}


def gaussian(examples: Examples) -> Columns:
    """Fill what Gaussian noise tells: rise, stability of the label, certified radius."""
    rise, stability = noise_and_stability(
        examples.loss, examples.images, examples.radii, draws=examples.draws, **examples.drawn
    )
    columns: Columns = {}
    if "gaussian_rise" in examples.wanted:
        columns |= with_errors("gaussian_rise", rise.radii, rise.mean, rise.standard_error)
    if "stability" in examples.wanted:
        columns |= curve("stability", stability.sigmas, stability.share)
        columns |= curve("stability_low", stability.sigmas, stability.lower)
    if "certified_radius" in examples.wanted:
        columns |= curve("certified", stability.sigmas, stability.radius)
        columns["certified_radius"] = stability.radius.amax(1)
    return columns


def sphere(examples: Examples) -> Columns:
    """Fill the rise under noise on the sphere."""
    rise = noise_rise(
        examples.loss, examples.images, examples.radii, kind="sphere", draws=examples.draws,
        **examples.drawn,
    )  # fmt: skip
    return with_errors("sphere_rise", rise.radii, rise.mean, rise.standard_error)


def worst_l2(examples: Examples) -> Columns:
    """Fill the worst-case rise in the l2 ball."""
    return _worst(examples, "l2", examples.worst_case_l2)


def worst_linf(examples: Examples) -> Columns:
    """Fill the worst-case rise in the linf ball."""
    return _worst(examples, "linf", examples.worst_case_linf)


def gradients(examples: Examples) -> Columns:
    """Fill the norms of the gradient."""
    norms = [n for n in ("l2", "l1") if f"gradient_{n}" in examples.wanted]
    found = gradient_norm(examples.loss, examples.images, norms, batch_size=examples.batch_size)
    return {f"gradient_{norm}": values for norm, values in found.items()}


def hessian(examples: Examples) -> Columns:
    """Fill trace and top eigenvalue of the Hessian, and by what method."""
    found = input_hessian(examples.loss, examples.images, **examples.drawn)
    columns: Columns = {}
    if "hessian_trace" in examples.wanted:
        columns["hessian_trace"] = found.trace
        columns["hessian_trace_se"] = found.trace_standard_error
    if "hessian_top" in examples.wanted:
        columns["hessian_top"] = found.top
    return columns | {"hessian_method": found.method}


MAKERS: dict[tuple[str, ...], Callable[[Examples], Columns]] = {
    ("gaussian_rise", "stability", "certified_radius"): gaussian,
    ("sphere_rise",): sphere,
    ("worst_l2_rise",): worst_l2,
    ("worst_linf_rise",): worst_linf,
    ("gradient_l2", "gradient_l1"): gradients,
    ("hessian_trace", "hessian_top"): hessian,
}
"""What fills the columns of measures; each fills those of its measures that are wanted."""


def curve(name: str, radii: Sequence[float], values: Tensor) -> Columns:
    """Return a column for each radius of values `(n, r)`."""
    return {column(name, radius): values[:, i] for i, radius in enumerate(radii)}


def with_errors(
    name: str, radii: Sequence[float], values: Tensor, standard_error: Tensor
) -> Columns:
    """Return columns for each radius of values `(n, r)`, each followed by its standard error."""
    columns: Columns = {}
    for i, radius in enumerate(radii):
        columns[column(name, radius)] = values[:, i]
        columns[column(f"{name}_se", radius)] = standard_error[:, i]
    return columns


def _worst(examples: Examples, norm: str, radii: Sequence[float]) -> Columns:
    found = worst_case_rise(
        examples.loss, examples.images, radii, norm=norm, steps=examples.worst_case_steps,
        **examples.drawn,
    )  # fmt: skip
    return curve(f"worst_{norm}_rise", radii, found.rise)
