"""Every way in which a scene may lie on a disk gives the levels that ingest would give, or one clear line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.ingest.reflectance import to_rgb
from srscene.runtime.console import BadInput
from srscene.scene.source import open_scene
from tests.litter import litter
from tests.scene.products import BANDS, CORNER, GRANULE, geotiff, jp2, land, metadata, product, zipped

LAND = land(70, 90)
LEVELS = to_rgb(list(LAND), 2000)
PRODUCT = "MTD_MSIL2A.xml"


def levels(path: Path, **options: object) -> tuple[np.ndarray, np.ndarray]:
    with open_scene(path, reflectance_max=2000, **options) as scene:  # type: ignore[arg-type]
        return scene.read(0, 0, scene.height, scene.width)


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of baseline 04.00 whose first column is no data."""
    dn = LAND + np.uint16(1000)
    dn[:, :, 0] = 0
    return product(tmp_path_factory.mktemp("new"), dn)


def test_products_of_both_baselines_show_the_same_land(
    safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = product(tmp_path, LAND, None)
    for path in (safe, zipped(safe), safe / PRODUCT, old, zipped(old)):
        rgb, valid = levels(path)
        np.testing.assert_array_equal(rgb[:, 1:], LEVELS[:, 1:])
        assert valid[:, 1:].all()
    assert not capsys.readouterr().out  # nothing had to be assumed


def test_no_data_of_a_product_is_0(safe: Path) -> None:
    rgb, valid = levels(safe)
    assert not valid[:, 0].any()
    assert not rgb[:, 0].any()


def test_a_products_grid_and_name(safe: Path) -> None:
    with open_scene(safe, reflectance_max=2000) as scene:
        assert (scene.height, scene.width, scene.bands) == (70, 90, BANDS)
        assert (scene.crs, scene.transform) == (rasterio.crs.CRS.from_epsg(32632), CORNER)


def test_each_band_has_its_own_offset(safe: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(safe, tmp_path / safe.name)
    text = (copy / PRODUCT).read_text()
    (copy / PRODUCT).write_text(text.replace('"3">-1000', '"3">-900').replace('"1">-1000', '"1">-1100'))
    red, green, blue = LAND.astype(int)
    expected = to_rgb([band.clip(0).astype(np.uint16) for band in (red + 100, green, blue - 100)], 2000)
    np.testing.assert_array_equal(levels(copy)[0][:, 1:], expected[:, 1:])


def test_names_of_older_metadata(safe: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(safe, tmp_path / safe.name)
    text = metadata(None, psd=12).replace("BOA_QUANT", "L2A_BOA_QUANT")
    (copy / PRODUCT).write_text(text)
    raised = to_rgb(list(LAND + np.uint16(1000)), 2000)
    np.testing.assert_array_equal(levels(copy)[0][:, 1:], raised[:, 1:])
    np.testing.assert_array_equal(levels(copy, offset=-1000)[0][:, 1:], LEVELS[:, 1:])


@pytest.mark.parametrize(
    ("names", "bands"),
    [(("B04", "B03", "B02"), None), (("B4", "b3", "B2"), None), (("Red", "green", "BLUE"), None),
     (("B04, central wavelength 665 nm", "B03 (560 nm)", "B02"), None),
     ((None, None, None), BANDS), (("b1", "b2", "b3"), BANDS)],
)  # fmt: skip
def test_bands_are_found_by_what_they_are_called(
    tmp_path: Path, names: tuple[str | None, ...], bands: tuple[str, ...] | None
) -> None:
    path = geotiff(tmp_path / "a.tif", LAND, names)
    np.testing.assert_array_equal(levels(path, bands=bands)[0], LEVELS)


def test_bands_in_any_order_among_others(tmp_path: Path) -> None:
    red, green, blue = LAND
    path = geotiff(tmp_path / "a.tif", np.stack([blue, green, red, red]), ("B02", "B03", "B04", "B08"))
    np.testing.assert_array_equal(levels(path)[0], LEVELS)
    swapped = levels(path, bands=["B08", "B04", "B03", "B02"])[0]
    np.testing.assert_array_equal(swapped, to_rgb([green, red, red], 2000))


@pytest.mark.parametrize("suffix", ["tif", "TIF", "jp2"])
def test_a_folder_of_band_files_and_its_zip(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "patch"
    folder.mkdir()
    for band, pixels in zip((*BANDS, "B08", "B8A"), (*LAND, *LAND[:2]), strict=True):
        name = folder / f"S2B_MSIL2A_20170717T113319_28_87_{band}.{suffix}"
        jp2(name, pixels) if suffix == "jp2" else geotiff(name, pixels[None], [None])
    np.testing.assert_array_equal(levels(folder)[0], LEVELS)
    np.testing.assert_array_equal(levels(zipped(folder))[0], LEVELS)


@pytest.mark.parametrize("kind", ["bands", "product"])
def test_what_is_no_data_changes_nothing(tmp_path: Path, kind: str, safe: Path) -> None:
    folder = tmp_path / safe.name
    if kind == "product":
        shutil.copytree(safe, folder)
    else:
        folder.mkdir()
        for band, pixels in zip(BANDS, LAND, strict=True):
            geotiff(folder / f"T33UUP_{band}_10m.tif", pixels[None], [None])
    before = levels(folder)
    assert litter(folder) > 10
    for path in (folder, zipped(folder)):
        for now, then in zip(levels(path), before, strict=True):
            np.testing.assert_array_equal(now, then)


def test_reflectance_as_floats(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", (LAND / 10_000).astype(np.float32))
    np.testing.assert_array_equal(levels(path)[0], LEVELS)


def test_a_baseline_is_assumed_and_options_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = geotiff(tmp_path / "a.tif", LAND + np.uint16(1000))
    np.testing.assert_array_equal(levels(path)[0], LEVELS)
    assert "a.tif: does not tell its radiometry, so this is assumed" in capsys.readouterr().out
    raised = to_rgb(list(LAND + np.uint16(1000)), 2000)
    np.testing.assert_array_equal(levels(path, offset=0)[0], raised)


def test_what_gdal_knows_of_the_radiometry_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = geotiff(tmp_path / "a.tif", LAND + np.uint16(1000))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001,) * 3, (-0.1,) * 3
    np.testing.assert_array_equal(levels(path)[0], LEVELS)
    assert not capsys.readouterr().out


def test_nodata_and_nan_blank_their_own_pixels(tmp_path: Path) -> None:
    holes = LAND.copy()
    holes[1, 5, 7] = 65_535
    rgb, valid = levels(geotiff(tmp_path / "a.tif", holes, nodata=65_535))
    assert np.argwhere(~valid).tolist() == [[5, 7]]
    assert not rgb[5, 7].any()
    floats = (LAND / 10_000).astype(np.float32)
    floats[0, 5, 7], floats[2, 6, 8] = np.nan, np.inf
    assert np.argwhere(~levels(geotiff(tmp_path / "b.tif", floats))[1]).tolist() == [[5, 7], [6, 8]]


def test_a_mask_counts(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", LAND)
    mask = np.ones(LAND.shape[1:], bool)
    mask[:, 50:] = False
    with rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    np.testing.assert_array_equal(levels(path)[1], mask)


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return geotiff(tmp_path_factory.mktemp("holed") / "a.tif", LAND, tiled=True, blockxsize=16, blockysize=32)


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_any_window_is_that_part_of_the_whole(holed: Path, data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, 69)), data.draw(st.integers(0, 89))
    height, width = data.draw(st.integers(1, 70 - row)), data.draw(st.integers(1, 90 - column))
    with open_scene(holed, offset=0, scale=10_000, reflectance_max=2000) as scene:
        rgb, valid = scene.read(row, column, height, width)
    np.testing.assert_array_equal(rgb, LEVELS[row : row + height, column : column + width])
    assert valid.shape == (height, width)


def test_a_window_must_lie_in_the_scene(holed: Path) -> None:
    with open_scene(holed, offset=0, scale=10_000, reflectance_max=2000) as scene:
        for window in ((-1, 0, 5, 5), (0, 0, 71, 5), (0, 86, 5, 5), (0, 0, 0, 5)):
            with pytest.raises(ValueError, match="of a scene of 70×90"):
                scene.read(*window)


def _one_band(path: Path) -> Path:
    return geotiff(path / "a.tif", LAND[:1])


def _unnamed(path: Path) -> Path:
    return geotiff(path / "a.tif", LAND, (None,) * 3)


def _complex(path: Path) -> Path:
    return geotiff(path / "a.tif", LAND.astype(np.complex64))


def _picture(path: Path) -> Path:
    return geotiff(path / "a.tif", LEVELS.transpose(2, 0, 1))


def _text(path: Path) -> Path:
    (path / "a.tif").write_text("no raster at all")
    return path / "a.tif"


def _page(path: Path) -> Path:
    (path / "a.tif").write_text("<!DOCTYPE html><html>log in</html>")
    return path / "a.tif"


def _cut(path: Path) -> Path:
    whole = geotiff(path / "a.tif", LAND)
    whole.write_bytes(whole.read_bytes()[:5000])
    return whole


def _list_of_files(path: Path) -> Path:
    """A VRT names other files, on any machine."""
    (path / "a.tif").write_text('<VRTDataset rasterXSize="9" rasterYSize="9"/>')
    return path / "a.tif"


def _empty(path: Path) -> Path:
    return path


def _two_dates(path: Path) -> Path:
    for band, pixels in zip(BANDS, LAND, strict=True):
        geotiff(path / f"June_{band}.tif", pixels[None], [None])
    geotiff(path / "July_B04.tif", LAND[:1], [None])
    return path


def _two_grids(path: Path) -> Path:
    for band, pixels in zip(BANDS, LAND, strict=True):
        geotiff(path / f"{band}.tif", pixels[None, : 70 if band == "B04" else 35], [None])
    return path


def _two_zones(path: Path) -> Path:
    for band, pixels in zip(BANDS, LAND, strict=True):
        geotiff(
            path / f"{band}.tif", pixels[None], [None], crs="EPSG:32633" if band == "B02" else "EPSG:32632"
        )
    return path


def _top_of_atmosphere(path: Path) -> Path:
    (path / "MTD_MSIL1C.xml").write_text("<x/>")
    return path


def _no_bands(path: Path) -> Path:
    (path / PRODUCT).write_text(metadata(-1000))
    return path


def _leads_out(path: Path) -> Path:
    with ZipFile(path / "a.zip", "w") as archive:
        archive.writestr("../../etc/T32_B04_10m.jp2", b"")
    return path / "a.zip"


def _giant_block(path: Path) -> Path:
    size = {"count": 3, "height": 1 << 14, "width": 1 << 14, "dtype": "uint16", "crs": "EPSG:32632"}
    blocks = {"tiled": True, "blockxsize": 1 << 14, "blockysize": 1 << 14, "sparse_ok": True}
    with rasterio.open(path / "a.tif", "w", driver="GTiff", transform=CORNER, **size, **blocks):
        return path / "a.tif"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_one_band, "a.tif: 1 band, expected red, green and blue in it; for a file of each band, name their"),
        (_unnamed, "called None, None, None; expected one B04; say .* --bands B04,B03,B02"),
        (_complex, "a.tif: complex numbers"),
        (_picture, "a.tif: numbers of 8 bits"),
        (_text, "a.tif: damaged .*not recognized.*; expected a whole GeoTIFF or JPEG 2000 file"),
        (_page, "a.tif: an HTML page; expected a whole GeoTIFF"),
        (_list_of_files, "a.tif: damaged .*not recognized"),
        (_cut, "a.tif: damaged"),
        (_empty, "no file of B04; expected a file of each of B04, B03, B02, of one scene"),
        (_two_dates, r"2 files of B04 \(July_B04.tif, June_B04.tif, …\)"),
        (_two_grids, r"B04 has 70×90 pixels from \(499980, 5700000\) of EPSG:32632, B03 35×90"),
        (_two_zones, "B02 70×90 from .* of EPSG:32633; expected one grid and CRS"),
        (_top_of_atmosphere, "a Level-1C product, .*; expected Level-2A"),
        (_no_bands, r"no file of B04; expected GRANULE/…/IMG_DATA/R10m/…_B04_10m.jp2"),
        (_leads_out, r"a.zip: '../../etc/T32_B04_10m.jp2' in it leads out of it"),
        (_giant_block, "a.tif: in blocks of 16,384×16,384 pixels, .*; rewrite it"),
    ],
)
def test_what_is_no_scene_is_told_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(BadInput, match=message) as told:
        levels(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": float("nan")}, {"offset": float("inf")}])
def test_options_that_mean_nothing(holed: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=f"--{next(iter(wrong))} .*: expected a number"):
        levels(holed, **wrong)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.tif: not there"):
        levels(tmp_path / "nowhere.tif")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a>", "MTD_MSIL2A.xml: damaged"),
        ("<!DOCTYPE a><a/>", "declares a document type"),
        ("<a/>", "no BOA_QUANTIFICATION_VALUE"),
        ("<a><BOA_QUANTIFICATION_VALUE>0</BOA_QUANTIFICATION_VALUE></a>", "no BOA_QUANTIFICATION_VALUE"),
        ("<a><BOA_QUANTIFICATION_VALUE>nan</BOA_QUANTIFICATION_VALUE></a>", "damaged"),
        ("<a><BOA_QUANTIFICATION_VALUE>ten</BOA_QUANTIFICATION_VALUE></a>", "damaged"),
        ('<a><BOA_ADD_OFFSET band_id="B4">-1000</BOA_ADD_OFFSET></a>', "damaged"),
    ],
)
def test_damaged_metadata(safe: Path, tmp_path: Path, text: str, message: str) -> None:
    copy = shutil.copytree(safe, tmp_path / safe.name)
    (copy / PRODUCT).write_text(text)
    with pytest.raises(BadInput, match=message):
        levels(copy)


def test_damaged_pixels_of_a_product(safe: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(safe, tmp_path / safe.name)
    image = next((copy / GRANULE).glob("*_B03_10m.jp2"))
    image.write_bytes(image.read_bytes()[:2000])
    with pytest.raises(BadInput, match="damaged"):
        levels(copy)
    with pytest.raises(BadInput, match=r"T32UQD.*\.zip.*damaged|\.zip: damaged"):
        levels(zipped(copy))


def test_a_cut_zip(safe: Path, tmp_path: Path) -> None:
    whole = zipped(safe)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"cut\.zip: "):
        levels(cut)
