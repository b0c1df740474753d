"""The 19 land-cover classes of BigEarthNet and the 43 CORINE classes that they are made of.

Two orders are in use: this one (CORINE's, also the official one and TorchGeo's) and the alphabetical one
(ConfigILM, reBEN's weights). Every data set and model stores its class names; nothing guesses the order.
Source: Sumbul et al. 2021, BigEarthNet-MM, Table II.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

CORINE: dict[str, tuple[str, ...]] = {
    "Urban fabric": ("Continuous urban fabric", "Discontinuous urban fabric"),
    "Industrial or commercial units": ("Industrial or commercial units",),
    "Arable land": ("Non-irrigated arable land", "Permanently irrigated land", "Rice fields"),
    "Permanent crops": (
        "Vineyards",
        "Fruit trees and berry plantations",
        "Olive groves",
        "Annual crops associated with permanent crops",
    ),
    "Pastures": ("Pastures",),
    "Complex cultivation patterns": ("Complex cultivation patterns",),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
    ),
    "Agro-forestry areas": ("Agro-forestry areas",),
    "Broad-leaved forest": ("Broad-leaved forest",),
    "Coniferous forest": ("Coniferous forest",),
    "Mixed forest": ("Mixed forest",),
    "Natural grassland and sparsely vegetated areas": ("Natural grassland", "Sparsely vegetated areas"),
    "Moors, heathland and sclerophyllous vegetation": ("Moors and heathland", "Sclerophyllous vegetation"),
    "Transitional woodland, shrub": ("Transitional woodland/shrub",),
    "Beaches, dunes, sands": ("Beaches, dunes, sands",),
    "Inland wetlands": ("Inland marshes", "Peatbogs"),
    "Coastal wetlands": ("Salt marshes", "Salines"),
    "Inland waters": ("Water courses", "Water bodies"),
    "Marine waters": ("Coastal lagoons", "Estuaries", "Sea and ocean"),
}
"""Class -> the CORINE level-3 names that make it, in the official order."""

CLASSES: tuple[str, ...] = tuple(CORINE)

DROPPED: frozenset[str] = frozenset(
    {
        "Road and rail networks and associated land",
        "Port areas",
        "Airports",
        "Mineral extraction sites",
        "Dump sites",
        "Construction sites",
        "Green urban areas",
        "Sport and leisure facilities",
        "Bare rock",
        "Burnt areas",
        "Intertidal flats",
    }
)
"""CORINE names that belong to none of the 19 classes."""

_INDEX = {name: index for index, names in enumerate(CORINE.values()) for name in names}
_INDEX.update({name: index for index, name in enumerate(CLASSES)})


def encode(names: Iterable[str]) -> NDArray[np.uint8]:
    """Return the multi-hot vector, (19,) uint8 of 0 and 1, of CORINE or 19-class names.

    Dropped CORINE classes add nothing. Raises KeyError, holding the name, for any other name.
    """
    target = np.zeros(len(CLASSES), np.uint8)
    for name in names:
        if name not in DROPPED:
            target[_INDEX[name]] = 1
    return target


def decode(target: NDArray[np.uint8]) -> list[str]:
    """Return the class names of a multi-hot vector (19,)."""
    return [CLASSES[index] for index in np.flatnonzero(target)]


def short_label(name: str) -> str:
    """Return a class name that fits a figure or table: what comes before the first comma or "and"."""
    return name.split(",")[0].split(" and ")[0]
