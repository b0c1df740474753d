"""The paper's "more activation coverage" (figure 3) as numbers.

A 120×120 patch gives ResNet a map of 4×4 cells, a 480×480 one of 15×15. To compare them, every map is resized
to the patch's own 10 m grid (bilinear, cell centres aligned). A coarse map still looks broader there: one
active cell of 4×4 covers far more land than one of 15×15. So both numbers are also taken after averaging over
blocks of 300 m (4×4 in a patch), where most of that difference is gone: compare variants by these.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from srscene.explain.cam import Maps

PIXELS = 120  # a patch's side on the 10 m grid
BLOCK = 30  # pixels: 300 m


def to_patch_grid(maps: Maps) -> Maps:
    """Resize maps (N, h, w) to (N, 120, 120)."""
    batch = torch.from_numpy(maps)[:, None]  # N first: it may be 0
    resized = interpolate(batch, (PIXELS, PIXELS), mode="bilinear", align_corners=False)
    return np.asarray(resized[:, 0].numpy())


def to_blocks(maps: Maps) -> Maps:
    """Average maps (N, 120, 120) over blocks of 300 m: (N, 4, 4)."""
    side = PIXELS // BLOCK
    return maps.reshape(len(maps), side, BLOCK, side, BLOCK).mean((2, 4))


def share_above_half(maps: Maps) -> NDArray[np.float64]:
    """Return the share of the area that reaches half of each map's maximum, (N,) in 0..1; no map may be 0."""
    return (maps >= maps.max((1, 2), keepdims=True) / 2).mean((1, 2))


def entropy(maps: Maps) -> NDArray[np.float64]:
    """Return how evenly each map is spread, (N,): 0 all in one cell, 1 the same everywhere; no map may be 0.

    Shannon entropy of the map divided by its sum, over the logarithm of the number of cells.
    """
    cells = maps.shape[1] * maps.shape[2]
    flat = maps.reshape(len(maps), cells).astype(np.float64)
    share = flat / flat.sum(1, keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1))).sum(1) / np.log(cells)


def summarise(maps: Maps) -> dict[str, int | float | None]:
    """Return the number of maps (N, h, w), of those that are all 0, and the means over the others."""
    active = maps[maps.any((1, 2))]
    resized = to_patch_grid(active / active.max((1, 2), keepdims=True))
    blocks = to_blocks(resized)
    values = {
        "coverage": share_above_half(resized),
        "entropy": entropy(resized),
        "coverage_300m": share_above_half(blocks),
        "entropy_300m": entropy(blocks),
    }
    means = {name: round(float(value.mean()), 6) if len(value) else None for name, value in values.items()}
    return {"cams": len(maps), "empty": len(maps) - len(active), **means}
