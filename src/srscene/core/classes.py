"""The 19 land-cover classes of BigEarthNet.

Two orders are in use: this one (CORINE's, also the official one and TorchGeo's) and the alphabetical one
(ConfigILM, reBEN's weights). Every data set and model stores its class names; nothing guesses the order.
Source: Sumbul et al. 2021, BigEarthNet-MM, Table II.
"""

import numpy as np
from numpy.typing import NDArray

CLASSES: tuple[str, ...] = (
    "Urban fabric",
    "Industrial or commercial units",
    "Arable land",
    "Permanent crops",
    "Pastures",
    "Complex cultivation patterns",
    "Land principally occupied by agriculture, with significant areas of natural vegetation",
    "Agro-forestry areas",
    "Broad-leaved forest",
    "Coniferous forest",
    "Mixed forest",
    "Natural grassland and sparsely vegetated areas",
    "Moors, heathland and sclerophyllous vegetation",
    "Transitional woodland, shrub",
    "Beaches, dunes, sands",
    "Inland wetlands",
    "Coastal wetlands",
    "Inland waters",
    "Marine waters",
)


def decode(target: NDArray[np.uint8]) -> list[str]:
    """Return the class names of a multi-hot vector (19,)."""
    return [CLASSES[index] for index in np.flatnonzero(target)]


def short_label(name: str) -> str:
    """Return a class name that fits a figure or table: what comes before the first comma or "and"."""
    return name.split(",")[0].split(" and ")[0]
