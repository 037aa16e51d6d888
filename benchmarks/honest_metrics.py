"""Explained variance of models that are of no use, by our formula and by that of two peers.

Two models of the representations x of the digits at a layer: their mean over the examples, which
explains nothing by definition, and x + 10, which is wrong everywhere by ten.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoencoders.quality import explained_variance
from core.data import load_images
from core.layers import capture
from core.models import load_classifier

LAYER = "6"
OURS = "inputscape"
Share = Callable[[Tensor, Tensor], float]


def inputscape(rows: Tensor, guesses: Tensor) -> float:
    """Return our explained variance of guesses `(n, d)`, about the mean of the rows."""
    labels = np.zeros(len(rows), np.int64)
    batch = (rows.numpy(), guesses.numpy(), labels)
    return explained_variance([batch], rows.double().mean(0).numpy(), 1).overall


def overcomplete() -> Share:
    """Return overcomplete's `r2_score`, by which its training reports how good a dictionary is.

    Its metrics are one file that needs torch and scipy alone, while the package imports OpenCV and
    more; the file is taken by itself.

    Raises:
        ImportError: it is not installed.
    """
    found = importlib.util.find_spec("overcomplete")
    if found is None or not found.submodule_search_locations:
        raise ImportError("No module named 'overcomplete'")
    path = f"{found.submodule_search_locations[0]}/metrics.py"
    spec = importlib.util.spec_from_file_location("overcomplete_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda rows, guesses: float(module.r2_score(rows, guesses))


def dictionary_learning() -> Share:
    """Return dictionary_learning's `frac_variance_explained`, from its `evaluate`.

    It imports nnsight for language models, which nothing here asks for; where that is missing, an
    empty module takes its place.

    Raises:
        ImportError: it is not installed.
    """
    if importlib.util.find_spec("dictionary_learning") is None:
        raise ImportError("No module named 'dictionary_learning'")
    if "nnsight" not in sys.modules and importlib.util.find_spec("nnsight") is None:
        stand_in = ModuleType("nnsight")
        stand_in.LanguageModel = object  # type: ignore[attr-defined]
        sys.modules["nnsight"] = stand_in
    evaluate = importlib.import_module("dictionary_learning.evaluation").evaluate

    def share(rows: Tensor, guesses: Tensor) -> float:
        class Model(SimpleNamespace):
            def __call__(self, _: Tensor, output_features: bool) -> tuple[Tensor, Tensor]:
                return guesses, torch.ones(len(rows), self.dict_size)

        model = Model(dict_size=1, activation_dim=rows.shape[1])
        return float(evaluate(model, iter([rows]))["frac_variance_explained"])

    return share


def rows(repeats: int = 1) -> list[dict[str, Any]]:
    """Return one row per model and formula; nothing is drawn, so that `repeats` is not used."""
    images, _ = load_images("digits").tensors()
    with torch.no_grad():
        found = capture(load_classifier(), [LAYER], images)[LAYER].flatten(1)
    models = {"the mean": found.mean(0).expand_as(found).contiguous(), "x + 10": found + 10}
    contenders: dict[str, Callable[[], Share]] = {
        OURS: lambda: inputscape,
        "overcomplete": overcomplete,
        "dictionary_learning": dictionary_learning,
    }
    table = []
    for name, prepare in contenders.items():
        try:
            share, missing = prepare(), ""
        except ImportError as error:
            missing = f"not installed ({error})"
        for model, guesses in models.items():
            table.append(
                {
                    "benchmark": f"explained variance, digits net, layer {LAYER}",
                    "contender": name,
                    "metric": f"of predicting {model}",
                    "value": float("nan") if missing else share(found, guesses),
                    "unit": "",
                    "ratio_to_ours": float("nan"),
                    "note": missing,
                }
            )
    return table
