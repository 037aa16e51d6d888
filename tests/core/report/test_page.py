from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml

from core.errors import InputError
from core.report import Report, figures, pictures, save_figure

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page taken apart: tags in order, their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def report(tmp_path):
    with figures.style():
        figure, axes = figures.subplots()
        axes[0, 0].plot([0, 1], [0, 1])
    files = save_figure(figure, tmp_path / "figures", "rise", data=pd.DataFrame({"x": [1]}))
    report = Report("Flatness <of> digits", "200 examples & their twins")
    report.section("Rise")
    report.figure(files, "The loss rises.")
    report.table(pd.DataFrame({"group": ["a"], "mean": [0.123456]}), "Means.", {"mean": ".2f"})
    report.section("Rise")
    images = np.random.default_rng(0).random((2, 1, 8, 8))
    report.examples(
        {"genuine": images, "pgd": images + 0.01},
        "Twins.",
        captions={"pgd": ["8, 76%", "3, 99%"]},
        titles=["test/0", "test/1"],
        reference="genuine",
    )
    report.facts({"seed": 0})
    report.config({"seed": 0, "attacks": ["pgd"]}, "python -m landscape.flatness")
    report.finding("It rises 3.1 times as fast, p < 1e-9.", significant=True)
    report.finding("No difference.", significant=False)
    report.finding("Too few to say.")
    return report


def test_the_page_is_well_formed_and_has_its_headings_in_order(report):
    page = Page(report.html())
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_a_link_leads_to_the_file_from_where_the_page_lies(tmp_path):
    report = Report("All of it")
    report.link("The whole report of <flatness>", tmp_path / "flatness" / "report.html")
    page = Page(report.write(tmp_path / "report.html").read_text("utf-8"))
    assert {"href": "flatness/report.html"} in page.all("a")
    assert "The whole report of <flatness>" in page.words


def test_nothing_is_loaded_from_elsewhere(report, tmp_path):
    html = report.write(tmp_path / "report.html").read_text("utf-8")
    page = Page(html)
    loaded = [a["src"] for _, a in page.tags if "src" in a]
    loaded += [a["href"] for a in page.all("link")]
    assert loaded
    assert all(source.startswith("data:") for source in loaded)
    assert "http" not in re.sub(r"data:[^\"]*", "", html)
    assert "@import" not in html


def test_links_within_the_page_and_to_files_lead_somewhere(report, tmp_path):
    page = Page(report.write(tmp_path / "report.html").read_text("utf-8"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in (a["href"] for a in page.all("a")):
        assert link[1:] in ids if link.startswith("#") else (tmp_path / link).is_file()


def test_findings_come_first_whenever_they_were_added(report):
    html = report.html()
    assert html.index("3.1 times") < html.index("Figure 1.")
    verdicts = re.findall(r'<span class="verdict">([^<]*)', html)
    assert verdicts == ["significant", "not significant"]


def test_every_picture_has_words_for_those_who_cannot_see_it(report):
    alts = [a["alt"] for a in Page(report.html()).all("img")]
    assert alts[0] == "The loss rises."
    assert alts[1:4] == ["genuine", "pgd: 8, 76%", "difference: × 10"]


def test_what_the_user_wrote_is_text_and_never_markup():
    evil = "<script>alert('x')</script> & `a<b`"
    report = Report(evil, evil)
    report.finding(evil)
    report.section(evil)
    report.text(evil)
    report.table(pd.DataFrame({evil: [evil]}), evil)
    report.facts({evil: evil})
    report.config({evil: evil}, evil)
    report.examples({evil: np.zeros((1, 1, 2, 2))}, evil, captions={evil: [evil]}, titles=[evil])
    page = Page(report.html())
    assert len(page.all("script")) == 1
    assert len(page.all("code")) > 3
    assert "alert('x')" in page.words


def test_tables_show_three_figures_and_sort_by_the_full_value(report):
    report.table(
        pd.DataFrame({"n": [1000, 2], "x": [1.23456, np.nan], "ok": [True, False]}), "Mixed."
    )
    html = report.html()
    assert 'data-key="0.123456">0.12<' in html
    assert 'data-key="1000">1,000<' in html
    assert 'data-key="1.23456">1.23<' in html
    assert 'data-key="">n/a<' in html
    assert ">yes<" in html


def test_long_tables_say_that_they_were_cut():
    report = Report("t")
    report.table(pd.DataFrame({"x": range(500)}), "All.", rows=100)
    html = report.html()
    assert "The first 100 of 500 rows." in html
    assert html.count("<tr>") == 101


def test_differences_are_those_to_the_reference(report):
    images = np.random.default_rng(0).random((2, 1, 8, 8))
    expected = pictures.data_uri(pictures.difference(images[0] + 0.01, images[0]))
    assert expected in report.html()


def test_the_config_on_the_page_is_the_config(report):
    html = report.html()
    block = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code>", html, re.DOTALL)[0]
    assert yaml.safe_load(block) == {"seed": 0, "attacks": ["pgd"]}


def test_the_same_report_gives_the_same_bytes(report, tmp_path):
    first = report.write(tmp_path / "a.html").read_bytes()
    assert report.write(tmp_path / "b.html").read_bytes() == first
    assert {p.name for p in tmp_path.glob("*")} == {"figures", "a.html", "b.html"}


def test_a_report_that_fails_leaves_the_former_one(tmp_path):
    path = tmp_path / "report.html"
    Report("former").write(path)
    broken = Report("new")
    broken.text("x")
    broken._sections[0]["blocks"].append({"kind": "figure"})
    with pytest.raises(Exception, match=r"source|least|number"):
        broken.write(path)
    assert "former" in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_blocks_that_do_not_fit_together_are_refused():
    report = Report("t")
    with pytest.raises(InputError, match="same n"):
        report.examples({"a": np.zeros((2, 1, 2, 2)), "b": np.zeros((1, 1, 2, 2))}, "x")
    with pytest.raises(InputError, match="no column 'b' among a"):
        report.examples({"a": np.zeros((2, 1, 2, 2))}, "x", reference="b")
    with pytest.raises(InputError, match="no column 'y'"):
        report.table(pd.DataFrame({"x": [1]}), "x", {"y": ".2f"})


def test_an_animation_moves_only_for_those_who_ask_and_its_stills_are_always_there(tmp_path):
    from PIL import Image

    with figures.style():
        figure, _ = figures.subplots()
    files = save_figure(figure, tmp_path / "figures", "stills")
    gif = tmp_path / "figures" / "moving.gif"
    Image.new("P", (4, 4)).save(gif, save_all=True, append_images=[Image.new("P", (4, 4), 1)])
    report = Report("Moving")
    report.animation(gif, files, "A plane moves.")
    page = Page(report.html(tmp_path))
    stills, moving = page.all("img")
    assert str(stills["src"]).startswith("data:image/png")
    assert str(moving["src"]).startswith("data:image/gif;base64,")
    assert moving["alt"] == "Animation: A plane moves."
    # Closed details show nothing, and nothing else holds the moving picture.
    order = [tag for tag, _ in page.tags]
    assert order.index("details") < len(order) - 1 - order[::-1].index("img")
    assert "open" not in page.all("details")[0]
    assert {"href": "figures/moving.gif"} in page.all("a")
    assert ".animation" in re.search(r"@media print \{.*", report.html(), re.DOTALL)[0]
