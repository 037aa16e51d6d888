"""From results to something one reads: figures, pictures, words and one self-contained HTML page.

>>> from core.report import words
>>> words.count(412, 500)
'412 of 500'
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Report": "core.report.page",
    "Finding": "core.report.finding",
    "FigureFiles": "core.report.figures",
    "save_figure": "core.report.figures",
    "group_style": "core.report.groups",
    "group_styles": "core.report.groups",
    "figures": None,
    "groups": None,
    "pictures": None,
    "plots": None,
    "words": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
