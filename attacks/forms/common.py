"""Settings that several attacks have."""

from __future__ import annotations

from typing import Any

from attacks.forms.form import Setting

NOISES = ("gaussian", "filter", "dropout")

NORM = Setting("norm", "choice", "norm of the ball", "linf", choices=("linf", "l2"), shown=True)
EPS = Setting(
    "eps", "number", "radius of the ball, in input units", above=0, shown=True, example="eps=8/255"
)
TARGETED = Setting(
    "targeted", "flag", "climb towards a target class instead of away from the label", False
)
NOISY = Setting(
    "noisy",
    "choice",
    "the gradient of each step is that of a fresh classifier around the one attacked: gaussian "
    "noise relative to each tensor's root mean square, noise as long as a share of each filter, "
    "weights dropped, or weights that are given to craft; the one attacked judges the success",
    None,
    choices=(*NOISES, "weights"),
)
NOISE_SCALE = Setting(
    "noise_scale",
    "number",
    "the noise in the parameters relative to them, or the share of dropped weights",
    lambda values: 0.1 if values.get("noisy") in NOISES else None,
    least=0,
    shown=True,
)


def noisy_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """A scale needs a noise that has one."""
    noisy, scale = values["noisy"], values["noise_scale"]
    if scale is not None and noisy not in NOISES:
        return f"noise_scale needs noisy={' or noisy='.join(NOISES)}"
    if noisy == "dropout" and scale >= 1:
        return f"noise_scale of noisy=dropout must be below 1, found {scale:g}"
    return None
