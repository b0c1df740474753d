"""The section `explain` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from srscene.runtime.params import Section

Scale = Literal["map", "row"]
"""What a colour's height is told of: each map's own maximum, or that of a row's maps."""


class ExplainOptions(Section):
    """How many test patches the numbers average, and what the figure shows of them."""

    patches: Annotated[int, Field(ge=1, le=10**6)]
    rows: Annotated[int, Field(ge=1, le=100)]
    columns: Annotated[int, Field(ge=1, le=19)]
    scale: Scale
