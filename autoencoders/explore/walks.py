"""Samples of a latent space: around examples, between two of them, and along Markov chains."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autoencoders.explore.decoding import decoded, only_shown, pictured
from autoencoders.explore.space import MOST_NUMBERS, Space
from autoencoders.sampling.chains import Chains, sample
from autoencoders.sampling.guided import guided
from autoencoders.sampling.moves import around, linear, spherical
from autoencoders.sampling.preconditioning import Preconditioned
from core.errors import InputError
from core.models import Classifier, evaluating
from core.randomness import generator
from core.representations.streamed import StreamedRows

DIRECTIONS = 4
"""Directions of noise around each example; all scales share them."""
SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Places on the ways between two examples."""
SHOWN, SHOWN_PAIRS, SHOWN_DRAWS = 3, 2, 6
"""Examples, pairs of them, and draws of a class that are drawn."""
FIRST_STEP = 0.3
"""Of the chains, in deviations of their class; it is adapted at once."""
EVALUATED = 40
"""Draws of each chain that are decoded."""
WAYS = {"linear": linear, "spherical": spherical}


@dataclass(frozen=True)
class Walker:
    """What samples of a latent space need.

    Attributes:
        space: the latent space.
        classifier: on its device.
        layer: of which the space is.
        train: the training representations.
        image: `(c, h, w)`, any one.
        batch_size: latents decoded at once.
        seed: of everything random.
    """

    space: Space
    classifier: Classifier
    layer: str
    train: StreamedRows
    image: Tensor
    batch_size: int
    seed: int

    def around(self, latents: Tensor, ids: Sequence[str], scales: Sequence[float]) -> pd.DataFrame:
        """Return a row for each example, noise level and direction.

        Columns: `id`, `scale` (0 is the embedding itself), `direction`, those of `decoded`, and
        `kept`: whether the prediction is that of the embedding without noise.

        Args:
            latents: `(n, ...)`.
            ids: of the examples.
            scales: noise levels in units of the space's own.
        """
        levels = [0.0, *scales]
        inner = [level * self.space.scale for level in levels]
        size = max(1, MOST_NUMBERS // (len(levels) * DIRECTIONS * latents[0].numel()))
        tables, shown = [], []
        for start in range(0, len(ids), size):
            rows = slice(start, start + size)
            points = around(latents[rows], inner, draws=DIRECTIONS, seed=self.seed, ids=ids[rows])
            tables.append(self._decoded(points.flatten(0, 2)))
            shown.append(points[: max(SHOWN - start, 0), :, 0].flatten(0, 1))
        places = itertools.product(ids, levels, range(DIRECTIONS))
        table = pd.DataFrame(places, columns=["id", "scale", "direction"])
        table = pd.concat([table, pd.concat(tables, ignore_index=True)], axis=1)
        own = table[table["scale"] == 0].groupby("id")["prediction"].first()
        table["kept"] = table["prediction"].to_numpy() == table["id"].map(own).to_numpy()
        first = (table["direction"] == 0) & table["id"].isin(list(ids)[:SHOWN])
        return self._pictured(table, torch.cat(shown), first.to_numpy())

    def between(self, latents: Tensor, ids: Sequence[str]) -> pd.DataFrame:
        """Return a row for each way, pair and place on it; pairs are neighbours in the order given.

        Both kinds of way are about the mean of the training latents.

        Columns: `pair`, `first`, `second`, `way`, `share`, those of `decoded`, and `ends`: whether
        the prediction is that of one of the ends.
        """
        n = len(latents) // 2
        # A direction is one as seen from the middle of the latents.
        middle = self.space.middle.to(latents)
        first, second = latents[0 : 2 * n : 2] - middle, latents[1 : 2 * n : 2] - middle
        rows, points = [], []
        for way, function in WAYS.items():
            points.append(middle + function(first, second, SHARES).flatten(0, 1))
            rows += [
                {"pair": pair, "first": ids[2 * pair], "second": ids[2 * pair + 1], "way": way,
                 "share": share}
                for pair in range(n)
                for share in SHARES
            ]  # fmt: skip
        flat = torch.cat(points)
        table = pd.concat([pd.DataFrame(rows), self._decoded(flat)], axis=1)
        predicted = table["prediction"].to_numpy().reshape(-1, len(SHARES))
        ends = (predicted == predicted[:, :1]) | (predicted == predicted[:, -1:])
        table["ends"] = ends.reshape(-1)
        shown = (table["pair"] < SHOWN_PAIRS).to_numpy()
        return self._pictured(table, _rows(flat, shown), shown)

    def chains(
        self,
        classes: Sequence[int],
        *,
        chains: int,
        draws: int,
        warmup: int,
        leapfrog: int,
        temperature: float,
    ) -> pd.DataFrame:
        """Return a row for each draw that is decoded, with its class's diagnostics.

        The chains of all classes run in one batch; each begins at the latent of another training
        image of its class, and moves in coordinates in which the training latents of its class have
        unit covariance (`Preconditioned`). Columns: `class`, `chain`, `draw`, those of `decoded`,
        `reached` (the prediction is the class), and those of `_diagnosed`.
        """
        start, names, of = self._starts(classes, chains)
        with evaluating(self.classifier):
            density = self._guided(of, temperature)
            found = density.drawn(
                sample(
                    density,
                    density.of(start),
                    draws=draws,
                    warmup=warmup,
                    leapfrog=leapfrog,
                    step=FIRST_STEP,
                    seed=self.seed,
                    ids=names,
                )
            )
        places = np.unique(np.linspace(0, draws - 1, min(EVALUATED, draws)).astype(int))
        tables, points = [], []
        for number, label in enumerate(classes):
            own = found.select(slice(number * chains, (number + 1) * chains))
            drawn = itertools.product(map(int, places), range(chains))
            table = pd.DataFrame(drawn, columns=["draw", "chain"])
            tables.append(table.assign(**{"class": label}, **_diagnosed(own)))
            points.append(own.draws[places].flatten(0, 1))
        flat = torch.cat(points)
        table = pd.concat([pd.concat(tables, ignore_index=True), self._decoded(flat)], axis=1)
        table["reached"] = table["prediction"] == table["class"]
        shown = _spread(table, places, chains)
        return self._pictured(table, _rows(flat, shown), shown)

    def _starts(self, classes: Sequence[int], chains: int) -> tuple[Tensor, list[str], list[int]]:
        """Return where the chains begin, their names, and the class of each."""
        starts, names, of = [], [], []
        for label in classes:
            members = np.flatnonzero(self.space.labels == label)
            if len(members) < chains:
                raise InputError(
                    f"--chains: expected at most the {len(members)} training images of class "
                    f"{label}, found {chains}."
                )
            chosen = generator(self.seed, str(label), "chains").permutation(members)[:chains]
            starts.append(self.space.points[chosen])
            names += [f"{label}/{number}" for number in range(chains)]
            of += [label] * chains
        start = torch.from_numpy(np.concatenate(starts)).to(self.image.device, torch.float32)
        return start, names, of

    def _guided(self, classes: Sequence[int], temperature: float) -> Preconditioned:
        """Return the density of each chain, in the coordinates that its class's Gaussian suggests.

        Args:
            classes: of each chain.
            temperature: of the guidance.
        """
        wanted = torch.tensor(classes, device=self.image.device)
        gaussians = self.space.density
        density = guided(
            self.space.autoencoder, self.classifier, self.layer, wanted, gaussians.log_density,
            self.image, temperature=temperature,
        )  # fmt: skip
        places = torch.searchsorted(gaussians.classes, wanted.cpu())
        factors = torch.linalg.inv(gaussians.whitening)[places]
        means = gaussians.means[places]
        return Preconditioned(density, *(x.to(self.image) for x in (means, factors)))

    def _decoded(self, latents: Tensor) -> pd.DataFrame:
        return decoded(
            self.space, self.classifier, self.layer, latents, self.image, self.batch_size
        )

    def _pictured(self, table: pd.DataFrame, latents: Tensor, shown: np.ndarray) -> pd.DataFrame:
        """Add pictures of the rows that are shown, whose latents are given in their order."""
        pictures = pictured(self.space, self.layer, table[shown], latents, self.train)
        return only_shown(table, shown, pictures)


def _rows(latents: Tensor, chosen: np.ndarray) -> Tensor:
    return latents[torch.tensor(chosen, device=latents.device)]


def _diagnosed(chains: Chains) -> dict[str, float]:
    """Return how the chains of one class went.

    Their mean acceptance, median step, divergent proposals and gradients each, and over the
    latent's numbers the worst and the median R-hat and effective sample size.
    """
    r_hat, effective = chains.r_hat(), chains.effective()
    return {
        "acceptance": float(chains.acceptance.mean()),
        "step": float(chains.steps.median()),
        "divergent": int(chains.divergent.sum()),
        "gradients": chains.gradients,
        "r_hat": float(r_hat.max()),
        "r_hat_median": float(np.median(r_hat)),
        "effective": float(effective.min()),
        "effective_median": float(np.median(effective)),
    }


def _spread(table: pd.DataFrame, places: np.ndarray, chains: int) -> np.ndarray:
    """Say which rows are shown: draws spread over the whole run, from the chains in turn."""
    count = min(SHOWN_DRAWS, len(places))
    chosen = places[np.linspace(0, len(places) - 1, count).astype(int)]
    wanted = {(int(place), number % chains) for number, place in enumerate(chosen)}
    pairs = zip(table["draw"], table["chain"], strict=True)
    return np.array([pair in wanted for pair in pairs])
