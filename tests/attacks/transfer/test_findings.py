"""The sentences say what the tables hold, and no more."""

from __future__ import annotations

import pandas as pd
import pytest

from attacks.recipes import parse
from attacks.transfer import findings as told
from attacks.transfer.analysis import Analysis

FGSM, NOISY = "fgsm(norm=linf, eps=0.1)", "fgsm(norm=linf, eps=0.1, noisy=gaussian)"
LABELS = {FGSM: "FGSM", NOISY: "FGSM, noisy"}


def gains(gain: float, p: float) -> pd.DataFrame:
    row = {"recipe": NOISY, "reference": FGSM, "source": "all", "victim": "all", "gain": gain}
    row |= {"low": gain - 0.01, "high": gain + 0.01, "p": p, "p_holm": p, "scale": 0.2}
    return pd.DataFrame([row])


@pytest.mark.parametrize(
    ("gain", "p", "claim", "says"),
    [
        (0.1, 0.001, True, "A noisy classifier helps"),
        (0.1, 0.4, False, "No scale helps beyond chance"),
        (-0.1, 0.001, True, "Worse: at 0.2"),
        (-0.1, 0.4, False, "No scale helps beyond chance"),
    ],
)
def test_the_curve_is_told_over_its_own_reference_and_also_where_noise_harms(gain, p, claim, says):
    finding = told._curve("gaussian", gains(gain, p), LABELS)
    assert says in finding.text
    assert finding.significant is claim
    assert ("Worse" in finding.text) is (gain < 0 and claim)
    assert "over FGSM is at scale 0.2" in finding.text


@pytest.mark.parametrize(
    ("gain", "p", "claim"), [(0.1, 0.001, True), (-0.1, 0.001, True), (-0.1, 0.4, False)]
)
def test_a_recipe_that_is_surely_worse_is_a_claim_too(gain, p, claim):
    recipes = {text: parse(text) for text in (FGSM, NOISY)}
    analysis = Analysis(100, ["a", "b"], recipes, {FGSM: FGSM, NOISY: FGSM}, gains=gains(gain, p))
    finding = told._gains(analysis, LABELS)
    assert finding is not None
    assert finding.significant is claim
    assert ("Worse: FGSM, noisy" in finding.text) is (gain < 0 and claim)
