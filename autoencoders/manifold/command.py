"""The command `python -m autoencoders.manifold`: its options, in the one place they are spelled."""

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
    examples: int = 150,
    attacks: list[str] | str | None = None,
    autoencoder: str | None = None,
    judge: str | None = None,
    kind: str = "ae",
    latent: int | None = None,
    width: int = 24,
    depth: int = 1,
    noise: float = 0.3,
    beta: float = 1.0,
    free_bits: float = 0.0,
    epochs: int = 20,
    train_batch: int = 64,
    learning_rate: float = 2e-3,
    seeds: int = 1,
    norm: str = "l2",
    radius: float = 3.0,
    steps: int = 40,
    noisy: str = "gaussian",
    noise_scale: float | None = None,
    neighbours: int = 25,
    dimensions: int = 10,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Search adversarial examples on the manifold that an autoencoder of the images has learnt.

    The loss of the classifier is climbed over the latent of each example, inside a ball (Stutz,
    Hein and Schiele 2019), once with the classifier itself and once with a noisy one at each step.
    What is found is compared with attacks on the pixels, PGD at equal success among them: how far
    off the manifold of genuine images each lies, by the reconstruction error of a second
    autoencoder and by the distance to the flat of the nearest training images.

    Args:
        split: the images to attack; default: val, else test. Trained on: split train, or nine
            tenths of images that come without splits.
        examples: how many images are attacked, balanced over the classes; at most half of them, for
            the others set the scale of what is measured.
        attacks: recipes on the pixels to compare with; default: PGD linf and minimum-norm l2.
        autoencoder: file of an autoencoder of the images to search with, such as
            autoencoders.train makes; default: one is trained.
        judge: file of another one to judge with; default: one of the same design is trained.
        kind: ae, dae (denoising) or vae.
        latent: numbers of the latent; default: as many as there are principal components for nine
            tenths of the variance, at most 256.
        width: channels of the convolutions, or units of the layers for vectors.
        depth: residual blocks at each resolution, or hidden layers for vectors.
        noise: of dae, in units of the images' own deviation.
        beta: of vae, weight of the divergence from the prior.
        free_bits: of vae, nats per latent number below which the divergence costs nothing.
        epochs: passes over the training images.
        train_batch: images in one step.
        learning_rate: peak of the OneCycle schedule of AdamW.
        seeds: how many autoencoders are searched with; one more is trained, and each is judged by
            the next.
        norm: of the ball in the latent space, l2 or linf.
        radius: of the ball; each number of the latent in units of its own standard deviation.
        steps: gradient steps of the search.
        noisy: the noisy classifiers of the second search: gaussian, filter, dropout, or none for no
            such search.
        noise_scale: of the noise in the parameters; default: 0.1.
        neighbours: how many training images span the flat that an image is measured against.
        dimensions: how many directions the flat has.

    Returns:
        The run directory: models/NUMBER/model.safetensors, adversarial/, results.parquet,
        summary.json, figures/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from autoencoders.manifold.study import plan

    return run_planned(plan, options)
