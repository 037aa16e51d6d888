"""The kinds of slices that a study takes, and how they are called."""

from __future__ import annotations

RANDOM, GRADIENT, EIGENVECTOR, TWIN, THREE_INPUTS = (
    "random", "gradient", "eigenvector", "twin", "three_inputs",
)  # fmt: skip
SLICES = (RANDOM, GRADIENT, EIGENVECTOR, TWIN, THREE_INPUTS)
LINES = (RANDOM, GRADIENT, EIGENVECTOR, TWIN)
"""Those that are also directions of lines."""
ALL = "all"

ALONG = {
    RANDOM: "a random direction",
    GRADIENT: "the gradient",
    EIGENVECTOR: "the top eigenvector",
    TWIN: "the way to the twin",
}
"""Directions of lines, in words."""

SHORT = {
    RANDOM: "random direction",
    GRADIENT: "gradient",
    EIGENVECTOR: "top eigenvector",
    TWIN: "way to the twin",
}
"""Directions of lines, as titles of narrow panels."""

TITLES = {
    RANDOM: "two random directions",
    GRADIENT: "gradient and a random direction",
    EIGENVECTOR: "the two top eigenvectors",
    TWIN: "way to the twin and gradient",
    THREE_INPUTS: "three inputs",
}
"""Planes, in words."""

AXES = {
    RANDOM: ("a random direction", "another one"),
    GRADIENT: ("up the gradient", "a random direction"),
    EIGENVECTOR: ("first eigenvector", "second eigenvector"),
    TWIN: ("towards the twin", "gradient, across"),
    THREE_INPUTS: ("towards the twin", "towards another image"),
}
"""The axes of planes."""
