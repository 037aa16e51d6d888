"""The command `python -m autoencoders.augment`: its options, in the one place they are spelled."""

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
    examples: int | None = None,
    judged: int | None = None,
    layers: list[str] | str | None = None,
    kind: str = "ae",
    latent: int | None = None,
    autoencoder_epochs: int = 20,
    probability: float = 0.5,
    scale: float = 0.5,
    start: str = "auto",
    epochs: int = 10,
    train_batch: int = 64,
    learning_rate: float = 0.1,
    tuning_rate: float = 0.02,
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.0,
    clip: float | None = None,
    precision: str = "float32",
    seeds: int = 3,
    attacks: list[str] | str | None = None,
    radius: float | None = None,
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
    """Train classifiers with an autoencoder's moves as augmentation, and compare them.

    At each layer an autoencoder of the reference classifier's representations is trained. Then
    classifiers are trained three ways, each with several seeds: with nothing; with the layer's
    output moved to a decoded sample around its latent; and with noise of the same length. A share
    of the images is moved in each epoch, and only those that the classifier gets right as yet. On
    other images their accuracy, their accuracy under attack and the flatness of their loss are
    compared, with intervals over seeds and images. What the moves mean is read off the training
    examples nearest before and after.

    Args:
        split: the images to judge on; default: val, else test. Trained on: split train, or nine
            tenths of images that come without splits.
        examples: how many training images, balanced over the classes; default: all.
        judged: how many images to judge on, balanced over the classes; default: all.
        layers: names, such as input,layer4; default: input and one in the second half.
        kind: of the autoencoder: ae, dae (denoising) or vae.
        latent: numbers of its latent; default: as many as there are principal components for nine
            tenths of the variance, at most 256.
        autoencoder_epochs: passes over the representations.
        probability: of an image being drawn for a move in an epoch, below 1.
        scale: of the noise on the latent, in units of each number's deviation over the training
            images; 0: the plain reconstruction.
        start: scratch, reference (fine-tuned from the classifier that the autoencoder is of), or
            auto: scratch at the input, reference at hidden layers, which come to mean something
            else in a training from scratch.
        epochs: passes over the training images.
        train_batch: images in one step.
        learning_rate: peak of the OneCycle schedule of SGD, from scratch.
        tuning_rate: the same from the reference.
        weight_decay: on matrices and convolutions alone.
        label_smoothing: mass of the target that is spread evenly over the classes.
        clip: largest l2 norm of a gradient.
        precision: float32 or bf16 (autocast; weights stay float32).
        seeds: trainings of each way, at least 2; the same numbers in each.
        attacks: recipes within a radius, such as "pgd(norm=l2, eps=0.5)"; default: PGD, linf,
            at the radius of the default studies and at a quarter of it.
        radius: l2 length of the noise that the rise of the loss is measured with; default: 0.1
            times the root of the number of pixel values.
        draws: of that noise, and of the moves that are read.

    Returns:
        The run directory: autoencoders/LAYER/, classifiers/WAY/model.safetensors, results.parquet,
        summary.json, figures/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from autoencoders.augment.planning import plan

    return run_planned(plan, options)
