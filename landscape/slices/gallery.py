"""The planes of a finished study, read from its shards, and the figures that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from core.report import words
from core.report.drawing import Drawing
from landscape.slices.drawing.looks import Look, class_look
from landscape.slices.drawing.moving import Frame, key_sheet, write_gif
from landscape.slices.drawing.scales import loss_scale
from landscape.slices.drawing.sheets import Row, label_sheet, loss_sheet
from landscape.slices.drawing.surfaces import class_legend, surface_panel
from landscape.slices.drawing.triptych import Picture, triptych
from landscape.slices.evaluation import CLIP
from landscape.slices.kinds import EIGENVECTOR, THREE_INPUTS, TITLES
from landscape.slices.pictured import CLOSE_UP
from landscape.slices.scenes import Scene
from landscape.slices.views import View, joint_shares, view_from

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.slices.study import SlicesStudy

FULL = 2
"""Examples whose plane has a figure of its own; the sheets have all."""


@dataclass(frozen=True)
class Gallery:
    """What is drawn of a study.

    Attributes:
        scenes: the examples.
        views: of each example, kind of plane -> what is seen there.
        axes: of each example, kind of plane -> what its axes are.
        looks: of each example, how its classes are drawn.
        lines: of each example, name of a point -> its class and confidence.
        frames: of the animation.
        names: of all classes.
        twins: the short name of the attack that made the twins.
        clipped: whether points outside the box were clipped to it.
    """

    scenes: list[Scene]
    views: list[dict[str, View]]
    axes: list[dict[str, tuple[str, str]]]
    looks: list[Look]
    lines: list[dict[str, tuple[int, str]]]
    frames: list[Frame]
    names: Sequence[str]
    twins: str
    clipped: bool

    def drawings(self, kinds: Sequence[str]) -> list[Drawing]:
        """Draw everything there is to draw of these kinds of planes."""
        if not self.scenes:
            return []
        found = [self._plane(i) for i in range(min(FULL, len(self.scenes)))]
        found += [self._plane(i, CLOSE_UP) for i in range(FULL) if self._has(i, CLOSE_UP)]
        found.append(self._relief())
        rows = [
            Row(scene.image[0].cpu().numpy(), self._title(i), self.looks[i], self.views[i])
            for i, scene in enumerate(self.scenes)
        ]
        shown = [kind for kind in kinds if any(kind in views for views in self.views)]
        found += [label_sheet(rows, shown), loss_sheet(rows, shown)]
        if self.frames:
            found.append(key_sheet(self.frames, self.looks[0], self._way))
        return found

    def animation(self, folder: Path) -> Path | None:
        """Write the animation into a folder; None where there is none."""
        if not self.frames:
            return None
        path = folder / "moving_planes.gif"
        return write_gif(self.frames, self.looks[0], self._way, path)

    @property
    def _way(self) -> float:
        """The l2 length of the way from the first example to its twin."""
        scene = self.scenes[0]
        assert scene.twin is not None
        return float((scene.twin - scene.image).flatten().double().norm())

    def _has(self, example: int, kind: str) -> bool:
        return example < len(self.views) and kind in self.views[example]

    def _title(self, example: int) -> str:
        scene = self.scenes[example]
        own = self.names[scene.label]
        taken = self.lines[example].get("adversarial")
        return own if taken is None else f"{own}\n→ {self.names[taken[0]]}"

    def _plane(self, example: int, kind: str = THREE_INPUTS) -> Drawing:
        """Draw one plane of one example in full; without three inputs, the first kind it has."""
        views, scene = self.views[example], self.scenes[example]
        name = f"{kind}_{example + 1}"
        if kind not in views:
            kind = next(iter(views))
            name = f"plane_{example + 1}"
        view, look = views[kind], self.looks[example]
        own = self.names[scene.label]
        images = {"genuine": scene.image, "adversarial": scene.twin, "other": scene.other}
        pictures = {}
        for point, (c, line) in self.lines[example].items():
            image = images[point]
            if point in view.anchors and image is not None:
                pictures[point] = Picture(image[0].cpu().numpy(), line, look.colour(c))
        title = {
            THREE_INPUTS: f"The plane through “{own}”, its adversarial twin and another image",
            CLOSE_UP: f"Close up: the same plane near “{own}” and its adversarial twin",
        }.get(kind, f"The plane of {TITLES.get(kind, kind)} through “{own}”")
        axes = self.axes[example][kind]
        drawn = triptych(
            view, look, axes=(f"{axes[0]} (l2, input units)", f"{axes[1]} (l2)"), title=title,
            reference=own, pictures=pictures,
        )  # fmt: skip
        return Drawing(name, drawn, _shares(view, look), self._caption(view, kind, own))

    def _caption(self, view: View, kind: str, own: str) -> str:
        shares = [
            f"{self.names[c]} {words.percent(share, 2)}"
            for c, share in list(view.shares.items())[:4]
        ]
        twin = f" The twin was made by {self.twins}." if "adversarial" in view.anchors else ""
        passes = {
            THREE_INPUTS: "The plane passes through all three images.",
            CLOSE_UP: "The window around the first two images of the previous plane.",
        }.get(kind, f"The plane of {TITLES.get(kind, kind)}.")
        return (
            f"{passes}{twin} Left: the predicted class (paler: less sure); of the window "
            f"{words.several(shares)}. Middle and right: loss and margin of “{own}”; the thick "
            "line, margin 0, is the boundary. Dashed: where the plane leaves the box of valid "
            f"images; {words.percent(view.inside, 2)} of the window lies inside, the rest is "
            + ("hatched (and clipped to the box)." if self.clipped else "hatched.")
        )

    def _relief(self) -> Drawing:
        """Draw the first example's planes as reliefs."""
        views, look = self.views[0], self.looks[0]
        wanted = [k for k in (THREE_INPUTS, EIGENVECTOR, *views) if k in views]
        shown = list(dict.fromkeys(wanted))[:2]
        figure = Figure(figsize=(6.2 * len(shown), 6.1))
        for i, kind in enumerate(shown):
            ax = figure.add_axes((i / len(shown) - 0.01, 0.09, 1 / len(shown), 0.86),
                                 projection="3d")  # fmt: skip
            surface_panel(ax, views[kind], look, loss_scale([views[kind].loss]),
                          axes=self.axes[0][kind])  # fmt: skip
            figure.text(i / len(shown) + 0.03, 0.975, f"plane of {TITLES[kind]}", fontsize=12.5,
                        fontweight="bold", va="top")  # fmt: skip
        class_legend(figure, [views[kind] for kind in shown], look, columns=8)
        own = self.names[self.scenes[0].label]
        return Drawing(
            "relief",
            figure,
            pd.concat([_shares(views[k], look).assign(plane=k) for k in shown], ignore_index=True),
            f"Planes through the first image as reliefs: height is the loss of “{own}” (where it "
            "spans decades, its logarithm, cut off at the ends of the scale), colour the predicted "
            "class; below, the contours of the loss. Circle: the image; diamond: its twin, "
            "projected where it lies off the plane; square: another image. Axes: l2 distance in "
            "input units.",
        )


def gallery_of(study: SlicesStudy, run: RunDirectory, table: pd.DataFrame) -> Gallery:
    """Read what is to be drawn of a finished run."""
    twins = study.twin_group(run)
    found = study.scenes(run) if study.pictures else []
    names = study.all_images.class_names
    views: list[dict[str, View]] = []
    axes: list[dict[str, tuple[str, str]]] = []
    for i in range(len(found)):
        shard = run.read(f"planes/example/{i:06d}")
        kinds = {str(kind): part for kind, part in shard.groupby("kind", sort=False)}
        views.append({kind: view_from(part) for kind, part in kinds.items()})
        axes.append(
            {k: (str(p["first"].iloc[0]), str(p["second"].iloc[0])) for k, p in kinds.items()}
        )
    lines = [_lines(scene, table, twins, names) for scene in found]
    frames = _frames(run, found[0]) if found else []
    looks = []
    for i, scene in enumerate(found):
        seen = list(views[i].values())
        if not i:
            seen += [view for frame in frames for view in frame.views.values()]
        own = [c for c, _ in (lines[i][k] for k in ("genuine", "adversarial") if k in lines[i])]
        looks.append(class_look(joint_shares(seen), names, first=[scene.label, *own]))
    label = "" if twins is None else study.labels[twins]
    clipped = study.box == CLIP
    return Gallery(found, views, axes, looks, lines, frames, names, label, clipped)


def _lines(
    scene: Scene, table: pd.DataFrame, twins: str | None, names: Sequence[str]
) -> dict[str, tuple[int, str]]:
    """Return what is predicted at each of the images that a plane may pass through."""
    rows = table.set_index(["group", "id"])
    keys = {"genuine": ("genuine", scene.id)}
    if scene.twin is not None:
        keys["adversarial"] = (str(twins), scene.id)
    if scene.other is not None:
        keys["other"] = ("genuine", scene.other_id)
    found = {}
    for name, key in keys.items():
        row = rows.loc[[key]].iloc[0]
        c = int(row["prediction"])
        found[name] = (c, f"{names[c]}, {words.percent(float(row['confidence']))}")
    return found


def _frames(run: RunDirectory, scene: Scene) -> list[Frame]:
    table = run.read("frames/")
    if "frame" not in table or scene.twin is None:
        return []
    found = []
    step = (scene.twin - scene.image)[0].cpu().numpy()
    image = scene.image[0].cpu().numpy()
    for _, part in table.groupby("frame", sort=True):
        place = float(part["place"].iloc[0])
        views = {str(kind): view_from(rows) for kind, rows in part.groupby("kind", sort=False)}
        found.append(Frame(place, views, np.clip(image + place * step, 0, 1)))
    return found


def _shares(view: View, look: Look) -> pd.DataFrame:
    rows: list[Mapping[str, object]] = [
        {"class": look.name(c), "share": share} for c, share in view.shares.items()
    ]
    return pd.DataFrame(rows)
