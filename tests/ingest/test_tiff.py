import io
import tarfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from srscene.ingest import tiff
from srscene.ingest.tiff import BadTiff, read_band
from tests.ingest.raw_patches import REAL, pixels, write_band

PLAIN = [{}, {"nodata": 0}, {"blockysize": 1}, {"blockysize": 120}]
OTHER = [
    {"compress": "deflate"},
    {"compress": "lzw", "predictor": 2},
    {"compress": "zstd"},
    {"tiled": True, "blockxsize": 64, "blockysize": 64},
    {"ENDIANNESS": "BIG"},
    {"BIGTIFF": "YES"},
]


def takes_the_fast_path(data: bytes) -> bool:
    return tiff._plain_layout(data[: -tiff.PIXEL_BYTES]) is not None


@pytest.fixture(scope="module")
def real_bands() -> dict[str, bytes]:
    with tarfile.open(REAL) as tar:
        return {
            member.name: tar.extractfile(member).read()
            for member in tar
            if member.name.endswith(("_B02.tif", "_B03.tif", "_B04.tif"))
        }


@pytest.fixture(scope="module")
def official_like(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("band") / "band.tif"
    write_band(path, pixels(0))
    return path.read_bytes()


def test_real_bands_take_the_fast_path_and_equal_rasterio(real_bands):
    assert len(real_bands) == 18
    for data in real_bands.values():
        assert takes_the_fast_path(data)
        with rasterio.open(io.BytesIO(data)) as file:
            np.testing.assert_array_equal(read_band(data), file.read(1))


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("profile", PLAIN + OTHER, ids=str)
def test_every_way_to_store_a_band_gives_the_same_pixels(tmp_path, profile, dtype):
    band = pixels(3, dtype=dtype)
    write_band(tmp_path / "band.tif", band, **profile)
    data = (tmp_path / "band.tif").read_bytes()
    assert takes_the_fast_path(data) == (profile in PLAIN)
    read = read_band(data)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, np.maximum(band, 0))


@pytest.mark.parametrize(
    ("band", "found"),
    [
        (pixels(0, (2, 2)), "2×2 pixels"),
        (pixels(0, (60, 60)), "60×60 pixels"),
        (pixels(0, (120, 121)), "120×121 pixels"),
        (pixels(0, (3, 120, 120)), "3×120×120|120×120×3"),
        (pixels(0, dtype="float32"), "float32"),
        (pixels(0, dtype="int32"), "int32"),
        (np.zeros((120, 120), np.uint8), "uint8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_sizes_and_types_are_refused_by_name(tmp_path, band, found):
    write_band(tmp_path / "band.tif", band)
    with pytest.raises(BadTiff, match=found):
        read_band((tmp_path / "band.tif").read_bytes())


@pytest.mark.parametrize(
    "data", [b"", b"II*\0", b"<html>not found</html>", bytes(29192), b"II*\0" + bytes(28800)]
)
def test_what_is_no_tiff_is_refused(data):
    with pytest.raises(BadTiff, match="not a readable TIFF"):
        read_band(data)


@given(st.data())
def test_any_cut_is_noticed(official_like, data):
    with pytest.raises(BadTiff):
        read_band(official_like[: data.draw(st.integers(0, len(official_like) - 1))])


@pytest.mark.parametrize("kept", [300, 5_000, -1])
def test_a_cut_compressed_file_is_noticed(tmp_path, kept):
    write_band(tmp_path / "band.tif", pixels(0), compress="deflate")
    with pytest.raises(BadTiff):
        read_band((tmp_path / "band.tif").read_bytes()[:kept])


@given(st.data())
def test_the_fast_path_only_takes_what_libtiff_reads_the_same(official_like, data):
    """A damaged header must not get other pixels past the check than the reference decoder sees."""
    header_size = len(official_like) - tiff.PIXEL_BYTES
    damaged = bytearray(official_like)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, header_size - 1))] = data.draw(st.integers(0, 255))
    if takes_the_fast_path(bytes(damaged)):
        try:
            reference = imagecodecs.tiff_decode(bytes(damaged))
        except Exception:
            return
        if reference.shape == (120, 120):
            np.testing.assert_array_equal(read_band(bytes(damaged)), np.maximum(reference, 0))


def test_a_band_read_from_a_path_is_what_was_written(tmp_path: Path):
    write_band(tmp_path / "band.tif", pixels(5))
    np.testing.assert_array_equal(read_band((tmp_path / "band.tif").read_bytes()), pixels(5))
