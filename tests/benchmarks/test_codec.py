"""The codecs that are compared lose no pixel."""

import numpy as np
import pytest

from benchmarks.codec import CODECS, measure, table
from tests.sr.sr_data import images


@pytest.mark.parametrize("name", CODECS)
def test_no_codec_loses_a_pixel(name: str) -> None:
    land, noise = images(2, 64, 72), np.random.default_rng(0).integers(0, 64, (2, 64, 72, 3), np.uint8)
    found = measure(CODECS[name], {"land": list(land), "noise": list(noise)})
    assert 0 < found["land"].share < found["noise"].share < 1.6


def test_a_lossy_codec_is_noticed() -> None:
    codec = CODECS["PNG, level 1"]
    lossy = codec._replace(encode=lambda image: codec.encode(image & 254))
    with pytest.raises(AssertionError):
        measure(lossy, {"land": list(images(1, 64, 72, seed=1) | 1)})


def test_the_table_has_a_row_for_each_codec() -> None:
    kinds = {"land": list(images(1, 64, 72))}
    found = {name: measure(CODECS[name], kinds) for name in ("QOI", "PNG, level 1")}
    lines = table("64×72×3", kinds, found).splitlines()
    assert [line.split(" | ")[0] for line in lines] == [
        "| 64×72×3",
        "|---|--:|--:|--:|",
        "| QOI",
        "| PNG, level 1",
    ]
