"""The official sizes: what SeeSR looks at, and what it returns. Pillow's bicubic, as in test_seesr.py."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
SCALE = 4


def condition(patch: Picture, process_size: int) -> Picture:
    """Enlarge a patch (h, w, 3) four times, sides being multiples of 8: SeeSR's condition and starting point.

    A patch with a side below process_size/4 is first enlarged until its shorter side has that length: 120×120
    gives 512×512 for a process size of 512, 480×480 for 480. Fractions of a pixel are cut, as officially.
    """
    image = Image.fromarray(patch)
    width, height = image.size
    least = process_size // SCALE
    if min(width, height) < least:
        factor = least / min(width, height)
        image = image.resize((int(factor * width), int(factor * height)))
    image = image.resize((image.width * SCALE, image.height * SCALE))
    return np.asarray(image.resize((image.width // 8 * 8, image.height // 8 * 8)))


def to_size(picture: Picture, height: int, width: int) -> Picture:
    """Bring a picture to exactly (height, width)."""
    return np.asarray(Image.fromarray(picture).resize((width, height)))
