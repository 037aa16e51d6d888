from __future__ import annotations

from core.report.drawing import name_lines, plain_ticks, remove_unused
from core.report.figures import style, subplots


def test_the_first_line_of_a_panel_is_on_top():
    with style():
        _, axes = subplots()
        name_lines(axes[0, 0], ["first", "second"])
    bottom, top = axes[0, 0].get_ylim()
    assert bottom > 1 > 0 > top
    assert [text.get_text() for text in axes[0, 0].get_yticklabels()] == ["first", "second"]


def test_a_logarithmic_axis_is_labelled_with_plain_numbers():
    with style():
        figure, axes = subplots()
        ax = axes[0, 0]
        ax.plot([0.01, 10_000], [0, 1])
        ax.set_xscale("log")
        plain_ticks(ax.xaxis)
        figure.canvas.draw()
    said = [text.get_text() for text in ax.get_xticklabels()]
    assert "0.01" in said
    assert "10,000" in said
    assert not any(text.get_text() for text in ax.get_xticklabels(minor=True))


def test_panels_that_nothing_is_drawn_in_are_taken_away():
    figure, axes = subplots(2, 2)
    remove_unused(figure, axes, 3)
    assert list(figure.axes) == list(axes.flat[:3])
