"""The command `python -m autoencoders.explore`: its options, in the one place they are spelled."""

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
    attacks: list[str] | str | None = None,
    autoencoder: list[str] | str | None = None,
    layers: list[str] | str | None = None,
    kinds: list[str] | str | None = None,
    latent: int | None = None,
    width: int = 32,
    epochs: int = 10,
    train_examples: int | None = None,
    scales: list[float] | str = "0.25,0.5,1,2",
    chains: int = 4,
    classes: int = 10,
    draws: int = 400,
    warmup: int = 200,
    leapfrog: int = 1,
    temperature: float = 1.0,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Explore the latent spaces of autoencoders of a classifier's layers.

    Where genuine, noisy and adversarial examples lie in them, and how well reconstruction error,
    latent density and the change of the prediction tell them apart, beside the classifier's own
    uncertainty; what the latents are like; and what is decoded around an example, between two of
    them, and along Markov chains that the classifier guides to a class.

    Args:
        examples: how many images are attacked and looked at, balanced over the classes.
        autoencoder: files model.safetensors that autoencoders.train has made for this classifier;
            default: some are trained first, of --layers and --kinds.
        layers: layers that autoencoders are trained for, by name as named_modules() gives it, or
            input for the image itself; default: input and one layer two thirds of the way.
        kinds: ae, dae (denoising), vae, vqvae, fsq (fixed codes), sae (sparse dictionary) to train;
            default: ae,vae.
        latent: numbers of the latent of those trained (channels of the codes, entries of the
            dictionary); default: as autoencoders.train has it.
        width: of those trained, channels of the convolutions or units of the layers for vectors.
        epochs: passes over the training representations.
        train_examples: how many training images, balanced over the classes, latents are learnt and
            described from; default: all.
        scales: of Gaussian noise around an embedding, in units of the latent numbers' root mean
            square deviation over the training images.
        chains: Markov chains for each class, at least 2.
        classes: for how many classes chains are run, the first ones.
        draws: kept of each chain, at least 8.
        warmup: moves before them, in which the step is adapted.
        leapfrog: steps of a move; 1 is MALA, more are Hamiltonian Monte Carlo.
        temperature: of the guidance: the chains' density is p(class | decoded)^(1 / temperature)
            times that of the latents.

    Returns:
        The run directory: results.parquet, summary.json, figures/, models/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from autoencoders.explore.planning import plan

    return run_planned(plan, options)
