"""Attacks made by a package above: known by name alone, and imported when they are used."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from attacks import parse
from attacks.elsewhere import MAKERS, files_of, maker
from attacks.forms import FORMS
from core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def test_a_package_above_is_named_in_one_place_only():
    above = re.compile(r"[\"'](autoencoders|landscape|interpret)\.")
    for package in ("core", "attacks"):
        naming = [p for p in (ROOT / package).rglob("*.py") if above.search(p.read_text())]
        own = {p.relative_to(ROOT).as_posix() for p in naming}
        # The second reads the runs of a command, and knows them by its name.
        assert own <= {"attacks/elsewhere.py", "attacks/transfer/landscapes.py"}, own
    assert set(MAKERS) <= set(FORMS)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_named_is_there(name):
    module, _, function = MAKERS[name].partition(":")
    assert list(inspect.signature(getattr(importlib.import_module(module), function)).parameters)


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_above_is_imported_until_the_attack_is_used(name, monkeypatch):
    asked = []

    def importing(module):
        asked.append(module)
        raise ImportError(module)

    monkeypatch.setattr("attacks.elsewhere.importlib.import_module", importing)
    make = maker(name)
    parse(f"{name}(autoencoder='x.safetensors')")
    assert asked == []
    with pytest.raises(ImportError):
        make(None)
    assert asked == [MAKERS[name].partition(":")[0]]


def test_files_that_recipes_name_are_known_by_their_content(tmp_path):
    file = tmp_path / "model.safetensors"
    recipes = [f"manifold(autoencoder='{file}')", f"noise(like=manifold(autoencoder='{file}'))"]
    file.write_bytes(b"one")
    before = files_of(recipes)
    assert list(before) == [f"autoencoder {file}"]
    assert files_of(recipes[1:]) == before
    file.write_bytes(b"other")
    assert files_of(recipes) != before
    file.unlink()
    with pytest.raises(InputError, match=r"--attacks: autoencoder of manifold: there is no file"):
        files_of(recipes)
    assert files_of(["pgd(eps=0.1)", "minnorm"]) == {}
