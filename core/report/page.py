"""A report as one HTML file: built block by block, written once, readable anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup, escape
from numpy.typing import ArrayLike

from core.errors import InputError
from core.files import write_text
from core.report import pictures, words
from core.report.figures import FigureFiles

Format = str | Callable[[Any], str]

_VERDICTS = {True: "significant", False: "not significant", None: ""}


class Report:
    """A page that answers before it explains.

    Findings come first whenever they are added; all else stands in the order of the calls, under
    the section opened last. Text is escaped; in it, `code` between backticks is set as code and an
    empty line begins a paragraph.

    >>> report = Report("Flatness", "digits, 200 examples")
    >>> report.finding("Around PGD examples the loss rises 3.1 times as fast.", significant=True)
    >>> report.section("How it was measured")
    >>> report.facts({"seed": "0"})
    >>> "3.1 times" in report.html()
    True
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._findings: list[dict[str, Any]] = []
        self._sections: list[dict[str, Any]] = []
        self._numbers = {"figure": 0, "table": 0}

    def finding(self, text: str, significant: bool | None = None, verdict: str = "") -> None:
        """Add a finding.

        Args:
            text: one or two sentences with their numbers.
            significant: None where nothing was tested, or the run is too small.
            verdict: the words of its badge; by default `significant` or `not significant`.
        """
        self._findings.append(
            {
                "text": _rich(text),
                "verdict": verdict or _VERDICTS[significant],
                "kind": {True: "yes", False: "no", None: "plain"}[significant],
            }
        )

    def section(self, title: str) -> None:
        """Open a section; it appears in the table of contents."""
        taken = {section["anchor"] for section in self._sections} | {"findings"}
        self._sections.append({"title": title, "anchor": _anchor(title, taken), "blocks": []})

    def text(self, text: str) -> None:
        """Add paragraphs, separated by empty lines."""
        paragraphs = [_rich(p) for p in re.split(r"\n\s*\n", text.strip()) if p]
        self._add("text", paragraphs=paragraphs)

    def figure(self, files: FigureFiles, caption: str, *, alt: str = "") -> None:
        """Add a figure that `save_figure` saved.

        Args:
            files: of the figure.
            caption: what it shows, with n and what the bands are.
            alt: for those who cannot see it; by default the caption.
        """
        self._add(
            "figure",
            number=self._next("figure"),
            source=pictures.data_uri(files.png),
            files=[path for path in (files.png, files.svg, files.csv) if path is not None],
            least=round(56 * files.width) if files.width > 8 else 0,
            caption=_rich(caption),
            alt=alt or caption,
        )

    def animation(self, gif: Path, stills: FigureFiles, caption: str, *, alt: str = "") -> None:
        """Add an animation that moves only for those who ask for it.

        The page shows the stills, and so does its print; the animation is one click away.

        Args:
            gif: the animation.
            stills: a figure of some of its frames, which tells the same.
            caption: what both show.
            alt: for those who cannot see them; by default the caption.
        """
        self.figure(stills, caption, alt=alt)
        block = self._sections[-1]["blocks"][-1]
        block["animation"] = pictures.data_uri(gif)
        block["files"] = [*block["files"], gif]

    def table(
        self,
        data: pd.DataFrame,
        caption: str,
        formats: Mapping[str, Format] | None = None,
        *,
        rows: int = 200,
    ) -> None:
        """Add a table that a click on a column's name sorts.

        Args:
            data: one row per line; the index is not shown.
            caption: what it holds.
            formats: column -> a format such as `".3f"`, or a function to text. Other numbers get
                three significant figures; missing values are `n/a`.
            rows: most rows shown; the caption says so where there are more.

        Raises:
            InputError: a format for a column that is not there.
        """
        chosen = dict(formats or {})
        if strange := [name for name in chosen if name not in data.columns]:
            raise InputError(f"formats: no column {strange[0]!r} in the table.")
        numeric = [_is_number(data[name]) for name in data.columns]
        body = [
            [
                _cell(value, chosen.get(name), right)
                for name, value, right in zip(data.columns, row, numeric, strict=True)
            ]
            for row in data.head(rows).itertuples(index=False, name=None)
        ]
        more = f" The first {rows:,} of {len(data):,} rows." if len(data) > rows else ""
        self._add(
            "table",
            number=self._next("table"),
            caption=_rich(caption + more),
            columns=[
                {"name": str(n), "right": r} for n, r in zip(data.columns, numeric, strict=True)
            ],
            body=body,
        )

    def examples(
        self,
        columns: Mapping[str, ArrayLike],
        caption: str,
        *,
        captions: Mapping[str, Sequence[str]] | None = None,
        titles: Sequence[str] | None = None,
        reference: str | None = None,
        gain: float = 10.0,
    ) -> None:
        """Add images one can look at: a row per example, a column per version of it.

        Args:
            columns: name -> images `(n, c, h, w)` in [0, 1], the same examples in each.
            caption: of the whole.
            captions: name -> one line per example, such as prediction and confidence.
            titles: of the rows, such as the ids.
            reference: the column against which the others are compared; each of them is followed
                by its difference, times `gain`, where grey is no change.
            gain: of the differences.
        """
        arrays = {name: np.asarray(images, dtype=np.float64) for name, images in columns.items()}
        lines = dict(captions or {})
        n = len(next(iter(arrays.values()))) if arrays else 0
        given = [*arrays.values(), *lines.values(), *([titles] if titles is not None else [])]
        if n == 0 or any(len(x) != n for x in given):
            raise InputError("examples: every column, caption and title needs the same n >= 1.")
        if reference is not None and reference not in arrays:
            raise InputError(f"reference: no column {reference!r} among {', '.join(arrays)}.")
        rows = []
        for i in range(n):
            cells = []
            for name, images in arrays.items():
                line = lines[name][i] if name in lines else ""
                cells.append(_picture(images[i], name, line))
                if reference is not None and name != reference:
                    change = pictures.difference(images[i], arrays[reference][i], gain)
                    cells.append(_picture(change, "difference", f"× {words.number(gain)}"))
            rows.append({"title": titles[i] if titles is not None else "", "cells": cells})
        self._add("examples", rows=rows, caption=_rich(caption))

    def link(self, text: str, file: Path) -> None:
        """Add a link to a file that lies beside the page, such as another report."""
        self._add("link", text=_rich(text), file=file)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Add names with what they are: data, classifier, n, seeds, time."""
        self._add("facts", facts=[(name, _rich(str(value))) for name, value in facts.items()])

    def config(self, config: Mapping[str, Any], command: str = "") -> None:
        """Add the resolved config, as YAML, and the command that repeats the run."""
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=88)
        self._add("config", text=text, command=command)

    def html(self, folder: Path | None = None) -> str:
        """Return the page; links to the files of figures are relative to `folder`."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("core.report", package_path=""),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        here = resources.files("core.report")

        def link(path: Path) -> str:
            return Path(os.path.relpath(path, folder)).as_posix() if folder else path.name

        return environment.get_template("page.html").render(
            title=self.title,
            subtitle=_rich(self.subtitle),
            findings=self._findings,
            sections=self._sections,
            link=link,
            css=Markup(here.joinpath("page.css").read_text("utf-8")),
            js=Markup(here.joinpath("page.js").read_text("utf-8")),
        )

    def write(self, path: Path) -> Path:
        """Write the page to `path`, whole or not at all, and return it."""
        write_text(path, self.html(path.parent))
        return path

    def _add(self, kind: str, **content: Any) -> None:
        if not self._sections:
            self.section("Results")
        self._sections[-1]["blocks"].append({"kind": kind, **content})

    def _next(self, kind: str) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]


def _rich(text: str) -> Markup:
    """Escape text, set what stands between backticks as code, and keep p values on one line."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    whole = re.sub(r"\bp (?:=|&lt;) [\d.e-]*\d", r'<span class="whole">\g<0></span>', coded)
    return Markup(whole)


def _anchor(title: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
    anchor, count = base, 1
    while anchor in taken:
        count += 1
        anchor = f"{base}-{count}"
    return anchor


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _cell(value: Any, form: Format | None, right: bool) -> dict[str, Any]:
    """Return a cell's text and what it is sorted by."""
    missing = value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
    if missing:
        text = "n/a"
    elif callable(form):
        text = form(value)
    elif form is not None:
        text = format(value, form)
    elif right:
        text = words.number(float(value))
    elif isinstance(value, (bool, np.bool_)):
        text = "yes" if value else "no"
    else:
        text = str(value)
    return {"text": text, "right": right, "key": "" if missing else value}


def _picture(image: np.ndarray, name: str, line: str) -> dict[str, Any]:
    height, width = image.shape[-2:]
    return {
        "source": pictures.data_uri(image),
        "name": name,
        "line": line,
        "alt": f"{name}: {line}" if line else name,
        # Tiny images are shown with their pixels as squares; larger ones smoothly.
        "tiny": max(height, width) <= 112,
    }
