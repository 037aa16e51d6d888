"""`python -m core.train`: train or fine-tune a classifier on an image set.

>>> from core.train import run
>>> out = getfixture("tmp_path") / "run"
>>> trained = run(model="digits_mlp", epochs=5, tensorboard=False, out=str(out))
>>> trained.summary()["accuracy"] > 0.9
True
"""

from __future__ import annotations

from core.studies.run_directory import RunDirectory


def run(
    model: str = "digits_convnet",
    data: str = "digits",
    checkpoint: str | None = None,
    layers: list[str] | str | None = None,
    normalisation: str | None = None,
    stem: str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    epochs: int = 18,
    batch_size: int = 128,
    optimiser: str = "sgd",
    learning_rate: float | None = None,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    warmup: float = 0.25,
    label_smoothing: float = 0.1,
    augmentation: str = "auto",
    clip: float | None = None,
    precision: str = "float32",
    channels_last: bool | None = None,
    tensorboard: bool = True,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
) -> RunDirectory:
    """Train or fine-tune a classifier on an image set.

    After each epoch a checkpoint is written. The same command continues a run that was stopped in
    whatever way, and on one CPU ends with the same weights, bit for bit, as if it had not been.
    The trained classifier is model.safetensors in the run directory; other commands take it with
    --model and --checkpoint and need no further option.

    Args:
        model: built-in, torchvision name, timm/NAME or package.module:factory.
        data: digits, a folder of images, or a file; with the splits train and val (or test), or
            one split, of which a tenth is held out for validation.
        checkpoint: weights to start from; a last layer for another number of classes starts anew.
        layers: layers to train, such as fc,layer4; the others stay as they are. Default: all.
        normalisation: imagenet, cifar10, ..., or means and deviations; becomes part of the
            classifier. Default: that of the checkpoint, else none.
        stem: small: a stem for images of 32 to 64 pixels (3 x 3, stride 1, no max-pool).
        size: side in pixels that images are resized to.
        skip_unreadable: leave out images that cannot be read, instead of stopping.
        epochs: passes over the training images.
        batch_size: images per step.
        optimiser: sgd (Nesterov) or adamw.
        learning_rate: peak of the OneCycle schedule. Default: 0.1 for sgd, 0.001 for adamw.
        momentum: of sgd; the first beta of adamw.
        weight_decay: on matrices and convolutions alone. Default: 5e-4 for sgd, 0.05 for adamw.
        warmup: fraction of the steps before the peak.
        label_smoothing: mass of the target that is spread evenly over the classes.
        augmentation: crop_flip, crop, none, or auto: crop_flip for photographs, none for digits.
        clip: largest l2 norm of a gradient.
        precision: float32 or bf16 (autocast; weights stay float32).
        channels_last: memory layout. Default: the faster one, channels last for bf16.
        tensorboard: write the epochs for TensorBoard, too.
        device: auto, cpu, cuda, cuda:1 or mps.
        threads: threads of torch.
        seed: of the weights, the order of the images, the augmentation and dropout.
        out: run directory. Default: runs/core.train/MODEL-DATA-HASH.

    Returns:
        The run directory: model.safetensors (after the last epoch), best.safetensors (of the epoch
        with the highest validation accuracy), metrics.csv, summary.json, log.txt, TensorBoard
        events, and training.pt, the state to continue from.

    Raises:
        InputError: an option, the data or the run directory cannot be used, the training has
            diverged, or the disk is full.
        StudyInterrupted: Ctrl-C; the finished epochs are kept.
    """
    options = dict(locals())
    from core.options import positive, split_list
    from core.studies.threads import limited_threads
    from core.training import TrainingSettings
    from core.training.running import run_training

    positive(threads, "--threads")
    options["layers"] = split_list(layers, "--layers")
    fields = TrainingSettings.__dataclass_fields__
    chosen = {name: options[name] for name in fields if name in options}
    settings = TrainingSettings(**{**chosen, "layers": tuple(options["layers"])})
    with limited_threads(threads):
        return run_training(options, settings)


if __name__ == "__main__":
    from core.cli import command

    command(
        run,
        prog="python -m core.train",
        examples=[
            "python -m core.train --model resnet18 --data tiny-imagenet-200"
            " --normalisation imagenet --precision bf16 --threads 2",
            "python -m core.train --model resnet18 --data photos --checkpoint weights.safetensors"
            " --layers fc,layer4 --learning_rate 0.01",
        ],
    )
