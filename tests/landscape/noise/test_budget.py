"""The budget is really equal: passes are counted at the classifier, by somebody else."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from attacks import craft
from core import load_classifier, load_images
from landscape.noise.recipes import comparable, noise_recipes

GRADIENTS = 20
RECIPES, _ = comparable(noise_recipes("0.2", 64, slope=2e-4), GRADIENTS)


class Meter(nn.Module):
    """Counts the images whose gradient has come back through the classifier."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(images)
        if logits.requires_grad:

            def count(gradient: Tensor) -> None:
                self.backwards += len(gradient)

            logits.register_hook(count)
        return logits


@pytest.fixture(scope="module")
def digits() -> tuple[nn.Module, Tensor, Tensor]:
    classifier = load_classifier("digits_convnet")
    images, labels = load_images("digits").subset(12).tensors()
    right = classifier(images).argmax(1) == labels
    return classifier, images[right], labels[right]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_no_recipe_spends_more_gradients_on_an_image_than_the_budget(digits, recipe):
    classifier, images, labels = digits
    meter = Meter(classifier)
    made = craft(meter, images, labels, recipe)
    assert int(made.backwards.max()) <= GRADIENTS
    # A control's passes include those of the recipe it is like: they are the same images.
    assert meter.backwards == int(made.backwards.sum())
    if recipe.name == "pgd":
        assert made.backwards.unique().tolist() == [GRADIENTS]
    else:
        assert int(made.backwards.min()) >= GRADIENTS - 1, "a search may do with one fewer"
