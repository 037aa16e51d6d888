"""Drawings: scales that compare, colours that tell apart, and figures that say what they show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch
from PIL import Image

from core.report.figures import style, subplots
from landscape import Loss, slices
from landscape.slices.drawing.looks import PALETTE, REST, class_look, marks, tinted
from landscape.slices.drawing.moving import Frame, key_sheet, write_gif
from landscape.slices.drawing.panels import label_panel, loss_panel, points
from landscape.slices.drawing.profiles import profile_of, profile_panel
from landscape.slices.drawing.scales import loss_scale, margin_scale
from landscape.slices.drawing.sheets import Row, label_sheet, loss_sheet
from landscape.slices.planes import PlaneSlice
from landscape.slices.views import View, view_of


class Corners(torch.nn.Module):
    """Each of the first two pixels, and a constant, is a class."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        return torch.cat([8 * flat[:, :2], torch.full_like(flat[:, :1], 2.0)], 1)


@pytest.fixture(scope="module")
def found() -> PlaneSlice:
    x = torch.tensor([[[[0.9, 0.2], [0.5, 0.5]]]])
    twin = torch.tensor([[[[0.2, 0.9], [0.5, 0.5]]]])
    axes = torch.eye(4)[:2].reshape(1, 2, 1, 2, 2)
    loss = Loss(Corners(), torch.tensor([0]))
    return slices.plane(loss, x, axes, 1.0, points=31, anchors={"genuine": x, "adversarial": twin})


@pytest.fixture(scope="module")
def view(found) -> View:
    return view_of(found)


def test_a_loss_that_spans_decades_has_levels_at_powers_of_ten_and_others_equal_ones():
    wide = loss_scale([np.geomspace(1e-5, 20, 400)])
    assert wide.logarithmic
    assert np.allclose(np.log10(wide.ticks) % 1, 0)
    assert wide.levels[0] <= 1.1e-5
    assert wide.levels[-1] >= 20
    narrow = loss_scale([np.linspace(1, 3, 400)])
    assert not narrow.logarithmic
    assert np.ptp(np.diff(narrow.levels)) < 1e-9
    assert loss_scale([np.linspace(-1, 100, 400)]).logarithmic is False
    assert len(loss_scale([np.full(10, 2.0)]).levels) > 1


def test_a_scale_covers_all_the_panels_that_share_it():
    scale = loss_scale([np.full(100, 0.01), np.full(100, 10.0)])
    assert scale.levels[0] <= 0.01
    assert scale.levels[-1] >= 10
    margins = margin_scale([np.linspace(-2, 1, 50), np.linspace(0, 7, 50)])
    np.testing.assert_allclose(margins.levels, -margins.levels[::-1])
    assert 0 in margins.levels
    assert 0 in margins.ticks
    # Either side of the boundary has a colour of its own.
    below, above = margins.norm(-1e-6), margins.norm(1e-6)
    assert below != above


def test_at_most_eight_classes_have_a_colour_and_the_rest_is_grey_and_said_so():
    look = class_look(range(12), [f"c{i}" for i in range(12)], first=[5])
    assert look.colour(5) == PALETTE[0]
    assert len(look.colours) == 8
    assert look.colour(11) == REST
    names = [name for name, _ in look.shown([5, 11, 10])]
    assert names == ["c5", "other classes"]
    assert class_look([1]).name(1) == "class 1"


def test_the_colours_of_classes_differ_for_readers_who_see_no_red_or_no_green():
    # Viénot, Brettel, Mollon (1999), on linear light.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    linear = np.array([to_rgb(colour) for colour in PALETTE]) ** 2.2
    for sight in (np.eye(3), protan, deutan):
        seen = np.clip(linear @ sight.T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen, axis=-1) + np.eye(len(seen))
        assert apart.min() > 0.1


def test_every_point_has_a_mark_of_its_own():
    known = marks(["genuine", "adversarial", "other", "start", "end"])
    assert len({mark.marker for mark in known.values()}) == 5


def test_a_region_is_filled_with_the_colour_of_its_class_paler_where_unsure(view):
    with style():
        _, axes = subplots()
        look = class_look(view.shares, first=[0])
        label_panel(axes[0, 0], view, look)
    picture = np.asarray(axes[0, 0].images[0].get_array())
    h, w = picture.shape[:2]
    right = picture[h // 2, -1]  # pixel 0 is large there
    np.testing.assert_allclose(right, tinted(PALETTE[0], 0.9), atol=0.05)
    across = picture[h // 2]
    blue = np.linalg.norm(across - np.array(to_rgb(PALETTE[0])), axis=-1)
    assert blue[3 * w // 4] > blue[-1]  # nearer to the boundary: farther from the full colour
    assert {text.get_text() for text in axes[0, 0].texts} == {"class 0", "class 1", "class 2"}


def test_what_lies_outside_the_box_is_hatched_and_the_inside_is_not(view):
    with style():
        _, axes = subplots()
        loss_panel(axes[0, 0], view, loss_scale([view.loss]))
    (patch,) = (p for p in axes[0, 0].patches if isinstance(p, PathPatch))
    assert patch.get_hatch()
    # The hatched path is the sheet with a hole: its signed area is that of the outside.
    vertices = patch.get_path().to_polygons(closed_only=True)
    area = sum(np.dot(p[:-1, 0], p[1:, 1]) / 2 - np.dot(p[1:, 0], p[:-1, 1]) / 2 for p in vertices)
    assert abs(area) == pytest.approx(4 * (1 - view.inside), rel=1e-6)


def test_a_plane_inside_the_box_is_not_hatched():
    loss = Loss(Corners(), torch.tensor([0]))
    x = torch.full((1, 1, 2, 2), 0.5)
    axes_ = torch.eye(4)[:2].reshape(1, 2, 1, 2, 2)
    inner = view_of(slices.plane(loss, x, axes_, 0.3, points=11))
    assert inner.inside == pytest.approx(1)
    with style():
        _, axes = subplots()
        loss_panel(axes[0, 0], inner, loss_scale([inner.loss]))
    assert not axes[0, 0].patches


def test_points_off_the_plane_are_hollow_and_points_off_the_window_not_drawn(view):
    far = View(
        view.a, view.b, view.loss, anchors={"on": (0, 0), "off": (0.5, 0), "out": (5, 0)},
        off={"off": 1.0},
    )  # fmt: skip
    with style():
        _, axes = subplots()
        handles = points(axes[0, 0], far)
    faces = {h.get_label(): h.get_markerfacecolor() for h in handles}
    assert faces == {"on": "white", "off": "none"}


def test_the_figures_of_the_notebook_have_their_panels_and_titles(found):
    with style():
        flat = slices.draw_plane(found, class_names=["cat", "dog", "emu"], title="A plane")
        relief = slices.draw_surface(found, class_names=["cat", "dog", "emu"], title="A relief")
    said = {text.get_text() for text in flat.texts} | {ax.get_title("left") for ax in flat.axes}
    assert "A plane" in said
    assert {"predicted class", "loss of “cat”", "margin of “cat”"} <= said
    names = {text.get_text() for text in flat.axes[0].get_legend().get_texts()}
    assert names <= {"cat", "dog", "emu", "genuine", "adversarial"}
    (panel,) = (ax for ax in relief.axes if ax.name == "3d")
    assert panel.get_zlabel() == "loss (nats)"
    assert {t.get_text() for t in relief.legends[0].get_texts()} == {"cat", "dog", "emu"}


def test_a_line_is_drawn_with_its_tangent_and_parabola(found):
    loss = Loss(Corners(), torch.tensor([0]))
    x = found.plane.origin
    drawn = slices.line(loss, x, slices.gradient_directions(loss, x), 0.8, points=201)
    with style():
        figure = slices.draw_line(drawn)
        _, axes = subplots()
        own = profile_of(drawn)
        profile_panel(axes[0, 0], own, logarithmic=False)
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"loss", "tangent (slope)", "parabola (slope and curvature)"} <= labels
    assert "label has changed" in labels
    np.testing.assert_allclose(own.parabola[100], own.value)
    slope = np.diff(own.loss)[99:101].mean() / np.diff(own.distances)[0]
    assert own.slope == pytest.approx(slope, rel=0.01)


@pytest.fixture(scope="module")
def frames(view) -> list[Frame]:
    places = (-0.5, 0.0, 0.5, 1.0, 1.5, 1.75)
    image = np.full((1, 2, 2), 0.5)
    return [Frame(p, {"random": view, "eigenvector": view}, image) for p in places]


def test_the_animation_rests_at_the_image_and_at_its_twin_and_is_small(frames, view, tmp_path):
    look = class_look(view.shares)
    with style():
        path = write_gif(frames, look, 1.0, tmp_path / "moving.gif", dpi=60)
    assert path.stat().st_size < 300_000
    with Image.open(path) as gif:
        lasting = []
        for i in range(gif.n_frames):
            gif.seek(i)
            lasting.append(gif.info["duration"])
    # Equal frames that follow one another are joined by the format.
    assert sum(lasting) == 3 * 110 + 3 * 1300


def test_the_key_sheet_has_five_places_of_two_planes_and_a_row_per_frame(frames, view):
    with style():
        drawing = key_sheet(frames, class_look(view.shares), 1.0)
    assert len(drawing.figure.axes) == 2 * 5 + 1
    assert len(drawing.data) == 6
    share = view.shares[view.prediction[15, 15]]
    assert f"{100 * share:.2g}%" in drawing.caption


def test_sheets_have_a_panel_for_each_plane_and_one_scale_for_all(view):
    look = class_look(view.shares, ["cat", "dog", "emu"])
    rows = [
        Row(np.zeros((1, 2, 2)), "cat", look, {"random": view, "gradient": view}),
        Row(np.zeros((3, 2, 2)), "dog", look, {"random": view}),
    ]
    with style():
        labels = label_sheet(rows, ["random", "gradient"])
        losses = loss_sheet(rows, ["random", "gradient"])
    assert len(labels.figure.axes) == 2 + 3
    assert len(losses.figure.axes) == 2 + 3 + 1
    shares = labels.data.groupby(["example", "kind"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(np.ones(3))
    assert isinstance(losses.data, pd.DataFrame)
    levels = {
        tuple(c.levels) for ax in losses.figure.axes for c in ax.collections if len(
            getattr(c, "levels", [])) > 1
    }  # fmt: skip
    assert len(levels) == 1
