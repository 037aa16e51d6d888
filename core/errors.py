"""Bad input ends in one clear sentence: the one exception for it, and how names are suggested."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence in the words the user typed.

    It names the argument, what was found, what was expected and, for names, the nearest valid ones.
    Commands print it without a traceback and exit with code 2.
    """


def unknown_name(argument: str, found: str, valid: Iterable[str], *, hint: str = "") -> InputError:
    """Return the error for a name that is not among the valid ones, with the nearest of them.

    >>> str(unknown_name("--loss", "margn", ["cross_entropy", "margin"]))
    "--loss: unknown name 'margn'; did you mean 'margin'? Valid: cross_entropy, margin."
    """
    names = list(valid)
    same = [name for name in names if name.lower() == found.lower()]
    near = same or difflib.get_close_matches(found, names, n=3, cutoff=0.5)
    guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    listed = names if len(names) <= 24 else (near or names[:24])
    more = "" if len(listed) == len(names) else f", ... ({len(names)} in all)"
    tail = f" Valid: {', '.join(listed)}{more}." if names else ""
    hint = f" {hint}" if hint else ""
    return InputError(f"{argument}: unknown name {found!r}{guess}{tail}{hint}")
