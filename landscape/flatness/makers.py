"""How the columns of the table are filled: one maker for all measures that share their passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from core.errors import InputError
from landscape.columns import column
from landscape.curvature import input_hessian
from landscape.flatness.boundary import boundary_distance
from landscape.flatness.catalogue import dimension_at
from landscape.flatness.coherence import gradient_coherence
from landscape.flatness.cure import default_step, gradient_change
from landscape.flatness.dimension import local_dimension
from landscape.flatness.gaussian import gaussian_noise
from landscape.flatness.gradients import gradient_norm
from landscape.flatness.linearity import linearity_gap
from landscape.flatness.log_odds import LogOddsShift, log_odds_score
from landscape.flatness.noise import noise_rise
from landscape.flatness.persistence import label_persistence
from landscape.flatness.references import References, representations
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss

Columns = dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """Images to be measured, and with what settings; see `measure` for what each means."""

    loss: Loss
    images: Tensor
    predicted: Tensor
    ids: Sequence[str]
    made_from: Sequence[str] | None
    wanted: frozenset[str]
    references: References | None
    radii: Sequence[float]
    worst_case_l2: Sequence[float]
    worst_case_linf: Sequence[float]
    worst_case_steps: int
    draws: int
    gradient_draws: int
    curvature_step: float | None
    gamma: float
    boundary_norm: str
    boundary_steps: int
    neighbours: int
    seed: int
    batch_size: int

    @property
    def drawn(self) -> dict[str, Any]:
        """The arguments of everything that draws random numbers."""
        return {"seed": self.seed, "ids": self.ids, "batch_size": self.batch_size}

    @property
    def compared(self) -> References:
        """The references, where a measure needs them."""
        if self.references is None:
            raise InputError("references: expected genuine images for what is compared with them.")
        return self.references

    def allowed(self) -> Tensor:
        """Return which references may serve which example, `(n, m)`."""
        return self.compared.allowed(self.ids, self.made_from)


def gaussian(examples: Examples) -> Columns:
    """Fill what Gaussian noise tells: rise, stability of the label, shift of the log-odds."""
    rise, stability, shift = gaussian_noise(
        examples.loss, examples.images, examples.predicted, examples.radii, draws=examples.draws,
        **examples.drawn,
    )  # fmt: skip
    columns: Columns = {}
    if "gaussian_rise" in examples.wanted:
        columns |= with_errors("gaussian_rise", rise.radii, rise.mean, rise.standard_error)
    if "log_odds_shift" in examples.wanted:
        columns |= with_errors("log_odds_shift", shift.radii, *shift.largest())
    if "log_odds_score" in examples.wanted:
        score, rivals = _score(examples, shift)
        columns |= curve("log_odds_score", shift.radii, score)
        columns |= curve("log_odds_rival", shift.radii, rivals)
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


def linearity(examples: Examples) -> Columns:
    """Fill the local linearity gap in the linf ball."""
    radii = examples.worst_case_linf
    found = linearity_gap(
        examples.loss, examples.images, radii, steps=examples.worst_case_steps, **examples.drawn
    )
    return curve("linearity_gap", radii, found.gap)


def persistent(examples: Examples) -> Columns:
    """Fill the strongest noise that keeps the label, with its interval."""
    found = label_persistence(
        examples.loss.classifier, examples.images, examples.loss.labels, gamma=examples.gamma,
        draws=examples.draws, **examples.drawn,
    )  # fmt: skip
    return {
        "persistence": found.sigma,
        "persistence_low": found.low,
        "persistence_high": found.high,
    }


def boundary(examples: Examples) -> Columns:
    """Fill the distance to the decision boundary, and the class beyond it."""
    found = boundary_distance(
        examples.loss.classifier, examples.images, norm=examples.boundary_norm,
        steps=examples.boundary_steps, **examples.drawn,
    )  # fmt: skip
    return {"boundary_distance": found.distance, "boundary_rival": found.rivals}


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


def change(examples: Examples) -> Columns:
    """Fill the change of the gradient along itself."""
    step = examples.curvature_step
    step = default_step(examples.images[0].numel()) if step is None else step
    found = gradient_change(examples.loss, examples.images, step, batch_size=examples.batch_size)
    return {"gradient_change": found}


def coherence(examples: Examples) -> Columns:
    """Fill the coherence of gradients under noise."""
    found = gradient_coherence(
        examples.loss, examples.images, examples.radii, draws=examples.gradient_draws,
        **examples.drawn,
    )  # fmt: skip
    return with_errors("gradient_coherence", found.radii, found.mean, found.standard_error)


def dimensions(examples: Examples) -> Columns:
    """Fill the local intrinsic dimension at all layers at which there are references."""
    references = examples.compared.layers
    layers = [layer for layer in references if dimension_at(layer) in examples.wanted]
    found = representations(examples.loss.classifier, layers, examples.images, examples.batch_size)
    allowed = examples.allowed()
    return {
        dimension_at(layer): local_dimension(
            found[layer], references[layer], neighbours=examples.neighbours, allowed=allowed,
            batch_size=examples.batch_size,
        )
        for layer in layers
    }  # fmt: skip


_GAUSSIAN = (
    "gaussian_rise", "log_odds_shift", "log_odds_score", "stability", "certified_radius",
)  # fmt: skip
_MAKERS: dict[tuple[str, ...], Callable[[Examples], Columns]] = {
    _GAUSSIAN: gaussian,
    ("sphere_rise",): sphere,
    ("worst_l2_rise",): worst_l2,
    ("worst_linf_rise",): worst_linf,
    ("linearity_gap",): linearity,
    ("persistence",): persistent,
    ("boundary_distance",): boundary,
    ("gradient_l2", "gradient_l1"): gradients,
    ("hessian_trace", "hessian_top"): hessian,
    ("gradient_change",): change,
    ("gradient_coherence",): coherence,
}


def columns_of(examples: Examples) -> Columns:
    """Return the columns of all measures that are wanted; each maker fills those of its own."""
    columns: Columns = {}
    for made, make in _MAKERS.items():
        if not examples.wanted.isdisjoint(made):
            columns |= make(examples)
    if any(name.startswith(dimension_at("")) for name in examples.wanted):
        columns |= dimensions(examples)
    return columns


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


def _score(examples: Examples, shift: LogOddsShift) -> tuple[Tensor, Tensor]:
    """Return the standardised shift of the log-odds, and whose it is, `(n, r)`."""
    references = examples.compared.shift
    if references is None:
        raise InputError("references: expected their log-odds shifts for log_odds_score.")
    return log_odds_score(shift, references, examples.allowed())


def _worst(examples: Examples, norm: str, radii: Sequence[float]) -> Columns:
    found = worst_case_rise(
        examples.loss, examples.images, radii, norm=norm, steps=examples.worst_case_steps,
        **examples.drawn,
    )  # fmt: skip
    return curve(f"worst_{norm}_rise", radii, found.rise)
