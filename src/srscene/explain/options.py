"""The section `explain` of params.yaml."""

from typing import Annotated

from pydantic import Field

from srscene.core.params import Section


class ExplainOptions(Section):
    """How many test patches the numbers average, and what the figure shows of them."""

    patches: Annotated[int, Field(ge=1, le=10**6)]
    rows: Annotated[int, Field(ge=1, le=100)]
    columns: Annotated[int, Field(ge=1, le=19)]
