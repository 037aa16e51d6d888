from __future__ import annotations

import numpy as np
import pytest

from core.data import load_images
from core.report import Report
from core.report.versions import GENUINE, add_versions


@pytest.fixture(scope="module")
def genuine():
    return load_images("digits").subset(3, seed=0)


@pytest.mark.parametrize(
    ("change", "visible", "gain"), [(0.01, 1.0, "10"), (0.25, 1.0, "2"), (0.25, 0.9, "10")]
)
def test_differences_are_enlarged_as_far_as_what_has_to_be_visible_allows(
    genuine, change, visible, gain
):
    pixels = genuine.tensors()[0].numpy()
    version = pixels + 0.05
    version[0, 0, 0, 0] = pixels[0, 0, 0, 0] + change
    # All but one value change by a tenth of the grey scale when enlarged: little enough.
    version = np.where(version - pixels > 0.04, version + 1e-3 * (visible < 1), version)
    report = Report("Versions")
    lines = {GENUINE: ["a"] * 3, "moved": ["b"] * 3}
    add_versions(report, genuine, {"moved": version}, lines, "All three", visible=visible)
    html = report.html()
    assert f"its versions, and what was changed, times {gain} (grey: nothing)" in html
    assert html.count("difference: ×") == 3
