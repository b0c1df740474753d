"""What `srscene compare` and `report` say, write and refuse: on predictions in files, and without."""

import csv
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from srscene.cli import app
from srscene.compare import answer, cell, contrasts, run
from srscene.compare.cell import Cell
from srscene.core import predictions
from srscene.page import write as report
from srscene.page.write import Page
from srscene.runtime.console import BadInput
from tests.compare.test_significance import runs
from tests.page import pages

SKILL = {"none": 0.2, "bicubic": 0.3, "hat": 0.4, "truth": 0.6}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """Four variants on one backbone, three trainings each, with their predictions."""
    folder, found = tmp_path_factory.mktemp("cells"), []
    for sr, skill in SKILL.items():
        of = runs(sr, 3, skill, 60)
        for seed, scores in enumerate(of.scores):
            name = f"{sr}-resnet50-s{seed}"
            test = predictions.Predictions(scores, of.labels, of.names)
            predictions.write(folder / f"{name}.h5", {"test": test}, {})
            metrics = {"threshold": 0.5, "macro_ap": skill}
            found.append(Cell(name, sr, "resnet50", seed, metrics, {}, predictions=folder / f"{name}.h5"))
    return found


def srscene(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, BadInput):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


Told = dict[tuple[str, str], list[str]]
"""Upscaler and backbone -> p, p after Holm, detectable, verdict."""


def on_page(text: str) -> Told:
    """Return what a page says of macro AP."""
    told = {}
    for row in re.findall(r'<tr class="[a-z-]*">.*?</tr>', text, re.S):
        parts = [unescape(re.sub("<[^>]*>", "", part)).strip() for part in re.split("</t[hd]>", row)]
        if "macro AP" in parts:
            upscaler, backbone, _, verdict, _, _, *numbers = parts
            told[upscaler.split(" − ")[0], backbone] = [*numbers[:3], verdict]
    return told


def in_markdown(text: str) -> Told:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.count(" | ") == 8]
    return {
        (sr, backbone): [p, holm, detectable, verdict]
        for sr, backbone, _, _, p, holm, _, detectable, verdict in lines
        if sr != "upscaler"
    }


def in_csv(text: str) -> Told:
    return {
        (answer.title(row["sr"]), answer.title(row["backbone"])): [
            *(answer.probability(float(row[key])) for key in ("p", "p_holm")),
            f"{float(row['detectable']):.3f}",
            row["verdict"],
        ]
        for row in csv.DictReader(text.splitlines())
        if row["measure"] == "macro_ap"
    }


def test_all_outputs_say_the_same_of_a_contrast(tmp_path: Path) -> None:
    """p after Holm, what could be found, and the verdict: what is tested together is defined once."""
    page = pages.page()
    run.show_contrasts(answer.families(page.contrasts), True, tmp_path)
    told = in_markdown((tmp_path / "contrasts.md").read_text())
    assert len(told) == 8
    assert {verdict for *_, verdict in told.values()} >= {"better", "worse", "undecided"}
    assert told == in_csv((tmp_path / "contrasts.csv").read_text())
    assert told == on_page(report.html(replace(page, patches=(), figures=())))


def test_every_measure_is_in_the_csv(tmp_path: Path) -> None:
    run.show_contrasts(answer.families(pages.page().contrasts), True, tmp_path)
    rows = list(csv.DictReader((tmp_path / "contrasts.csv").read_text().splitlines()))
    counts = {name: sum(row["family"] == name for row in rows) for name in answer.Families._fields}
    assert counts == {"declared": 4, "undeclared": 4, "metrics": 64, "classes": 8 * 38}
    assert {row["measure"] for row in rows if row["p_equivalent"]} == {"macro_ap"}


def test_another_control_is_exploratory(cells: list[Cell], tmp_path: Path) -> None:
    run.tell_contrasts(cells, "none", 0.02, 100, tmp_path)
    text = (tmp_path / "contrasts.md").read_text()
    assert text.startswith(
        "By macro AP against No SR (exploratory: the declared control is bicubic enlargement), "
    )
    assert "HAT on ResNet-50" in text
    assert "*Exploratory: Bicubic and HAT and Truth against No SR, by macro AP;" in text
    assert "Declared" not in text
    found, why = run.contrasts_for_page(cells, "none", 0.02, 100)
    shown = report.html(Page("synthetic", cells, found, missing=why))
    assert on_page(shown) == in_markdown(text)
    assert "The declared question" not in shown
    assert "Nothing" not in shown


def test_the_truth_as_control_gives_no_share_of_the_way_to_itself(cells: list[Cell]) -> None:
    assert all(found.share is None for found in contrasts.contrasts(cells, "truth", 100))


def test_without_the_control_a_page_goes_without_contrasts(cells: list[Cell]) -> None:
    others = [one for one in cells if one.sr != "bicubic"]
    assert run.contrasts_for_page(others, "bicubic", 0.02, 100) == (
        [], "there is no result with sr: bicubic; `srscene sweep --sr bicubic` makes it"
    )  # fmt: skip
    with pytest.raises(BadInput, match="no result with sr: seesr"):
        run.contrasts_for_page(others, "seesr", 0.02, 100)


def test_floor_and_control_alone_are_compared_but_answer_nothing(cells: list[Cell]) -> None:
    found, why = run.contrasts_for_page(cells[:6], "bicubic", 0.02, 100)
    assert [contrast.sr for contrast in found] == ["none"]
    text = report.html(Page("synthetic", cells[:6], found, missing=why))
    assert "Nothing can be compared yet: there is no upscaler beside the control." in text
    assert "Exploratory: No SR against bicubic enlargement, by macro AP" in text
    assert "Nothing was compared" not in text


def test_a_page_of_a_folder_has_tables_and_says_what_it_lacks(cells: list[Cell], tmp_path: Path) -> None:
    cell.write(cells, tmp_path / "cells")
    page = tmp_path / "report.html"
    srscene("report", "--from", str(tmp_path / "cells"), "-o", str(page), "--figures", str(tmp_path))
    text = page.read_text()
    assert "Nothing can be compared yet: a folder of results has no predictions" in text
    assert "Table 1" in text
    assert text.count('<details class="cell">') == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["a"], "1 variants, expected two"),
        (["a", "b", "--contrast", "bicubic"], "--contrast and --backbone are for all variants"),
        (["a", "b", "--backbone", "resnet50"], "--contrast and --backbone are for all variants"),
        (["--from", "cells", "--contrast", "bicubic"], "cells: a folder of results has no predictions"),
        (["a", "b", "--from", "cells"], "cells: a folder of results has no predictions"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        srscene("compare", *options)


def test_a_pair_is_written(cells: list[Cell], tmp_path: Path) -> None:
    run.tell_pair(cells, "hat-resnet50", "bicubic-resnet50", 0.02, 100, tmp_path)
    text = (tmp_path / "pair.md").read_text()
    assert text.startswith(
        "*hat-resnet50 less bicubic-resnet50: 3 seeds and 3 seeds; 60 Sentinel-2 products."
    )
    assert "Equivalent, in macro AP alone: within ±0.02" in text
    rows = list(csv.DictReader((tmp_path / "pair.csv").read_text().splitlines()))
    assert len(rows) == text.count("\n| ") - 1 == 9 + 38
    first = next(row for row in rows if row["measure"] == "macro_ap")
    assert (first["family"], first["sr"], first["control"]) == ("pair", "hat-resnet50", "bicubic-resnet50")
    assert f"| macro AP | {float(first['difference']):+.3f} |" in text
