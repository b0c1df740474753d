"""The page: its bytes, its size, what it escapes, and what it does in a browser."""

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from srscene.compare.answer import Contrast
from srscene.page import write as report
from srscene.page.write import Figure, Page, PatchPictures
from tests.page import browser, pages

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


def test_patches_are_left_out_and_told_before_they_are_blurred(page: Page) -> None:
    bare = replace(page, figures=(), contrasts=())
    room = len(report.html(replace(bare, patches=())).encode()) + 300_000
    text = report.html(replace(bare, most_bytes=room))
    shown = text.count('<article class="patch"')
    assert 0 < shown < 6
    assert f"{shown} of 6 patches" in text
    for patch in page.patches[:shown]:
        for picture in patch.pictures.values():
            assert report._webp(Pillow.fromarray(picture), quality=65) in text


def test_a_figure_gives_way_to_patches(page: Page) -> None:
    """Few lines stay as they are; what looks like photographs is drawn smaller."""
    rng = np.random.default_rng(0)
    widths = []
    for picture in (np.full((900, 1800), 255), rng.integers(0, 255, (900, 1800))):
        stream = BytesIO()
        Pillow.fromarray(picture.astype(np.uint8)).save(stream, "PNG")
        text = report.html(
            replace(page, patches=(), contrasts=(), figures=[Figure("", "", stream.getvalue())])
        )
        found = re.search(r"data:image/webp;base64,([^\"]*)", text)
        assert found
        widths.append(Pillow.open(BytesIO(b64decode(found[1]))).width)
    assert widths == [1600, 900]


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
    assert "exploratory, 64 rows" in text  # 8 contrasts × 8 measures; macro AP has two tables of its own
    assert "Exploratory: No SR and Truth against bicubic enlargement, by macro AP" in text
    assert "Synthetic data." in text


def test_mixed_numbers_of_threads_are_told_above_the_tables(page: Page) -> None:
    def told(threads: dict[str, str]) -> bool:
        cells = [
            replace(cell, provenance=cell.provenance | {"threads": threads[cell.sr]})
            for cell in page.cells
            if cell.sr in threads
        ]
        tables = report.html(replace(page, cells=cells)).split('id="tables"')[1].split("<table")[0]
        return "numbers of threads are mixed (2, 16)" in tables

    assert told({"hat": "16", "none": "2"})
    assert not told({"hat": "2", "none": "2"})
    assert not told({})


def test_parameters_are_shown_once_and_where_they_differ_with_the_cell() -> None:
    settings = [
        {"classifier": {"epochs": 4, "patience": None}, "dataset": "synthetic", f"upscalers.{sr}": 4}
        for sr in ("hat", "bicubic")
    ]
    cells = [
        replace(pages.cell_of(sr, "resnet50", 0), setting=setting)
        for sr, setting in zip(("hat", "bicubic"), settings, strict=True)
    ]
    text = report.html(Page("synthetic", cells, []))
    shared, own = text.split('<div class="cells">')
    for name, value in (("classifier.epochs", "4"), ("classifier.patience", "null")):
        assert f"<dt>{name}</dt><dd><code>{value}</code></dd>" in shared
        assert name not in own
    assert "upscalers" not in shared
    assert own.count("<dt>upscalers.hat</dt>") == own.count("<dt>upscalers.bicubic</dt>") == 1


def test_a_page_without_contrasts_says_why() -> None:
    text = report.html(Page("synthetic", [pages.cell_of("hat", "resnet50", 0)], [], missing="no control"))
    assert "Nothing can be compared yet: no control." in text
    assert "Nothing was compared: no control." in text
    assert "Parameters that all of these share" not in text


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
    assert tab.run("document.querySelectorAll('.contrasts').length") == 3
