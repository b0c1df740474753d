"""The readers that are compared read the same pixels."""

from pathlib import Path

import numpy as np

from benchmarks.common import Row
from benchmarks.reading import BASELINE, by_bytes, forget, textures, write_formats


def test_every_reader_gives_the_image_that_was_written(tmp_path: Path) -> None:
    images = textures(5, 200)
    formats = write_formats(images, tmp_path)
    assert {"PNG files, PIL", "srscene", "np.memmap"} <= formats.keys()
    for name, (place, opened) in formats.items():
        forget(place)
        read = opened()
        for index, image in enumerate(images):
            found = np.asarray(read(index))
            assert np.array_equal(found[..., ::-1] if "OpenCV" in name else found, image), name


def test_a_rate_by_bytes_is_of_what_is_stored() -> None:
    rows = by_bytes("reads", 100, {BASELINE: 200.0, "raw": 800.0}, {BASELINE: 2.0, "raw": 0.5})
    assert rows == [
        Row("reads: of what is stored", BASELINE, 10.0, "MB/s", 1.0),
        Row("reads: of what is stored", "raw", 160.0, "MB/s", 16.0),
    ]
