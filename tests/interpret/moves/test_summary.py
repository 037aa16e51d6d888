"""Over all moves: means beside those of random ones, and the layer where it begins."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.errors import InputError
from interpret import explain_move
from interpret.index.arrays import index_of
from interpret.moves.summary import first_layers, summary


@pytest.fixture(scope="module")
def explained():
    """Twenty moves from class 0 to the mean of class 1, far apart, in 10 dimensions."""
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    rows = (8 * labels[:, None] + generator.standard_normal((200, 10))).astype(np.float32)
    index = index_of(rows, labels)
    starts = generator.standard_normal((20, 10)).astype(np.float32)
    return explain_move(starts, starts + 8, index, labels=np.zeros(20, int))


def test_means_and_differences_are_those_of_the_rows(explained):
    table = summary(explained).set_index(["figure", "kind"])
    for figure in ("own_class_after", "overlap", "towards_cosine", "length_of_nearest"):
        for kind in ("move", "random"):
            assert table.loc[(figure, kind), "mean"] == pytest.approx(
                explained.of(kind)[figure].mean()
            )
        gap = (explained.of("move")[figure] - explained.of("random")[figure]).mean()
        assert table.loc[(figure, "difference"), "mean"] == pytest.approx(gap, abs=1e-12)
    assert (table["low"] <= table["mean"] + 1e-12).all()
    assert (table["mean"] <= table["high"] + 1e-12).all()
    assert table.loc[("changed", "move"), "mean"] == 1
    assert table.loc[("goes", "move"), "mean"] == 1
    assert table.loc[("goes", "random"), "mean"] == 0
    assert table.loc[("neighbourhood_changes_at", "move"), "mean"] == pytest.approx(0.5, abs=0.15)
    assert ("neighbourhood_changes_at", "difference") not in table.index
    assert "prediction_changed" not in table.index.get_level_values(0)


def test_the_first_layer_is_the_one_from_which_on_it_lasts(explained):
    few = explained.of("move").head(4).assign(neighbourhood_before=0)

    def at(*after: int):
        return dataclasses.replace(explained, moves=few.assign(neighbourhood_after=list(after)))

    layers = {"a": at(1, 0, 1, 0), "b": at(1, 0, 0, 1), "c": at(1, 1, 1, 0)}
    found = first_layers(layers)
    assert found["first_layer"].tolist() == ["a", "c", "c", None]
    assert found["id"].tolist() == few["id"].tolist()


def test_other_examples_at_other_layers_are_refused(explained):
    fewer = dataclasses.replace(explained, moves=explained.moves.head(3))
    with pytest.raises(InputError, match="the same examples"):
        first_layers({"a": explained, "b": fewer})
    with pytest.raises(InputError, match="at least one layer"):
        first_layers({})
    with pytest.raises(InputError, match="at least 2, found 1"):
        summary(dataclasses.replace(explained, moves=explained.moves.head(1)))
