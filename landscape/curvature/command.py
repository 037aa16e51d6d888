"""The command `python -m landscape.curvature`: its options, in the one place they are spelled."""

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
    method: str = "auto",
    spectrum: int = 9,
    vectors: int = 3,
    probes: int = 8,
    boundary_steps: int = 30,
    boundary_radii: list[float] | str | None = None,
    draws: int = 16,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Compare the curvature of the loss around genuine and around adversarial images.

    The loss is the cross-entropy of the predicted label, a function of the image. Around every
    example, in every version (the example groups): the spectrum of its input Hessian, exact for
    piecewise-linear networks, and its eigenvectors as pictures; the curvature along the gradient,
    towards the adversarial twin and towards class means, against that of an average direction; the
    nearest point of the decision boundary and how the boundary bends there. Comparisons are paired
    by example, raw and at equal loss: matched, and against genuine images of the class that an
    example is taken for, pushed to its loss.

    Args:
        examples: how many images are attacked and measured, balanced over the classes.
        method: exact (piecewise-linear networks: the whole Hessian in closed form), gauss_newton
            (the part of a smooth network's Hessian that its slopes make), lanczos (the whole
            Hessian, from products), or auto: exact where the network allows it, else lanczos.
        spectrum: how many eigenvalues are kept for each example.
        vectors: how many eigenvectors are shown.
        probes: random vectors for what is estimated: traces, and all of a smooth network's
            spectrum but its top; their standard errors are reported.
        boundary_steps: steps of the search for the nearest boundary point; 0 leaves the boundary
            out.
        boundary_radii: l2 scales of the boundary's curvature, in pixel units; default: by image
            size.
        draws: random tangent directions for it.

    Returns:
        The run directory: results.parquet, summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.curvature.study import plan

    return run_planned(plan, options)
