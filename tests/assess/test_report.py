"""The report and the figure, on small stores."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from srscene.assess.fidelity import enlarge
from srscene.assess.figure import draw, richest
from srscene.assess.pair import assessed_split
from srscene.assess.report import assess, assess_store
from srscene.core.store import Image, Patch, PatchStore, Split
from srscene.core.writer import write_store
from srscene.runtime.console import BadInput

LABELS = np.eye(19, dtype=np.uint8)


def scene(seed: int) -> Image:
    noise = np.random.default_rng(seed).integers(0, 256, (240, 240, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3).astype(float)
    return np.clip((smooth - 128) * 4 + 128, 0, 255).astype(np.uint8)


def at_10_m(truth: Image) -> Image:
    return np.rint(truth.reshape(60, 4, 60, 4, 3).mean((1, 3))).astype(np.uint8)


def store(folder: Path, patches: list[Patch], **attributes: str | int) -> PatchStore:
    write_store(folder, patches, attributes)
    return PatchStore(folder)


def patches(folder: Path, splits: list[Split], reference: bool = True) -> PatchStore:
    return store(
        folder,
        [
            Patch(f"p{i}", split, LABELS[i], at_10_m(scene(i)), scene(i) if reference else None)
            for i, split in enumerate(splits)
        ],
        reflectance_max=2000,
    )


def upscaled(folder: Path, low: PatchStore, name: str) -> PatchStore:
    make = {
        "none": lambda i: low[i],
        "bicubic": lambda i: enlarge(low[i], 4),
        "oracle": lambda i: scene(i),
        "nearest": lambda i: low[i].repeat(4, 0).repeat(4, 1),
    }[name]
    return store(folder, [Patch(f"p{i}", "test", LABELS[i], make(i)) for i in range(len(low))], sr=name)


OPENSR = (
    "reflectance_consistency", "spectral_consistency", "spatial_shift",
    "improvement", "omission", "hallucination",
)  # fmt: skip
SPLITS: list[Split] = ["train", "test", "val", "test", "test"]


def test_bicubic_scores_what_bicubic_scores(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS)
    report = assess(low, upscaled(tmp_path / "high", low, "bicubic"))
    assert (report["sr"], report["scale"], report["split"], report["patches"]) == ("bicubic", 4, "test", 3)
    for key in ("psnr", "ssim", "lr_psnr", *OPENSR):
        assert report[key] == report[f"{key}_bicubic"]


def test_order_of_quality(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS)
    oracle = assess(low, upscaled(tmp_path / "oracle", low, "oracle"))
    nearest = assess(low, upscaled(tmp_path / "nearest", low, "nearest"))
    assert oracle["psnr"] > 58 > nearest["psnr_bicubic"] > nearest["psnr"]
    assert oracle["ssim"] == 1 > nearest["ssim_bicubic"] > nearest["ssim"]
    assert nearest["lr_psnr"] > 58  # enlarged by repetition, it is its input again
    assert oracle["lr_psnr"] == oracle["lr_psnr_reference"]
    assert oracle["improvement"] > 0.96 > nearest["improvement_bicubic"]
    assert oracle["hallucination"] < 0.02 < nearest["hallucination_bicubic"] < nearest["hallucination"]
    for suffix in ("", "_bicubic"):
        shares = [nearest[share + suffix] for share in ("improvement", "omission", "hallucination")]
        assert sum(shares) == pytest.approx(1, abs=2e-4)


def test_scale_1_has_no_fidelity_of_its_own(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS)
    report = assess(low, upscaled(tmp_path / "none", low, "none"))
    assert {"psnr", "ssim", "lr_psnr", *OPENSR}.isdisjoint(report)
    assert {f"{key}_bicubic" for key in OPENSR} <= set(report)
    assert {"psnr_bicubic", "ssim_bicubic", "lr_psnr_bicubic", "lr_psnr_reference"} <= set(report)
    json.dumps(report, allow_nan=False)


def test_without_a_reference_there_is_consistency(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS, reference=False)
    report = assess(low, upscaled(tmp_path / "high", low, "nearest"))
    assert set(report) == {"sr", "scale", "split", "patches", "lr_psnr", "lr_psnr_bicubic"}


def test_what_no_patch_defines_is_left_out(tmp_path: Path) -> None:
    black = np.zeros((240, 240, 3), np.uint8)
    dark = [Patch("p0", "test", LABELS[0], black[::4, ::4], black)]
    low = store(tmp_path / "low", dark, reflectance_max=2000)
    high = store(tmp_path / "high", [Patch("p0", "test", LABELS[0], black)], sr="nearest")
    assess_store(low, high, tmp_path / "upscaling.json", tmp_path / "upscaling.png")
    report = json.loads((tmp_path / "upscaling.json").read_text())
    assert {key for key in OPENSR if key in report} == {"reflectance_consistency"}
    mixed = [dark[0], Patch("p1", "test", LABELS[1], at_10_m(scene(1)), scene(1))]
    low = store(tmp_path / "both", mixed, reflectance_max=2000)
    images = [Patch(p.name, "test", p.labels, enlarge(p.image, 4)) for p in mixed]
    alone = store(tmp_path / "one", mixed[1:], reflectance_max=2000)
    both = assess(low, store(tmp_path / "both high", images, sr="bicubic"))
    one = assess(alone, store(tmp_path / "one high", images[1:], sr="bicubic"))
    assert both["improvement"] == one["improvement"]


def test_without_test_patches_another_split_is_assessed(tmp_path: Path) -> None:
    assert assessed_split(patches(tmp_path / "a", ["train", "val"])) == "val"
    assert assessed_split(patches(tmp_path / "b", ["train"])) == "train"


def test_stores_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS)
    fewer = upscaled(tmp_path / "fewer", patches(tmp_path / "other", SPLITS[:2]), "bicubic")
    with pytest.raises(BadInput, match=r"fewer: 2 patches, expected the 5 of .*; run `dvc repro upscale`$"):
        assess(low, fewer)
    odd = store(tmp_path / "odd", [Patch(f"p{i}", "test", LABELS[i], scene(i)[:100, :100]) for i in range(5)])
    with pytest.raises(BadInput, match=r"odd: images 100 px high, expected a multiple of .*'s 60"):
        assess(low, odd)


def test_report_and_figure_are_written(tmp_path: Path) -> None:
    low = patches(tmp_path / "low", SPLITS)
    high = upscaled(tmp_path / "high", low, "nearest")
    metrics, figure = tmp_path / "metrics/upscaling.json", tmp_path / "plots/upscaling.png"
    assess_store(low, high, metrics, figure)
    assert json.loads(metrics.read_text()) == assess(low, high)
    draw(low, high, tmp_path / "alone.png")
    assert figure.read_bytes() == (tmp_path / "alone.png").read_bytes()
    assert {file.name for file in tmp_path.rglob("*.*") if file.parent.name in ("metrics", "plots")} == {
        "upscaling.json", "upscaling.png", "upscaling.pdf",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reference"), [("nearest", True), ("none", True), ("nearest", False), ("none", False)]
)
def test_the_figure_is_readable_small_and_repeatable(tmp_path: Path, name: str, reference: bool) -> None:
    low = patches(tmp_path / "low", SPLITS, reference)
    high = upscaled(tmp_path / "high", low, name)
    for file in ("a.png", "b.png"):
        draw(low, high, tmp_path / file)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = cv2.imread(str(tmp_path / "a.png"))
    columns = 3 + (name != "none") + reference
    assert picture.shape[1] == pytest.approx(2.35 * 120 * columns, rel=0.1)
    assert picture.std() > 20


def test_the_zoom_goes_where_the_detail_is() -> None:
    image = np.full((120, 120, 3), 90, np.uint8)
    image[70:90, 20:50] = np.random.default_rng(0).integers(0, 255, (20, 30, 3))
    top, left = richest(image, 36)
    assert 54 <= top <= 70
    assert 14 <= left <= 20
    assert richest(image, 120) == (0, 0)
