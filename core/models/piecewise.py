"""Whether a network is piecewise linear in its input, found out by watching one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.models.classifier import evaluating

# Everything is said of torch's elementary operators, below modules and functions.

# Linear in, or piecewise linear in, all tensors they take.
_PIECEWISE_LINEAR = frozenset(
    """
    abs adaptive_avg_pool1d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d
    adaptive_max_pool3d add alias amax amin as_strided avg_pool1d avg_pool2d avg_pool3d cat
    channel_shuffle clamp clamp_max clamp_min clone col2im constant_pad_nd copy cummax cummin cumsum
    detach diagonal dropout expand flatten flip gather hardshrink hardsigmoid hardtanh im2col index
    index_put index_select leaky_relu lift_fresh masked_fill masked_scatter masked_select max
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d maximum mean median min minimum
    movedim narrow neg negative permute pixel_shuffle pixel_unshuffle positive reflection_pad1d
    reflection_pad2d relu relu6 repeat replication_pad1d replication_pad2d _reshape_alias reshape
    _reshape_copy resolve_conj resolve_neg roll rot90
    rrelu_with_noise rsub scatter scatter_add select
    select_scatter slice slice_scatter softshrink sort split split_with_sizes squeeze stack sub
    sum t threshold _to_copy topk transpose tril triu unbind unfold _unsafe_index _unsafe_view
    unsqueeze upsample_bicubic2d upsample_bilinear2d _upsample_bilinear2d_aa upsample_linear1d
    upsample_nearest1d upsample_nearest2d view where
    """.split()  # noqa: SIM905
)

# Constant around almost every input: what they return no longer counts as dependent on it.
_LOCALLY_CONSTANT = frozenset(
    """
    argmax argmin argsort bitwise_and bitwise_not bitwise_or bitwise_xor bucketize ceil empty_like
    eq floor full_like ge gt heaviside isfinite isinf isnan le logical_and logical_not logical_or
    lt ne new_empty new_empty_strided new_full new_ones new_zeros ones_like round sgn sign signbit
    sym_size trunc zero zeros_like
    """.split()  # noqa: SIM905
)

# Linear in each of these arguments, so piecewise linear while at most one depends on the input.
_PRODUCTS = {
    "mul": ("self", "other"),
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "mv": ("self", "vec"),
    "dot": ("self", "tensor"),
    "matmul": ("self", "other"),
    "addmm": ("mat1", "mat2"),
    "addmv": ("mat", "vec"),
    "baddbmm": ("batch1", "batch2"),
    "addcmul": ("tensor1", "tensor2"),
    "linear": ("input", "weight"),
    "convolution": ("input", "weight"),
    "_convolution": ("input", "weight"),
    "conv1d": ("input", "weight"),
    "conv2d": ("input", "weight"),
    "conv3d": ("input", "weight"),
    "_prelu_kernel": ("self", "weight"),
    "prelu": ("self", "weight"),
    "_trilinear": ("i1", "i2", "i3"),
}

# Arguments that must not depend on the input at all.
_FIXED = {
    "div": ("other",),
    "addcdiv": ("tensor2",),
    "lerp": ("weight",),
    "grid_sampler_2d": ("grid",),
    "batch_norm": ("weight", "bias", "running_mean", "running_var"),
    "native_batch_norm": ("weight", "bias", "running_mean", "running_var"),
    "_native_batch_norm_legit": ("weight", "bias", "running_mean", "running_var"),
    "_native_batch_norm_legit_no_training": ("weight", "bias", "running_mean", "running_var"),
    "cudnn_batch_norm": ("weight", "bias", "running_mean", "running_var"),
    "miopen_batch_norm": ("weight", "bias", "running_mean", "running_var"),
}


def is_piecewise_linear(network: nn.Module, images: Tensor) -> bool:
    """Tell whether the network, in eval mode, is piecewise linear in its input.

    Then the input Hessian of a loss has no part from the network's own curvature, almost
    everywhere. See `smooth_operations`; costs one forward pass of the images given, one will do.

    >>> mlp = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> is_piecewise_linear(mlp, torch.zeros(1, 2))
    True
    >>> is_piecewise_linear(nn.Sequential(mlp, nn.GELU()), torch.zeros(1, 2))
    False
    """
    return not smooth_operations(network, images)


def smooth_operations(network: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Return the operations of a forward pass that are not piecewise linear in the input.

    Each elementary operation that takes something dependent on the input is held against a list
    of those known to be piecewise linear; an operation that is on no list counts as smooth. What
    does not depend on the input, such as a function of the weights, may be anything.

    >>> smooth_operations(nn.Softmax(dim=1), torch.zeros(1, 2))
    ('softmax',)
    """
    watch = _Watch(images)
    with torch.no_grad(), evaluating(network), watch:
        network(images)
    return tuple(watch.smooth)


class _Watch(TorchDispatchMode):
    """Follows what depends on the input, by the storages of tensors, and notes smooth operations.

    The tensors seen are kept until the end: a storage that is freed could come back as another.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.smooth: dict[str, None] = {}
        self._kept: list[Tensor] = []
        self._dependent: set[int] = set()
        self._mark(images)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        dependent = {name for name, value in given.items() if self._depends(value)}
        if not dependent:
            return result
        name = _name(func)
        if name not in _LOCALLY_CONSTANT:
            reason = _smoothness(name, dependent, given)
            if reason is not None:
                self.smooth.setdefault(reason)
            # An operation in place returns what it wrote to.
            for tensor in _floating(result):
                self._mark(tensor)
        return result

    def _mark(self, tensor: Tensor) -> None:
        self._kept.append(tensor)
        self._dependent.add(_storage(tensor))

    def _depends(self, value: Any) -> bool:
        return any(_storage(tensor) in self._dependent for tensor in _floating(value))


def _smoothness(name: str, dependent: set[str], given: dict[str, Any]) -> str | None:
    """Say why an operation is smooth in its dependent arguments; None where it is not."""
    plain = name.removeprefix("_").removeprefix("native_")
    if given.get("training") or given.get("train"):
        return f"{plain} in training mode"
    if name in _PIECEWISE_LINEAR:
        return None
    if name in _PRODUCTS:
        several = len(dependent & set(_PRODUCTS[name])) > 1
        return f"{plain} of two activations" if several else None
    if name in _FIXED:
        return f"{plain} by an activation" if dependent & set(_FIXED[name]) else None
    return plain


def _name(func: Callable[..., Any]) -> str:
    """Return `relu` for `aten::relu_`, and the full name for what is not torch's own."""
    name = str(func._schema.name)  # type: ignore[attr-defined]
    if not name.startswith("aten::"):
        return name
    name = name.removeprefix("aten::")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _floating(tree: Any) -> list[Tensor]:
    """Return the tensors that can vary with the input; whole numbers are locally constant."""
    leaves = (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
    return [t for t in leaves if t.is_floating_point() or t.is_complex()]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
