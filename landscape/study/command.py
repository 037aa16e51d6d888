"""The command `python -m landscape.study`: its options, in the one place they are spelled."""

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
    parts: list[str] | str | None = None,
    flatness: dict[str, Any] | None = None,
    curvature: dict[str, Any] | None = None,
    connectivity: dict[str, Any] | None = None,
    slices: dict[str, Any] | None = None,
    noise: dict[str, Any] | None = None,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Study the landscape of a classifier in every way: one command, one report.

    Flatness, curvature, connectivity, slices and noise in the optimisation, over the same examples,
    each crafted once. The report has what each of them found, with p values corrected over all of
    them; their own reports lie beside it.

    Args:
        examples: how many images are attacked and measured, balanced over the classes.
        parts: which studies: flatness, curvature, connectivity, slices, noise; default: all.
        flatness: options of landscape.flatness that are not given here, such as draws.
        curvature: options of landscape.curvature.
        connectivity: options of landscape.connectivity.
        slices: options of landscape.slices.
        noise: options of landscape.noise, which has recipes of its own.

    Returns:
        The run directory: results.parquet (every comparison), summary.json, report.html, and a
        folder with results, figures and report for each part.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.study.study import plan

    return run_planned(plan, options)
