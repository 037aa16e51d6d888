"""The command `python -m landscape.flatness`: its options, in the one place they are spelled."""

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
    measures: list[str] | str | None = None,
    layers: list[str] | str | None = None,
    loss: str = "cross_entropy",
    reference: str = "predicted",
    radii: list[float] | str | None = None,
    worst_case_l2: list[float] | str | None = None,
    worst_case_linf: list[float] | str | None = None,
    worst_case_steps: int = 10,
    draws: int = 32,
    gradient_draws: int = 8,
    curvature_step: float | None = None,
    gamma: float = 0.8,
    boundary_norm: str = "l2",
    boundary_steps: int = 30,
    neighbours: int = 20,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Compare the flatness of the loss around genuine and around adversarial images.

    Every example is measured in several versions (the example groups): as it is, after a random
    step as long as an adversarial one (the noise control), and after each attack. Comparisons are
    paired by example, given raw and at equal loss (flatness by itself mostly measures confidence):
    matched on the loss at the centre, and against genuine images of the class that an example is
    taken for, pushed to its loss. They are corrected for multiplicity, and written into one HTML
    report.

    Args:
        examples: how many images are attacked and measured, balanced over the classes.
        matching_pool: how many further genuine images are measured, to find partners of equal loss
            and as references; default: as many as examples, where the data has them.
        measures: what is measured: names or families (noise, label, worst_case,
            gradient_and_curvature, dimension); default: all.
        loss: the landscape: cross_entropy, margin or log_probability.
        reference: the label the loss refers to: predicted (at each version itself), true, or
            target (the most probable class other than the true one).
        radii: l2 lengths of the noise, in pixel units; default: by image size.
        worst_case_l2: l2 radii of the worst-case rise; default: by data.
        worst_case_linf: linf radii of the worst-case rise and of the linearity gap; fractions such
            as 1/255 are fine.
        worst_case_steps: gradient steps of both searches, for each radius.
        draws: noise draws for each example and radius, in antithetic pairs; their standard errors
            are reported. Also the draws, independent ones, of persistence.
        gradient_draws: noise draws for each radius at which gradients are taken, for their
            coherence.
        curvature_step: l2 length of the step along which the gradient's change is measured;
            default: 0.0125 in every pixel.
        gamma: probability with which noise is to keep the label, for persistence.
        boundary_norm: of the distance to the decision boundary, l2 or linf.
        boundary_steps: points tried in search of the boundary, for each example.
        neighbours: among how many genuine images of the matching pool the local intrinsic
            dimension is measured.

    Returns:
        The run directory: results.parquet, summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.flatness.study import plan

    return run_planned(plan, options)
