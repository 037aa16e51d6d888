"""The radius of equal success, and the groups and options of the study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.manifold import groups
from autoencoders.manifold.analysis import comparisons, looked_at, outcomes
from autoencoders.manifold.command import run
from autoencoders.manifold.equal_success import ladder, smallest
from core.errors import InputError


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_the_smallest_radius_that_succeeds_often_enough_is_found_in_few_tries(shares, wanted):
    shares = sorted(shares)
    tried = []

    def success(radius):
        tried.append(radius)
        return shares[int(radius)]

    radius, reached = smallest(range(len(shares)), success, wanted)
    enough = [r for r, share in enumerate(shares) if share >= wanted]
    assert (radius, reached) == ((enough[0], True) if enough else (len(shares) - 1, False))
    assert len(tried) <= np.log2(len(shares)) + 2
    assert radius in tried


def test_the_ladder_rises_by_the_same_share_in_both_norms():
    for norm, factor in (("linf", 1), ("l2", 8)):
        radii = np.array(ladder(norm, 64))
        assert (np.abs(radii[1:] / radii[:-1] - 1.15) < 0.01).all()
        np.testing.assert_allclose(radii[[0, -1]], [0.0005 * factor, radii[-1]], rtol=1e-2)
        assert 0.5 * factor < radii[-1] <= 0.6 * factor


def examples(group: str, z: float, residual: float, fooled: int, n: int = 40) -> pd.DataFrame:
    """A group whose first examples fool; the values of each example differ a little."""
    tilt = np.linspace(-0.1, 0.1, n)
    return pd.DataFrame({
        "id": [f"i{i}" for i in range(n)], "group": group, "number": 0, "clean_correct": True,
        "status": np.where(np.arange(n) < fooled, "success", "not fooled"),
        "z": z + tilt, "own_z": z + tilt, "residual": residual * np.exp(tilt), "latent_l2": 1.0,
        "l2": 1.0, "linf": 0.1,
    })  # fmt: skip


def test_groups_are_compared_paired_over_what_both_fooled():
    equal = list(groups.EQUAL.values())
    table = pd.concat([
        examples(groups.RECONSTRUCTION, -1, 0.8, 3), examples(groups.SEARCH, 0, 1.0, 36),
        examples(groups.CONTROL, 3, 2.0, 0), examples(equal[0], 2, 1.5, 38),
    ])  # fmt: skip
    names = [groups.RECONSTRUCTION, groups.SEARCH, groups.CONTROL, equal[0]]
    rows = outcomes(table, names, [0]).set_index("group")
    assert rows.loc[groups.SEARCH, ["right", "fooled", "lost", "n"]].tolist() == [40, 36, 3, 36]
    assert rows.loc[groups.SEARCH, "success"] == 0.9
    assert rows.loc[groups.SEARCH, "success_low"] < 0.9 < rows.loc[groups.SEARCH, "success_high"]
    assert rows.loc[groups.SEARCH, "typical"] == 1
    assert rows.loc[groups.CONTROL, "typical"] == 0
    assert len(looked_at(table, groups.CONTROL, 0)) == 36
    found = comparisons(table, names, [0]).set_index("group")
    assert found.loc[equal[0], "n"] == 36
    assert found.loc[equal[0], "z"] == pytest.approx(-2)
    assert found.loc[equal[0], "residual"] == pytest.approx(1 / 1.5)
    assert found.loc[equal[0], "z_holm"] < 1e-6
    assert groups.SEARCH not in found.index


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
