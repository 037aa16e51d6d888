"""The table of attacks in the documentation is that of the forms."""

from __future__ import annotations

import re
from pathlib import Path

from attacks.forms import FORMS
from attacks.forms.table import BEGIN, END, table, update

PAGE = Path(__file__).resolve().parents[2] / "docs" / "attacks.md"


def test_the_page_has_the_table_of_today():
    shown = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert shown == table(), "run `python -m attacks.forms`"
    assert re.findall(r"(?m)^\| `(\w+)`", shown) == list(FORMS)


def test_a_stale_table_is_rewritten_and_the_rest_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update(page)
    assert page.read_text() == f"before\n{BEGIN}\n{table()}\n{END}\nafter\n"


def test_every_attack_that_climbs_or_searches_has_its_paper():
    unpublished = {name for name, form in FORMS.items() if not form.source}
    assert unpublished == {"noise", "shuffled", "upgd", "gn"}
