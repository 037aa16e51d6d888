"""A plane to look at latents in: the one in which their classes lie furthest apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoencoders.latents.moments import checked_points

DISCRIMINANTS, COMPONENTS = "linear discriminants", "principal components"


@dataclass(frozen=True)
class Plane:
    """An affine map of points `(n, k)` to `(n, 2)`.

    Attributes:
        centre: `(k,)`, which goes to the origin.
        axes: `(k, 2)`.
        kind: what the axes are, in words.
    """

    centre: np.ndarray
    axes: np.ndarray
    kind: str

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return where points `(n, k)` lie in the plane, `(n, 2)`."""
        found: np.ndarray = (np.asarray(points, np.float64) - self.centre) @ self.axes
        return found


def plane_of(points: np.ndarray, labels: np.ndarray) -> Plane:
    """Return the plane of the first two linear discriminants of latents.

    The directions along which class means lie furthest apart, measured by the (shrunken) covariance
    within the classes (Fisher 1936; Rao 1948); its shrinkage also decides their units. With fewer
    than three classes or two numbers there is one discriminant, or none: then it is that of the
    first two principal components, in the latents' own units.

    Args:
        points: `(n, k)`, k >= 1.
        labels: `(n,)`.
    """
    values = checked_points(points)
    centre = values.mean(0)
    if len(np.unique(labels)) > 2 and values.shape[1] > 1:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(values, labels)
        return Plane(centre, fitted.scalings_[:, :2], DISCRIMINANTS)
    _, _, axes = np.linalg.svd(values - centre, full_matrices=False)
    found = np.zeros((values.shape[1], 2))
    found[:, : min(2, len(axes))] = axes[:2].T
    return Plane(centre, found, COMPONENTS)
