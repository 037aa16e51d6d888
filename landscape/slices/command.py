"""The command `python -m landscape.slices`: its options, in the one place they are spelled."""

from __future__ import annotations

from typing import Any

from core.shared_options import documented
from core.studies import run_planned
from core.studies.run_directory import RunDirectory


@documented
def run(
    model: str = "digits_convnet",
    checkpoint: str | None = None,
    normalisation: str | None = None,
    stem: str | None = None,
    data: str = "digits",
    split: str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    examples: int = 200,
    matching_pool: int | None = None,
    attacks: list[str] | str | None = None,
    adversarial: list[str] | str | None = None,
    controls: list[str] | str | None = None,
    slices: list[str] | str = "all",
    twins: str | None = None,
    radius: float | None = None,
    reach: float | None = None,
    points: int = 41,
    resolution: int = 61,
    pictures: int = 4,
    frames: int = 28,
    box: str = "mark",
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Look at the loss on lines and planes through genuine and through adversarial images.

    Lines through many images, in random directions, along the gradient, the top eigenvector of the
    input Hessian and the way to the adversarial twin, say in numbers how far the label lasts in
    which direction, around genuine and around adversarial images, and how far slope and curvature
    at the image tell the rest. Planes through a few of them are drawn: label regions, loss, margin,
    as contours, as a relief, and moving along the way to the twin.

    Args:
        examples: how many images are attacked and followed along lines, balanced over the classes.
        controls: recipes of --attacks whose examples get a same-class control (a genuine image of
            the class that each is taken for, pushed to its loss), or all, or none; default: none.
        slices: which kinds: random, gradient, eigenvector, twin (towards the adversarial twin),
            three_inputs (a plane through the image, its twin and an image of another class), or
            all.
        twins: the attack whose examples are the twins; default: the one that fools most among
            those with a radius.
        radius: l2 length that is drawn around an image, in input units; default: 1.5 times the
            longest step that the attacks may make.
        reach: l2 length up to which the first change of the label is looked for; default: 16 times
            the radius, at most the diagonal of the box.
        points: evaluated on a line; odd.
        resolution: points along each side of a plane; odd.
        pictures: how many examples are drawn.
        frames: of the animation, which is about the first of them; 0: none.
        box: mark: points with pixels beyond [0, 1] are evaluated as they are, and marked; clip:
            they are clipped to the box first, which bends lines and planes.

    Returns:
        The run directory: results.parquet, summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.slices.study import plan

    return run_planned(plan, options)
