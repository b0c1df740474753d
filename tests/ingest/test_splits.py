import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from srscene.core.store import SPLITS
from srscene.ingest.splits import Listed, read_splits
from srscene.runtime.console import BadInput
from tests.ingest.raw_patches import (
    LISTS,
    NAMES,
    V2_NAMES,
    write_lists,
    write_metadata,
    write_torchgeo_lists,
)


def by_split(root) -> dict[str, list[str]]:
    listed = read_splits(root).listed
    return {split: [name for name in listed if listed[name].split == split] for split in SPLITS}


def test_own_lists(tmp_path):
    write_lists(tmp_path, LISTS)
    assert by_split(tmp_path) == LISTS
    assert all(entry.labels is None for entry in read_splits(tmp_path).listed.values())


def test_blank_lines_windows_line_ends_and_empty_lists_are_fine(tmp_path):
    write_lists(tmp_path, {"train": [], "val": []})
    (tmp_path / "test.csv").write_bytes(f"{NAMES[0]}\r\n\r\n{NAMES[1]}".encode())
    assert by_split(tmp_path) == {"train": [], "val": [], "test": NAMES[:2]}


def test_without_lists_the_official_ones_of_version_1(tmp_path):
    splits = read_splits(tmp_path)
    assert not splits.twice
    counts = {split: len(names) for split, names in by_split(tmp_path).items()}
    assert counts == {"train": 269_695, "val": 123_723, "test": 125_866}
    assert sum(len(name.split("_")[2].split("T")[1]) == 5 for name in splits.listed) == 51_410  # short times


def test_metadata_of_version_2(tmp_path):
    write_metadata(tmp_path, V2_NAMES)
    labels = ("Arable land", "Inland waters")
    assert read_splits(tmp_path).listed == {
        V2_NAMES[0]: Listed("train", labels),
        V2_NAMES[1]: Listed("val", labels),
        V2_NAMES[2]: Listed("test", labels),
        V2_NAMES[3]: Listed("train", labels),
    }


def test_a_name_in_two_lists_is_reported(tmp_path):
    write_lists(tmp_path, {"train": NAMES[:2], "val": NAMES[1:3], "test": [NAMES[4], NAMES[4]]})
    assert read_splits(tmp_path).twice == {NAMES[1], NAMES[4]}


@pytest.mark.parametrize("missing", ["train", "val", "test"])
def test_all_lists_or_none(tmp_path, missing):
    write_lists(tmp_path, {split: names for split, names in LISTS.items() if split != missing})
    there = "val.csv" if missing == "train" else "train.csv"
    with pytest.raises(
        BadInput,
        match=rf"/{missing}\.csv: not there, but {there} is; "
        r"expected train\.csv, val\.csv, test\.csv, or none of them",
    ):
        read_splits(tmp_path)


def test_torchgeos_lists(tmp_path):
    write_torchgeo_lists(tmp_path, LISTS)
    splits = read_splits(tmp_path)
    assert by_split(tmp_path) == LISTS
    assert splits.source == "bigearthnet-train.csv, bigearthnet-val.csv, bigearthnet-test.csv"
    assert all(entry.labels is None for entry in splits.listed.values())


def test_a_name_in_two_of_torchgeos_lists_is_reported(tmp_path):
    write_torchgeo_lists(tmp_path, LISTS | {"test": [*LISTS["test"], LISTS["train"][0]]})
    assert read_splits(tmp_path).twice == {LISTS["train"][0]}


@pytest.mark.parametrize("missing", SPLITS)
def test_all_of_torchgeos_lists_or_none(tmp_path, missing):
    write_torchgeo_lists(tmp_path, LISTS)
    (tmp_path / f"bigearthnet-{missing}.csv").unlink()
    with pytest.raises(
        BadInput,
        match=rf"/bigearthnet-{missing}\.csv: not there, but bigearthnet-\w+\.csv is; "
        r"expected bigearthnet-train\.csv, bigearthnet-val\.csv, bigearthnet-test\.csv, or none",
    ):
        read_splits(tmp_path)


def test_metadata_comes_before_own_lists_before_torchgeos_before_the_official_ones(tmp_path):
    found = [read_splits(tmp_path).source]
    write_torchgeo_lists(tmp_path, LISTS)
    found.append(read_splits(tmp_path).source)
    write_lists(tmp_path, LISTS)
    found.append(read_splits(tmp_path).source)
    write_metadata(tmp_path, V2_NAMES)
    found.append(read_splits(tmp_path).source)
    assert found == [
        "the official lists of version 1",
        "bigearthnet-train.csv, bigearthnet-val.csv, bigearthnet-test.csv",
        "train.csv, val.csv, test.csv",
        "metadata.parquet",
    ]


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(tmp_path):
    write_lists(tmp_path, LISTS)
    (tmp_path / "train.csv").write_text("\n".join(LISTS["train"]), "utf-8-sig")
    assert by_split(tmp_path) == LISTS


def test_a_list_that_is_no_text_is_refused(tmp_path):
    write_lists(tmp_path, LISTS)
    (tmp_path / "val.csv").write_text(NAMES[3], "utf-16")
    with pytest.raises(BadInput, match=r"/val\.csv: damaged \(.*\); expected patch names"):
        read_splits(tmp_path)


def test_a_list_with_columns_is_refused(tmp_path):
    write_lists(tmp_path, LISTS | {"val": ["patch,label", f"{NAMES[0]},forest"]})
    with pytest.raises(
        BadInput,
        match=r"/val\.csv: has several columns, expected one patch name per line; .*bigearthnet-val\.csv$",
    ):
        read_splits(tmp_path)


def test_an_unknown_split_is_refused(tmp_path):
    write_metadata(tmp_path, V2_NAMES, split=["train", "holdout", "test", "test"])
    with pytest.raises(BadInput, match=r"metadata\.parquet: .*'holdout'"):
        read_splits(tmp_path)


def test_a_missing_column_is_refused(tmp_path):
    write_metadata(tmp_path, V2_NAMES)
    table = pyarrow.parquet.read_table(tmp_path / "metadata.parquet").drop_columns("split")
    pyarrow.parquet.write_table(table, tmp_path / "metadata.parquet")
    with pytest.raises(BadInput, match=r"metadata\.parquet: .*split"):
        read_splits(tmp_path)


def test_damaged_metadata_is_refused(tmp_path):
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"metadata\.parquet: damaged .*expected version 2's metadata"):
        read_splits(tmp_path)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"patch_id": [1, 2, 3, 4]}, "1 in column patch_id, expected names of patches"),
        ({"patch_id": [V2_NAMES[0], None, *V2_NAMES[2:]]}, "None in column patch_id"),
        ({"split": ["train", None, "test", "test"]}, f"None in column split, of {V2_NAMES[1]}; expected one"),
        ({"labels": ["Pastures"] * 4}, "'Pastures' in column labels, .* expected a list of class names"),
        ({"labels": [[["Pastures"]]] * 4}, r"\[\['Pastures'\]\] in column labels"),
        ({"patch_id": ["é" * 5, *V2_NAMES[1:]]}, "'ééééé' is no patch's name"),
        (
            {"patch_id": ["x" * 201, *V2_NAMES[1:]]},
            ".* is no patch's name, expected at most 200 ASCII letters",
        ),
    ],
)
def test_metadata_of_other_types_are_refused_by_name(tmp_path, columns, found):
    write_metadata(tmp_path, V2_NAMES, **columns)
    with pytest.raises(BadInput, match=rf"metadata\.parquet: {found}"):
        read_splits(tmp_path)


def test_lists_that_name_nothing_are_refused(tmp_path):
    write_metadata(tmp_path, [])
    with pytest.raises(BadInput, match=r"metadata\.parquet: names no patch"):
        read_splits(tmp_path)
    (tmp_path / "metadata.parquet").unlink()
    write_lists(tmp_path, {"train": [], "val": [], "test": []})
    with pytest.raises(BadInput, match=r"train\.csv, val\.csv, test\.csv: names no patch"):
        read_splits(tmp_path)


def test_metadata_that_are_not_the_published_ones_are_said_to_be_unchecked(tmp_path, capsys):
    write_metadata(tmp_path, V2_NAMES)
    read_splits(tmp_path)
    assert "metadata.parquet is not the published one, and has no checksum" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["metadata.parquet", "val.csv"])
@pytest.mark.parametrize(("make", "what"), [(Path.mkdir, "a folder"), (os.mkfifo, "a named pipe")])
def test_what_is_no_file_is_refused(tmp_path, file, make, what):
    write_lists(tmp_path, {split: names for split, names in LISTS.items() if split != "val"})
    make(tmp_path / file)
    with pytest.raises(BadInput, match=rf"/{file}: {what}"):
        read_splits(tmp_path)
