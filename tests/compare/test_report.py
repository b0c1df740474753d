"""The page: its bytes, its size, what it escapes, and what it does in a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from srscene.compare import report
from srscene.compare.answer import Contrast
from srscene.compare.report import Figure, Page, PatchPictures
from tests.compare import browser, pages

NASTY = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "input", "path", "circle"}


class Balanced(HTMLParser):
    """Notes each tag that is not closed where it should be, and each picture without words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img" and dict(attrs).get("alt") is None:
            self.wrong.append(f"img {attrs}")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="session")
def page() -> Page:
    return pages.page()


@pytest.fixture(scope="session")
def file(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.write(page, path)
    return path


def test_a_sweep_fits_into_2_mb_and_loads_nothing(file: Path) -> None:
    text = file.read_text()
    assert file.stat().st_size <= 2_000_000
    assert text.count("data:image/webp") == 6 * 5 + 1
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in re.sub(r"data:[^\"]*", "", text).replace("http-equiv", "")


def test_pictures_are_as_good_as_the_room_allows(page: Page) -> None:
    one = replace(page, patches=page.patches[:1], figures=(), contrasts=())
    best = report.html(one)
    room = len(best.encode()) - 50_000
    tight = report.html(replace(one, most_bytes=room))
    assert len(tight.encode()) <= room
    assert tight.count("data:image/webp") == best.count("data:image/webp") == 5


def test_left_out_patches_are_told(page: Page) -> None:
    bare = replace(page, figures=(), contrasts=())
    room = len(report.html(replace(bare, patches=())).encode()) + 100_000
    text = report.html(replace(bare, most_bytes=room))
    shown = text.count('<article class="patch"')
    assert 0 < shown < 6
    assert f"{shown} of 6 patches" in text


def test_the_same_input_gives_the_same_bytes(page: Page) -> None:
    one = replace(page, patches=page.patches[:1], contrasts=page.contrasts[:1])
    shuffled = replace(one, cells=one.cells[::-1])
    assert report.html(one) == report.html(shuffled)


def test_tags_are_balanced_and_pictures_have_words(file: Path) -> None:
    parser = Balanced()
    parser.feed(file.read_text())
    assert parser.wrong == []
    assert parser.open == []


def test_names_stay_text() -> None:
    patch = PatchPictures(
        NASTY, [NASTY], {NASTY: np.zeros((4, 4, 3), np.uint8), '"><b>': np.zeros((4, 4, 3), np.uint8)}
    )
    source = pages.page().contrasts[0]
    cell = replace(pages.cell_of("hat", "resnet50", 0), sr=NASTY, name=NASTY, provenance={NASTY: NASTY})
    text = report.html(
        Page(
            NASTY,
            [cell],
            [Contrast(NASTY, "bicubic", NASTY, source.differences, source.share)],
            patches=[patch],
            figures=[Figure(NASTY, f'"{NASTY}', b"<svg xmlns='http://www.w3.org/2000/svg'/>")],
        )
    )
    assert NASTY not in text
    assert '"><b>' not in text
    assert text.count("<script>") == 1


def test_a_hole_stays_a_hole() -> None:
    cells = [pages.cell_of("hat", "resnet50", 0), pages.cell_of("none", "resnet101", 2)]
    text = report.html(Page("examples", cells, []))
    assert text.count('<td class="number">–</td>') == 2
    assert "Nothing can be compared yet" in text
    assert "Data set: examples" in text


def test_provenance_and_all_contrasts_are_there(page: Page, file: Path) -> None:
    text = file.read_text()
    assert text.count("d59ad22" * 6) == len(page.cells)
    assert "exploratory, 68 rows" in text  # 8 contrasts × 9 measures, less the 4 of the family
    assert "Synthetic data." in text


@pytest.fixture(scope="session")
def tab() -> Iterator[browser.Tab]:
    program = browser.found()
    if program is None:
        pytest.skip(browser.WHY_NONE)
    with browser.tab(program) as opened:
        yield opened


@pytest.fixture
def wide(tab: browser.Tab, file: Path) -> Iterator[browser.Tab]:
    tab.open(file, 1280)
    yield tab
    assert tab.complaints == []


@pytest.mark.parametrize("width", [1280, 390, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_overflows_nothing_complains_nothing_is_fetched(
    tab: browser.Tab, file: Path, width: int, dark: bool
) -> None:
    tab.requested.clear()
    tab.open(file, width, dark=dark)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("[...document.images].every((each) => each.complete && each.naturalWidth > 0)")
    assert tab.complaints == []
    assert [url for url in tab.requested if not url.startswith("data:")] == [file.as_uri()]


def column(tab: browser.Tab, place: int) -> list[str]:
    cells = f"document.querySelectorAll('#table-1 tbody tr > :nth-child({place})')"
    found: list[str] = tab.run(f"[...{cells}].map((each) => each.textContent)")
    return found


def test_a_table_sorts_by_click(wide: browser.Tab) -> None:
    assert column(wide, 1) == ["a", "b", "c"]
    wide.click("#table-1 th:nth-child(2) button")
    assert column(wide, 1) == ["b", "a", "c"]
    assert wide.run("document.querySelector('#table-1 th:nth-child(2)').ariaSort") == "ascending"
    wide.click("#table-1 th:nth-child(2) button")
    assert column(wide, 1) == ["c", "a", "b"]
    wide.click("#table-1 th:nth-child(1) button")
    assert column(wide, 1) == ["a", "b", "c"]
    assert wide.run("document.querySelectorAll('#table-1 [aria-sort]').length") == 1


def test_a_table_sorts_by_key(wide: browser.Tab) -> None:
    wide.run("document.querySelector('#table-1 th:nth-child(2) button').focus()")
    wide.press("Enter", 13, "\r")
    assert column(wide, 1) == ["b", "a", "c"]
    wide.press(" ", 32, " ")
    assert column(wide, 1) == ["c", "a", "b"]


def test_holes_sort_behind_in_both_directions(wide: browser.Tab) -> None:
    wide.click("#table-1 th:nth-child(3) button")
    assert column(wide, 1) == ["c", "b", "a"]
    wide.click("#table-1 th:nth-child(3) button")
    assert column(wide, 1) == ["b", "c", "a"]


def shown(tab: browser.Tab) -> float:
    """Return which part of the left picture the slider of the first patch shows."""
    edge = tab.run("getComputedStyle(document.querySelector('.over')).clipPath")
    stage = tab.run(
        "document.querySelector('.line').offsetLeft / document.querySelector('.stage').clientWidth"
    )
    assert edge.startswith("inset(")
    return float(stage)


def test_the_slider_moves_by_pointer_and_by_key(wide: browser.Tab) -> None:
    assert shown(wide) == pytest.approx(0.5, abs=0.01)
    x, y = wide.middle(".stage")
    wide.mouse("press", x, y)
    wide.mouse("move", x - 120, y)
    wide.mouse("release", x - 120, y)
    assert shown(wide) == pytest.approx(0.25, abs=0.02)
    wide.mouse("move", x + 100, y)
    assert shown(wide) == pytest.approx(0.25, abs=0.02)
    wide.run("document.querySelector('.slider input').focus()")
    before = wide.run("getComputedStyle(document.querySelector('.over')).clipPath")
    for _ in range(5):
        wide.press("ArrowRight", 39)
    assert shown(wide) == pytest.approx(0.30, abs=0.02)
    assert wide.run("getComputedStyle(document.querySelector('.over')).clipPath") != before


def test_any_two_upscalers_can_be_compared(wide: browser.Tab) -> None:
    same = "document.querySelector('{}').src === document.querySelector('.sheet img[data-name=\"{}\"]').src"
    assert wide.run(same.format(".over", "bicubic"))
    assert wide.run(same.format(".under", "srresnet"))
    wide.run("document.querySelector('select.right').focus()")
    for letter in "Tr":
        wide.press(letter, ord(letter.upper()), letter)
    assert wide.run("document.querySelector('select.right').value") == "truth"
    assert wide.run(same.format(".under", "truth"))
    assert wide.run("document.querySelector('.under').alt").endswith(": Truth")


def test_the_theme_switches_and_follows_the_system(tab: browser.Tab, file: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    tab.open(file, 1280, dark=False)
    light = tab.run(ground)
    tab.click("#theme")
    dark = tab.run(ground)
    assert dark != light
    tab.click("#theme")
    assert tab.run(ground) == light
    tab.open(file, 1280, dark=True, still=True)
    assert tab.run(ground) == dark
    assert tab.run("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert tab.run("document.documentElement.lang") == "en"


def test_print_shows_all_of_it_on_a_page_across(tab: browser.Tab, file: Path) -> None:
    tab.open(file, 1030)  # A4 across, less its margins
    tab.on_paper()
    assert tab.run("document.documentElement.scrollWidth") <= 1030
    assert tab.run("document.querySelector('.slider').checkVisibility()") is False
    assert tab.run("[...document.querySelectorAll('.contrasts')].every((each) => each.offsetHeight > 0)")
    assert tab.run("document.querySelectorAll('.contrasts').length") == 2
