"""The settings of a training run: all that decides its weights besides the network and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.errors import unknown_name
from core.options import positive, within

OPTIMISERS = ("sgd", "adamw")
PRECISIONS = ("float32", "bf16")
AUGMENTATIONS = ("auto", "crop_flip", "crop", "none")

_LEARNING_RATE = {"sgd": 0.1, "adamw": 1e-3}
_WEIGHT_DECAY = {"sgd": 5e-4, "adamw": 5e-2}
_BELOW_ONE = 0.9999


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of a training run; the defaults train a small ResNet on 64-pixel photographs.

    Args:
        epochs: passes over the training images.
        batch_size: images per step; the incomplete last batch of an epoch is left out.
        optimiser: `sgd` (with Nesterov momentum) or `adamw`.
        learning_rate: peak of the OneCycle schedule; `None`: 0.1 for `sgd`, 0.001 for `adamw`.
        momentum: of `sgd`; the first beta of `adamw`.
        weight_decay: on matrices and convolutions alone, never on biases and normalisation layers;
            `None`: 5e-4 for `sgd`, 0.05 for `adamw`.
        warmup: fraction of the steps before the peak of the learning rate.
        label_smoothing: mass of the target spread evenly over all classes.
        augmentation: `crop_flip`, `crop`, `none`, or `auto`: `crop_flip` for colour images, `none`
            for greyscale ones and for sets of digits.
        clip: largest l2 norm of the gradient of a step; `None`: not clipped.
        precision: `float32`, or `bf16`: forward and backward pass under autocast, weights float32.
        channels_last: memory layout of images and weights; `None`: where it is the faster one.
        layers: names of the layers to train, all else stays as it is; empty: everything.
        seed: of the order of the images, the augmentation and dropout.

    Raises:
        InputError: a value that no training can use.
    """

    epochs: int = 18
    batch_size: int = 128
    optimiser: str = "sgd"
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float | None = None
    warmup: float = 0.25
    label_smoothing: float = 0.1
    augmentation: str = "auto"
    clip: float | None = None
    precision: str = "float32"
    channels_last: bool | None = None
    layers: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, valid in (
            ("optimiser", OPTIMISERS),
            ("precision", PRECISIONS),
            ("augmentation", AUGMENTATIONS),
        ):
            found = getattr(self, name)
            if found not in valid:
                raise unknown_name(f"--{name}", str(found), valid)
        positive(self.epochs, "--epochs")
        positive(self.batch_size, "--batch_size")
        positive(self.resolved_learning_rate, "--learning_rate")
        positive(1.0 if self.clip is None else self.clip, "--clip")
        within(self.momentum, 0, _BELOW_ONE, "--momentum")
        within(self.resolved_weight_decay, 0, _BELOW_ONE, "--weight_decay")
        within(self.warmup, 0, 1, "--warmup")
        within(self.label_smoothing, 0, _BELOW_ONE, "--label_smoothing")

    @property
    def resolved_learning_rate(self) -> float:
        """Peak learning rate, the optimiser's own where none was given."""
        given = self.learning_rate
        return _LEARNING_RATE[self.optimiser] if given is None else given

    @property
    def resolved_weight_decay(self) -> float:
        """Weight decay, the optimiser's own where none was given."""
        given = self.weight_decay
        return _WEIGHT_DECAY[self.optimiser] if given is None else given

    def resolved(self) -> dict[str, Any]:
        """Return the settings as plain values, with the defaults that depend on others filled in.

        >>> TrainingSettings(optimiser="adamw").resolved()["learning_rate"]
        0.001
        """
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["learning_rate"] = self.resolved_learning_rate
        values["weight_decay"] = self.resolved_weight_decay
        values["layers"] = list(self.layers)
        return values
