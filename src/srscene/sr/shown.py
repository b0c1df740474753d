"""How results show an upscaler. Its folder's `__init__.py` says so, as far as it wants to:

    TITLE = "SRResNet"   in tables and figures; else its name
    ROLE = "upscaler"    one of ROLES
    ORDER = 1            among those of its role; else behind them, by name

No stage reads this, so that another title makes no pixel anew. What an upscaler needs to compute stands on
`common.upscaler.Upscaler`.
"""

from functools import cache
from importlib import import_module
from typing import NamedTuple

from srscene.sr.common.names import upscalers

ROLES = ("floor", "control", "upscaler", "ceiling")
"""In the order of tables: nothing done, mere enlargement, what is compared with it, the truth."""
LAST = 1000


class Shown(NamedTuple):
    title: str
    role: str
    order: int


@cache
def shown(name: str) -> Shown:
    """Return how an upscaler is shown; by its name, where the results are of one that is not here."""
    module = import_module(f"srscene.sr.{name}") if name in upscalers() else None
    title, role = getattr(module, "TITLE", name), getattr(module, "ROLE", "upscaler")
    return Shown(title, role, getattr(module, "ORDER", LAST))


def is_upscaler(name: str) -> bool:
    """Tell whether it is in the family of tests: no floor, no control, no ceiling."""
    return shown(name).role == "upscaler"


def order_of(name: str) -> tuple[int, int, str]:
    """Return what sorts upscalers in tables."""
    found = shown(name)
    return ROLES.index(found.role), found.order, name
