"""The readers that are compared read the same pixels."""

from pathlib import Path

import numpy as np

from benchmarks.reading import forget, textures, write_formats


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
