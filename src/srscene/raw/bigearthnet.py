"""BigEarthNet's labels: the 43 CORINE classes that its 19 classes are made of.

Source: Sumbul et al. 2021, BigEarthNet-MM, Table II.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from srscene.core.classes import CLASSES

_SEVERAL: dict[str, tuple[str, ...]] = {
    "Urban fabric": ("Continuous urban fabric", "Discontinuous urban fabric"),
    "Arable land": ("Non-irrigated arable land", "Permanently irrigated land", "Rice fields"),
    "Permanent crops": (
        "Vineyards",
        "Fruit trees and berry plantations",
        "Olive groves",
        "Annual crops associated with permanent crops",
    ),
    "Natural grassland and sparsely vegetated areas": ("Natural grassland", "Sparsely vegetated areas"),
    "Moors, heathland and sclerophyllous vegetation": ("Moors and heathland", "Sclerophyllous vegetation"),
    "Transitional woodland, shrub": ("Transitional woodland/shrub",),
    "Inland wetlands": ("Inland marshes", "Peatbogs"),
    "Coastal wetlands": ("Salt marshes", "Salines"),
    "Inland waters": ("Water courses", "Water bodies"),
    "Marine waters": ("Coastal lagoons", "Estuaries", "Sea and ocean"),
}
CORINE: dict[str, tuple[str, ...]] = {label: _SEVERAL.get(label, (label,)) for label in CLASSES}
"""Class -> the CORINE level-3 names that make it, in the official order."""

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

_INDEX = {name: CLASSES.index(label) for label, names in CORINE.items() for name in names}
_INDEX |= {name: index for index, name in enumerate(CLASSES)}


def encode(names: Iterable[str]) -> NDArray[np.uint8]:
    """Return the multi-hot vector, (19,) uint8 of 0 and 1, of CORINE or 19-class names.

    Dropped CORINE classes add nothing. Raises KeyError, holding the name, for any other name.
    """
    target = np.zeros(len(CLASSES), np.uint8)
    for name in names:
        if name not in DROPPED:
            target[_INDEX[name]] = 1
    return target
