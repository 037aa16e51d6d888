"""The command `python -m autoencoders.train`: its options, in the one place they are spelled."""

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
    layers: list[str] | str | None = None,
    kinds: list[str] | str = "ae,vae,vqvae",
    latent: int | None = None,
    explained_variance: float | None = None,
    width: int = 64,
    depth: int = 1,
    positions: int | None = None,
    noise: float = 0.3,
    beta: float = 1.0,
    free_bits: float = 0.0,
    deviation: float | None = None,
    codes: int = 512,
    code_size: int = 3,
    levels: list[int] | str = "8,8,8",
    active: int = 32,
    batch_active: bool = True,
    epochs: int = 30,
    train_batch: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.0,
    clip: float | None = None,
    precision: str = "float32",
    seeds: int = 1,
    dtype: str = "float32",
    stream: bool = False,
    tensorboard: bool = True,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Train autoencoders of a classifier's representations, and judge honestly how good they are.

    Every kind is trained at every layer, from representations that are collected once as memory
    maps (or streamed), and judged on other images: explained variance about the training mean,
    errors in units of other distances, and what the classifier does when reconstructions stand in
    for the layer; beside the mean, principal components and the nearest training example.

    Args:
        split: the images to judge on; default: val, else test. Trained on: split train, or nine
            tenths of images that come without splits.
        examples: how many training images, balanced over the classes; default: all.
        layers: names, such as input,layer1,layer4; default: input and two layers further on.
        kinds: ae, dae (denoising), vae, vqvae, fsq (fixed codes), sae (sparse dictionary).
        latent: numbers of the latent (ae, dae, vae), channels of the map of codes (vqvae, fsq),
            entries of the dictionary (sae); default: as many as there are principal components for
            nine tenths of the variance, at most 256; 64 channels; 8 times the layer's channels.
        explained_variance: find the smallest latent, by halving, with which ae, dae and vae
            explain this share of the validation representations.
        width: channels of the convolutions, or units of the layers for vectors.
        depth: residual blocks at each resolution, or hidden layers for vectors.
        positions: side of the map of codes; default: that of the layer, at most 8.
        noise: of dae, in units of the representation's own deviation.
        beta: of vae, weight of the divergence from the prior.
        free_bits: of vae, nats per latent number below which the divergence costs nothing.
        deviation: of vae, that of the decoder's Gaussian, in the layer's units; default: the best
            one for each batch.
        codes: of vqvae, entries of the code-book.
        code_size: of vqvae, numbers of a code.
        levels: of fsq, steps of each number of a code.
        active: of sae, entries of the dictionary that are active for a vector.
        batch_active: of sae, whether that is an average over the batch (BatchTopK) or holds for
            each vector (TopK).
        epochs: passes over the training representations.
        train_batch: representations in one step.
        learning_rate: peak of the OneCycle schedule of AdamW.
        weight_decay: on matrices and convolutions alone.
        clip: largest l2 norm of a gradient.
        precision: float32 or bf16 (autocast; weights stay float32).
        seeds: how often each is trained, from other weights and in another order.
        dtype: of the collected representations: float32, or float16 at half the size.
        stream: compute representations anew in each epoch instead of keeping them on the disk.
        tensorboard: write the epochs of each model for TensorBoard, too, at the input with a few
            images and their reconstructions.

    Returns:
        The run directory: models/LAYER-KIND-SEED/model.safetensors, results.parquet, summary.json,
        figures/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from autoencoders.train.study import plan

    return run_planned(plan, options)
