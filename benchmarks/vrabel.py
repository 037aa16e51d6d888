"""A port of the bypass of Vrabel et al., "Input space mode connectivity in deep neural networks".

Written from the paper (ICLR 2025, section 3.2), with the settings its authors publish. One pair
after the other, in the coordinates that the network is given (normalised images, no box): the loss
is looked at on 1,000 points of the line from A to C; the point B of the largest loss is moved by
1,024 steps of Adam (learning rate .005) that lower the cross-entropy, .1 times the mean square of
its shift and 1e-8 times the total variation of its shift, the gradient projected onto the
hyperplane orthogonal to A - C; the path is A, B', C, looked at on 500 points a half. A half that is
still too high is bypassed the same way, as the paper does where one bypass is not enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.models import Classifier
from landscape.connectivity import Paths
from landscape.connectivity.pairs import Pairs

POINTS = 1000
BATCH = 64
STEPS = 1024
RATE = 0.005
SHIFT = 0.1
VARIATION = 1e-8
LEVELS = 2
"""Bypasses of a line: one, and one of each half that is still too high."""


@dataclass
class Line:
    """A straight piece of a path, in the network's coordinates, with the losses along it."""

    start: Tensor
    end: Tensor
    losses: Tensor


@dataclass
class Port:
    """The method on one classifier, counting what it spends on a pair."""

    classifier: Classifier
    threshold: float
    gradients: int = 0
    forwards: int = 0

    def paths(self, pairs: Pairs) -> Paths:
        """Return the path of each pair, one after the other."""
        found = []
        for first, second, label in zip(pairs.first, pairs.second, pairs.labels, strict=True):
            self.gradients = self.forwards = 0
            found.append((self.path(first, second, int(label)), self.gradients, self.forwards))
        longest = max(len(nodes) for nodes, _, _ in found)
        nodes = [
            torch.cat([n, n[-1:].repeat(longest - len(n), *[1] * (n.ndim - 1))])
            for n, _, _ in found
        ]
        spent = torch.tensor([[g, f] for _, g, f in found])
        return Paths(torch.stack(nodes), "port", "polyline", spent[:, 0], spent[:, 1])

    def path(self, first: Tensor, second: Tensor, label: int) -> Tensor:
        """Return the nodes of one pair's path, `(m, c, h, w)`, in pixels."""
        start, end = (self._normalised(x) for x in (first, second))
        lines = [self._line(start, end, label, POINTS)]
        allowed = max(float(lines[0].losses[0]), float(lines[0].losses[-1])) + self.threshold
        for _ in range(LEVELS):
            lines = [
                part
                for line in lines
                for part in ([line] if line.losses.max() < allowed else self._bypassed(line, label))
            ]
        inner = [self._pixels(line.end) for line in lines[:-1]]
        return torch.stack([first, *inner, second])

    def _bypassed(self, line: Line, label: int) -> list[Line]:
        """Return the two halves of a line whose highest point has been moved."""
        share = int(line.losses.argmax()) / (len(line.losses) - 1)
        anchor = line.start + share * (line.end - line.start)
        chord = (line.end - line.start).flatten()
        point = anchor.clone().unsqueeze(0).requires_grad_()
        target = torch.tensor([label])
        optimiser = torch.optim.Adam([point], lr=RATE)
        for _ in range(STEPS):
            shift = point[0] - anchor
            rough = shift.diff(dim=-1).abs().sum() + shift.diff(dim=-2).abs().sum()
            loss = functional.cross_entropy(self._logits(point), target)
            total = loss + SHIFT * shift.square().mean() + VARIATION * rough
            (slope,) = torch.autograd.grad(total, point)
            along = (slope.flatten() @ chord) / (chord @ chord)
            point.grad = slope - (along * chord).view_as(slope)
            optimiser.step()
        self.gradients += STEPS
        moved = point.detach()[0]
        half = POINTS // 2
        return [
            self._line(line.start, moved, label, half),
            self._line(moved, line.end, label, half),
        ]

    def _line(self, start: Tensor, end: Tensor, label: int, points: int) -> Line:
        at = torch.linspace(0, 1, points).view(-1, *[1] * start.ndim)
        between = start + at * (end - start)
        with torch.no_grad():
            losses = [
                functional.cross_entropy(
                    self._logits(part), torch.full((len(part),), label), reduction="none"
                )
                for part in between.split(BATCH)
            ]
        self.forwards += points
        return Line(start, end, torch.cat(losses))

    def _logits(self, normalised: Tensor) -> Tensor:
        logits: Tensor = self.classifier.network(normalised)
        return logits

    def _normalised(self, image: Tensor) -> Tensor:
        return (image - self.classifier.mean) / self.classifier.std

    def _pixels(self, normalised: Tensor) -> Tensor:
        return normalised * self.classifier.std + self.classifier.mean
