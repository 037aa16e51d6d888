"""The command `python -m landscape.noise`: its options, in the one place they are spelled."""

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
    examples: int = 100,
    matching_pool: int | None = None,
    attacks: list[str] | str | None = None,
    eps: float | str | None = None,
    gradients: int = 20,
    noisy: list[str] | str = "gaussian",
    noise_scales: list[float] | str | None = None,
    others: list[str] | str | None = None,
    controls: list[str] | str | None = None,
    radii: list[float] | str | None = None,
    worst_case_linf: list[float] | str | None = None,
    worst_case_steps: int = 10,
    draws: int = 16,
    path_examples: int | None = None,
    path_points: int = 33,
    followed_examples: int | None = None,
    drawn_examples: int = 4,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Compare what ways of optimising adversarial examples find, noise in them above all.

    Every recipe has the same radius and the same budget of gradients per image, and its examples
    are compared with those of plain sign PGD, image by image, and at equal loss: how often they
    fool, how far they lie, what loss they reach, how flat the loss is around them, how well they
    are connected to genuine images, and how many other classifiers they fool. The noise in the
    classifier goes through a range of scales. The ways of the optimisations themselves are drawn:
    loss over gradients, turns, and their common plane.

    Args:
        examples: how many images are attacked and measured, balanced over the classes.
        attacks: recipes with one norm and radius (or none), such as "pgd(eps=8/255,
            stop=false),pgd(eps=8/255, langevin=2/255, stop=false)"; where steps are left out, as
            many as --gradients allows. They are compared with the first plain PGD. Default: two
            controls, sign PGD, sign PGD that keeps its last point, the gradient's direction, the
            plain gradient, momentum, Adam, Langevin noise, gradients at noisy, diverse or shifted
            copies, three kinds of noisy classifiers, minimum norm.
        eps: linf radius of the default recipes; default: 0.2 for digits, else 8/255.
        gradients: the most gradients that a recipe may spend on an image.
        noisy: kinds of noisy classifiers whose scale is varied: gaussian, filter, dropout.
        noise_scales: the scales, or "" for none; default: 0.025,0.05,0.1,0.2, on digits also 0.4.
        others: classifiers that the examples may fool, too, each SPEC[@CHECKPOINT]; default: the
            other nets that come with the digits, else none.
        controls: recipes whose examples get a same-class control in the comparison with genuine
            images, or all, or none; default: none.
        radii: l2 lengths of the noise around an example, in pixel units; default: one, by image
            size.
        worst_case_linf: linf radii of the worst-case rise; default: 0.05 for digits, else 1/255.
        worst_case_steps: gradient steps of the worst-case search, for each radius.
        draws: noise draws for each example and radius, in antithetic pairs.
        path_examples: for how many examples paths to genuine images are searched; default: all.
        path_points: places on each path that are looked at.
        followed_examples: of how many examples the optimisation is followed point by point
            (they are crafted once more for it, and forwarded at every point); default: all.
        drawn_examples: how many examples' ways are drawn in their common plane.

    Returns:
        The run directory: results.parquet (a row per recipe and image), summary.json, figures/,
        adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.noise.study import plan

    return run_planned(plan, options)
