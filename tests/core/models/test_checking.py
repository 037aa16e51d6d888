"""A classifier and images that do not go together are found out before the work starts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models import Classifier, build_network, check_images


class Gives(nn.Module):
    def __init__(self, output: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.output = output

    def forward(self, images: Tensor) -> Any:
        return self.output(images)


def mlp(**options: Any) -> Classifier:
    return Classifier(build_network("digits_mlp", num_classes=3), spec="digits_mlp", **options)


def test_what_fits_gives_the_number_of_outputs_and_changes_nothing() -> None:
    classifier = mlp(class_names=["a", "b", "c"]).train()
    before = classifier.network.state_dict()["2.running_mean"].clone()
    assert check_images(classifier, (1, 8, 8), 3, ["a", "b", "c"]) == 3
    assert check_images(classifier, (1, 8, 8), 2, ["a", "b"]) == 3
    assert classifier.training
    assert torch.equal(classifier.network.state_dict()["2.running_mean"], before)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (lambda x: x, r"shape \(2, 1, 8, 8\)"),
        (lambda x: (x, x), "gives a tuple"),
        (lambda x: x.flatten(1)[:1], r"shape \(1, 64\)"),
        (lambda x: x.flatten(1) / 0, "not finite"),
        (lambda x: x @ x[:, :, :3], "does not take images of 1 x 8 x 8"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(output: Callable[[Tensor], Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_images(Classifier(Gives(output), spec="mine"), (1, 8, 8))


def test_images_and_classes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="digits_mlp does not take images of 3 x 32 x 32"):
        check_images(mlp(), (3, 32, 32))
    with pytest.raises(InputError, match=r"takes floating-point .* \(n, 1, h, w\)"):
        check_images(mlp(in_channels=1), (3, 8, 8))
    with pytest.raises(InputError, match="labels count 4 classes, but digits_mlp has only 3"):
        check_images(mlp(), (1, 8, 8), 4)
    with pytest.raises(InputError, match="2 names for the 3 outputs"):
        check_images(mlp(class_names=["a", "b"]), (1, 8, 8))
    with pytest.raises(InputError, match="5 asked for, but digits_mlp has 3"):
        check_images(mlp(num_classes=5), (1, 8, 8))


def test_classes_in_another_order_are_refused_and_other_names_are_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    classifier = mlp(class_names=["cat", "dog", "owl"])
    with pytest.raises(InputError, match="'dog' has label 0 in the data, but is output 1"):
        check_images(classifier, (1, 8, 8), 3, ["dog", "cat", "owl"])
    with caplog.at_level(logging.WARNING, "inputscape"):
        check_images(classifier, (1, 8, 8), 3, ["n01", "n02", "n03"])
    assert "label i is taken to be output i" in caplog.text
