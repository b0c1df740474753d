"""SRResNet's weights: fitted here, OpenMMLab's, or the user's."""

from functools import partial
from pathlib import Path

from srscene.core.store import PatchStore
from srscene.sr.common.checkpoints import read, save
from srscene.sr.common.upscaler import Card
from srscene.sr.srresnet.model import UPSCALER
from srscene.sr.srresnet.model.network import new, renamed
from srscene.sr.srresnet.options import WeightsOptions
from srscene.sr.weights.download import Remote
from srscene.sr.weights.fit import fit
from srscene.sr.weights.locate import locate

FILE = "msrresnet_x4c64b16_1x16_300k_div2k_20200521-61556be5.pth"
OFFICIAL = {
    "official": Remote(
        FILE,
        "61556be5",  # all that its publisher gives: the first digits, in the file's name
        (f"https://download.openmmlab.com/mmediting/restorers/srresnet_srgan/{FILE}",),
        "Apache-2.0",
        "https://github.com/open-mmlab/mmagic/tree/main/configs/srgan_resnet",
    ),
}


def prepare(options: WeightsOptions, patches: PatchStore, seed: int | None, folder: Path, key: str) -> Card:
    """Put the weights into `folder` and return their card; the data and `key` count for a fit alone."""
    if options.source == "fit":
        network = partial(new, options.fit.features, options.fit.blocks)
        state, card = fit(network, patches, options.fit, seed, key)
    else:
        path, card = locate(options.source, OFFICIAL, "fit")
        state = renamed(read(path))
        UPSCALER.check(state, path)
    return card | {"parameters": save(state, folder)}
