"""What a newcomer gives instead of tensors, classifiers and recipes is answered in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from attacks import ascend, craft, transfer, verify
from core.errors import InputError

NET = nn.Linear(3, 2)
X, Y = torch.full((4, 3), 0.5), torch.zeros(4, dtype=torch.int64)
RECIPE = "fgsm(eps=0.1)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: craft(NET, X.numpy(), Y, RECIPE), "images: .* tensor, found numpy.ndarray"),
        (lambda: craft(NET, X, Y.tolist(), RECIPE), "labels: expected a torch tensor, found list"),
        (lambda: craft("resnet18", X, Y, RECIPE), "classifier: .* found str; .*load_classifier"),
        (lambda: craft(NET, X, Y, RECIPE, targets=Y + 1), "targets: given, but no .*targeted=true"),
        (lambda: verify(NET, X, X.numpy(), Y, RECIPE), "adversarial: .*, found numpy.ndarray"),
        (lambda: verify("resnet18", X, X, Y, RECIPE), "classifier: .* found str"),
        (lambda: ascend(NET, X, Y, constraint=0.1), "constraint: expected a norm .*, found 0.1"),
        (lambda: ascend(NET, X, Y, step_size="0.1"), "step_size: .* above 0, found '0.1'"),
        (lambda: transfer([NET, NET], X, Y, RECIPE), "classifiers: .*{'a': net.*, found list"),
        (lambda: transfer({"a": NET, "b": "net"}, X, Y, RECIPE), "classifier: .*, found str"),
        (lambda: transfer({"a": NET, "b": NET}, X, Y, []), "recipes: give at least one"),
        (lambda: transfer({"a": NET, "b": NET}, X, Y, "PGD(eps=1)"), "did you mean 'pgd'"),
    ],
)
def test_what_cannot_be_used_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_several_recipes_may_stand_in_one_text() -> None:
    nets = {"a": NET, "b": nn.Linear(3, 2)}
    table = transfer(nets, X, Y, "fgsm(eps=0.1), pgd(norm=linf, eps=0.1)")
    same = transfer(nets, X, Y, ["fgsm(eps=0.1)", "pgd(eps=0.1)"])
    assert table.equals(same)
