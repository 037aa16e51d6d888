"""`python -m attacks.forms`: rewrite the table of attacks in `docs/attacks.md`."""

from pathlib import Path

from attacks.forms.table import update

update(Path(__file__).resolve().parents[2] / "docs" / "attacks.md")
