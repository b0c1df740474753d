"""CORINE class -> the function that paints it over a whole patch, (3, 480, 480) reflectance × 10,000, RGB."""

from collections.abc import Callable

from srscene.raw.landscape import fields, open_land, settlements, waters, woods
from srscene.raw.landscape.look import Look
from srscene.raw.landscape.textures import Field

PAINTERS: dict[str, Callable[[Look], Field]] = {
    "Continuous urban fabric": settlements.old_town,
    "Discontinuous urban fabric": settlements.suburb,
    "Industrial or commercial units": settlements.industry,
    "Non-irrigated arable land": fields.arable,
    "Permanently irrigated land": fields.irrigated,
    "Rice fields": fields.rice,
    "Vineyards": fields.vineyards,
    "Fruit trees and berry plantations": fields.orchards,
    "Olive groves": fields.olives,
    "Annual crops associated with permanent crops": fields.crops_among_trees,
    "Pastures": fields.pastures,
    "Complex cultivation patterns": fields.patchwork,
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        fields.fields_among_woods
    ),
    "Agro-forestry areas": woods.agroforestry,
    "Broad-leaved forest": woods.broadleaved,
    "Coniferous forest": woods.coniferous,
    "Mixed forest": woods.mixed,
    "Natural grassland": open_land.grassland,
    "Sparsely vegetated areas": open_land.sparse,
    "Moors and heathland": woods.heath,
    "Sclerophyllous vegetation": woods.maquis,
    "Transitional woodland/shrub": woods.transitional,
    "Beaches, dunes, sands": open_land.sand,
    "Inland marshes": open_land.marsh,
    "Peatbogs": open_land.peatbog,
    "Salt marshes": open_land.salt_marsh,
    "Salines": open_land.salines,
    "Water courses": waters.river,
    "Water bodies": waters.lake,
    "Coastal lagoons": waters.lagoon,
    "Estuaries": waters.estuary,
    "Sea and ocean": waters.sea,
}
