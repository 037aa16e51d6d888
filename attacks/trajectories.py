"""Trajectories: the way that each example took, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from attacks.norms import lengths
from core.errors import InputError

if TYPE_CHECKING:
    from attacks.active import Evaluation


@dataclass(frozen=True)
class Record:
    """What is recorded: the figures of every so-many-th point, and the points if wanted.

    Attributes:
        every: steps between recorded points; the last point of a run is always among them.
        points: whether the images are kept, too.
    """

    every: int = 1
    points: bool = True

    def columns(self, steps: int) -> list[int]:
        """Return which steps of a run are recorded, `0` (where it begins) to `steps`."""
        return [step for step in range(steps + 1) if step % self.every == 0 or step == steps]


@dataclass(frozen=True)
class Stretch:
    """A part of the way whose steps are counted from its own beginning: a run, a walk, the probes.

    Attributes:
        number: which; consecutive numbers follow one another.
        steps: the number of its last point; 0 is where it begins.
        before: gradients spent on an example before its first point.
        each: gradients spent on a step.
    """

    number: int
    steps: int
    before: int = 0
    each: int = 1


@dataclass(frozen=True)
class Trajectories:
    """What each example was at each recorded step, `t` columns, run after run.

    A column that an example never reached (it had stopped, or was wrong to begin with) is NaN, and
    False in `won`. Where the reference did not judge a point (noisy classifiers or transforms
    without `stop`) its objective and lead are NaN.

    Attributes:
        run: `(t,)` the run of each column; of a minimum-norm search -1 while it probes the classes
            at the image, then the walk.
        step: `(t,)` the steps taken in that run; 0 is where it begins.
        spent: `(t,)` the gradients spent on an example before it was looked at there.
        objective: `(n, t)` what was climbed.
        lead: `(n, t)` how far the goal was reached, in logits.
        length: `(n, t)` of the step from the image, in the norm of the ball, in input units.
        won: `(n, t)` whether the goal was reached beyond what rounding can undo.
        points: `(n, t, ...)` the images, or None.
    """

    run: Tensor
    step: Tensor
    spent: Tensor
    objective: Tensor
    lead: Tensor
    length: Tensor
    won: Tensor
    points: Tensor | None = None

    def ends(self) -> Tensor:
        """Return the column of each example's last recorded point, `(n,)`; -1 without any."""
        reached = ~self.length.isnan()
        columns = torch.arange(reached.shape[1]).expand_as(reached)
        return torch.where(reached, columns, -1).amax(1)


def record_of(wanted: bool | int | str | Record | None) -> Record | None:
    """Return what `record=` asks for: nothing, all, every k-th step, or only the figures.

    Raises:
        InputError: it is none of these.
    """
    if wanted is None or wanted is False or isinstance(wanted, Record):
        return wanted or None
    if wanted is True:
        return Record()
    if wanted == "figures":
        return Record(points=False)
    if isinstance(wanted, int) and wanted >= 1:
        return Record(every=wanted)
    raise InputError(
        f"record: expected True, a number of steps of at least 1, 'figures' or a Record, found "
        f"{wanted!r}."
    )


class Recorder:
    """Writes down what is found at the points of an attack's state; on the CPU, by example."""

    def __init__(
        self, record: Record, images: Tensor, stretches: Sequence[Stretch], norm: str
    ) -> None:
        kept = [record.columns(stretch.steps) for stretch in stretches]
        counts = [len(columns) for columns in kept]
        self.norm = norm
        self.first = stretches[0].number
        self.places = torch.full((len(kept), max(s.steps for s in stretches) + 1), -1)
        for i, columns in enumerate(kept):
            self.places[i, columns] = torch.arange(counts[i]) + sum(counts[:i])

        def of_columns(values: Sequence[int]) -> Tensor:
            return torch.tensor(values).repeat_interleave(torch.tensor(counts))

        self.run = of_columns([s.number for s in stretches])
        self.step = torch.tensor([step for columns in kept for step in columns])
        before, each = of_columns([s.before for s in stretches]), [s.each for s in stretches]
        self.spent = before + of_columns(each) * self.step
        shape = (len(images), len(self.run))
        empty = torch.full(shape, torch.nan, dtype=images.dtype)
        self.objective, self.lead, self.length = (empty.clone() for _ in range(3))
        self.won = torch.zeros(shape, dtype=torch.bool)
        self.points: Tensor | None = None
        if record.points:
            inner = images.shape[1:]
            self.points = torch.full((*shape, *inner), torch.nan, dtype=images.dtype)

    def note(
        self,
        rows: Tensor,
        runs: Tensor,
        steps: Tensor,
        images: Tensor,
        points: Tensor,
        found: Evaluation,
    ) -> None:
        """Write down what was found at the points of these examples."""
        place = self.places[runs.cpu() - self.first, steps.cpu()]
        kept = place >= 0
        if not bool(kept.any()):
            return
        row, column = rows.cpu()[kept], place[kept]
        judged = torch.isfinite(found.values)
        for table, values in (
            (self.objective, torch.where(judged, found.values, torch.nan)),
            (self.lead, torch.where(judged, found.leads, torch.nan)),
            (self.length, lengths(points - images, self.norm)),
            (self.won, found.won),
        ):
            table[row, column] = values.cpu()[kept].to(table.dtype)
        if self.points is not None:
            self.points[row, column] = points.cpu()[kept]

    def trajectories(self, right: Tensor) -> Trajectories:
        """Return what was written down, for the examples that were right to begin with."""
        wrong = ~right.cpu()
        for table in (self.objective, self.lead, self.length, self.points):
            if table is not None:
                table[wrong] = torch.nan
        self.won[wrong] = False
        return Trajectories(
            self.run,
            self.step,
            self.spent,
            self.objective,
            self.lead,
            self.length,
            self.won,
            self.points,
        )
