"""Sizes: what SeeSR works at."""

import numpy as np
import pytest
from PIL import Image

from srscene.sr.seesr.model import resize


@pytest.mark.parametrize(
    ("size", "process_size", "expected"),
    [
        ((120, 120), 512, (512, 512)),
        ((120, 120), 480, (480, 480)),
        ((90, 120), 512, (512, 680)),  # rows, columns
        ((128, 200), 512, (512, 800)),
        ((131, 131), 512, (520, 520)),
        *(((side, side), 512, (504, 504)) for side in (49, 98, 103, 107)),  # a cut fraction of a pixel
    ],
)
def test_official_sizes(size: tuple[int, int], process_size: int, expected: tuple[int, int]) -> None:
    patch = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    condition = resize.condition(patch, process_size)
    assert condition.shape == (*expected, 3)
    restored = resize.to_size(condition, size[0] * 4, size[1] * 4)
    assert restored.shape == (size[0] * 4, size[1] * 4, 3)


def test_the_papers_patch_goes_to_512_and_back_to_480_by_bicubic() -> None:
    patch = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    condition = resize.condition(patch, 512)
    least = Image.fromarray(patch).resize((128, 128), Image.Resampling.BICUBIC)
    expected = least.resize((512, 512), Image.Resampling.BICUBIC)
    assert np.array_equal(condition, expected)
    smaller = expected.resize((480, 480), Image.Resampling.BICUBIC)
    assert np.array_equal(resize.to_size(condition, 480, 480), smaller)
