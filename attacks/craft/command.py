"""The command `python -m attacks.craft`: its options, in the one place they are spelled."""

from __future__ import annotations

from typing import Any

from core.studies import run_study
from core.studies.run_directory import RunDirectory


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
    attacks: list[str] | str | None = None,
    masking_checks: bool = False,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Craft adversarial examples by several recipes, verify every one, and report.

    Every example is checked from outside: inside the box and the ball, finite, really classified
    otherwise. The report says how many of the correctly classified images each recipe fools, how
    far it moves them and how many passes it takes. The examples are files that other commands take
    with --adversarial.

    Args:
        model: a built-in net (digits_convnet, digits_mlp), a torchvision model by name, timm/NAME,
            package.module:factory (also from the current folder), or a torch.export program.pt2.
        checkpoint: weights of the model: .safetensors, or a file that torch.load reads with
            weights_only.
        normalisation: imagenet, or other known means and deviations, or values; default: what the
            checkpoint says, else none.
        stem: small = the variant of a torchvision model for 32-64 pixel images.
        data: digits, a folder of images (tiny-imagenet, class folders, labels.csv), .npz,
            .safetensors, or a torchvision set such as cifar10:ROOT.
        split: which part of the data; default: val, else test.
        size: resize images to this many pixels a side; default: they are taken as they are.
        skip_unreadable: leave corrupt image files out (they are named and counted) instead of
            stopping.
        examples: how many images are attacked, balanced over the classes.
        attacks: recipes, such as "fgsm(norm=linf, eps=2/255),pgd(norm=l2, eps=0.5, steps=40)";
            default: noise control, FGSM, PGD linf, PGD l2 and minimum-norm l2.
        masking_checks: look for masked gradients, too, on the first 50 images; this costs further
            attacks.
        batch_size: images in one forward pass; changes results by float rounding only.
        device: auto, cpu, cuda, cuda:1, mps.
        threads: torch threads of each process; part of the settings because the number may change
            the last bit. More processes (--launch processes) use the cores better.
        seed: seed of everything random.
        out: the run directory; default: runs/attacks.craft/MODEL-DATA-HASH. The same command
            continues an unfinished one.
        launch: inline, processes (on this machine), or slurm.
        workers: how many processes, or array tasks on Slurm.
        slurm: options of the jobs, such as partition, timeout_min, mem_gb.

    Returns:
        The run directory: results.parquet, summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    from attacks.craft.study import plan

    study = plan(
        model=model,
        checkpoint=checkpoint,
        normalisation=normalisation,
        stem=stem,
        data=data,
        split=split,
        size=size,
        skip_unreadable=skip_unreadable,
        examples=examples,
        attacks=attacks,
        masking_checks=masking_checks,
        batch_size=batch_size,
        device=device,
        threads=threads,
        seed=seed,
    )
    return run_study(study, out=out, launch=launch, workers=workers, threads=threads, slurm=slurm)
