"""The paper's own numbers, as our results, give its Tables 1 and 2; and what holds of any results."""

import random
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest

from srscene.compare import cell, tables
from srscene.compare.cell import BACKBONES, Cell
from srscene.compare.tables import AVERAGE, LABELS, Row, Table, printed, table1, table2
from srscene.runtime.console import BadInput

PAPER = ("none", "srresnet", "hat", "seesr", "realesrgan")
TABLE1 = """
No SR      0.411 0.138 0.323 0.556 0.564 0.526 0.413 0.144 0.345 0.534 0.570 0.525
           0.402 0.137 0.371 0.533 0.546 0.512 0.278 0.153 0.498 0.458 0.327 0.360
SRResNet   0.474 0.138 0.231 0.647 0.586 0.583 0.462 0.126 0.272 0.609 0.592 0.571
           0.419 0.144 0.295 0.550 0.587 0.535 0.333 0.136 0.330 0.547 0.381 0.422
HAT        0.448 0.125 0.265 0.617 0.570 0.559 0.457 0.119 0.278 0.619 0.569 0.564
           0.464 0.115 0.241 0.648 0.560 0.570 0.421 0.159 0.338 0.530 0.585 0.531
SeeSR      0.445 0.122 0.290 0.606 0.561 0.552 0.446 0.122 0.291 0.613 0.555 0.572
           0.452 0.122 0.295 0.595 0.587 0.562 0.233 0.171 0.540 0.361 0.295 0.306
RealESRGAN 0.439 0.124 0.277 0.622 0.555 0.550 0.440 0.122 0.284 0.598 0.566 0.550
           0.455 0.120 0.265 0.626 0.561 0.560 0.325 0.142 0.437 0.487 0.412 0.419
"""
"""As the paper prints it: a line (two here) for each upscaler, six numbers for each of four backbones."""
BEST1 = {
    "resnet50": ("srresnet", "seesr", "srresnet", "srresnet", "srresnet", "srresnet"),
    "resnet101": ("srresnet", "hat", "srresnet", "hat", "srresnet", "seesr"),
    "resnet152": ("hat", "hat", "hat", "hat", "srresnet seesr", "hat"),
    "inception_v4": ("hat", "srresnet", "srresnet", "srresnet", "hat", "hat"),
}
"""Read off the paper's numbers by eye: its text, as we have it, has lost its marks, which may be others."""
BEST2 = (
    *("srresnet", "realesrgan", "hat", "seesr", "seesr", "none", "none", "hat", "realesrgan", "realesrgan"),
    *("none", "realesrgan", "srresnet", "srresnet", "hat", "realesrgan", "hat", "seesr", "srresnet"),
    "srresnet",
)


@pytest.fixture
def papers(tmp_path: Path) -> list[Cell]:
    """Return the 20 results of the paper's Table 1, with the F2 of its Table 2, through their files."""
    cell.write(papers_cells(), tmp_path)
    assert len(list(tmp_path.iterdir())) == 20
    return cell.read(tmp_path)


def papers_cells() -> list[Cell]:
    cells = []
    for row in tables.paper_rows("table1"):
        sr, backbone = row["sr"], row["backbone"]
        metrics: dict[str, float | None] = {name: float(row[name]) for name in tables.COLUMNS[:6]}
        classes = {}
        if backbone == tables.PAPERS_BACKBONE:
            *by_class, average = (float(line[sr]) for line in tables.paper_rows("table2"))
            metrics["f2_macro"], classes = average, dict(zip(LABELS, by_class, strict=True))
        cells.append(Cell(f"{sr}-{backbone}-s0", sr, backbone, 0, metrics, classes))
    return cells


def of(table: Table, source: str) -> list[Row]:
    return [row for row in table.rows if row.source == source]


def texts(row: Row) -> list[str]:
    return [printed(entry.value) for entry in row.entries]


@pytest.mark.parametrize("source", ["ours", "paper"])
def test_table_1_is_the_papers(papers: list[Cell], source: str) -> None:
    rows = {row.keys: row for row in of(table1(papers), source)}
    in_print = "\n".join(
        f"{tables.title(sr)} {' '.join(' '.join(texts(rows[sr, one])[:6]) for one in BACKBONES)}"
        for sr in PAPER
    )
    assert in_print.split() == TABLE1.split()
    for backbone, best in BEST1.items():
        for column, names in enumerate(best):
            bold = [sr for sr in PAPER if rows[sr, backbone].entries[column].best]
            assert bold == names.split(), (backbone, tables.COLUMNS[column])


@pytest.mark.parametrize("source", ["ours", "paper"])
def test_table_2_is_the_papers(papers: list[Cell], source: str) -> None:
    table = table2(papers, "resnet152")
    assert table.columns == PAPER
    in_paper = [[row[sr] for sr in PAPER] for row in tables.paper_rows("table2")]
    assert [row.keys for row in of(table, source)] == [(label,) for label in (*LABELS, AVERAGE)]
    assert [texts(row) for row in of(table, source)] == in_paper
    bold = [
        [sr for sr, entry in zip(PAPER, row.entries, strict=True) if entry.best] for row in of(table, source)
    ]
    assert bold == [[name] for name in BEST2]


def test_the_papers_averages_are_of_its_numbers_before_rounding() -> None:
    *classes, average = tables.paper_rows("table2")
    off = {}
    for sr in PAPER:
        of_printed = mean(float(row[sr]) for row in classes)
        assert abs(of_printed - float(average[sr])) < 0.001  # half a unit each: of the 19 and of the mean
        if printed(of_printed) != average[sr]:
            off[sr] = (printed(of_printed), average[sr])
    assert off == {"none": ("0.416", "0.417"), "srresnet": ("0.442", "0.443"), "hat": ("0.441", "0.440")}


def test_where_the_papers_text_is_not_what_its_table_1_says(papers: list[Cell]) -> None:
    values = {(one.sr, one.backbone): one.metrics for one in papers}

    def of_one(sr: str, backbone: str, name: str) -> float:
        value = values[sr, backbone][name]
        assert value is not None
        return value

    # "training on SR-enhanced images outperforms the baseline across all classifier backbones"
    worse = [
        (sr, backbone)
        for backbone in BACKBONES
        for sr in PAPER[1:]
        if of_one(sr, backbone, "f1") < of_one("none", backbone, "f1")
    ]
    assert worse == [("seesr", "inception_v4")]
    # "HAT demonstrates stronger Precision and F1 in deeper setups (ResNet-152, Inception-v4)"
    assert of_one("hat", "inception_v4", "precision") < of_one("srresnet", "inception_v4", "precision")


def test_the_order_of_results_changes_nothing() -> None:
    cells = seeds_of(papers_cells(), 3)
    for number in range(5):
        mixed = random.Random(number).sample(cells, len(cells))
        assert table1(mixed) == table1(cells)
        assert table2(mixed, "resnet152") == table2(cells, "resnet152")


def seeds_of(cells: list[Cell], count: int) -> list[Cell]:
    """Return each result for several seeds, a little apart."""
    rng = random.Random(1)
    return [
        replace(
            one,
            name=f"{one.sr}-{one.backbone}-s{seed}",
            seed=seed,
            metrics={name: value and value + 0.1 * rng.random() for name, value in one.metrics.items()},
            classes={label: value + 0.1 * rng.random() for label, value in one.classes.items()},
        )
        for one in cells
        for seed in range(count)
    ]


def test_seeds_give_mean_deviation_and_count() -> None:
    cells = seeds_of(papers_cells(), 3)
    row = next(row for row in table1(cells).rows if row.keys == ("hat", "resnet101"))
    accuracies = [one.metrics["acc"] or 0 for one in cells if (one.sr, one.backbone) == row.keys]
    entry = row.entries[0]
    assert entry.value == pytest.approx(mean(accuracies))
    assert entry.sd == pytest.approx(stdev(accuracies))
    assert entry.n == 3
    assert "over 3 seeds" in table1(cells).caption
    assert "over 2–3 seeds" in table1(cells[1:]).caption
    assert all(entry.sd is None for row in table1(papers_cells()).rows for entry in row.entries)


def test_a_hole_stays_a_hole_and_is_never_the_best() -> None:
    rng = random.Random(2)
    cells = [
        replace(
            one,
            metrics={name: value if rng.random() < 0.7 else None for name, value in one.metrics.items()},
            classes={label: value for label, value in one.classes.items() if rng.random() < 0.7},
        )
        for one in papers_cells()
        if rng.random() < 0.8
    ]
    given = {(one.sr, one.backbone): one for one in cells}
    for row in of(table1(cells), "ours"):
        one = given.get((row.keys[0], row.keys[1]))
        for name, entry in zip(tables.COLUMNS, row.entries, strict=True):
            assert entry.value == (one.metrics.get(name) if one else None)
            assert entry.value is not None or (printed(entry.value), entry.best) == ("–", False)
    for row in of(table2(cells, "resnet152"), "ours")[:-1]:
        for sr, entry in zip(PAPER, row.entries, strict=True):
            one = given.get((sr, "resnet152"))
            assert entry.value == (one.classes.get(row.keys[0]) if one else None)
            assert entry.value is not None or (printed(entry.value), entry.best) == ("–", False)


def test_a_metric_undefined_for_one_seed_has_no_mean() -> None:
    first = papers_cells()[0]
    second = replace(first, name="second", seed=1, metrics={**first.metrics, "acc": None})
    entry = table1([first, second]).rows[0].entries[0]
    assert (entry.value, entry.sd, entry.n) == (None, None, 2)


def test_equal_in_print_is_equally_bold_and_the_truth_is_apart() -> None:
    metrics: dict[str, dict[str, float | None]] = {
        "bicubic": {"acc": 0.50014}, "hat": {"acc": 0.4998}, "none": {"acc": 0.4994}, "truth": {"acc": 0.9}
    }  # fmt: skip
    cells = [Cell(sr, sr, "resnet50", 0, values, {}) for sr, values in metrics.items()]
    rows = of(table1(cells), "ours")
    best = {row.keys[0]: row.entries[0].best for row in rows if row.entries[0].value is not None}
    assert best == {"none": False, "bicubic": True, "hat": True, "truth": False}


def test_upscalers_the_paper_has_not_stand_in_order_without_its_numbers() -> None:
    own = [Cell(sr, sr, "resnet50", 0, {"acc": 0.5}, {}) for sr in ("truth", "other", "bicubic", "spandrel")]
    table = table1([*own, *papers_cells()])
    first = [row.keys[0] for row in of(table, "ours") if row.keys[1] == "resnet50"]
    assert first == [
        "none",
        "bicubic",
        "srresnet",
        "hat",
        "seesr",
        "realesrgan",
        "other",
        "spandrel",
        "truth",
    ]
    assert {row.keys[0] for row in of(table, "paper")} == set(PAPER)
    wide = table2([*own, *papers_cells()], "resnet50")
    assert wide.columns == tuple(first)
    assert [printed(entry.value) for entry in of(wide, "paper")[0].entries] == [
        *("0.519", "–", "0.534", "0.428", "0.506", "0.452"), *("–",) * 3
    ]  # fmt: skip


def test_cells_come_back_from_their_files_in_the_papers_order(tmp_path: Path) -> None:
    cells = [replace(one, predictions=tmp_path, outs={"models": tmp_path}) for one in papers_cells()]
    cell.write(reversed(cells), tmp_path)
    back = cell.read(tmp_path)
    assert back == cell.order(papers_cells())
    assert [one.name for one in back[:5]] == [
        *(f"none-{one}-s0" for one in BACKBONES), "srresnet-resnet50-s0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": "a"}',
        b"<!DOCTYPE html>",
        b'{"name": "a", "sr": "hat", "backbone": "b", "seed": "x", "metrics": {}, "classes": {}}',
        b'{"name": "a", "sr": "hat", "backbone": "b", "seed": 0, "metrics": {"acc": NaN}, "classes": {}}',
        b'{"name": "a", "sr": "hat", "backbone": "b", "seed": 0, "metrics": {}, "classes": {"c": Infinity}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damaged: bytes) -> None:
    cell.write(papers_cells(), tmp_path)
    (tmp_path / "damaged.json").write_bytes(damaged)
    with pytest.raises(BadInput, match=r"damaged\.json"):
        cell.read(tmp_path)


def test_a_copied_file_does_not_count_twice(tmp_path: Path) -> None:
    cell.write(papers_cells()[:1], tmp_path)
    (tmp_path / "zcopy.json").write_bytes((tmp_path / "none-resnet50-s0.json").read_bytes())
    with pytest.raises(BadInput, match=r"zcopy\.json: none-resnet50-s0 is in another file too"):
        cell.read(tmp_path)
