"""The table of all attacks in the documentation, written from their forms."""

from __future__ import annotations

import math
from pathlib import Path

from attacks.forms import FORMS
from attacks.forms.form import Form
from attacks.forms.zoo import ZOO
from attacks.recipes import Recipe, parse
from core.errors import InputError

BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"
STARTS = (
    "",
    "(eps=8/255)",
    "(like=pgd(eps=8/255))",
    "(autoencoder='model.safetensors')",
)
COMMON = ("norm", "eps", "noisy", "noise_scale", "targeted")


def table() -> str:
    """Return one row a form, in Markdown.

    >>> print(table().splitlines()[2].split("|")[1].strip())
    `fgsm`
    """
    head = "| name | what it is | norm | its own settings | takes | gradients | from |"
    return "\n".join([head, "|---" * 7 + "|", *(row(form) for form in FORMS.values())])


def row(form: Form) -> str:
    """Return the row of one form, with the defaults at eps=8/255."""
    recipe = example(form)
    norms = "norm" in form.by_name and " ".join(form.by_name["norm"].choices)
    own = ", ".join(
        f"`{name}={written(recipe, name)}`"
        for name in form.by_name
        if name not in COMMON and recipe[name] is not None
    )
    takes = " ".join(f"`{name}`" for name in ("eps", "targeted", "noisy") if name in form.by_name)
    spent = f"{recipe.gradients:g}" if math.isfinite(recipe.gradients) else "depends on the classes"
    cells = (f"`{form.name}`", form.help, norms or "", own, takes, spent, origin(form))
    return f"| {' | '.join(cells)} |"


def origin(form: Form) -> str:
    """Return who wrote the attack that is run, and the papers that it comes from."""
    if form.name not in ZOO:
        return f"this project; {form.source}" if form.source else "this project"
    how = "a batch at once" if ZOO[form.name].together else "one image at a time"
    return f"torchattacks; {form.source or 'no paper'}; {how}"


def example(form: Form) -> Recipe:
    """Return the shortest recipe of a form that parses."""
    for start in STARTS:
        try:
            return parse(form.name + start)
        except InputError:
            continue
    raise ValueError(f"no recipe of {form.name} is known that parses")


def written(recipe: Recipe, name: str) -> str:
    """Return a setting's value as `recipe.full` writes it."""
    alone = Recipe(recipe.name, ((name, recipe[name]),))
    return alone.full.removeprefix(f"{recipe.name}({name}=").removesuffix(")")


def update(page: Path) -> None:
    """Rewrite the table between its two marks in a page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
