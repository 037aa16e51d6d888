"""What an autoencoder is to be: its kind, its latent and its size, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from core.errors import InputError, unknown_name
from core.options import positive, within

KINDS = ("ae", "dae", "vae", "vqvae", "fsq", "sae")
VECTORS = ("ae", "dae", "vae")
"""Kinds whose latent is a vector that may be anywhere: one can move in it."""
MAPPED = ("vqvae", "fsq")
"""Kinds whose latent is a map of codes, a vector for each position."""
TITLES = {
    "ae": "autoencoder",
    "dae": "denoising autoencoder",
    "vae": "variational autoencoder",
    "vqvae": "vector-quantised autoencoder",
    "fsq": "autoencoder with finite scalar quantisation",
    "sae": "sparse autoencoder",
}


@dataclass(frozen=True)
class Design:
    """The settings of an autoencoder; those of other kinds are without effect.

    Attributes:
        kind: `ae`; `dae`, which is given noisy representations; `vae`; `vqvae`, whose codes are
            learnt; `fsq`, whose codes are a fixed grid; `sae`, a dictionary of which few entries
            are active at a time.
        latent: numbers of the latent of an example (`ae`, `dae`, `vae`), channels of the map of
            codes (`vqvae`), entries of the dictionary (`sae`).
        width: channels of the convolutions, or units of the layers for vectors.
        depth: residual blocks at each resolution, or hidden layers for vectors.
        positions: side of the map of codes, at most that of the layer; None: as it is up to 8, else
            8.
        noise: of `dae`, standard deviation in units of the representation's own.
        beta: of `vae`, weight of the divergence from the prior.
        free_bits: of `vae`, nats per latent number below which the divergence costs nothing.
        deviation: of `vae`, standard deviation of the decoder's Gaussian, in the units of the
            representation; None: the best for each batch (Rybkin et al. 2021).
        codes: of `vqvae`, entries of the code-book.
        code_size: of `vqvae`, numbers of a code (few make most codes used: Yu et al. 2022).
        levels: of `fsq`, steps of each number of a code; their product is the number of codes.
        active: of `sae`, entries of the dictionary that are active for a vector.
        batch_active: of `sae`, whether that is a mean over the batch (BatchTopK).
    """

    kind: str = "ae"
    latent: int = 32
    width: int = 64
    depth: int = 1
    positions: int | None = None
    noise: float = 0.3
    beta: float = 1.0
    free_bits: float = 0.0
    deviation: float | None = None
    codes: int = 512
    code_size: int = 3
    levels: tuple[int, ...] = (8, 8, 8)
    active: int = 32
    batch_active: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("--kinds", self.kind, KINDS)
        for name in ("latent", "width", "codes", "code_size", "active"):
            positive(getattr(self, name), f"--{name}")
        within(self.depth, 0, 64, "--depth")
        within(self.noise, 0, float("inf"), "--noise")
        within(self.beta, 0, float("inf"), "--beta")
        within(self.free_bits, 0, float("inf"), "--free_bits")
        if self.deviation is not None:
            positive(self.deviation, "--deviation")
        if self.positions is not None:
            positive(self.positions, "--positions")
        if not self.levels or min(self.levels) < 2:
            raise InputError(f"--levels: expected steps of at least 2, found {list(self.levels)}.")
        if self.kind == "sae" and self.active > self.latent:
            raise InputError(
                f"--active: expected at most the {self.latent} entries of the dictionary, found "
                f"{self.active}."
            )

    def plain(self) -> dict[str, Any]:
        """Return the design as plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def of(values: dict[str, Any]) -> Design:
        """Return the design of plain values."""
        return Design(**{**values, "levels": tuple(values["levels"])})
