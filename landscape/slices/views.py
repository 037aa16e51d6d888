"""One example's plane as arrays: what drawings take, and how a table holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from landscape.slices.planes import PlaneSlice

LOGIT = "logit@"
"""The columns of a table that hold the logits of the classes that occur."""
BOX = "box"
"""What the corners of the box are called among the points of a table."""


@dataclass(frozen=True)
class View:
    """A landscape on one plane.

    Attributes:
        a, b: coordinates along the axes, `(w,)` and `(h,)`, l2 in input units.
        loss: `(h, w)`, in nats.
        margin: how far the reference label leads, in logits, `(h, w)`; None of a plain function.
        confidence: the softmax of the predicted class, `(h, w)`; None of a plain function.
        logits: class -> `(h, w)`, of the classes that are predicted somewhere on the plane.
        anchors: name of a point -> its coordinates.
        off: name of a point -> its distance from the plane; 0 where it is not said.
        box: corners `(k, 2)`, in order, of the part where all pixels lie in [0, 1].
    """

    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    margin: np.ndarray | None = None
    confidence: np.ndarray | None = None
    logits: Mapping[int, np.ndarray] = field(default_factory=dict)
    anchors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    off: Mapping[str, float] = field(default_factory=dict)
    box: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def inside(self) -> float:
        """The share of the plane whose points are images, all pixels in [0, 1]."""
        x, y = self.box.T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        return float(area / (np.ptp(self.a) * np.ptp(self.b)))

    @cached_property
    def prediction(self) -> np.ndarray:
        """The class predicted at each point, `(h, w)`."""
        classes = np.array(list(self.logits))
        found: np.ndarray = classes[np.stack(list(self.logits.values())).argmax(0)]
        return found

    @cached_property
    def shares(self) -> dict[int, float]:
        """The share of the plane where each class is predicted, the largest first."""
        classes, counts = np.unique(self.prediction, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(classes[i]): float(counts[i] / self.prediction.size) for i in order}


def view_of(found: PlaneSlice, example: int = 0) -> View:
    """Return the plane of one example of a slice."""
    seen, i = found.seen, example
    known: dict[str, object] = {}
    if seen.logits is not None:
        logits = seen.logits[i].double()
        own = logits.numpy()
        known = {
            "margin": None if seen.labels is None else seen.margin[i].numpy(),
            "confidence": torch.softmax(logits, -1).amax(-1).numpy(),
            "logits": {int(c): own[..., c] for c in np.unique(own.argmax(-1))},
        }
    return View(
        a=found.a[i].numpy(),
        b=found.b[i].numpy(),
        loss=seen.loss[i].numpy(),
        anchors={name: (float(p[i, 0]), float(p[i, 1])) for name, p in found.anchors.items()},
        off={name: float(d[i]) for name, d in found.off.items()},
        box=found.box[i].numpy(),
        **known,  # type: ignore[arg-type]
    )


def table_of(view: View) -> pd.DataFrame:
    """Return a plane as a table: a row per point of the grid, per anchor and per corner of the box.

    Columns: point (empty on the grid, `box`, else the anchor's name), a, b, and on the grid row,
    column, loss, margin, confidence, prediction and `logit@CLASS`; of anchors `off`, the distance
    from the plane.
    """
    h, w = view.loss.shape
    b, a = np.meshgrid(view.b, view.a, indexing="ij")
    rows, columns = np.indices((h, w))
    grid: dict[str, object] = {
        "point": "", "a": a.ravel(), "b": b.ravel(), "row": rows.ravel(),
        "column": columns.ravel(), "loss": view.loss.ravel(),
    }  # fmt: skip
    if view.margin is not None:
        grid["margin"] = view.margin.ravel()
    if view.confidence is not None:
        grid["confidence"] = view.confidence.ravel()
    if view.logits:
        grid["prediction"] = view.prediction.ravel()
    grid |= {f"{LOGIT}{c}": values.ravel() for c, values in view.logits.items()}
    marked = pd.DataFrame(
        [
            {"point": name, "a": a, "b": b, "row": -1, "column": k, "off": view.off.get(name, 0.0)}
            for k, (name, (a, b)) in enumerate(view.anchors.items())
        ]
    )
    corners = pd.DataFrame(
        {
            "point": BOX, "a": view.box[:, 0], "b": view.box[:, 1], "row": -1,
            "column": np.arange(len(view.box)),
        }
    )  # fmt: skip
    parts = [part for part in (pd.DataFrame(grid), marked, corners) if len(part)]
    return pd.concat(parts, ignore_index=True)


def view_from(table: pd.DataFrame) -> View:
    """Return the plane that `table_of` laid down.

    >>> line = np.array([0.0, 1.0])
    >>> flat = View(line, line, np.eye(2), anchors={"here": (0.5, 0.5)})
    >>> view_from(table_of(flat)).loss.tolist(), view_from(table_of(flat)).anchors
    ([[1.0, 0.0], [0.0, 1.0]], {'here': (0.5, 0.5)})
    """
    table = table.sort_values(["row", "column"], kind="stable")
    grid = table[table["point"] == ""]
    marked = table[~table["point"].isin(["", BOX])].set_index("point")
    h, w = int(grid["row"].max()) + 1, int(grid["column"].max()) + 1

    def on(name: str) -> np.ndarray:
        values: np.ndarray = grid[name].to_numpy(float).reshape(h, w)
        return values

    known = [str(c) for c in table if str(c).startswith(LOGIT) and grid[c].notna().all()]
    return View(
        a=on("a")[0],
        b=on("b")[:, 0],
        loss=on("loss"),
        margin=on("margin") if "margin" in grid else None,
        confidence=on("confidence") if "confidence" in grid else None,
        logits={int(name.removeprefix(LOGIT)): on(name) for name in known},
        anchors={str(k): (float(r["a"]), float(r["b"])) for k, r in marked.iterrows()},
        off={str(k): float(r["off"]) for k, r in marked.iterrows()},
        box=table.loc[table["point"] == BOX, ["a", "b"]].to_numpy(float),
    )


def joint_shares(views: Sequence[View]) -> dict[int, float]:
    """Return the mean share of several planes where each class is predicted, the largest first."""
    total: dict[int, float] = {}
    for view in views:
        for c, share in view.shares.items():
            total[c] = total.get(c, 0.0) + share / len(views)
    return dict(sorted(total.items(), key=lambda item: -item[1]))
