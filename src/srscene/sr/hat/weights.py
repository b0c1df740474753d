"""HAT's weights: its authors', fitted here, or the user's."""

from functools import partial
from pathlib import Path

from srscene.core.store import PatchStore
from srscene.sr.common.checkpoints import read, save
from srscene.sr.common.upscaler import Card
from srscene.sr.hat.model import UPSCALER
from srscene.sr.hat.model.network import new
from srscene.sr.hat.options import WeightsOptions
from srscene.sr.weights.download import Remote
from srscene.sr.weights.fit import fit
from srscene.sr.weights.locate import locate

MIRROR = (
    "https://huggingface.co/jaideepsingh/upscale_models/resolve/867e7c0ad519aba5d36b5bb4ef4a4a91781914c4/HAT"
)
"""The authors publish on Google Drive, which has no stable address to download from. The hashes are those
that independent records of the authors' files agree on."""
PAGE = "https://github.com/XPixelGroup/HAT (its Google Drive)"


def _remote(file: str, sha256: str) -> Remote:
    return Remote(file, sha256, (f"{MIRROR}/{file}",), "Apache-2.0", PAGE)


OFFICIAL = {
    "official": _remote(
        "HAT_SRx4_ImageNet-pretrain.pth", "4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833"
    ),
    "official-s": _remote(
        "HAT-S_SRx4.pth", "a92f81bd2c0c1aaa371a6e4d6cac69e749fde2e36196885ee47a4a3667542c9a"
    ),
    "official-l": _remote(
        "HAT-L_SRx4_ImageNet-pretrain.pth", "5992bd38522f2b8faf11ea4bd8ee08de92465bb66892166576999afc36d60043"
    ),
}


def prepare(options: WeightsOptions, patches: PatchStore, seed: int | None, folder: Path, key: str) -> Card:
    """Put the weights into `folder` and return their card; the data and `key` count for a fit alone."""
    if options.source == "fit":
        size = options.fit
        network = partial(new, size.features, size.groups, size.blocks, size.window)
        state, card = fit(network, patches, size, seed, key)
    else:
        path, card = locate(options.source, OFFICIAL, "fit")
        state = read(path)
        UPSCALER.check(state, path)
    return card | {"parameters": save(state, folder)}
