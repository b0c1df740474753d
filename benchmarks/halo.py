"""How far an upscaler's output looks: python -m benchmarks.halo NAME FOLDER

A picture is cut in two: at the halo's distance from the cut and beyond, no value of the parts' output is off
by half a level of 8 bits. `FOLDER` holds the weights, as models/upscaler does; `package` stands for the
installed Real-ESRGAN.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from srscene.ingest.reflectance import to_rgb
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.synthesize import sample
from srscene.sr.common.checkpoints import read, weights_file
from srscene.sr.common.tensors import to_unit_range
from srscene.sr.common.upscaler import find

Network = Callable[[torch.Tensor], torch.Tensor]
"""(1, 3, H, W) in 0..1 -> (1, 3, scale · H, scale · W), not rounded."""
HALF_A_LEVEL = 0.5 / 255


def land(patches: int = 3, height: int = 80) -> NDArray[np.uint8]:
    """Return a strip (height, 120 · patches, 3) of synthetic patches side by side."""
    options = SyntheticOptions.model_construct(seed=0, label_share=0.05, mtf_nyquist=0.26, snr=150.0)
    bands = [np.moveaxis(sample(options, index).image, 2, 0) for index in range(patches)]
    return np.hstack([to_rgb(list(map(np.ascontiguousarray, each)), 2000) for each in bands])[:height]


@torch.inference_mode()
def halo(network: Network, strip: NDArray[np.uint8]) -> int:
    """Return how many pixels from a cut through a strip's middle, either way, its output is as without it."""
    image = to_unit_range(torch.from_numpy(strip[None]), torch.float32)
    whole = network(image).clamp(0, 1)
    scale, cut = whole.shape[3] // image.shape[3], image.shape[3] // 2
    left, right = (network(part).clamp(0, 1) for part in (image[..., :cut], image[..., cut:]))
    off = (torch.cat([left, right], 3) - whole).abs().amax((0, 1, 2)).numpy()
    (wrong,) = np.nonzero(off >= HALF_A_LEVEL)
    distances = np.where(wrong < cut * scale, cut * scale - wrong, wrong - cut * scale + 1)
    return -(-int(distances.max(initial=0)) // scale)


def network_of(name: str, folder: Path) -> Network:
    """Return the network of an upscaler, in fp32; bicubic needs no weights."""
    if name == "bicubic":
        return lambda images: torch.nn.functional.interpolate(images, scale_factor=4, mode="bicubic")
    if str(folder) == "package":
        from srscene.sr.realesrgan.package import read as packaged

        state, file = packaged()[0], folder
    else:
        file = weights_file(folder)
        state = read(file)
    network: torch.nn.Module = find(name).build(state, file).eval().requires_grad_(False)  # type: ignore[attr-defined]
    return network


if __name__ == "__main__":
    network = network_of(sys.argv[1], Path(sys.argv[2]))
    noise = np.random.default_rng(0).integers(0, 256, (80, 240, 3), np.uint8)
    print(f"{sys.argv[1]}: land {halo(network, land())} px, noise {halo(network, noise)} px")
