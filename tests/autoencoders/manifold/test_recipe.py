"""The search as a recipe: it keeps what every attack keeps, and says what it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from attacks import craft, load_adversarial, parse, save_adversarial, verify
from autoencoders import Autoencoder, Design, save_autoencoder
from autoencoders.artifact import Origin
from core.errors import InputError
from core.representations import moments
from core.training.seeding import seeded
from tests.attacks import test_hygiene as hygiene
from tests.attacks.nets import data, net

SETTINGS = ("radius=4, steps=6", "norm=linf, radius=2, steps=5, targeted=true",
            "radius=4, steps=5, noisy=gaussian", "steps=4, noisy=filter, stop=true")  # fmt: skip
CHECKS = (
    hygiene.test_the_result_is_what_it_says,
    hygiene.test_images_that_are_wrong_already_are_left_as_they_are_and_marked,
    hygiene.test_neighbours_batches_and_order_do_not_matter,
    hygiene.test_inference_mode_and_no_grad_around_it_do_not_matter,
)


def written(folder: Path, shape: tuple[int, ...], layer: str = "input", **design) -> Path:
    """An autoencoder of images of a shape, which reconstructs them well enough to be searched on.

    It is untrained but for its spread: with as many numbers as pixels, and no layer between, the
    decoder undoes the encoder.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, *shape, generator=generator)
    settings = {"kind": "ae", "latent": images[0].numel(), "depth": 0, **design}
    with seeded(0, "weights"):
        autoencoder = Autoencoder(Design(**settings), moments(images.numpy())).eval()
    with torch.no_grad():
        if len(shape) == 1 and settings["depth"] == 0 and settings["kind"] == "ae":
            autoencoder.encoder[0].weight.copy_(torch.eye(shape[0]))
            autoencoder.encoder[0].bias.zero_()
            autoencoder.decoder[0].weight.copy_(torch.eye(shape[0]))
            autoencoder.decoder[0].bias.zero_()
        if autoencoder.spread is not None:
            autoencoder.spread.copy_(autoencoder.encode(images).std(0))
    origin = Origin(layer, "whole", "f" * 64, "net", "e" * 64)
    name = f"{'x'.join(map(str, shape))}-{layer}-{settings['kind']}.safetensors"
    return save_autoencoder(folder / name, autoencoder, origin)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("autoencoders")


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_what_every_attack_keeps(check, settings, folder):
    check(f"manifold(autoencoder='{written(folder, (1, 6, 6))}', {settings})")


@pytest.mark.parametrize("settings", SETTINGS[::2])
@pytest.mark.parametrize("broken", [None, 0, 3])
def test_model_and_random_state_are_left_as_they_were(settings, broken, folder):
    recipe = f"manifold(autoencoder='{written(folder, (1, 6, 6))}', {settings})"
    hygiene.test_model_and_random_state_are_left_as_they_were_also_after_an_exception(
        recipe, broken
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(20,), (1, 6, 6), (3, 4, 4)])
def test_every_kind_of_input_is_served(shape, dtype, folder):
    recipe = f"manifold(autoencoder='{written(folder, shape)}', radius=4, steps=5)"
    hygiene.test_every_kind_of_input_is_served(recipe, dtype, 3, shape)


@pytest.mark.parametrize("settings", SETTINGS[:3])
def test_on_a_whole_space_it_fools_and_what_fools_is_verified(settings, folder):
    model = net((20,), 3)
    images, labels = data(model, 40, (20,))
    recipe = f"manifold(autoencoder='{written(folder, (20,))}', {settings})"
    made = craft(model, images, labels, recipe)
    assert float(made.success[made.clean_correct].float().mean()) > 0.3
    table = verify(model, images, made.images, labels, recipe, targets=made.targets)
    assert set(table["status"]) <= {"success", "not fooled", "clean wrong"}
    assert ((table["status"] == "success") == made.success.numpy()).all()


def test_its_examples_are_kept_in_files_that_say_what_made_them(folder, tmp_path):
    model = net()
    images, labels = data(model)
    recipe = f"manifold(autoencoder='{written(folder, (1, 6, 6))}', steps=3)"
    made = craft(model, images, labels, recipe)
    file = save_adversarial(tmp_path / "made.safetensors", made)
    kept = load_adversarial(file)
    assert kept.recipe == parse(recipe)
    assert kept.label == "on-manifold l2 3, steps=3"
    torch.testing.assert_close(kept.images, made.images.float())


def test_what_cannot_be_used_is_said(folder):
    model = net()
    images, labels = data(model)
    for file, words in (
        (written(folder, (1, 6, 6), layer="10"), "of the layer 10"),
        (written(folder, (1, 6, 6), kind="vqvae", latent=4, codes=8), "vqvae"),
        (written(folder, (20,)), "shape"),
        (folder / "none.safetensors", "does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            craft(model, images, labels, f"manifold(autoencoder='{file}')")
