"""Options that cannot be used are named."""

from __future__ import annotations

import pytest

from autoencoders.manifold.command import run
from core.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "vqvae"}, "--kind"),
        ({"radius": 0}, "--radius"),
        ({"noisy": "weights"}, "--noisy"),
        ({"noisy": "none", "noise_scale": 0.1}, "--noise_scale"),
        ({"dimensions": 25}, "--dimensions"),
        ({"judge": "a.safetensors"}, "--judge"),
        ({"autoencoder": "a.safetensors", "judge": "a.safetensors"}, "--judge"),
        ({"autoencoder": "a.safetensors", "seeds": 2}, "--seeds"),
        ({"attacks": "noise(eps=0.1)"}, "--attacks"),
        ({"autoencoder": "nowhere.safetensors"}, "nowhere.safetensors does not exist"),
        ({"split": "train"}, "--split"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        run(**options, out=str(tmp_path / "run"))
