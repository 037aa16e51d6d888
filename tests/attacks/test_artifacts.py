from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from attacks import artifacts, craft, load_adversarial, parse, save_adversarial
from core.errors import InputError

IMAGES = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
IDS = ["val/a", "val/b", "val/c", "val/d"]


class Squares:
    """An image set, as far as it matters here."""

    spec = "squares"
    shape = (1, 3, 3)
    ids = np.array(IDS)
    labels = LABELS.numpy()

    def __len__(self) -> int:
        return len(self.ids)


DATA = Squares()


def crafted(recipe: str = "pgd(norm=linf, eps=0.1)"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    return craft(model, IMAGES, model(IMAGES).argmax(1), recipe, seed=4, ids=IDS)


@pytest.mark.parametrize(
    "recipe", ["pgd(norm=linf, eps=0.1)", "pgd(eps=0.1, targeted=true)", "noise(like=minnorm)"]
)
def test_what_is_saved_is_what_is_loaded(tmp_path, recipe):
    made = crafted(recipe)
    path = save_adversarial(
        tmp_path / "new folder" / "made.safetensors", made, classifier="abc", data="def"
    )
    loaded = load_adversarial(path)
    assert torch.equal(loaded.images, made.images)
    assert loaded.images.dtype == torch.float32
    assert torch.equal(loaded.labels, made.labels)
    assert loaded.ids == made.ids
    assert loaded.recipe == made.recipe
    assert (loaded.seed, loaded.classifier, loaded.data) == (4, "abc", "def")
    for name in ("targets", "radii"):
        one, other = getattr(loaded, name), getattr(made, name)
        assert (one is None and other is None) or torch.equal(one, other)
    again = load_adversarial(save_adversarial(tmp_path / "again.safetensors", loaded))
    assert (again.recipe, again.classifier, again.ids) == (made.recipe, "abc", made.ids)
    assert loaded.label == artifacts.label(made.recipe)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "made.safetensors"
    save_adversarial(path, crafted())
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        save_adversarial(path, crafted("fgsm(eps=0.3)"))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["made.safetensors"]


@pytest.mark.parametrize("ids", [None, torch.tensor([7, 8, 9, 10])])
def test_a_file_made_elsewhere_needs_images_and_labels_alone(tmp_path, ids):
    path = tmp_path / "theirs.safetensors"
    tensors = {"images": IMAGES.double(), "labels": LABELS.int()}
    save_file(tensors | ({} if ids is None else {"ids": ids}), path)
    loaded = load_adversarial(path)
    torch.testing.assert_close(loaded.images, IMAGES)
    assert loaded.labels.dtype == torch.int64
    assert loaded.ids == (None if ids is None else ("7", "8", "9", "10"))
    assert loaded.recipe is None
    assert loaded.label == "theirs"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"labels": LABELS}, "has no tensor 'images'; it has labels"),
        ({"images": IMAGES}, "has no tensor 'labels'"),
        ({"images": IMAGES, "labels": LABELS[:2]}, "labels of .* one class for each of 4 images"),
        ({"images": IMAGES, "labels": LABELS.float()}, "labels of .* expected integers"),
        ({"images": IMAGES * torch.nan, "labels": LABELS}, "images of .* not finite"),
        ({"images": IMAGES + 1, "labels": LABELS}, r"images of .* expected values in \[0, 1\]"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "holds no images"),
        ({"images": IMAGES, "labels": LABELS, "ids": LABELS}, "'0' names more than one image"),
        ({"images": IMAGES, "labels": LABELS, "radii": IMAGES}, "radii of .* one finite number"),
        ({"images": IMAGES, "labels": LABELS, "targets": LABELS[:1]}, "targets of .* one class"),
    ],
)
def test_incomplete_or_impossible_files_are_refused(tmp_path, tensors, message):
    path = tmp_path / "theirs.safetensors"
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path)
    with pytest.raises(InputError, match=f"^--adversarial: .*{message}"):
        load_adversarial(path)


def test_files_that_are_no_safetensors_or_not_ours_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        load_adversarial(tmp_path / "missing.safetensors")
    pickled = tmp_path / "pickled.safetensors"
    torch.save({"images": IMAGES}, pickled)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_adversarial(pickled)
    for metadata, message in (
        ({"inputscape": "{"}, "not JSON"),
        ({"inputscape": json.dumps({"kind": "model"})}, "does not hold adversarial examples"),
        (
            {"inputscape": json.dumps({"kind": artifacts.KIND, "recipe": "pdg(eps=1)"})},
            "unknown name 'pdg'",
        ),
    ):
        other = tmp_path / "other.safetensors"
        save_file({"images": IMAGES, "labels": LABELS}, other, metadata=metadata)
        with pytest.raises(InputError, match=message):
            load_adversarial(other)
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_adversarial(tmp_path / "made.pt", crafted())


def adversarial_set(**changes):
    known = {"images": IMAGES, "labels": LABELS, "ids": tuple(IDS), "source": "x.safetensors"}
    return artifacts.AdversarialSet(**{**known, **changes})


def test_a_set_is_checked_against_the_images_it_was_made_from():
    assert adversarial_set().check_against(DATA).ids == tuple(IDS)
    assert adversarial_set(ids=None).check_against(DATA).ids == tuple(IDS)
    some = adversarial_set(images=IMAGES[:2], labels=LABELS[:2], ids=("val/a", "val/b"))
    assert some.check_against(DATA).ids == ("val/a", "val/b")
    for wrong, message in (
        (adversarial_set(ids=("val/a", "val/b", "val/c", "val/e")), "1 of 4 ids .*'val/e'"),
        (adversarial_set(labels=LABELS.flip(0)), "'val/b' is of class 2, but squares says 1"),
        (adversarial_set(images=IMAGES[..., :2]), r"shape \(1, 3, 2\), but .* \(1, 3, 3\)"),
        (
            adversarial_set(images=IMAGES[:2], labels=LABELS[:2], ids=None),
            "has no ids and 2 images, but squares has 4",
        ),
    ):
        with pytest.raises(InputError, match=f"^--adversarial: .*{message}"):
            wrong.check_against(DATA)


def test_the_default_recipes_parse_and_compare_with_a_control():
    from attacks import DEFAULT_DIGITS, DEFAULT_PHOTOGRAPHS

    for recipes in (DEFAULT_DIGITS, DEFAULT_PHOTOGRAPHS):
        names = [parse(recipe).name for recipe in recipes]
        assert names == ["noise", "fgsm", "pgd", "pgd", "minnorm"]
        assert parse(recipes[0])["like"] == parse(recipes[2])


def test_a_file_says_which_weights_its_recipe_took(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 3))
    states = [{k: v + 0.1 * i for k, v in model.state_dict().items()} for i in range(2)]
    recipe = "pgd(eps=0.1, steps=2, noisy=weights)"

    def made(recipe: str, weights):
        return craft(model, IMAGES, model(IMAGES).argmax(1), recipe, weights=weights)

    first = made(recipe, states)
    loaded = load_adversarial(save_adversarial(tmp_path / "made.safetensors", first))
    again = load_adversarial(save_adversarial(tmp_path / "again.safetensors", loaded))
    assert again.weights == loaded.weights == first.weights == made(recipe, list(states)).weights
    others = (states[::-1], states[:1], [{k: v + 1e-6 for k, v in s.items()} for s in states])
    assert len({first.weights, *(made(recipe, other).weights for other in others)}) == 4
    assert made(f"noise(like={recipe})", states).weights == first.weights
    assert made("pgd(eps=0.1, steps=2)", None).weights is None
