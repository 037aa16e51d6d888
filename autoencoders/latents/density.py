"""The density of latents: a Gaussian for each class, with shrunken covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoencoders.latents.moments import checked_points
from core.errors import InputError


@dataclass(frozen=True)
class ClassGaussians:
    """A mixture of Gaussians, one for each class; evaluated in the type and place of the points.

    Attributes:
        classes: `(c,)` labels, rising.
        means: `(c, k)`, float64.
        whitening: `(c, k, k)`: `|W (z - mean)|^2` is the squared Mahalanobis distance.
        log_scale: `(c,)` half the log determinant of the covariance.
        log_weights: `(c,)` of the classes.
        shrinkage: `(c,)` the share of the covariance that is a multiple of the identity.
    """

    classes: Tensor
    means: Tensor
    whitening: Tensor
    log_scale: Tensor
    log_weights: Tensor
    shrinkage: Tensor

    @staticmethod
    def fit(points: np.ndarray, labels: np.ndarray) -> ClassGaussians:
        """Fit means, covariances and weights to latents `(n, k)` of known classes `(n,)`.

        Covariances are those of Ledoit and Wolf 2004, "A well-conditioned estimator for
        large-dimensional covariance matrices": definite also with fewer examples than numbers.

        Raises:
            InputError: a class with fewer than two latents, or whose latents do not vary.
        """
        from sklearn.covariance import LedoitWolf

        values, own = checked_points(points), np.asarray(labels)
        classes, counts = np.unique(own, return_counts=True)
        if counts.min() < 2:
            raise InputError(
                f"latents: class {classes[counts.argmin()]} has one alone, expected at least 2."
            )
        means, whitening, log_scale, shrinkage = [], [], [], []
        for label in classes:
            found = LedoitWolf().fit(values[own == label])
            factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(found.covariance_))
            if failed or not factor.diagonal().min() > 0:
                raise InputError(f"latents: those of class {label} do not vary.")
            means.append(torch.from_numpy(found.location_))
            eye = torch.eye(len(factor), dtype=torch.float64)
            whitening.append(torch.linalg.solve_triangular(factor, eye, upper=False))
            log_scale.append(factor.diagonal().log().sum())
            shrinkage.append(float(found.shrinkage_))
        return ClassGaussians(
            torch.from_numpy(classes),
            torch.stack(means),
            torch.stack(whitening),
            torch.stack(log_scale),
            torch.from_numpy(counts / counts.sum()).log(),
            torch.tensor(shrinkage, dtype=torch.float64),
        )

    def of_classes(self, points: Tensor) -> Tensor:
        """Return the log density of points `(n, k)` in each class, `(n, c)`, in nats."""
        away = points[:, None] - self.means.to(points)
        squared = torch.einsum("cij,ncj->nci", self.whitening.to(points), away).square().sum(2)
        half_log = points.shape[1] / 2 * float(np.log(2 * np.pi))
        return -squared / 2 - self.log_scale.to(points) - half_log

    def log_density(self, points: Tensor) -> Tensor:
        """Return the log density of points `(n, k)`, whatever their class, `(n,)`, in nats."""
        return torch.logsumexp(self.of_classes(points) + self.log_weights.to(points), 1)

    def predict(self, points: Tensor) -> Tensor:
        """Return the most probable class of points `(n, k)`, `(n,)`."""
        joint = self.of_classes(points) + self.log_weights.to(points)
        return self.classes.to(points.device)[joint.argmax(1)]
