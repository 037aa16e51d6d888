"""The one place that imports torchattacks, and that mends what a subclass can mend."""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.vision import torchvision

VERSION = "3.5.1"
EDGE = 1e-3
"""How far inside the box, in turns of the sine, CW starts: 2.5e-7 in input units."""
COMMAND = f"pip install --no-deps torchattacks=={VERSION}"


def torchattacks(asked: str) -> ModuleType:
    """Return the package.

    Raises:
        InputError: it is not installed; the message names what asked for it, and the command.
    """
    try:
        torchvision()
        return importlib.import_module("torchattacks")
    except ModuleNotFoundError as error:
        if error.name != "torchattacks":
            raise
        raise InputError(
            f"--attacks: {asked} is an attack of torchattacks, which is not installed; "
            f"`{COMMAND}` installs it (without its pin of requests, which it never imports)."
        ) from error


def attack_class(name: str, asked: str) -> type[Any]:
    """Return the class of this name, mended where it is one of those below."""
    package = torchattacks(asked)
    mend = MENDED.get(name)
    found: type[Any] = getattr(package, name)
    return found if mend is None else mend(found)


def mended_cw(found: type[Any]) -> type[Any]:
    """Pixels at 0 and 1 move: the space without a box is that of a sine, not of tanh.

    In the middle the two are alike; but the edge of the box lies infinitely far out for tanh, where
    nothing has a slope, and a quarter turn away for the sine.
    """

    class CW(found):
        def tanh_space(self, x: Tensor) -> Tensor:
            return (torch.sin(x) + 1) / 2

        def inverse_tanh_space(self, x: Tensor) -> Tensor:
            quarter = math.pi / 2 - EDGE
            return torch.asin(2 * x - 1).clamp(-quarter, quarter)

    return CW


def mended_ead(found: type[Any]) -> type[Any]:
    """The first step moves a copy of the image, not the image that distances are taken from."""

    class EAD(found):
        def FISTA(  # noqa: N802
            self, images: Tensor, x_k: Tensor, y_k: nn.Parameter
        ) -> tuple[Tensor, Tensor]:
            if y_k.data_ptr() == images.data_ptr():
                y_k.data = y_k.data.clone()
                images.copy_(x_k)
            return super().FISTA(images, x_k, y_k)

    return EAD


def mended_pixle(found: type[Any]) -> type[Any]:
    """A destination is a column and a row, not a row and a column."""

    class Pixle(found):
        def _perturb(
            self, source: Tensor, solution: list[Any], destination: Tensor | None = None
        ) -> Tensor:
            moved = (source if destination is None else destination).clone().detach()
            x, y, wide, high = solution[:4]
            columns, rows = torch.tensor(np.array(solution[4:]), device=moved.device).T
            moved[0, :, rows, columns] = source[0, :, y : y + high, x : x + wide].flatten(1)
            return moved

    return Pixle


def mended_pifgsmpp(found: type[Any]) -> type[Any]:
    """The Gaussian weights are the same for every channel and symmetric in rows and columns."""

    class PIFGSMPP(found):
        def gaussian_kern(self, kernlen: int = 21, nsig: int = 3) -> Tensor:
            line = np.exp(-0.5 * np.linspace(-nsig, nsig, kernlen) ** 2)
            kernel = np.outer(line, line) / np.outer(line, line).sum()
            return torch.tensor(kernel, device=self.device)[None, None]

    return PIFGSMPP


MENDED = {
    "CW": mended_cw,
    "EADL1": mended_ead,
    "EADEN": mended_ead,
    "Pixle": mended_pixle,
    "PIFGSMPP": mended_pifgsmpp,
}
