from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from landscape.curvature import curvature_along, directions, input_hessian
from landscape.curvature.catalogue import MEASURES
from landscape.curvature.measures import Settings, Surroundings, measure
from landscape.loss import Loss

N = 6


def case(activation: nn.Module) -> tuple[nn.Module, Tensor, Tensor, Surroundings]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 20), activation, nn.Linear(20, 5)).double()
    net.requires_grad_(False)[-1].weight.mul_(4)
    genuine = torch.rand(N, 3, 2, 2, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 2, 2, 2])
    images = (genuine + 0.1 * torch.randn(genuine.shape)).clamp(0, 1)
    means = directions.class_means([(genuine, labels)], classes=5)
    return net, images, labels, Surroundings(genuine, labels, genuine, means)


def settings(method: str) -> Settings:
    return Settings(
        method, spectrum=3, probes=8, boundary_steps=20, boundary_radii=(0.1, 0.3), draws=8
    )


def measured(activation: nn.Module, method: str, **options: object) -> pd.DataFrame:
    net, images, labels, around = case(activation)
    return measure(net, images, labels, around, settings(method), **options)  # type: ignore[arg-type]


def test_every_column_is_what_the_functions_say() -> None:
    net, images, labels, around = case(nn.ReLU())
    table = measured(nn.ReLU(), "exact")
    loss = Loss(net, net(images).argmax(1))
    found = input_hessian(loss, images)
    np.testing.assert_allclose(table["eigenvalue@2"], found.eigenvalues[:, 1])
    np.testing.assert_allclose(table["hessian_trace"], found.trace)
    values = found.eigenvalues.numpy()
    np.testing.assert_allclose(table["effective_rank"], values.sum(1) ** 2 / (values**2).sum(1))
    np.testing.assert_allclose(table["top_share"], values[:, 0] / values.sum(1))
    assert table["hessian_method"].eq("exact (piecewise linear)").all()
    way = curvature_along(loss, images, (around.twins - images).unsqueeze(1))[:, 0]
    np.testing.assert_allclose(table["along_twin"], way)
    np.testing.assert_allclose(table["relative_twin"], way * 12 / found.trace)
    assert table["along_true_mean"].isna().tolist() == [True] + [False] * 5  # no other image
    counts = torch.bincount(labels, minlength=5)
    alone = [
        bool(counts[p] - int(p == k) == 0) for p, k in zip(table["prediction"], labels, strict=True)
    ]
    assert table["along_predicted_mean"].isna().tolist() == alone
    gradient = curvature_along(loss, images, directions.gradient_direction(loss, images)[:, None])
    np.testing.assert_allclose(table["along_gradient"], gradient[:, 0])
    assert (table["relative_top"] >= table["relative_gradient"] - 1e-9).all()
    assert "negative_share" not in table
    assert not [name for name in table if name.startswith("density")]


def test_the_whole_hessian_of_a_smooth_network_has_what_bends_down_too() -> None:
    net, images, labels, around = case(nn.GELU())
    many = dataclasses.replace(settings("lanczos"), probes=64)
    table = measure(net, images, labels, around, many)
    loss = Loss(net, net(images).argmax(1))
    whole = torch.func.hessian(lambda x: loss(x.reshape(images.shape)).sum())(images.flatten(1))
    true = torch.linalg.eigvalsh(torch.stack([whole[i, :, i] for i in range(N)])).numpy()
    share = np.clip(-true, 0, None).sum(1) / np.abs(true).sum(1)
    assert (np.abs(table["negative_share"] - share) <= 4 * table["negative_share_se"] + 1e-9).all()
    np.testing.assert_allclose(table["trace_norm"], np.abs(true).sum(1), rtol=0.3)
    rank = np.abs(true).sum(1) ** 2 / (true**2).sum(1)
    np.testing.assert_allclose(table["effective_rank"], rank, rtol=0.4)
    places = [name for name in table if name.startswith("density@")]
    density = table[places].to_numpy(float)
    np.testing.assert_allclose(density.sum(1) * 0.04, 1, atol=0.05)
    assert {"boundary_largest", "boundary_smallest", "boundary_mean"} <= set(table)
    assert (table["boundary_smallest"] <= table["boundary_mean"] + 1e-6).all()


@pytest.mark.parametrize(("activation", "method"), [(nn.ReLU(), "exact"), (nn.GELU(), "lanczos")])
def test_numbers_do_not_depend_on_the_batch_size(activation: nn.Module, method: str) -> None:
    whole, parts = (measured(activation, method, batch_size=size) for size in (256, 4))
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-6, atol=1e-9)


def test_an_image_that_is_missing_gets_a_row_of_nan_and_changes_no_other() -> None:
    net, images, labels, around = case(nn.ReLU())
    before = measure(net, images, labels, around, settings("exact"))
    images[2] = float("nan")
    after = measure(net, images, labels, around, settings("exact"))
    assert after.loc[2, "loss":].drop("hessian_method").isna().all()
    rest = [0, 1, 3, 4, 5]
    pd.testing.assert_frame_equal(
        before.loc[rest], after.loc[rest], check_dtype=False, rtol=1e-6, atol=1e-9
    )


def test_without_steps_the_boundary_is_left_out() -> None:
    net, images, labels, around = case(nn.ReLU())
    none = dataclasses.replace(settings("exact"), boundary_steps=0)
    table = measure(net, images, labels, around, none)
    assert not [name for name in table if name.startswith("boundary")]
    assert {m for m in MEASURES if not m.startswith(("boundary", "negative"))} <= set(table)


def test_of_many_classes_as_many_eigenvalues_as_asked_for_are_kept() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 90)).double().requires_grad_(False)
    images, labels = torch.rand(N, 3, 4, 4).double(), torch.arange(N)
    around = Surroundings(images, labels, images, directions.class_means([(images, labels)], 90))
    some = dataclasses.replace(settings("exact"), spectrum=12, boundary_steps=0)
    table = measure(net, images, labels, around, some)
    every = input_hessian(Loss(net, labels), images, classes=90, share=0)
    np.testing.assert_allclose(table["eigenvalue@12"], every.eigenvalues[:, 11], rtol=1e-6)
    exact = every.trace.square() / every.eigenvalues.square().sum(1)
    assert (table["effective_rank"].to_numpy() >= exact.numpy() * 0.9).all()
