"""Settings as plain values: written to YAML that reads back the same, hashed, and compared."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

_ABSENT = "(absent)"


def plain(value: Any) -> Any:
    """Return the value as dicts, lists, texts, numbers, booleans and None only.

    Tuples become lists, paths texts, numpy scalars and arrays Python numbers and lists.

    >>> from pathlib import Path
    >>> plain({"radii": (0.1, 1), "out": Path("runs")})
    {'radii': [0.1, 1], 'out': 'runs'}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return getattr(value, "item", lambda: value)()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"a {type(value).__name__} is not a plain value: {value!r}")


def finite(value: Any) -> Any:
    """Return plain values with None for what JSON cannot say: infinities and not-a-number."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML that YAML 1.1 and 1.2 readers, jsonargparse's too, read the same."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes every text that some reader takes for a number."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    # Quoting follows the implicit resolvers, and 1e-3 is a number in YAML 1.2 only.
    number = re.compile(
        r"([-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[-+]?\d+)?|[-+]?\.?(inf|nan))$", re.IGNORECASE
    )
    Dumper.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789.eEiInN"))
    Dumper.add_representer(float, _represent_float)
    text = yaml.dump(
        dict(settings), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=2**20
    )
    return str(text)


def _represent_float(dumper: Any, value: float) -> Any:
    if not math.isfinite(value):
        return dumper.represent_scalar(
            "tag:yaml.org,2002:float",
            ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf"),
        )
    text = repr(value)
    if "e" in text and "." not in text:  # YAML 1.1 wants the point: 1.0e-05
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def digest(content: Any) -> str:
    """Return the SHA-256 (hex) of plain values; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return one text per setting that differs.

    >>> differences({"seed": 0, "fit": {"steps": 40}}, {"seed": 1, "fit": {"steps": 40}})
    ['seed: 0 -> 1']
    """
    found: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}: {_shown(old)} -> {_shown(new)}")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "(none)"
    if value is None:
        return "null"
    text = str(value)
    return f"{text[:12]}..." if re.fullmatch(r"[0-9a-f]{32,}", text) else text
