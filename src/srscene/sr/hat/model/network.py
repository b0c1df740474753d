"""spandrel's HAT, which gives its authors' numbers exactly, as large as its checkpoint says."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from srscene.runtime.console import BadInput
from srscene.sr.common.checkpoints import State, explain


def build(state: State, file: Path) -> nn.Module:
    """Return the network with these weights; raises BadInput when they are not a ×4 HAT's.

    It pads what it gets on the right and bottom, mirrored, to a multiple of its window, and crops what it
    returns. What a checkpoint does not tell is as in all published ones: conv_scale 0.01, img_range 1.
    """
    from spandrel.architectures.HAT import HATArch  # here: it takes seconds, and no file may be there

    try:
        with without_meshgrid_warning():
            network = HATArch().load(state).model
    except KeyError as error:
        raise BadInput(f"{file}: no HAT: it has no {error}") from None
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"{file}: {explain(error)}; is it a HAT checkpoint?") from None
    if network.upscale != 4:
        raise BadInput(f"{file}: a HAT that upscales ×{network.upscale}; expected ×4")
    # a buffer goes to the device with the weights, and not in the first call, which compiled code is for
    network.register_buffer("mean", network.__dict__.pop("mean"), persistent=False)
    return network


def new(features: int, groups: int, blocks: int, window: int) -> nn.Module:
    """Return an untrained network of the paper's proportions: compression 3, squeeze up to 30, overlap ½."""
    from spandrel.architectures.HAT import HAT

    with without_meshgrid_warning():
        return HAT(
            embed_dim=features,
            depths=[blocks] * groups,
            num_heads=[6] * groups,
            window_size=window,
            compress_ratio=3,
            squeeze_factor=min(30, features // 2),
            mlp_ratio=2,
            drop_path_rate=0.0,
            upscale=4,
        )


@contextmanager
def without_meshgrid_warning() -> Iterator[None]:
    """spandrel calls torch.meshgrid in a way that PyTorch warns of, to no consequence for its result."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.meshgrid")
        yield
