"""The command `python -m attacks.transfer`: its options, in the one place they are spelled."""

from __future__ import annotations

from typing import Any

from core.shared_options import documented
from core.studies import run_planned
from core.studies.run_directory import RunDirectory


@documented
def run(
    classifiers: list[str] | str | None = None,
    normalisation: str | None = None,
    stem: str | None = None,
    data: str = "digits",
    split: str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    examples: int = 200,
    attacks: list[str] | str | None = None,
    eps: float | str | None = None,
    gradients: int = 10,
    noise_scales: list[float] | str | None = None,
    noisy: list[str] | str = "gaussian",
    flatness: list[str] | str | None = None,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Craft adversarial examples on every classifier by several recipes, and try them on all.

    Only images that all classifiers get right are attacked, with one radius and one budget of
    gradients per image, and every example is forwarded once by every classifier. The report says
    how many of a source's examples fool the others, which recipe gains over plain PGD, whether
    the classifiers are fooled by the same examples and into the same class, and what goes with
    that: confidence, alignment of gradients, flatness. Intervals and tests are paired by image.
    Two controls go along: noise of the same length, and the steps of other images.

    Args:
        classifiers: two or more, each [NAME=]SPEC[@CHECKPOINT], where SPEC is what --model takes
            elsewhere; or a .safetensors file, or a folder of them, where a file that does not say
            what it holds is taken for the torchvision model that it is named after. Default: the
            four built-in nets for digits.
        normalisation: of all classifiers whose checkpoints do not tell theirs: imagenet, or other
            known means and deviations, or values; default: none.
        stem: of all torchvision models whose checkpoints do not tell theirs: small = the variant
            for 32-64 pixel images.
        examples: how many images are tried, balanced over the classes; those that every
            classifier gets right are attacked.
        attacks: recipes, such as "fgsm(eps=8/255),pgd(eps=8/255, stop=false)"; where steps are
            left out, as many as --gradients allows; default: two controls, FGSM, PGD, and PGD with
            momentum, Adam, other objectives, Langevin noise, diverse inputs or noisy classifiers.
        eps: linf radius of the default recipes; default: 0.2 for digits, else 8/255.
        gradients: the most gradients that a recipe may spend on an image.
        noise_scales: scales of the noise for PGD with noisy classifiers, for a curve over them;
            default: 0.05,0.1,0.2,0.4 for the default recipes on digits, else none.
        noisy: the kinds of noise of that curve: gaussian, filter or dropout.
        flatness: run directories of python -m landscape.flatness on some of the classifiers and
            the same images, whose measures are related to transfer.

    Returns:
        The run directory: results.parquet (a row per recipe, source, victim and image),
        summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from attacks.transfer.study import plan

    return run_planned(plan, options)
