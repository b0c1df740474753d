"""Which test patches are alike because one Sentinel-2 product holds them: a resample draws whole products."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PATCH = re.compile(r"(.+)_\d+_\d+")
"""Product, column and row: S2A_MSIL2A_20170613T101031_34_66, in version 2 ..._N9999_R022_T33UUP_34_66."""


def products(names: Sequence[str]) -> NDArray[np.intp]:
    """Return (N,) the number of each patch's product; a name of another form is a product of its own.

    Version 1 names no tile: tiles that one satellite saw in one pass, within a second, count as one product.
    """
    matches = (_PATCH.fullmatch(name) for name in names)
    keys = [match.group(1) if match else name for name, match in zip(names, matches, strict=True)]
    return np.unique(np.array(keys, dtype=str), return_inverse=True)[1].astype(np.intp)
