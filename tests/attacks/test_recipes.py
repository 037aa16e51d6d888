from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.forms import FORMS
from attacks.forms.common import NOISES
from attacks.forms.form import Setting
from attacks.forms.gradient import TORCH, has_natural_length
from attacks.recipes import Recipe, label, parse, slug
from core.errors import InputError


def test_what_is_left_out_is_filled_in():
    recipe = parse("pgd(eps=8/255)")
    assert recipe["eps"] == 8 / 255
    assert recipe["step_size"] == 8 / 255 / 4
    assert dict(recipe.settings) == {
        "norm": "linf",
        "eps": 8 / 255,
        "steps": 40,
        "step_size": 8 / 255 / 4,
        "restarts": 1,
        "random_start": True,
        "schedule": "constant",
        "momentum": 0.0,
        "optimiser": "steepest",
        "objective": "cross_entropy",
        "langevin": 0.0,
        "transform": None,
        "transform_scale": None,
        "samples": 1,
        "noisy": None,
        "noise_scale": None,
        "stop": True,
        "patience": 0,
        "targeted": False,
    }


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("pgd(steps=40,eps=8/255)", "pgd(norm=linf, eps=8/255, steps=40)"),
        (" pgd ( eps = 0.5 , norm = l2 , ) ", "pgd(norm=l2, eps=0.5, steps=40)"),
        ("fgsm(eps=1)", "fgsm(norm=linf, eps=1)"),
        ("fgsm(eps=1e-3)", "fgsm(norm=linf, eps=0.001)"),
        ("fgsm(eps=1/3)", "fgsm(norm=linf, eps=1/3)"),
        ("minnorm", "minnorm(norm=l2, steps=99)"),
        (
            "pgd(eps=8/255, step_size=1/255, stop=false, objective=margin)",
            "pgd(norm=linf, eps=8/255, steps=40, step_size=1/255, objective=margin, stop=false)",
        ),
        (
            "noise(like=pgd(norm=linf, eps=8/255))",
            "noise(like=pgd(norm=linf, eps=8/255, steps=40))",
        ),
        (
            "pgd(eps=8/255, transform=noise, samples=3, optimiser=adam, objective=dlr)",
            "pgd(norm=linf, eps=8/255, steps=40, optimiser=adam, objective=dlr, transform=noise, "
            "samples=3)",
        ),
        ("noise(norm=l2, eps=.5)", "noise(norm=l2, eps=0.5)"),
        (
            "pgd(noisy=filter, eps=8/255)",
            "pgd(norm=linf, eps=8/255, steps=40, noisy=filter, noise_scale=0.1)",
        ),
    ],
)
def test_the_canonical_string_is_short_and_exact(text, canonical):
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pdg(eps=8/255)", ["--attacks", "'pdg'", "did you mean 'pgd'"]),
        ("pgd(esp=8/255)", ["setting of pgd", "'esp'", "did you mean 'eps'"]),
        ("pgd", ["needs eps", "eps=8/255"]),
        ("pgd(eps=8/255, steps=0)", ["steps of pgd", "integer of at least 1", "found 0"]),
        ("pgd(eps=8/255, steps=2.5)", ["steps of pgd", "integer", "found 2.5"]),
        ("pgd(eps=8/255, steps=true)", ["steps of pgd", "integer", "found true"]),
        ("pgd(eps=0)", ["eps of pgd", "above 0", "found 0"]),
        ("pgd(eps=-8/255)", ["eps of pgd", "above 0", "found -8/255"]),
        ("pgd(eps=1e999)", ["eps of pgd", "above 0", "found inf"]),
        ("pgd(eps=big)", ["eps of pgd", "a number", "found big"]),
        ("pgd(eps=8/0)", ["divided by zero"]),
        ("pgd(norm=l7, eps=1)", ["norm of pgd", "linf or l2 or l1", "found l7"]),
        ("pgd(eps=1, optimiser=plain)", ["optimiser=plain in linf needs step_size"]),
        ("pgd(norm=l2, eps=1, optimiser=adam)", ["optimiser=adam in l2 needs step_size"]),
        ("pgd(eps=1, optimiser=adam, momentum=0.9)", ["optimiser=adam has no momentum"]),
        ("pgd(eps=1, optimiser=adam, patience=3)", ["patience does not go with an optimiser"]),
        ("pgd(eps=1, transform=shift, patience=3)", ["patience does not go with transform"]),
        ("pgd(eps=1, transform_scale=0.1)", ["transform_scale needs transform=diverse or"]),
        ("pgd(eps=1, transform=shift, transform_scale=2)", ["transform_scale must be at most 1"]),
        ("pgd(eps=1, samples=3)", ["samples need a transform or noisy"]),
        ("minnorm(norm=l1)", ["norm of minnorm", "must be l2 or linf"]),
        ("pgd(eps=1, stop=1)", ["stop of pgd", "true or false", "found 1"]),
        ("pgd(eps=1, eps=2)", ["eps is given twice"]),
        ("pgd(eps=1", ["',' or ')'", "at the end"]),
        ("pgd(eps 1)", ["'=' after eps", "found '1'"]),
        ("pgd(8/255)", ["name of a setting", "'8'"]),
        ("pgd(eps=1) pgd", ["nothing may follow"]),
        ("pgd(eps=1; steps=3)", ["cannot read ';'"]),
        ("__import__('os')", ["unknown name '__import__'"]),
        ("manifold(autoencoder=model)", ["a path in quotation marks", "'model'"]),
        ("manifold(autoencoder='')", ["cannot read"]),
        ("manifold(autoencoder='a'b')", ["cannot read"]),
        ("manifold()", ["manifold needs autoencoder", "model.safetensors"]),
        ("manifold(autoencoder='a', radius=0)", ["radius of manifold", "above 0"]),
        ("pgd(eps='8/255')", ["a value", "'8/255'"]),
        ("", ["name of an attack"]),
        ("pgd(eps=1, restarts=2, random_start=false)", ["restarts need random_start=true"]),
        ("noise()", ["eps", "like"]),
        ("noise(like=pgd(eps=1), eps=2)", ["leave norm and eps out"]),
        ("noise(like=noise(eps=1))", ["like of noise", "a recipe of an attack"]),
        ("noise(like=gn(std=0.1))", ["like of noise", "a recipe of an attack"]),
        ("noise(like=3)", ["like of noise", "a recipe of an attack", "found 3"]),
        ("noise(like=pgd(eps=8/255, step=3))", ["setting of pgd", "'step'"]),
    ],
)
def test_a_bad_recipe_is_one_sentence_that_names_the_cause(text, words):
    with pytest.raises(InputError) as caught:
        parse(text)
    message = str(caught.value)
    for word in ["--attacks", *words]:
        assert word in message
    assert "\n" not in message


def test_the_argument_that_is_blamed_can_be_another():
    with pytest.raises(InputError, match=r"^--recipe: "):
        parse("nonsense", argument="--recipe")


def test_digits_without_end_are_refused_not_computed():
    with pytest.raises(InputError, match="must be"):
        parse(f"pgd(eps=1, steps={'9' * 6000})")


CHOICES = {c for s in FORMS["manifold"].settings for c in s.choices}


def values_of(name: str) -> st.SearchStrategy[dict]:
    positive = st.one_of(
        st.floats(1e-12, 1e12, allow_subnormal=False),
        st.builds(lambda a, b: a / b, st.integers(1, 255), st.integers(1, 999)),
    )

    def valid(setting: Setting) -> st.SearchStrategy:
        if setting.choices:
            return st.sampled_from(setting.choices)
        if setting.kind == "flag":
            return st.booleans()
        if setting.kind == "path":
            return st.sampled_from(("model.safetensors", "a (1), b/it's.safetensors", 'c"d'))
        if setting.kind == "integer":
            return st.integers(int(max(setting.least, 2)), int(min(setting.most, 1000)))
        if setting.most == float("inf"):
            return positive
        low, open_below = max(setting.least, setting.above), setting.above > setting.least
        return st.floats(low, setting.most, exclude_min=open_below, allow_subnormal=False)

    given = {s.name: valid(s) for s in FORMS[name].settings if s.kind != "recipe"}
    needed = {name: given.pop(name) for name in ("eps", "autoencoder") if name in given}
    return st.fixed_dictionaries(needed, optional=given)


def written(name: str, values: dict) -> str:
    def text(value: object) -> str:
        if isinstance(value, str) and name == "manifold" and value not in CHOICES:
            return f'"{value}"' if "'" in value else f"'{value}'"
        return str(value).lower() if isinstance(value, bool) else str(value)

    return f"{name}({', '.join(f'{k}={text(v)}' for k, v in values.items())})"


def fitting(values: dict) -> dict:
    """What a step of PGD needs so that its settings go together."""
    others = {}
    if not has_natural_length(values.get("optimiser", "steepest"), values.get("norm", "linf")):
        others["step_size"] = values.get("step_size", 0.01)
    if values.get("optimiser") in set(TORCH) - {"sgd", "rmsprop"}:
        others["momentum"] = 0
    if "transform_scale" in values:
        others["transform_scale"] = min(values["transform_scale"], 1)
    return others


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    name = draw(st.sampled_from(sorted(set(FORMS) - {"shuffled"})))
    values = draw(values_of(name))
    if values.get("restarts", 1) > 1:
        values.pop("random_start", None)
    if values.get("noisy") not in NOISES:
        values.pop("noise_scale", None)
    if values.get("noisy") == "dropout" and "noise_scale" in values:
        values["noise_scale"] %= 1
    if name == "pgd":
        values |= fitting(values)
        if "transform" not in values:
            values.pop("transform_scale", None)
            if "noisy" not in values:
                values.pop("samples", None)
    if {"noisy", "transform"} & set(values) or values.get("optimiser") in TORCH:
        values.pop("patience", None)
    sides = sorted(values.pop(side) for side in ("smallest", "largest") if side in values)
    if len(sides) == 2:
        values["smallest"], values["largest"] = sides
    if values.get("theta") == 0:
        values.pop("theta")
    recipe = parse(written(name, values))
    control = draw(st.sampled_from(("", "noise", "shuffled")))
    if control and not recipe.control and recipe["norm"] in ("linf", "l2"):
        return parse(f"{control}(like={recipe})")
    return recipe


@given(recipes())
def test_strings_parse_back_to_the_very_same_recipe(recipe):
    for text in (str(recipe), recipe.full):
        assert parse(text) == recipe
        assert str(parse(text)) == str(recipe)
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert parse(recipe) is recipe


@given(recipes(), recipes())
def test_slugs_are_safe_and_tell_recipes_apart(one, other):
    assert re.fullmatch(r"[a-z0-9._-]{1,100}", slug(one))
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pgd(eps=8/255)", "PGD linf 8/255"),
        ("pgd(eps=8/255, steps=100, stop=false)", "PGD linf 8/255, steps=100"),
        ("fgsm(norm=l2, eps=0.5)", "FGSM l2 0.5"),
        ("minnorm", "minimum-norm l2"),
        ("manifold(autoencoder='a/b.safetensors', radius=2)", "on-manifold l2 2"),
        (
            "manifold(autoencoder='a', noisy=filter)",
            "on-manifold l2 3, noisy=filter, noise_scale=0.1",
        ),
        ("noise(like=pgd(eps=8/255))", "noise like PGD linf 8/255"),
        ("noise(eps=8/255)", "noise linf 8/255"),
    ],
)
def test_labels_are_short(text, name):
    assert label(parse(text)) == name
