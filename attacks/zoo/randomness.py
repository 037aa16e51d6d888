"""The randomness of an attack that was written for the global random state.

An attack of one image runs with the global state seeded for the image, and put back afterwards. An
attack of a batch has its draws replaced, row by row, by those of each example's own stream; the
rows of an example follow one another where there are several.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from core import randomness

SUMMED = (functional.cross_entropy, functional.nll_loss)
REFUSED = (
    torch.randint,
    torch.randint_like,
    torch.randperm,
    torch.randn,
    torch.rand,
    torch.normal,
    torch.bernoulli,
    torch.multinomial,
    torch.Tensor.normal_,
    torch.Tensor.bernoulli_,
    torch.Tensor.random_,
)


@contextmanager
def seeded(stream: np.random.Generator, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Seed torch, numpy and `random` inside the block, and put their states back after it.

    What the attack creates without saying a type has the images' type meanwhile.
    """
    cuda = [device] if device.type == "cuda" else []
    numbers, words, kind = np.random.get_state(), random.getstate(), torch.get_default_dtype()
    with torch.random.fork_rng(cuda):
        try:
            torch.default_generator.manual_seed(int(stream.integers(2**63)))
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(int(stream.integers(2**63)))
            np.random.seed(int(stream.integers(2**32)))
            random.seed(int(stream.integers(2**63)))
            torch.set_default_dtype(dtype)
            yield
        finally:
            torch.set_default_dtype(kind)
            random.setstate(words)
            np.random.set_state(numbers)


class Translated(TorchFunctionMode):
    """What an attack calls in torch, while it runs, in a form that suits every batch and image.

    - Losses that are averaged over the batch are summed: an example's gradient does not know how
      many companions it has.
    - A gradient that vanishes is divided by a tiny number instead of by 0: not a number, it would
      stay in the momentum and end every later step.
    - Convolutions written for three channels in float32 take the images' channels and type.
    - With `streams`, draws are those of the examples, and a draw that belongs to none is an error.
    - "Float" is the type of the images.
    - With `endless`, a loss read as a number is 0: the loss of the whole batch stops nobody.

    The classifier's own calls are left alone, see `asleep`.
    """

    def __init__(
        self, streams: Sequence[np.random.Generator] | None = None, endless: bool = False
    ) -> None:
        super().__init__()
        self.streams = streams
        self.endless = endless

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Translate nothing inside the block: for what the classifier calls."""
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            self.__enter__()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one call of torch, or what stands in for it."""
        options = dict(kwargs or {})
        if func is torch.Tensor.float:
            return args[0].to(torch.get_default_dtype())
        if func in SUMMED:
            return func(*args, **(options | {"reduction": "sum"}))
        if func is functional.conv2d:
            return per_channel(*args, **options)
        if func is torch.mean and options.get("dim") == (1, 2, 3):
            found = func(*args, **options)
            return found.clamp_min(torch.finfo(found.dtype).tiny)
        if self.streams is not None:
            if func is torch.Tensor.mean and len(args) == 1 and not options and args[0].ndim == 1:
                return args[0].sum()
            # Adam reads its step number the same way; that one has no gradient.
            if func is torch.Tensor.item and self.endless and args[0].requires_grad:
                return 0.0
            if func in (torch.randn_like, torch.rand_like, torch.Tensor.uniform_):
                return self.drawn(func, *args, **options)
            if func in REFUSED:
                raise NotImplementedError(f"{func.__name__} belongs to no example of the batch")
        return func(*args, **options)

    def drawn(self, func: Callable[..., Any], like: Tensor, *bounds: float) -> Tensor:
        """Draw what `func` would, from the examples' streams."""
        assert self.streams is not None
        each = len(like) // len(self.streams)
        shape = (each, *like.shape[1:])
        draw = randomness.normal if func is torch.randn_like else randomness.uniform
        values = draw(self.streams, shape, like.detach()).reshape(like.shape)
        if func is not torch.Tensor.uniform_:
            return values
        low, high = bounds or (0.0, 1.0)
        return like.copy_(low + (high - low) * values)


def per_channel(images: Tensor, weights: Tensor, *args: Any, **options: Any) -> Tensor:
    """Convolve each channel with the first channel's weights, in the images' type."""
    channels = images.shape[1]
    own = weights[:1].to(images).expand(channels, *weights.shape[1:])
    return functional.conv2d(images, own, *args, **(options | {"groups": channels}))
